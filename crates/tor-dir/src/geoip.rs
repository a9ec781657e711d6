//! Which country an address is in, by C Tor's files: `geoip` for IPv4, `geoip6` for IPv6.
//!
//! ```text
//! # a remark
//! 16777216,16777471,AU           IPv4: first and last address as numbers
//! 2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP
//! ```
//!
//! Lines that are none of these are passed over, as in C Tor.

use std::net::{IpAddr, Ipv6Addr};

/// What is said of an address that is in no known country.
pub const UNKNOWN: &str = "??";

/// One of the two files. Empty until it is read.
#[derive(Clone, Debug, Default)]
pub struct GeoIp {
    /// In the order of the first address; ranges do not overlap.
    v4: Box<[Range<u32>]>,
    v6: Box<[Range<u128>]>,
}

#[derive(Clone, Copy, Debug)]
struct Range<T> {
    first: T,
    last: T,
    country: [u8; 2],
}

impl GeoIp {
    /// Reads the text of the file for IPv4.
    pub fn parse_v4(text: &str) -> Self {
        Self { v4: parse(text, |word| word.parse().ok()), v6: Box::default() }
    }

    /// Reads the text of the file for IPv6.
    pub fn parse_v6(text: &str) -> Self {
        let address = |word: &str| word.parse::<Ipv6Addr>().ok().map(u128::from);
        Self { v4: Box::default(), v6: parse(text, address) }
    }

    /// The two letters of the country of an address, in lower case; [`UNKNOWN`] if the file does not say.
    pub fn country(&self, address: IpAddr) -> String {
        let country = match address {
            IpAddr::V4(v4) => find(&self.v4, u32::from(v4)),
            IpAddr::V6(v6) => find(&self.v6, u128::from(v6)),
        };
        country.and_then(|letters| String::from_utf8(letters.to_vec()).ok()).unwrap_or_else(|| UNKNOWN.into())
    }
}

/// An address as a controller writes it: IPv6 with or without brackets.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

fn parse<T: Copy + Ord>(text: &str, number: impl Fn(&str) -> Option<T>) -> Box<[Range<T>]> {
    let range = |line: &str| {
        let mut words = line.split(',').map(|word| word.trim().trim_matches('"'));
        let (first, last) = (number(words.next()?)?, number(words.next()?)?);
        let country: [u8; 2] = words.next()?.as_bytes().try_into().ok()?;
        let legal = first <= last && country.iter().all(|letter| letter.is_ascii_graphic());
        legal.then_some(Range { first, last, country: country.map(|letter| letter.to_ascii_lowercase()) })
    };
    let mut ranges: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).filter_map(range).collect();
    ranges.sort_by_key(|range| range.first);
    ranges.into()
}

fn find<T: Copy + Ord>(ranges: &[Range<T>], address: T) -> Option<[u8; 2]> {
    let after = ranges.partition_point(|range| range.first <= address);
    let range = ranges.get(after.checked_sub(1)?)?;
    (address <= range.last).then_some(range.country)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn countries_of_addresses() {
        let v4 = GeoIp::parse_v4(
            "# remark\n16777216,16777471,AU\n\"16777472\",\"16778239\",\"CN\"\nx,y,ZZ\n5,4,ZZ\n7,8,ABC\n50,60,??\n",
        );
        for (address, country) in [
            ("1.0.0.0", "au"),
            ("1.0.0.255", "au"),
            ("1.0.1.0", "cn"),
            ("1.0.3.255", "cn"),
            ("1.0.4.0", UNKNOWN),
            ("0.0.0.4", UNKNOWN),
            ("0.0.0.50", UNKNOWN),
            ("::1", UNKNOWN),
        ] {
            assert_eq!(v4.country(address.parse().unwrap()), country, "{address}");
        }
        let v6 = GeoIp::parse_v6("2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP\n");
        assert_eq!(v6.country("2001:200::1".parse().unwrap()), "jp");
        assert_eq!(v6.country("2001:201::1".parse().unwrap()), UNKNOWN);
        assert_eq!(GeoIp::default().country("1.0.0.0".parse().unwrap()), UNKNOWN);
    }

    #[test]
    fn addresses() {
        assert_eq!(parse_address("[::1]"), Some("::1".parse().unwrap()));
        assert_eq!(parse_address("::1"), Some("::1".parse().unwrap()));
        assert_eq!(parse_address("1.2.3.4"), Some("1.2.3.4".parse().unwrap()));
        for bad in ["", "[]", "[1.2.3.4]", "1.2.3", "host", "[::1", "::1]"] {
            assert_eq!(parse_address(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_address_of_a_range_is_found(
            starts in proptest::collection::btree_set(0..1000_u32, 1..40),
            probe in 0..1100_u32,
        ) {
            let country = |start: u32| if start.is_multiple_of(2) { "AA" } else { "BB" };
            let line = |start: &u32| format!("{},{},{}\n", start * 2, start * 2 + 1, country(*start));
            let text: String = starts.iter().map(line).collect();
            let listed = starts.contains(&(probe / 2));
            let expected = if listed { country(probe / 2).to_lowercase() } else { UNKNOWN.to_owned() };
            prop_assert_eq!(GeoIp::parse_v4(&text).country(IpAddr::V4(probe.into())), expected);
        }

        #[test]
        fn no_text_panics(text in "(?s)([0-9,\":a-f\n#A-Z]|é){0,60}") {
            GeoIp::parse_v4(&text).country("0.0.0.1".parse().unwrap());
            GeoIp::parse_v6(&text).country("::1".parse().unwrap());
        }
    }
}
