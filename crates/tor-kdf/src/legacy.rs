//! KDF-TOR, the old one: `K = H(K0 | [00]) | H(K0 | [01]) | H(K0 | [02]) | …` with SHA-1.
//! <https://spec.torproject.org/tor-spec/setting-circuit-keys.html#kdf-tor>
//!
//! The secret is hashed as it is, and the counter starts at zero.

use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

const BLOCK: usize = 20;
const MAX: usize = 256 * BLOCK;

/// The first `N` bytes of key material from the secret K0. At most 5120: the counter is one byte.
pub fn kdf_tor<const N: usize>(secret: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= MAX, "KDF-TOR yields at most 5120 bytes") };
    let mut out = Zeroizing::new([0; N]);
    for (counter, block) in (0u8..=u8::MAX).zip(out.chunks_mut(BLOCK)) {
        let mut digest = Zeroizing::new([0; BLOCK]);
        digest.copy_from_slice(&Sha1::new().chain_update(secret).chain_update([counter]).finalize());
        for (to, from) in block.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{bytes, load};

    #[test]
    fn known_answers() {
        for case in load("kdf.json")["kdf_tor_sha1"].as_array().unwrap() {
            assert_eq!(
                kdf_tor::<100>(&bytes(&case["k0"]))[..],
                bytes(&case["output"]),
                "{}",
                case["k0_ascii"]
            );
        }
    }

    #[test]
    fn to_the_last_byte() {
        let all = kdf_tor::<MAX>(b"secret");
        let last = Sha1::digest([&b"secret"[..], &[255]].concat());
        assert_eq!(all[MAX - BLOCK..], last[..]);
        assert!(kdf_tor::<0>(b"secret").is_empty());
    }
}
