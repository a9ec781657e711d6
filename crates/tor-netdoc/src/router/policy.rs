//! The exit policy of a router descriptor, brought into the short form of consensuses.
//! <https://spec.torproject.org/dir-spec/server-descriptor-format.html>
//!
//! A rule says `accept` or `reject` of a range of addresses and one of ports; the first that fits counts. The short form
//! knows ports only: a port counts as accepted if it is for all addresses, save for some that are few or private.

use std::net::Ipv4Addr;

use crate::{
    DocError, PortPolicy,
    lines::{Item, decimal},
};

/// A port stays accepted while no more addresses than this are refused: two networks of a /8.
const MAX_REJECTED: u64 = 1 << 25;
/// The longest list of ports that a consensus has.
const MAX_LENGTH: usize = 1000;
/// Networks of which every exit policy refuses connections anyway.
const PRIVATE: [(Ipv4Addr, u8); 6] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
];

/// The rules read so far, as what they make of each range of ports.
#[derive(Clone, Debug)]
pub(super) struct Rules(Vec<Ports>);

/// What is known of a range of ports. The ranges are in order, and are all ports together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports {
    low: u16,
    high: u16,
    accepted: bool,
    /// To how many addresses connections are refused.
    rejected: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self(vec![Ports { low: 1, high: u16::MAX, accepted: false, rejected: 0 }])
    }
}

impl Rules {
    /// Takes an `accept` or `reject` line.
    pub(super) fn add(&mut self, item: &Item<'_>) -> Result<(), DocError> {
        let [pattern] = item.first("exit policy")?;
        let (address, ports) = pattern.rsplit_once(':').ok_or_else(|| item.malformed("exit policy"))?;
        let (low, high) = parse_ports(ports).ok_or_else(|| item.malformed("exit policy"))?;
        let Some((address, bits)) = parse_address(address).ok_or_else(|| item.malformed("exit policy"))?
        else {
            return Ok(());
        };
        let accept = item.keyword == "accept";
        // Part of the addresses is not enough for a port to count as accepted.
        if accept && bits == 0 || !accept && !PRIVATE.contains(&(address, bits)) {
            for ports in self.between(low, high) {
                if accept {
                    ports.accepted |= ports.rejected <= MAX_REJECTED;
                } else {
                    ports.rejected = ports.rejected.saturating_add(1 << (32 - u32::from(bits.min(32))));
                }
            }
        }
        Ok(())
    }

    /// The short form.
    pub(super) fn finish(&self) -> PortPolicy {
        let lists = [true, false].map(|accepted| {
            let mut ranges: Vec<(u16, u16)> = Vec::new();
            for ports in self.0.iter().filter(|ports| ports.accepted == accepted) {
                match ranges.last_mut().filter(|last| last.1.checked_add(1) == Some(ports.low)) {
                    Some(last) => last.1 = ports.high,
                    None => ranges.push((ports.low, ports.high)),
                }
            }
            ranges
        });
        let [accepts, rejects] = lists.map(|ranges| PortList { length: text_length(&ranges), ranges });
        if accepts.ranges.is_empty() {
            PortPolicy::reject_all()
        } else if rejects.ranges.is_empty() {
            PortPolicy::from_ranges(true, vec![(1, u16::MAX)])
        } else if accepts.length > MAX_LENGTH - "accept ".len()
            && rejects.length > MAX_LENGTH - "reject ".len()
        {
            PortPolicy::from_ranges(true, accepts.cut())
        } else if rejects.length < accepts.length {
            PortPolicy::from_ranges(false, rejects.ranges)
        } else {
            PortPolicy::from_ranges(true, accepts.ranges)
        }
    }

    /// The ranges that make up this one, after splitting those at its ends.
    fn between(&mut self, low: u16, high: u16) -> impl Iterator<Item = &mut Ports> {
        self.split_before(low);
        if let Some(next) = high.checked_add(1) {
            self.split_before(next);
        }
        self.0.iter_mut().filter(move |ports| low <= ports.low && ports.high <= high)
    }

    fn split_before(&mut self, port: u16) {
        let inside = self.0.iter().position(|ports| ports.low < port && port <= ports.high);
        if let Some((index, ports)) = inside.and_then(|index| Some((index, self.0.get_mut(index)?))) {
            let upper = Ports { low: port, ..*ports };
            ports.high = port - 1;
            self.0.insert(index + 1, upper);
        }
    }
}

struct PortList {
    length: usize,
    ranges: Vec<(u16, u16)>,
}

impl PortList {
    /// As many as fit.
    fn cut(mut self) -> Vec<(u16, u16)> {
        while text_length(&self.ranges) > MAX_LENGTH - "accept ".len() {
            self.ranges.pop();
        }
        self.ranges
    }
}

/// How long the list is as text.
fn text_length(ranges: &[(u16, u16)]) -> usize {
    let digits = |port: u16| port.checked_ilog10().map_or(1, |log| usize::try_from(log).unwrap_or(0) + 1);
    let entry = |(low, high): &(u16, u16)| {
        if low == high { digits(*low) } else { digits(*low) + 1 + digits(*high) }
    };
    ranges.iter().map(entry).sum::<usize>() + ranges.len().saturating_sub(1)
}

/// `*`, a port, or a range of them.
fn parse_ports(text: &str) -> Option<(u16, u16)> {
    if text == "*" {
        return Some((1, u16::MAX));
    }
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high): (u16, u16) = (decimal(low)?, decimal(high)?);
    (low <= high && high > 0).then_some((low.max(1), high))
}

/// `*`, an address, or a network with the number of its bits or its mask; `Some(None)` for the private networks together.
fn parse_address(text: &str) -> Option<Option<(Ipv4Addr, u8)>> {
    if text == "private" {
        return Some(None);
    }
    if text == "*" {
        return Some(Some((Ipv4Addr::UNSPECIFIED, 0)));
    }
    let (address, mask) = text.split_once('/').unwrap_or((text, "32"));
    let bits = match decimal::<u8>(mask) {
        Some(bits) => bits,
        None => {
            let mask = u32::from(mask.parse::<Ipv4Addr>().ok()?);
            let bits = mask.leading_ones();
            u8::try_from(bits).ok().filter(|_| mask.count_ones() == bits)?
        }
    };
    if bits > 32 {
        return None;
    }
    Some(Some((address.parse().ok()?, bits)))
}
