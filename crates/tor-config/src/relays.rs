//! Lists of relays, as users write them: fingerprints, nicknames and address patterns between commas.
//!
//! ```text
//! $FP, FP, $FP~nick, nick, 192.0.2.0/24, [2001:db8::]/32, *
//! ```
//!
//! C Tor also takes countries (`{de}`), patterns with ports and whole policy rules. They are told from nonsense
//! ([`RelaysError::NotBuilt`]), and left out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::Problem;
use crate::policy::Pattern;
use crate::value::items;

/// The relays that any of these patterns describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayList {
    /// The patterns.
    pub patterns: Vec<RelayPattern>,
}

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayPattern {
    /// The relay whose identity has this SHA-1.
    Fingerprint([u8; 20]),
    /// Every relay of this name, whatever the case of its letters.
    Nickname(String),
    /// Every relay with an address in this network, which is the first `bits` of the address.
    Network {
        /// An address in it.
        address: IpAddr,
        /// 0 to 32, or to 128.
        bits: u8,
    },
}

/// A list that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RelaysError {
    /// An item is none of the things that may be in such a list.
    #[error("an item is no fingerprint, nickname or address pattern")]
    Malformed,
    /// C Tor would take it.
    #[error("{0}")]
    NotBuilt(&'static str),
}

impl From<RelaysError> for Problem {
    fn from(error: RelaysError) -> Self {
        match error {
            RelaysError::Malformed => Self::Says("Invalid router list.".to_owned()),
            RelaysError::NotBuilt(what) => Self::NotBuilt(what),
        }
    }
}

impl RelayList {
    /// Reads a list.
    ///
    /// # Errors
    /// If an item is malformed; if none is, but one asks for what is not built.
    pub fn parse(text: &str) -> Result<Self, RelaysError> {
        let mut list = Self::default();
        let mut not_built = None;
        for item in items(text) {
            match RelayPattern::parse(item) {
                Ok(patterns) => list.patterns.extend(patterns),
                Err(RelaysError::Malformed) => return Err(RelaysError::Malformed),
                Err(error @ RelaysError::NotBuilt(_)) => not_built = Some(error),
            }
        }
        not_built.map_or(Ok(list), Err)
    }
}

impl RelayPattern {
    /// What an item means; `*` is both kinds of addresses.
    fn parse(item: &str) -> Result<Vec<Self>, RelaysError> {
        if let Some(fingerprint) = fingerprint(item) {
            Ok(vec![Self::Fingerprint(fingerprint)])
        } else if is_nickname(item) {
            Ok(vec![Self::Nickname(item.to_owned())])
        } else if matches!(item.as_bytes(), [b'{', _, _, b'}', ..]) {
            Err(RelaysError::NotBuilt("lists of relays by country: name the relays or their networks"))
        } else if item.starts_with(|c: char| c == '*' || c == '[' || c.is_ascii_digit()) {
            Self::network(item)
        } else {
            rule(item)
        }
    }

    fn network(item: &str) -> Result<Vec<Self>, RelaysError> {
        let (pattern, has_ports) = Pattern::parse(item, false).map_err(|_| RelaysError::Malformed)?;
        if has_ports {
            return Err(RelaysError::NotBuilt("lists of relays by port: leave the ports out"));
        }
        let network = |address, bits| Self::Network { address, bits };
        let v4 = |address: Ipv4Addr, bits| network(IpAddr::V4(address), bits);
        let v6 = |address: Ipv6Addr, bits| network(IpAddr::V6(address), bits);
        match pattern {
            Pattern::Any => Ok(vec![v4(Ipv4Addr::UNSPECIFIED, 0), v6(Ipv6Addr::UNSPECIFIED, 0)]),
            Pattern::Private => Err(RelaysError::Malformed),
            Pattern::V4 { network, bits } => Ok(vec![v4(network, bits)]),
            Pattern::V6 { network, bits } => Ok(vec![v6(network, bits)]),
        }
    }
}

/// A rule of a policy in the place of a pattern. C Tor takes it, and nobody can have a use for it.
fn rule(item: &str) -> Result<Vec<RelayPattern>, RelaysError> {
    let mut words = item.split_ascii_whitespace();
    let (word, pattern, end) = (words.next(), words.next(), words.next());
    match (word, pattern, end) {
        (Some("accept" | "accept6" | "reject" | "reject6"), Some(pattern), None)
            if Pattern::parse(pattern, false).is_ok() =>
        {
            Err(RelaysError::NotBuilt("lists of relays with 'accept' or 'reject': leave the word out"))
        }
        _ => Err(RelaysError::Malformed),
    }
}

fn fingerprint(item: &str) -> Option<[u8; 20]> {
    let item = item.strip_prefix('$').unwrap_or(item);
    let (hex, rest) = item.split_at_checked(40)?;
    let named = rest.strip_prefix(['~', '=']).map_or(rest.is_empty(), is_nickname);
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digits =
            str::from_utf8(pair).ok().filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    named.then_some(bytes)
}

fn is_nickname(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FP: &str = "00112233445566778899AABBCCDDEEFF00112233";

    fn parse(text: &str) -> Result<Vec<RelayPattern>, RelaysError> {
        RelayList::parse(text).map(|list| list.patterns)
    }

    #[test]
    fn each_way_to_name_relays() {
        let id = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\x00\x11\x22\x33";
        for text in
            [FP.to_owned(), format!("${FP}"), format!("${}~nick", FP.to_lowercase()), format!("{FP}=a")]
        {
            assert_eq!(parse(&text), Ok(vec![RelayPattern::Fingerprint(id)]), "{text}");
        }
        let name = |name: &str| RelayPattern::Nickname(name.to_owned());
        assert_eq!(parse(" one ,, Two,"), Ok(vec![name("one"), name("Two")]));
        assert_eq!(parse("private"), Ok(vec![name("private")]));
        assert_eq!(parse(","), Ok(vec![]));
        let network = |address: &str, bits| RelayPattern::Network { address: address.parse().unwrap(), bits };
        for (text, address, bits) in [
            ("192.0.2.1", "192.0.2.1", 32),
            ("192.0.2.0/24", "192.0.2.0", 24),
            ("192.0.2.0/255.255.0.0", "192.0.2.0", 16),
            ("1.2.3.4:*", "1.2.3.4", 32),
            ("[2001:db8::1]", "2001:db8::1", 128),
            ("2000::/16", "2000::", 16),
            ("*4", "0.0.0.0", 0),
            ("*6", "::", 0),
        ] {
            assert_eq!(parse(text), Ok(vec![network(address, bits)]), "{text}");
        }
        assert_eq!(parse("*"), Ok(vec![network("0.0.0.0", 0), network("::", 0)]));
    }

    /// Each of these was put to C Tor, which answers 513.
    #[test]
    fn nonsense_is_refused() {
        let (long, bad) = (format!("{FP}xx"), format!("${FP}~bad!nick"));
        for text in [
            "not a node!",
            "!",
            "a,!",
            "{us},!",
            "{usa}",
            "{u}",
            "$abc",
            "abcdefghijklmnopqrst",
            "accept*",
            "::1",
            "1.2.3",
            "1.2.3.4/33",
            "1.2.3.4:0",
            "1.2.3.4 x",
            "a b",
            "localhost.",
            "*/8",
            "private:*",
            &long,
            &bad,
        ] {
            assert_eq!(parse(text), Err(RelaysError::Malformed), "{text}");
        }
    }

    #[test]
    fn what_is_not_built_is_told_from_nonsense() {
        for text in ["{us}", "{us}xyz", "a,{de},b", "1.2.3.4:80", "accept 1.2.3.4", "reject6 1.2.3.4"] {
            assert!(matches!(parse(text), Err(RelaysError::NotBuilt(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", likely in "[$0-9A-Fa-z.:*/~={},\\[\\] ]{0,60}") {
            let _ = RelayList::parse(&text);
            let _ = RelayList::parse(&likely);
        }

        #[test]
        fn fingerprints_come_back(bytes: [u8; 20]) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            prop_assert_eq!(parse(&hex), Ok(vec![RelayPattern::Fingerprint(bytes)]));
        }
    }
}
