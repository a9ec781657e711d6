//! RSA encryption with OAEP-MGF1 and SHA-1, no label: TAP's. <https://spec.torproject.org/tor-spec/preliminaries.html#ciphers>
//!
//! ```text
//! 00 | seed ⊕ MGF1(masked DB) | DB ⊕ MGF1(seed)        DB = SHA-1("") | 00 … 00 | 01 | message
//! ```
//!
//! Padding is done here, over the `rsa` crate's numbers, because that crate's own takes hash functions of an
//! older generation. Decryption is not constant-time: relays that tests script have no secrets to keep.

use rand_core::CryptoRng;
use rsa::{
    BigUint,
    traits::{PrivateKeyParts, PublicKeyParts},
};
use sha1::{Digest, Sha1};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{RsaPrivateKey, RsaPublicKey};

const HASH: usize = 20;
/// Bytes that the padding takes: KP_PAD_LEN.
const PAD: usize = 2 * HASH + 2;

/// A message too long for the key, or a ciphertext that is none for the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("message or ciphertext does not fit the RSA key")]
pub struct OaepError;

impl RsaPublicKey {
    /// Encrypts `message`, which is at least 42 bytes shorter than the modulus.
    ///
    /// # Errors
    /// If it is longer.
    pub fn encrypt_oaep(
        &self,
        message: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, OaepError> {
        let length = self.key.size();
        let zeros = length.checked_sub(PAD + message.len()).ok_or(OaepError)?;
        let mut seed = Zeroizing::new(vec![0; HASH]);
        rng.fill_bytes(&mut seed);
        let mut db = Zeroizing::new([&Sha1::digest(b"")[..], &vec![0; zeros], &[1], message].concat());
        mask(&mut db, &seed);
        mask(&mut seed, &db);
        let padded = Zeroizing::new([&[0], &seed[..], &db].concat());
        let encrypted = BigUint::from_bytes_be(&padded).modpow(self.key.e(), self.key.n());
        Ok(to_bytes(&encrypted, length))
    }
}

impl RsaPrivateKey {
    /// Decrypts what [`RsaPublicKey::encrypt_oaep`] made.
    ///
    /// # Errors
    /// If the ciphertext was not made with this key.
    pub fn decrypt_oaep(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, OaepError> {
        let length = self.key.size();
        if ciphertext.len() != length {
            return Err(OaepError);
        }
        let decrypted = BigUint::from_bytes_be(ciphertext).modpow(self.key.d(), self.key.n());
        let padded = Zeroizing::new(to_bytes(&decrypted, length));
        let (&[zero], rest) = padded.split_first_chunk().ok_or(OaepError)?;
        let (seed, db) = rest.split_at_checked(HASH).ok_or(OaepError)?;
        let (mut seed, mut db) = (Zeroizing::new(seed.to_vec()), Zeroizing::new(db.to_vec()));
        mask(&mut seed, &db);
        mask(&mut db, &seed);
        let body = db.strip_prefix(&Sha1::digest(b"")[..]).ok_or(OaepError)?;
        let zeros = body.iter().take_while(|&&byte| byte == 0).count();
        match body.split_at_checked(zeros) {
            Some((_, [1, message @ ..])) if zero == 0 => Ok(Zeroizing::new(message.to_vec())),
            Some(_) | None => Err(OaepError),
        }
    }
}

/// Adds MGF1 of `seed` to `bytes` (RFC 8017 B.2.1).
fn mask(bytes: &mut [u8], seed: &[u8]) {
    for (counter, block) in (0u32..).zip(bytes.chunks_mut(HASH)) {
        let mask = Sha1::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize();
        block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Big-endian, filled up with zeros in front.
fn to_bytes(number: &BigUint, length: usize) -> Vec<u8> {
    let digits = number.to_bytes_be();
    let mut bytes = vec![0; length.saturating_sub(digits.len())];
    bytes.extend(digits);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::testdata::{bytes, load};

    fn key() -> RsaPrivateKey {
        RsaPrivateKey::from_pkcs1_der(&bytes(&load("oaep.json")["private_key_pkcs1_der"])).unwrap()
    }

    #[test]
    fn ciphertexts_of_another_implementation() {
        for case in load("oaep.json")["ciphertexts"].as_array().unwrap() {
            let message = key().decrypt_oaep(&bytes(&case["ciphertext"])).unwrap();
            assert_eq!(*message, bytes(&case["message"]));
        }
    }

    #[test]
    fn messages_up_to_the_last_byte() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for length in [0, 1, 85, 86] {
            let message = vec![length; length.into()];
            let ciphertext = key().public().encrypt_oaep(&message, &mut rng).unwrap();
            assert_eq!(ciphertext.len(), 128);
            assert_eq!(*key().decrypt_oaep(&ciphertext).unwrap(), message);
            assert!(key().decrypt_oaep(&ciphertext[1..]).is_err());
        }
        assert_eq!(key().public().encrypt_oaep(&[0; 87], &mut rng), Err(OaepError));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn other_ciphertexts_are_none(ciphertext in vec(any::<u8>(), 128), other in vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(key().decrypt_oaep(&ciphertext), Err(OaepError));
            prop_assert_eq!(key().decrypt_oaep(&other), Err(OaepError));
        }
    }
}
