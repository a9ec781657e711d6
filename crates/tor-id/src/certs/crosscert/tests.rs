use std::time::{Duration, UNIX_EPOCH};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::testdata::{array, bytes, load, relay_cert};

fn parts() -> (Vec<u8>, RsaPublicKey, Ed25519Id, SystemTime) {
    let data = load("certs.json");
    (
        relay_cert(&data, 7),
        RsaPublicKey::from_pkcs1_der(&bytes(&data["peer_rsa_public_pkcs1_der"])).unwrap(),
        Ed25519Id::from_bytes(array(&data["peer_ed25519_id"])),
        UNIX_EPOCH + Duration::from_secs(data["valid_at_unix"].as_u64().unwrap()),
    )
}

#[test]
fn a_real_relay_binds_its_identities() {
    let (cert, rsa, ed25519, wall) = parts();
    let ids = RsaCrosscert::parse(&cert).unwrap().verify(&ed25519, &rsa, wall).unwrap();
    assert_eq!(ids, RelayIds::new(rsa.id(), Some(ed25519)));
    let data = load("certs.json");
    let hours = data["crosscert"]["expiration_hours"].as_u64().unwrap().try_into().unwrap();
    assert_eq!(signed_digest(&ed25519, hours), array(&data["crosscert"]["signed_digest"]));
}

#[test]
fn another_identity_is_refused() {
    let (cert, rsa, _, wall) = parts();
    let other = Ed25519Id::from_bytes([1; 32]);
    let refused = RsaCrosscert::parse(&cert).unwrap().verify(&other, &rsa, wall);
    assert_eq!(refused, Err(CertError::OtherCertifiedKey));
}

#[test]
fn every_bit_is_signed() {
    let (good, rsa, _, wall) = parts();
    for at in (0..36).chain(37..good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let claimed = Ed25519Id::from_slice(&bad[..32]).unwrap();
        let refused = RsaCrosscert::parse(&bad).unwrap().verify(&claimed, &rsa, wall);
        assert_eq!(refused, Err(CertError::BadSignature), "byte {at}");
    }
}

#[test]
fn valid_to_the_second_of_its_expiry() {
    let (cert, rsa, ed25519, _) = parts();
    let cert = RsaCrosscert::parse(&cert).unwrap();
    let last = from_hours(cert.expiry_hours);
    assert!(cert.verify(&ed25519, &rsa, last).is_ok());
    let after = last + Duration::from_secs(1);
    assert_eq!(cert.verify(&ed25519, &rsa, after), Err(CertError::Expired));
}

#[test]
fn the_length_is_exact() {
    let (cert, ..) = parts();
    assert!(RsaCrosscert::parse(&cert[..cert.len() - 1]).is_err());
    assert!(RsaCrosscert::parse(&[&cert[..], &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = RsaCrosscert::parse(&bytes);
    }
}
