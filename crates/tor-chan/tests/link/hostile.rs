//! Certificates that prove nothing, one rule at a time.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use tor_chan::{Expected, LinkError};
use tor_id::{
    Ed25519Id, Fault, RsaId, RsaKeyError,
    certs::{CertError, CertType, CertifiedKey, NewCert, RsaIdCert},
};

use crate::support::*;

/// What becomes of a client that is shown these certificates. It never says anything but VERSIONS then.
fn shown(certs: &BTreeMap<u8, Vec<u8>>) -> Result<(), LinkError> {
    shown_to(Expected::default(), certs)
}

fn shown_to(expected: Expected, certs: &BTreeMap<u8, Vec<u8>>) -> Result<(), LinkError> {
    let mut client = Client::new(expected);
    client.feed(&versions_cell(&[4, 5])).unwrap();
    client.out.clear();
    let result = client.feed(&certs_cell(certs));
    assert_eq!(result.is_ok(), !client.out.is_empty(), "NETINFO goes to the right relay only");
    result
}

fn bad(kind: CertType, error: CertError) -> Result<(), LinkError> {
    Err(LinkError::BadCert { kind, error })
}

/// The good certificates, but for one.
fn with(kind: u8, cert: Vec<u8>) -> BTreeMap<u8, Vec<u8>> {
    let mut certs = Relay::new().certs();
    certs.insert(kind, cert);
    certs
}

fn signing_key(relay: &Relay) -> CertifiedKey {
    CertifiedKey::Ed25519(ed25519_id(&relay.signing))
}

#[test]
fn good_certificates_pass() {
    assert_eq!(shown(&Relay::new().certs()), Ok(()));
}

#[test]
fn each_certificate_is_needed() {
    for kind in [2, 4, 5, 7] {
        let mut certs = Relay::new().certs();
        certs.remove(&kind);
        assert_eq!(shown(&certs), Err(LinkError::MissingCert { kind: CertType(kind) }));
    }
    assert_eq!(shown(&BTreeMap::new()), Err(LinkError::MissingCert { kind: CertType::RSA_ID }));
}

#[test]
fn each_signature_counts() {
    for kind in [2, 4, 5, 7] {
        let mut certs = Relay::new().certs();
        *certs.get_mut(&kind).unwrap().last_mut().unwrap() ^= 1;
        assert_eq!(shown(&certs), bad(CertType(kind), CertError::BadSignature));
    }
}

#[test]
fn each_certificate_must_be_well_formed() {
    for kind in [2, 4, 5, 7] {
        for spoil in [
            |cert: &mut Vec<u8>| cert.truncate(cert.len() - 1),
            |cert: &mut Vec<u8>| cert.push(0),
            Vec::clear,
        ] {
            let mut certs = Relay::new().certs();
            spoil(certs.get_mut(&kind).unwrap());
            let Err(LinkError::BadCert { kind: which, error: CertError::Malformed { .. } }) = shown(&certs)
            else {
                panic!("{kind}: {:?}", shown(&certs));
            };
            assert_eq!(which, CertType(kind));
        }
    }
}

#[test]
fn each_certificate_must_be_in_date() {
    let relay = Relay::new();
    let (past, long_ago) = (wall() - HOUR, wall() - 100 * DAY);
    let expired = |kind| bad(CertType(kind), CertError::Expired);

    let rsa = relay.rsa.identity_cert(long_ago, wall() - RsaIdCert::PAST_SLOP - HOUR).unwrap();
    assert_eq!(shown(&with(2, rsa)), expired(2));
    let rsa = relay.rsa.identity_cert(wall() + RsaIdCert::FUTURE_SLOP + HOUR, wall() + 100 * DAY).unwrap();
    assert_eq!(shown(&with(2, rsa)), bad(CertType::RSA_ID, CertError::NotYetValid));

    let signing = NewCert::new(CertType::ID_SIGNING, signing_key(&relay), past).including_signer();
    assert_eq!(shown(&with(4, signing.sign(&relay.identity).unwrap())), expired(4));
    let link = NewCert::new(CertType::SIGNING_LINK, CertifiedKey::X509Sha256(TLS), past);
    assert_eq!(shown(&with(5, link.sign(&relay.signing).unwrap())), expired(5));
    let crosscert = relay.rsa.crosscert(&ed25519_id(&relay.identity), past).unwrap();
    assert_eq!(shown(&with(7, crosscert)), expired(7));
}

#[test]
fn a_certificate_must_be_for_what_its_place_says() {
    let relay = Relay::new();
    let later = wall() + DAY;
    // Stricter than C Tor, which looks at the place alone.
    let other = NewCert::new(CertType::SIGNING_AUTH, signing_key(&relay), later).including_signer();
    let wrong = CertError::WrongType { expected: CertType::ID_SIGNING, got: CertType::SIGNING_AUTH };
    assert_eq!(shown(&with(4, other.sign(&relay.identity).unwrap())), bad(CertType::ID_SIGNING, wrong));

    let other = NewCert::new(CertType::SIGNING_AUTH, CertifiedKey::X509Sha256(TLS), later);
    let wrong = CertError::WrongType { expected: CertType::SIGNING_LINK, got: CertType::SIGNING_AUTH };
    assert_eq!(shown(&with(5, other.sign(&relay.signing).unwrap())), bad(CertType::SIGNING_LINK, wrong));
}

#[test]
fn the_identity_must_be_in_its_certificate() {
    let relay = Relay::new();
    let anonymous = NewCert::new(CertType::ID_SIGNING, signing_key(&relay), wall() + DAY);
    assert_eq!(
        shown(&with(4, anonymous.sign(&relay.identity).unwrap())),
        bad(CertType::ID_SIGNING, CertError::NoSigningKey)
    );
}

#[test]
fn the_signing_key_must_be_a_key() {
    let relay = Relay::new();
    let digest = CertifiedKey::X509Sha256(*ed25519_id(&relay.signing).as_bytes());
    let cert = NewCert::new(CertType::ID_SIGNING, digest, wall() + DAY).including_signer();
    let result = shown(&with(4, cert.sign(&relay.identity).unwrap()));
    assert!(
        matches!(result, Err(LinkError::BadCert { error: CertError::Malformed { .. }, .. })),
        "{result:?}"
    );
}

#[test]
fn the_link_must_be_signed_with_the_signing_key() {
    let relay = Relay::new();
    let link = NewCert::new(CertType::SIGNING_LINK, CertifiedKey::X509Sha256(TLS), wall() + DAY);
    for key in [&relay.identity, &SigningKey::from_bytes(&[9; 32])] {
        let refused = shown(&with(5, link.sign(key).unwrap()));
        assert_eq!(refused, bad(CertType::SIGNING_LINK, CertError::BadSignature));
        let naming = link.clone().including_signer().sign(key).unwrap();
        assert_eq!(shown(&with(5, naming)), bad(CertType::SIGNING_LINK, CertError::OtherSigningKey));
    }
}

#[test]
fn certificates_for_another_tls_certificate_are_somebody_elses() {
    let relay = Relay::new();
    let mut client = Client::over([0x72; 32], Expected::from(relay.ids()));
    client.feed(&versions_cell(&[5])).unwrap();
    assert_eq!(client.feed(&certs_cell(&relay.certs())), Err(LinkError::TlsCertificate));
}

#[test]
fn the_rsa_identity_must_vouch_for_the_ed25519_identity() {
    let relay = Relay::new();
    let (identity, later) = (ed25519_id(&relay.identity), wall() + DAY);
    let crosscert = relay.rsa.crosscert(&Ed25519Id::from_bytes([9; 32]), later).unwrap();
    let refused = shown(&with(7, crosscert));
    assert_eq!(refused, bad(CertType::RSA_ED_CROSSCERT, CertError::OtherCertifiedKey));

    let crosscert = rsa_key("other").crosscert(&identity, later).unwrap();
    let refused = shown(&with(7, crosscert));
    assert_eq!(refused, bad(CertType::RSA_ED_CROSSCERT, CertError::BadSignature));

    // Somebody else's RSA identity, which anybody can copy, does not go with it.
    let copied = rsa_key("other").identity_cert(wall() - DAY, later).unwrap();
    let refused = shown(&with(2, copied));
    assert_eq!(refused, bad(CertType::RSA_ED_CROSSCERT, CertError::BadSignature));
}

#[test]
fn the_rsa_identity_has_1024_bits() {
    let long = rsa_key("long").identity_cert(wall() - DAY, wall() + DAY).unwrap();
    let refused = shown(&with(2, long));
    assert_eq!(refused, bad(CertType::RSA_ID, CertError::Rsa(RsaKeyError::Size { bits: 2048 })));
}

#[test]
fn another_relay_than_the_expected_one_is_refused_by_name() {
    let relay = Relay::new();
    let ids = relay.ids();
    let (rsa, ed25519) = (RsaId::from_bytes([9; 20]), Ed25519Id::from_bytes([9; 32]));
    assert_eq!(
        shown_to(Expected { rsa: Some(rsa), ed25519: ids.ed25519 }, &relay.certs()),
        Err(LinkError::WrongRsaId { expected: rsa, got: ids.rsa })
    );
    let refused = shown_to(Expected { rsa: Some(ids.rsa), ed25519: Some(ed25519) }, &relay.certs());
    let error = LinkError::WrongEd25519Id { expected: ed25519, got: ids.ed25519.unwrap() };
    assert_eq!(refused, Err(error));
    assert_eq!(error.fault(), Fault::Peer);
    assert!(error.to_string().contains(&ed25519.to_string()), "{error}");
}

#[test]
fn a_type_that_is_there_twice_is_refused() {
    for kind in [2, 4, 5, 7, 1, 200] {
        let mut certs = Relay::new().certs();
        certs.entry(kind).or_insert_with(|| vec![0]);
        // An honest cell, with one entry more.
        let mut cell = certs_cell(&certs);
        let extra = [kind, 0, 1, 0];
        let length = u16::from_be_bytes([cell[5], cell[6]]) + 4;
        cell[5..7].copy_from_slice(&length.to_be_bytes());
        cell[7] += 1;
        cell.extend_from_slice(&extra);
        let mut client = Client::new(Expected::default());
        client.feed(&versions_cell(&[5])).unwrap();
        assert!(matches!(client.feed(&cell), Err(LinkError::Malformed(_))), "{kind}");
    }
}

#[test]
fn certificates_that_are_not_needed_may_be_anything() {
    let mut certs = Relay::new().certs();
    for kind in [0, 1, 3, 6, 8, 255] {
        certs.insert(kind, vec![0xff; 10]);
    }
    assert_eq!(shown(&certs), Ok(()));
}

#[test]
fn bytes_after_the_last_certificate_are_ignored() {
    let mut cell = certs_cell(&Relay::new().certs());
    let length = u16::from_be_bytes([cell[5], cell[6]]) + 3;
    cell[5..7].copy_from_slice(&length.to_be_bytes());
    cell.extend_from_slice(&[1, 2, 3]);
    let mut client = Client::new(Expected::default());
    client.feed_all(&[versions_cell(&[5]), cell]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every bit of these is signed, or part of a signature, or a length. (An X.509 certificate has bits around
    /// the signature that mean nothing.)
    #[test]
    fn no_bit_can_be_changed(kind in prop::sample::select(vec![4u8, 5, 7]), at: prop::sample::Index, bit in 0..8) {
        let mut certs = Relay::new().certs();
        let cert = certs.get_mut(&kind).unwrap();
        let at = at.index(cert.len());
        cert[at] ^= 1u8 << bit;
        prop_assert!(shown(&certs).is_err());
    }
}
