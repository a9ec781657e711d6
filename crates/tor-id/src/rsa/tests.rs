use proptest::{collection::vec, prelude::*};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::testdata::{array, bytes, load};

fn relay_key() -> RsaPublicKey {
    RsaPublicKey::from_pkcs1_der(&bytes(&load("certs.json")["peer_rsa_public_pkcs1_der"])).unwrap()
}

#[test]
fn the_identity_is_a_digest_of_the_key() {
    let key = relay_key();
    assert_eq!(key.id(), RsaId::from_bytes(array(&load("certs.json")["peer_rsa_id"])));
    assert_eq!((key.bits(), key.exponent()), (1024, 65537));
}

#[test]
fn the_same_key_in_pem() {
    let pem = relay_key().to_pem();
    assert!(pem.lines().all(|line| line.len() <= 64));
    assert_eq!(RsaPublicKey::from_pem(&pem).unwrap(), relay_key());
    assert_eq!(RsaPublicKey::from_pem(&pem.replace('\n', "\r\n")).unwrap(), relay_key());
    for bad in [
        pem.replace("RSA PUBLIC", "PUBLIC"),
        pem.replace("END RSA", "END"),
        pem.replace("MI", "M!"),
        format!("{pem}{pem}"),
        "-----BEGIN RSA PUBLIC KEY-----".to_owned(),
        String::new(),
    ] {
        assert_eq!(RsaPublicKey::from_pem(&bad), Err(RsaKeyError::Malformed), "{bad}");
    }
}

#[test]
fn a_key_fills_the_input() {
    let der = relay_key().to_pkcs1_der().to_vec();
    assert!(RsaPublicKey::from_pkcs1_der(&der[..der.len() - 1]).is_err());
    assert!(RsaPublicKey::from_pkcs1_der(&[&der[..], &[0]].concat()).is_err());
}

/// The modulus of a real key, shortened to 512 bits: SEQUENCE { INTEGER (65 bytes), INTEGER 65537 }.
#[test]
fn short_keys_are_refused() {
    let mut der = vec![0x30, 0x48, 0x02, 0x41, 0x00];
    der.extend_from_slice(&relay_key().to_pkcs1_der()[7..7 + 64]);
    *der.last_mut().unwrap() |= 1;
    der.extend_from_slice(&[0x02, 0x03, 0x01, 0x00, 0x01]);
    assert_eq!(RsaPublicKey::from_pkcs1_der(&der), Err(RsaKeyError::Size { bits: 512 }));
    assert!(RsaPrivateKey::generate(512, &mut ChaCha20Rng::seed_from_u64(1)).is_err());
}

/// C Tor compares the first bytes of what was signed; here it must be the digest and nothing else.
#[test]
fn exactly_the_digest_is_signed() {
    let key = RsaPrivateKey::generate(1024, &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
    let digest = [0x5a; 32];
    let signature = key.sign_raw(&digest).unwrap();
    assert_eq!(signature.len(), 128);
    assert_eq!(key.public().verify_raw(&digest, &signature), Ok(()));

    let longer = key.sign_raw(&[&digest[..], &[0]].concat()).unwrap();
    assert_eq!(key.public().verify_raw(&digest, &longer), Err(BadSignature));
    let with_digest_info = key.sign_sha256(&digest).unwrap();
    assert_eq!(key.public().verify_raw(&digest, &with_digest_info), Err(BadSignature));
    assert_eq!(key.public().verify_sha256(&digest, &with_digest_info), Ok(()));
    assert_eq!(key.public().verify_raw(&digest[1..], &signature), Err(BadSignature));
    assert_eq!(key.public().verify_raw(&digest, &signature[1..]), Err(BadSignature));
    assert_eq!(key.public().verify_raw(&digest, &[&[0], &signature[..]].concat()), Err(BadSignature));
    assert_eq!(relay_key().verify_raw(&digest, &signature), Err(BadSignature));
    assert!(key.sign_raw(&[0; 128]).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300), pem: String) {
        let _ = RsaPublicKey::from_pkcs1_der(&bytes);
        let _ = RsaPublicKey::from_pem(&pem);
    }

    #[test]
    fn no_change_to_a_key_panics(at in 0usize..140, byte: u8, signature in vec(any::<u8>(), 0..200)) {
        let mut der = relay_key().to_pkcs1_der().to_vec();
        der[at] = byte;
        if let Ok(key) = RsaPublicKey::from_pkcs1_der(&der) {
            let _ = key.verify_raw(b"digest", &signature);
        }
    }
}
