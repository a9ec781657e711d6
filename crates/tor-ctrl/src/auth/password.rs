//! Hashed passwords: RFC 2440's iterated and salted S2K with SHA-1, as `HashedControlPassword` has them.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | salt |
//! | 1 | indicator c: (16 + (c & 15)) << ((c >> 4) + 6) bytes of salt and password are hashed |
//! | 20 | SHA-1 |
//!
//! written as `16:` and hexadecimal digits, or in base 64.

use std::{fmt, str::FromStr};

use rand_core::CryptoRng;
use sha1::{Digest, Sha1};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::command::decode_base64;

const SALT_LEN: usize = 8;
const HASH_LEN: usize = 20;
const LEN: usize = SALT_LEN + 1 + HASH_LEN;

/// The indicator that `--hash-password` uses: 65,536 bytes.
const INDICATOR: u8 = 0x60;

/// A password's hash, with all that is needed to compare.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct HashedPassword {
    salt: [u8; SALT_LEN],
    indicator: u8,
    hash: [u8; HASH_LEN],
}

/// What `HashedControlPassword` says is no hashed password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a hashed password")]
pub struct BadPasswordHash;

impl HashedPassword {
    /// Whether this is the password. Takes the same time if not; how much depends on the indicator alone, and a little
    /// on the password's length.
    pub(super) fn matches(&self, password: &[u8]) -> Choice {
        stretch(password, &self.salt, self.indicator).ct_eq(&self.hash)
    }
}

/// The value of `HashedControlPassword` for a password: what `--hash-password` prints.
///
/// ```
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(1);
/// let hashed = tor_ctrl::hash_password(b"correct horse", &mut rng);
/// assert!(hashed.starts_with("16:") && hashed.len() == 61);
/// assert!(hashed.parse::<tor_ctrl::HashedPassword>().is_ok());
/// ```
pub fn hash_password(password: &[u8], rng: &mut (impl CryptoRng + ?Sized)) -> String {
    let mut salt = [0; SALT_LEN];
    rng.fill_bytes(&mut salt);
    HashedPassword { salt, indicator: INDICATOR, hash: stretch(password, &salt, INDICATOR) }.to_string()
}

impl fmt::Display for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("16:")?;
        let bytes = self.salt.iter().chain([&self.indicator]).chain(&self.hash);
        bytes.into_iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedPassword(..)")
    }
}

impl FromStr for HashedPassword {
    type Err = BadPasswordHash;

    fn from_str(text: &str) -> Result<Self, BadPasswordHash> {
        let bytes = match text.strip_prefix("16:") {
            Some(digits) => hex::decode(digits).ok().map(Zeroizing::new),
            None => decode_base64(text.as_bytes()),
        };
        let bytes = bytes.ok_or(BadPasswordHash)?;
        let bytes: &[u8; LEN] = bytes.as_slice().try_into().map_err(|_| BadPasswordHash)?;
        let (salt, rest) = bytes.split_first_chunk().ok_or(BadPasswordHash)?;
        let (&indicator, hash) = rest.split_first().ok_or(BadPasswordHash)?;
        Ok(Self { salt: *salt, indicator, hash: hash.try_into().map_err(|_| BadPasswordHash)? })
    }
}

/// SHA-1 over salt and password, again and again, up to the number of bytes that the indicator says: at least 1,024,
/// at most 65,011,712. A longer password is cut there.
fn stretch(password: &[u8], salt: &[u8; SALT_LEN], indicator: u8) -> [u8; HASH_LEN] {
    let mut left = (16 + usize::from(indicator & 15)) << ((indicator >> 4) + 6);
    let block = Zeroizing::new([salt, password].concat());
    let mut hash = Sha1::new();
    while let Some(block) = block.get(..left.min(block.len())).filter(|block| !block.is_empty()) {
        hash.update(block);
        left -= block.len();
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../testdata/control_auth.json")).unwrap()
    }

    #[test]
    fn s2k_vectors() {
        for vector in vectors()["s2k_rfc2440"].as_array().unwrap() {
            let salt: Vec<u8> = hex::decode(vector["salt"].as_str().unwrap()).unwrap();
            let indicator = u8::try_from(vector["indicator"].as_u64().unwrap()).unwrap();
            let password = vector["password"].as_str().unwrap().as_bytes();
            let hash = stretch(password, &salt.try_into().unwrap(), indicator);
            assert_eq!(hex::encode(hash), vector["digest"]);
        }
    }

    #[test]
    fn hashes_of_c_tor() {
        for vector in vectors()["hashed_control_password"].as_array().unwrap() {
            let hashed: HashedPassword = vector["hashed"].as_str().unwrap().parse().unwrap();
            assert_eq!(hashed.to_string(), vector["hashed"]);
            if let Some(password) = vector["password"].as_str() {
                assert!(bool::from(hashed.matches(password.as_bytes())));
            }
            assert!(!bool::from(hashed.matches(b"")));
        }
    }

    #[test]
    fn base64_is_the_same() {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let text = "16:76726261637264616086542223CBBBAD3274E36FC3D7A42AA988B2CC16";
        let bytes = hex::decode(&text[3..]).unwrap();
        let hashed: HashedPassword = BASE64_STANDARD.encode(bytes).parse().unwrap();
        assert_eq!(hashed.to_string(), text);
        for bad in ["", "16:", &text[..60], &format!("{text}00"), "password", "16:zz"] {
            assert!(bad.parse::<HashedPassword>().is_err(), "{bad}");
        }
    }

    #[test]
    fn longer_than_all_that_is_hashed() {
        let long = vec![b'x'; 5000];
        assert_eq!(stretch(&long, &[0; 8], 0), stretch(&long[..1016], &[0; 8], 0));
        assert_ne!(stretch(&long, &[0; 8], 0), stretch(&long[..1015], &[0; 8], 0));
    }

    proptest! {
        #[test]
        fn what_is_hashed_matches(password in prop::collection::vec(any::<u8>(), 0..40), seed: u64) {
            let text = hash_password(&password, &mut ChaCha20Rng::seed_from_u64(seed));
            let hashed: HashedPassword = text.parse().unwrap();
            prop_assert_eq!(hashed.to_string(), text);
            prop_assert!(bool::from(hashed.matches(&password)));
            prop_assert!(!bool::from(hashed.matches(&[&password[..], b"x"].concat())));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,70}|16:[0-9A-F]{50,60}") {
            let _ = text.parse::<HashedPassword>();
        }
    }
}
