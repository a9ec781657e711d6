//! HKDF with SHA-256 (RFC 5869).
//! <https://spec.torproject.org/tor-spec/setting-circuit-keys.html#kdf-rfc5869>

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

const MAX: usize = 255 * 32;

/// The first `N` bytes of key material, at most 8160. In tor-spec's words the salt is `t_key`, the secret is
/// `secret_input` and the info is `m_expand`.
pub fn hkdf_sha256<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= MAX, "HKDF-SHA256 yields at most 8160 bytes") };
    let mut out = Zeroizing::new([0; N]);
    #[expect(clippy::expect_used, reason = "the one error is a length that was ruled out at compile time")]
    Hkdf::<Sha256>::new(Some(salt), secret).expand(info, &mut *out).expect("at most 8160 bytes");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{bytes, load};

    #[test]
    fn known_answers_of_the_rfc() {
        for case in load("hkdf.json")["hkdf_sha256_rfc5869"].as_array().unwrap() {
            let expected = bytes(&case["okm"]);
            let out = hkdf_sha256::<82>(&bytes(&case["salt"]), &bytes(&case["ikm"]), &bytes(&case["info"]));
            assert_eq!(out[..expected.len()], expected);
        }
    }

    #[test]
    fn known_answers_of_ntor() {
        let data = &load("kdf.json")["kdf_ntor_hkdf_sha256"];
        let salt = data["salt_ascii"].as_str().unwrap().as_bytes();
        let info = data["info_ascii"].as_str().unwrap().as_bytes();
        for case in data["vectors"].as_array().unwrap() {
            let out = hkdf_sha256::<100>(salt, &bytes(&case["secret_input"]), info);
            assert_eq!(out[..], bytes(&case["output"]));
        }
    }

    #[test]
    fn the_longest_output() {
        assert_eq!(hkdf_sha256::<MAX>(b"", b"", b"")[..32], hkdf_sha256::<32>(b"", b"", b"")[..]);
    }
}
