use std::time::{Duration, UNIX_EPOCH};

use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::*;
use crate::testdata::{array, bytes, load, relay_cert};

fn wall(data: &Value) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(data["valid_at_unix"].as_u64().unwrap())
}

#[test]
fn the_chain_of_a_real_relay() {
    let data = load("certs.json");
    let identity = Ed25519Id::from_bytes(array(&data["peer_ed25519_id"]));

    let cert = Ed25519Cert::parse(&relay_cert(&data, 4)).unwrap();
    assert_eq!(cert.claimed_signing_key(), Some(&identity));
    let signing = cert.verify(CertType::ID_SIGNING, None, wall(&data)).unwrap();
    assert_eq!(signing.signing_key(), &identity);
    assert!(signing.certified_x509().is_err());

    let cert = Ed25519Cert::parse(&relay_cert(&data, 5)).unwrap();
    assert_eq!(cert.claimed_signing_key(), None);
    let key = *signing.certified_ed25519().unwrap();
    let link = cert.verify(CertType::SIGNING_LINK, Some(&key), wall(&data)).unwrap();
    assert_eq!(link.certified_x509().unwrap(), &array(&data["peer_tls_cert_sha256"]));
    assert!(link.certified_ed25519().is_err());

    // Without the extension, somebody has to say who signed it, and be right.
    assert_eq!(cert.verify(CertType::SIGNING_LINK, None, wall(&data)), Err(CertError::NoSigningKey));
    assert_eq!(
        cert.verify(CertType::SIGNING_LINK, Some(&identity), wall(&data)),
        Err(CertError::BadSignature)
    );
}

#[test]
fn an_included_key_must_be_the_expected_one() {
    let data = load("certs.json");
    let cert = Ed25519Cert::parse(&relay_cert(&data, 4)).unwrap();
    let other = Ed25519Id::from_bytes([7; 32]);
    assert_eq!(cert.verify(CertType::ID_SIGNING, Some(&other), wall(&data)), Err(CertError::OtherSigningKey));
}

#[test]
fn a_certificate_is_good_for_its_own_purpose_only() {
    let data = load("certs.json");
    let cert = Ed25519Cert::parse(&relay_cert(&data, 4)).unwrap();
    let expected = CertType::HS_DESC_SIGNING;
    assert_eq!(
        cert.verify(expected, None, wall(&data)),
        Err(CertError::WrongType { expected, got: CertType::ID_SIGNING })
    );
}

#[test]
fn valid_to_the_second_of_its_expiry() {
    let data = load("certs.json");
    let cert = Ed25519Cert::parse(&relay_cert(&data, 4)).unwrap();
    let last = UNIX_EPOCH + Duration::from_secs(data["parsed"][2]["expires_unix"].as_u64().unwrap());
    assert_eq!(cert.verify(CertType::ID_SIGNING, None, last).unwrap().expires(), last);
    let after = last + Duration::from_secs(1);
    assert_eq!(cert.verify(CertType::ID_SIGNING, None, after), Err(CertError::Expired));
}

#[test]
fn every_bit_is_signed() {
    let data = load("certs.json");
    let good = relay_cert(&data, 4);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let verified =
            Ed25519Cert::parse(&bad).and_then(|cert| cert.verify(CertType::ID_SIGNING, None, wall(&data)));
        assert!(verified.is_err(), "byte {at}");
    }
}

#[test]
fn bad_certificates_do_not_parse() {
    for case in load("certs.json")["invalid_ed25519_certs"].as_array().unwrap() {
        let error = Ed25519Cert::parse(&bytes(&case["cert"])).unwrap_err();
        if case["why"].as_str().unwrap().starts_with("unknown extension 9") {
            assert_eq!(error, CertError::CriticalExtension { kind: 9 });
        } else {
            assert!(matches!(error, CertError::Malformed { .. }), "{}: {error}", case["why"]);
        }
    }
}

#[test]
fn family_certificates() {
    for case in load("certs.json")["family_certs"].as_array().unwrap() {
        let relay = Ed25519Id::from_bytes(array(&case["relay_identity"]));
        let family = Ed25519Cert::parse(&bytes(&case["cert"]))
            .and_then(|cert| cert.verify(CertType::FAMILY, None, UNIX_EPOCH))
            .and_then(|cert| {
                if *cert.certified_ed25519()? != relay {
                    return Err(CertError::OtherCertifiedKey);
                }
                Ok(format!("ed25519:{}", cert.signing_key()))
            });
        match case["family_id"].as_str() {
            Some(expected) => assert_eq!(family.unwrap(), expected),
            None => assert!(family.is_err(), "{}", case["why"]),
        }
    }
}

/// Tors before 0.4.5 wrote key type 1 in every certificate.
#[test]
fn the_key_type_of_a_link_certificate_is_inferred() {
    let digest = [9; 32];
    assert_eq!(CertifiedKey::new(CertType::SIGNING_LINK, 1, digest), CertifiedKey::X509Sha256(digest));
    assert_eq!(CertifiedKey::new(CertType::SIGNING_LINK, 3, digest), CertifiedKey::X509Sha256(digest));
    assert_eq!(CertifiedKey::new(CertType::ID_SIGNING, 2, digest), CertifiedKey::RsaSha256(digest));
    assert_eq!(
        CertifiedKey::new(CertType::ID_SIGNING, 8, digest),
        CertifiedKey::Other { kind: 8, body: digest }
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Ed25519Cert::parse(&bytes);
    }

    #[test]
    fn no_change_to_a_certificate_panics(at in 0usize..140, byte: u8, cut in 0usize..140) {
        let mut cert = relay_cert(&load("certs.json"), 4);
        cert[at] = byte;
        cert.truncate(cert.len() - cut);
        let _ = Ed25519Cert::parse(&cert);
    }
}

/// The last expiry date that 32 bits can say is in the year 491936. Not every platform has a time for it: where it has
/// none, a relay's certificate ended the program.
#[test]
fn no_expiry_date_is_beyond_what_every_platform_can_say() {
    let last = from_hours(u32::MAX).duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(last.as_secs(), 253_402_300_799);
    let hour = from_hours(500_000).duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(hour.as_secs(), 500_000 * 3600);
}
