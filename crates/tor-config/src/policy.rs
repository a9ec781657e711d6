//! `SocksPolicy`: who may use the port.
//!
//! Comma-separated rules, the first that matches decides, and who matches none is accepted:
//!
//! ```text
//! accept 192.168.0.0/16, accept6 [fc00::]/7, reject *
//! ```
//!
//! An address is IPv4 (with `/bits` or `/255.255.0.0`), IPv6 in brackets (with `/bits`; then the brackets may be
//! left out), `*`, `*4`, `*6`, or `private:*`. Ports after a colon are allowed by the syntax; they would be the
//! client's, and C Tor ignores them with a warning.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::value::items;

/// The rules, in order. The empty policy accepts everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocksPolicy {
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    accept: bool,
    network: Pattern,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Any,
    Private,
    V4 { network: Ipv4Addr, bits: u8 },
    V6 { network: Ipv6Addr, bits: u8 },
}

/// A policy that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A rule doesn't begin with a known word, or has not exactly one pattern.
    #[error("expected 'accept' or 'reject' (or either with a 6) and one address pattern")]
    NotARule,
    /// The address is none.
    #[error("malformed address in a policy")]
    Address,
    /// The mask is none, or does not fit the address.
    #[error("malformed mask in a policy")]
    Mask,
    /// The ports are none.
    #[error("malformed ports in a policy")]
    Ports,
}

/// What was ignored in a policy, if anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyRemarks {
    /// Rules name ports; they have no effect here.
    pub ports_ignored: bool,
    /// `accept6` or `reject6` with an IPv4 address; such a rule is dropped.
    pub rules_dropped: bool,
}

impl SocksPolicy {
    /// Adds the rules of one line.
    ///
    /// # Errors
    /// At the first rule that can't be read; the policy is not to be used then.
    pub fn extend(&mut self, line: &str) -> Result<PolicyRemarks, PolicyError> {
        let mut remarks = PolicyRemarks::default();
        for item in items(line) {
            let mut words = item.split_ascii_whitespace();
            let (accept, only_v6) = match words.next() {
                Some("accept") => (true, false),
                Some("accept6") => (true, true),
                Some("reject") => (false, false),
                Some("reject6") => (false, true),
                Some(_) | None => return Err(PolicyError::NotARule),
            };
            let (Some(pattern), None) = (words.next(), words.next()) else {
                return Err(PolicyError::NotARule);
            };
            let (network, has_ports) = Pattern::parse(pattern, only_v6)?;
            remarks.ports_ignored |= has_ports;
            match network {
                Pattern::V4 { .. } if only_v6 => remarks.rules_dropped = true,
                Pattern::Any | Pattern::Private | Pattern::V4 { .. } | Pattern::V6 { .. } => {
                    self.rules.push(Rule { accept, network });
                }
            }
        }
        Ok(remarks)
    }

    /// Whether a client at this address may use the port.
    pub fn permits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.rules.iter().find(|rule| rule.network.contains(client)).is_none_or(|rule| rule.accept)
    }
}

impl Pattern {
    const ALL_V6: Self = Self::V6 { network: Ipv6Addr::UNSPECIFIED, bits: 0 };

    /// The pattern, and whether it names ports.
    pub(crate) fn parse(text: &str, only_v6: bool) -> Result<(Self, bool), PolicyError> {
        let (address, rest) = match text.strip_prefix('[') {
            Some(inside) => inside.split_once(']').ok_or(PolicyError::Address)?,
            // Before a mask, IPv6 needs no brackets.
            None => {
                let end = text.find('/').or_else(|| text.find(':')).unwrap_or(text.len());
                text.split_at_checked(end).unwrap_or((text, ""))
            }
        };
        let (mask, ports) = match rest.split_once(':') {
            Some((mask, ports)) => (mask, Some(ports)),
            None => (rest, None),
        };
        let mask = match mask.strip_prefix('/') {
            Some(mask) => Some(mask),
            None if mask.is_empty() => None,
            None => return Err(PolicyError::Address),
        };
        let has_ports = ports.map(any_ports).transpose()?.unwrap_or(false);
        let pattern = match address {
            "*" if only_v6 => Self::ALL_V6,
            "*" => Self::Any,
            "*4" => Self::V4 { network: Ipv4Addr::UNSPECIFIED, bits: 0 },
            "*6" => Self::ALL_V6,
            // As C Tor: without ports, even if all of them, it is not accepted.
            "private" if ports.is_some() => Self::Private,
            _ => match address.parse::<IpAddr>().map_err(|_| PolicyError::Address)? {
                IpAddr::V4(network) => {
                    return Ok((Self::V4 { network, bits: bits_v4(mask)? }, has_ports));
                }
                IpAddr::V6(network) => {
                    let bits = mask.map_or(Ok(128), |mask| mask.parse().map_err(|_| PolicyError::Mask))?;
                    return Ok((Self::v6(network, bits)?, has_ports));
                }
            },
        };
        if mask.is_some() { Err(PolicyError::Mask) } else { Ok((pattern, has_ports)) }
    }

    /// Clients are compared by their canonical address, so mapped ones must be, too.
    fn v6(network: Ipv6Addr, bits: u8) -> Result<Self, PolicyError> {
        match (network.to_ipv4_mapped(), bits) {
            (_, 129..) => Err(PolicyError::Mask),
            (None, bits) => Ok(Self::V6 { network, bits }),
            (Some(network), bits) => {
                let bits = bits.checked_sub(96).ok_or(PolicyError::Mask)?;
                Ok(Self::V4 { network, bits })
            }
        }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Any, _) => true,
            (Self::Private, address) => PRIVATE.iter().any(|network| network.contains(address)),
            (Self::V4 { network, bits }, IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(bits)
            }
            (Self::V6 { network, bits }, IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(bits)
            }
            (Self::V4 { .. }, IpAddr::V6(_)) | (Self::V6 { .. }, IpAddr::V4(_)) => false,
        }
    }
}

const fn v4(a: u8, b: u8, bits: u8) -> Pattern {
    Pattern::V4 { network: Ipv4Addr::new(a, b, 0, 0), bits }
}

const fn v6(first: u16, bits: u8) -> Pattern {
    Pattern::V6 { network: Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), bits }
}

/// What `private` stands for.
const PRIVATE: &[Pattern] = &[
    v4(0, 0, 8),
    v4(169, 254, 16),
    v4(127, 0, 8),
    v4(192, 168, 16),
    v4(10, 0, 8),
    v4(172, 16, 12),
    v6(0, 8),
    v6(0xfc00, 7),
    v6(0xfe80, 10),
    v6(0xfec0, 10),
    v6(0xff00, 8),
];

fn bits_v4(mask: Option<&str>) -> Result<u8, PolicyError> {
    let Some(mask) = mask else { return Ok(32) };
    if let Ok(bits) = mask.parse::<u8>() {
        return if bits > 32 { Err(PolicyError::Mask) } else { Ok(bits) };
    }
    let mask: Ipv4Addr = mask.parse().map_err(|_| PolicyError::Mask)?;
    let mask = mask.to_bits();
    // Ones, then zeros, nothing between.
    if mask.leading_ones().saturating_add(mask.trailing_zeros()) < 32 {
        return Err(PolicyError::Mask);
    }
    u8::try_from(mask.leading_ones()).map_err(|_| PolicyError::Mask)
}

/// Whether ports are named at all: `*`, nothing and `1-65535` name none in particular.
fn any_ports(text: &str) -> Result<bool, PolicyError> {
    if text.is_empty() || text == "*" {
        return Ok(false);
    }
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        Ok(_) | Err(_) => Err(PolicyError::Ports),
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (port(low)?, port(high)?);
    if low > high { Err(PolicyError::Ports) } else { Ok((low, high) != (1, u16::MAX)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(text: &str) -> SocksPolicy {
        let mut policy = SocksPolicy::default();
        policy.extend(text).unwrap();
        policy
    }

    fn permits(policy: &SocksPolicy, address: &str) -> bool {
        policy.permits(address.parse().unwrap())
    }

    #[test]
    fn the_first_match_decides_and_none_accepts() {
        let lan = policy("accept 192.168.0.0/16, accept 10.0.0.0/255.0.0.0, accept6 fc00::/7, reject *");
        assert!(permits(&lan, "192.168.3.4"));
        assert!(permits(&lan, "10.9.8.7"));
        assert!(permits(&lan, "fd00::1"));
        assert!(!permits(&lan, "192.169.0.1"));
        assert!(!permits(&lan, "::1"));
        assert!(permits(&policy("reject 1.2.3.4"), "1.2.3.5"));
        assert!(permits(&SocksPolicy::default(), "8.8.8.8"));
    }

    #[test]
    fn mapped_addresses_are_their_ipv4_selves() {
        assert!(!permits(&policy("reject 127.0.0.1"), "::ffff:127.0.0.1"));
        assert!(!permits(&policy("reject [::ffff:127.0.0.0]/104"), "127.0.0.1"));
        assert!(permits(&policy("reject [::ffff:127.0.0.0]/104"), "128.0.0.1"));
    }

    #[test]
    fn stars_and_private_stand_for_networks() {
        assert!(!permits(&policy("reject *4"), "1.1.1.1"));
        assert!(permits(&policy("reject *4"), "2000::1"));
        assert!(permits(&policy("reject6 *"), "1.1.1.1"));
        assert!(!permits(&policy("reject *6:*"), "2000::1"));
        let outside = policy("reject private:*");
        for inside in ["127.0.0.1", "10.1.1.1", "172.31.0.1", "169.254.9.9", "::1", "fe80::1", "0.1.2.3"] {
            assert!(!permits(&outside, inside), "{inside}");
        }
        assert!(permits(&outside, "172.32.0.1"));
    }

    #[test]
    fn remarks_are_made() {
        let mut policy = SocksPolicy::default();
        assert!(policy.extend("accept 1.2.3.4:80-90").unwrap().ports_ignored);
        assert!(!policy.extend("accept 1.2.3.4:*, reject [::1]:1-65535").unwrap().ports_ignored);
        assert!(policy.extend("reject6 1.2.3.4").unwrap().rules_dropped);
        assert!(permits(&policy, "1.2.3.4"));
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, error) in [
            ("allow *", PolicyError::NotARule),
            ("*", PolicyError::NotARule),
            ("accept", PolicyError::NotARule),
            ("accept * *", PolicyError::NotARule),
            ("accept 1.2.3", PolicyError::Address),
            ("accept [::1", PolicyError::Address),
            ("accept [::1]x", PolicyError::Address),
            ("accept 1.2.3.4/33", PolicyError::Mask),
            ("accept 1.2.3.4/255.0.255.0", PolicyError::Mask),
            ("accept [::1]/129", PolicyError::Mask),
            ("accept */8", PolicyError::Mask),
            ("accept [::ffff:1.2.3.4]/40", PolicyError::Mask),
            ("accept ::1", PolicyError::Ports),
            ("accept private", PolicyError::Address),
            ("accept private:*/8", PolicyError::Address),
            ("accept *:0", PolicyError::Ports),
            ("accept *:90-80", PolicyError::Ports),
            ("accept *:x", PolicyError::Ports),
        ] {
            assert_eq!(SocksPolicy::default().extend(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}", likely in "(accept|reject)6? [0-9.:*/\\[\\]a-f-]{0,30}") {
            let _ = SocksPolicy::default().extend(&text);
            let _ = SocksPolicy::default().extend(&likely);
        }
    }
}
