use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::{
    certs::{Ed25519Cert, RsaCrosscert},
    testdata::{array, load, relay_cert},
};

const DAY: Duration = Duration::from_hours(24);

fn any_certified() -> impl Strategy<Value = CertifiedKey> {
    (4u8.., any::<[u8; 32]>()).prop_flat_map(|(kind, body)| {
        prop_oneof![
            Just(CertifiedKey::Ed25519(Ed25519Id::from_bytes(body))),
            Just(CertifiedKey::RsaSha256(body)),
            Just(CertifiedKey::X509Sha256(body)),
            Just(CertifiedKey::Other { kind, body }),
        ]
    })
}

/// Unknown extensions, none of them critical.
fn any_extensions() -> impl Strategy<Value = Vec<CertExtension>> {
    let one = (5u8.., 0u8..128, vec(any::<u8>(), 0..50));
    vec(one.prop_map(|(kind, flags, data)| CertExtension { kind, flags: flags << 1, data }), 0..4)
}

proptest! {
    #[test]
    fn survives_the_wire(
        kind in 6u8..,
        certified in any_certified(),
        hours in 0u32..70_000_000,
        include_signer: bool,
        extensions in any_extensions(),
        secret: [u8; 32],
    ) {
        let key = SigningKey::from_bytes(&secret);
        let signer = Ed25519Id::from_bytes(key.verifying_key().to_bytes());
        let expires = UNIX_EPOCH + Duration::from_hours(hours.into());
        let new = NewCert { cert_type: CertType(kind), expires, certified, include_signer, extensions };
        let cert = Ed25519Cert::parse(&new.sign(&key).unwrap()).unwrap();
        prop_assert_eq!(cert.claimed_signing_key(), include_signer.then_some(&signer));
        let verified = cert.verify(CertType(kind), Some(&signer), expires).unwrap();
        prop_assert_eq!(verified.certified(), &certified);
        prop_assert_eq!(verified.signing_key(), &signer);
        prop_assert_eq!(verified.expires(), expires);
    }
}

#[test]
fn critical_extensions_reject() {
    let key = SigningKey::from_bytes(&[1; 32]);
    let certified = CertifiedKey::RsaSha256([2; 32]);
    let mut new = NewCert::new(CertType::ID_SIGNING, certified, UNIX_EPOCH + DAY).including_signer();
    new.extensions.push(CertExtension { kind: 200, flags: 1, data: vec![] });
    let refused = Ed25519Cert::parse(&new.sign(&key).unwrap());
    assert_eq!(refused, Err(CertError::CriticalExtension { kind: 200 }));
}

/// An included key that is not the signer makes no certificate, even if the included key is the expected one.
#[test]
fn the_included_key_must_have_signed() {
    let claimed = Ed25519Id::from_bytes(SigningKey::from_bytes(&[2; 32]).verifying_key().to_bytes());
    let certified = CertifiedKey::RsaSha256([2; 32]);
    let mut new = NewCert::new(CertType::ID_SIGNING, certified, UNIX_EPOCH + DAY);
    let data = claimed.as_bytes().to_vec();
    new.extensions.push(CertExtension { kind: ed25519::EXT_SIGNED_WITH, flags: 0, data });
    let cert = Ed25519Cert::parse(&new.sign(&SigningKey::from_bytes(&[1; 32])).unwrap()).unwrap();
    for expected in [None, Some(&claimed)] {
        let refused = cert.verify(CertType::ID_SIGNING, expected, UNIX_EPOCH);
        assert_eq!(refused, Err(CertError::BadSignature));
    }
}

/// C Tor's own certificate, made again but for the signature.
#[test]
fn the_form_is_that_of_c_tor() {
    let data = load("certs.json");
    let theirs = relay_cert(&data, 4);
    let hours = data["parsed"][2]["expiration_hours"].as_u64().unwrap();
    let certified = CertifiedKey::Ed25519(Ed25519Id::from_bytes(array(&data["parsed"][2]["certified_key"])));
    let mut new = NewCert::new(CertType::ID_SIGNING, certified, UNIX_EPOCH + Duration::from_hours(hours));
    let signer: [u8; 32] = array(&data["peer_ed25519_id"]);
    new.extensions.push(CertExtension { kind: ed25519::EXT_SIGNED_WITH, flags: 0, data: signer.to_vec() });
    let ours = new.sign(&SigningKey::from_bytes(&[1; 32])).unwrap();
    assert_eq!(ours[..ours.len() - 64], theirs[..theirs.len() - 64]);
}

#[test]
fn an_rsa_identity_certifies_itself_and_its_ed25519_key() {
    let key = RsaPrivateKey::generate(1024, &mut ChaCha20Rng::seed_from_u64(2)).unwrap();
    let begin = UNIX_EPOCH + 20_000 * DAY;
    // In 2055, the certificate's end needs the other form of dates.
    for days in [365, 11_000] {
        let cert = key.identity_cert(begin, begin + days * DAY).unwrap();
        let verified = RsaIdCert::from_der(&cert).unwrap().verify(begin + DAY).unwrap();
        assert_eq!(&verified, key.public());
        let late = begin + (days + 3) * DAY;
        assert_eq!(RsaIdCert::from_der(&cert).unwrap().verify(late), Err(CertError::Expired));
    }
    let ed25519 = Ed25519Id::from_bytes([3; 32]);
    let cert = key.crosscert(&ed25519, begin).unwrap();
    let ids = RsaCrosscert::parse(&cert).unwrap().verify(&ed25519, key.public(), begin).unwrap();
    assert_eq!(ids.rsa, key.public().id());
}
