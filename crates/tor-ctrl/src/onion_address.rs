//! The address of an onion service, checked. Spec: <https://spec.torproject.org/rend-spec/encoding-onion-addresses.html>
//!
//! | bytes | field |
//! |---|---|
//! | 32 | the service's Ed25519 public key |
//! | 2 | SHA3-256(".onion checksum", key, version), shortened |
//! | 1 | version, 3 |
//!
//! in base 32: 56 characters, in any case.

use std::fmt;

use curve25519_dalek::edwards::CompressedEdwardsY;
use sha3::{Digest, Sha3_256};

/// A version 3 onion address, without `.onion`, whose checksum is right and whose key is a proper one.
///
/// Kept as it was written: C Tor compares and repeats addresses without looking at their case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OnionAddress {
    text: String,
    key: [u8; 32],
}

impl OnionAddress {
    /// Checks an address.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 56 {
            return None;
        }
        let decoded = decode_base32(text.as_bytes())?;
        let (key, rest) = decoded.split_first_chunk::<32>()?;
        let [first, second, version] = rest.try_into().ok()?;
        let checksum =
            Sha3_256::new().chain_update(b".onion checksum").chain_update(key).chain_update([version]);
        if checksum.finalize().get(..2) != Some(&[first, second]) || version != 3 {
            return None;
        }
        // A key with a small-order part would be a second address of the same service.
        let point = CompressedEdwardsY(*key).decompress()?;
        point.is_torsion_free().then(|| Self { text: text.to_owned(), key: *key })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The service's Ed25519 identity key.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }
}

/// Whom a user visits is nobody's business, least of all the log's.
impl fmt::Debug for OnionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnionAddress(..)")
    }
}

/// Base 32 without padding; `None` if a character is none of its own. Bits that fill no byte are dropped.
pub(crate) fn decode_base32(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0u16, 0u32);
    for byte in text {
        let value = match byte {
            b'a'..=b'z' => byte - b'a',
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5) | u16::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The address of the Tor Project's site, and one of the private network's services.
    const GOOD: [&str; 2] = [
        "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid",
        "ub3bkgotcvaenghdno7mjoid5mglrccjxosfb7hupywvreptwhl6opad",
    ];

    #[test]
    fn good_addresses() {
        for address in GOOD {
            assert_eq!(OnionAddress::parse(address).unwrap().as_str(), address);
            assert!(OnionAddress::parse(&address.to_uppercase()).is_some());
        }
    }

    #[test]
    fn each_changed_character_is_noticed() {
        for at in 0..56 {
            let mut address = GOOD[0].to_owned();
            let other = if &address[at..=at] == "a" { "b" } else { "a" };
            address.replace_range(at..=at, other);
            assert_eq!(OnionAddress::parse(&address), None, "{address}");
        }
        assert_eq!(OnionAddress::parse(&GOOD[0][1..]), None);
        assert_eq!(OnionAddress::parse(&format!("{}.onion", GOOD[0])), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}|[a-z2-7]{56}") {
            let _ = OnionAddress::parse(&text);
        }
    }
}
