//! What a relay's Ed25519 identity can do: check a signature, and say whether it is a sound key at all.
//! <https://spec.torproject.org/rend-spec/keyblinding-scheme.html>
//!
//! An [`Ed25519Id`] is 32 bytes that somebody wrote. Checking a signature needs no more than that: bytes that
//! are no point, or a point of small order, have no valid signatures. Where a key is used for anything else
//! (as an onion address, for blinding) it must be [sound](Ed25519Id::is_sound) first.

use curve25519_dalek::{edwards::CompressedEdwardsY, montgomery::MontgomeryPoint, traits::IsIdentity};
use ed25519_dalek::{Signature, VerifyingKey};
use thiserror::Error;

use crate::Ed25519Id;

/// A signature that was not made by the key it was checked against, over the message it was checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("bad signature")]
pub struct BadSignature;

impl Ed25519Id {
    /// Checks a signature by this key. Stricter than RFC 8032: keys and nonces of small order are refused, so
    /// that no signature fits more than one message.
    ///
    /// # Errors
    /// If the signature is wrong, or this identity is not a point of the curve.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        VerifyingKey::from_bytes(self.as_bytes())
            .and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
            .map_err(|_| BadSignature)
    }

    /// True for a point of the prime-order subgroup other than the identity: the keys that honest key
    /// generation makes. Onion addresses and blinding need it (rend-spec-v3 1.6: a key with a torsion
    /// component would give one service several addresses).
    pub fn is_sound(&self) -> bool {
        CompressedEdwardsY(*self.as_bytes())
            .decompress()
            .is_some_and(|point| point.is_torsion_free() && !point.is_identity())
    }

    /// The Ed25519 form of an X25519 public key, as ntor-onion-key-crosscert wants it (dir-spec 2.1.1): the
    /// birational map leaves the sign of x open, and `sign_bit` (the crosscert line's argument) chooses it.
    /// `None` if there is no such point.
    pub fn from_x25519(public: &[u8; 32], sign_bit: bool) -> Option<Self> {
        let point = MontgomeryPoint(*public).to_edwards(u8::from(sign_bit))?;
        Some(Self::from_bytes(point.compress().to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testdata::{array, bytes, load};

    #[test]
    fn keys_of_c_tor_verify_their_own_signatures() {
        for key in load("ed25519.json")["keys"].as_array().unwrap() {
            let id = Ed25519Id::from_bytes(array(&key["public"]));
            let signature = array(&key["self_signature_over_public_key"]);
            assert_eq!(id.verify(id.as_bytes(), &signature), Ok(()));
            assert!(id.is_sound());

            assert_eq!(id.verify(b"another message", &signature), Err(BadSignature));
            let mut other = signature;
            other[63] ^= 1;
            assert_eq!(id.verify(id.as_bytes(), &other), Err(BadSignature));
        }
    }

    #[test]
    fn montgomery_keys_map_to_their_edwards_form() {
        for key in load("ed25519.json")["keys"].as_array().unwrap() {
            let montgomery = array(&key["curve25519_public_of_same_scalar"]);
            let sign = key["sign_bit"].as_u64().unwrap() == 1;
            let expected = Ed25519Id::from_bytes(array(&key["public"]));
            assert_eq!(Ed25519Id::from_x25519(&montgomery, sign), Some(expected));
            assert_ne!(Ed25519Id::from_x25519(&montgomery, !sign), Some(expected));
        }
    }

    #[test]
    fn only_points_of_the_prime_order_subgroup_are_sound() {
        for case in load("ed25519.json")["public_key_validation"].as_array().unwrap() {
            let id = Ed25519Id::from_bytes(array(&case["public"]));
            assert_eq!(id.is_sound(), case["valid"] == Value::Bool(true), "{}", case["why"]);
        }
    }

    /// With the identity element as key, R = identity and S = 0 satisfy the plain equation for any message.
    #[test]
    fn a_key_of_small_order_signs_nothing() {
        for case in load("ed25519.json")["public_key_validation"].as_array().unwrap() {
            if bytes(&case["public"])[0] != 1 {
                continue;
            }
            let mut forged = [0; 64];
            forged[0] = 1;
            let id = Ed25519Id::from_bytes(array(&case["public"]));
            assert_eq!(id.verify(b"anything", &forged), Err(BadSignature));
            return;
        }
        panic!("the data has no identity element");
    }
}
