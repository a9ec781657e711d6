use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    RsaId, RsaKeyError,
    testdata::{array, bytes, load, relay_cert},
};

const DAY: Duration = Duration::from_hours(24);

fn at(data: &serde_json::Value) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(data["valid_at_unix"].as_u64().unwrap())
}

#[test]
fn the_identity_of_a_real_relay() {
    let data = load("certs.json");
    let key = RsaIdCert::from_der(&relay_cert(&data, 2)).unwrap().verify(at(&data)).unwrap();
    assert_eq!(key.id(), RsaId::from_bytes(array(&data["peer_rsa_id"])));
    assert_eq!(key.to_pkcs1_der(), bytes(&data["peer_rsa_public_pkcs1_der"]));
    assert_eq!(key.bits(), 1024);
}

/// The link certificate beside it is signed by the identity, not by its own key, which has 2048 bits.
#[test]
fn an_identity_has_1024_bits() {
    let data = load("certs.json");
    let link = RsaIdCert::from_der(&relay_cert(&data, 1)).unwrap();
    assert_eq!(link.verify(at(&data)), Err(CertError::Rsa(RsaKeyError::Size { bits: 2048 })));
}

#[test]
fn the_signature_is_its_own() {
    let data = load("certs.json");
    let mut cert = RsaIdCert::from_der(&relay_cert(&data, 2)).unwrap();
    cert.signature[7] ^= 1;
    assert_eq!(cert.verify(at(&data)), Err(CertError::BadSignature));
}

/// Any change inside what is signed (here: the last byte of the subject's name) is noticed.
#[test]
fn the_signed_part_is_signed() {
    let data = load("certs.json");
    let mut der = relay_cert(&data, 2);
    let name = der.windows(4).rposition(|bytes| bytes == b".com").unwrap();
    der[name + 3] = b'n';
    assert_eq!(RsaIdCert::from_der(&der).unwrap().verify(at(&data)), Err(CertError::BadSignature));
}

/// The algorithm is named inside and outside of what is signed; the key has one of its own.
#[test]
fn only_rsa_with_sha_256() {
    let der = relay_cert(&load("certs.json"), 2);
    let pkcs1 = |last: u8| bytes(&"2a864886f70d0101".into()).into_iter().chain([last]).collect::<Vec<_>>();
    let places = |oid: Vec<u8>| {
        der.windows(oid.len()).enumerate().filter(|(_, at)| *at == oid).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let signature_oids = places(pkcs1(11));
    let key_oids = places(pkcs1(1));
    assert_eq!((signature_oids.len(), key_oids.len()), (2, 1));
    for changed in [&signature_oids[..1], &signature_oids[1..], &signature_oids, &key_oids] {
        let mut other = der.clone();
        changed.iter().for_each(|at| other[at + 8] = 5);
        assert!(matches!(RsaIdCert::from_der(&other), Err(CertError::Malformed { .. })), "{changed:?}");
    }
}

#[test]
fn dates_hold_give_or_take_the_slop() {
    let cert = RsaIdCert::from_der(&relay_cert(&load("certs.json"), 2)).unwrap();
    let (begin, end) = (cert.not_before, cert.not_after);
    let second = Duration::from_secs(1);
    for (wall, expected) in [
        (begin - 30 * DAY - second, Some(CertError::NotYetValid)),
        (begin - 30 * DAY, None),
        (end + 2 * DAY, None),
        (end + 2 * DAY + second, Some(CertError::Expired)),
    ] {
        assert_eq!(cert.clone().verify(wall).err(), expected);
    }
}

#[test]
fn the_certificate_fills_the_input() {
    let der = relay_cert(&load("certs.json"), 2);
    assert!(RsaIdCert::from_der(&der[..der.len() - 1]).is_err());
    assert!(RsaIdCert::from_der(&[&der[..], &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = RsaIdCert::from_der(&bytes);
    }

    #[test]
    fn no_change_to_a_certificate_panics(at in 0usize..440, byte: u8) {
        let mut der = relay_cert(&load("certs.json"), 2);
        der[at] = byte;
        if let Ok(cert) = RsaIdCert::from_der(&der) {
            let _ = cert.verify(UNIX_EPOCH);
        }
    }
}
