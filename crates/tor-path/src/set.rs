//! Sets of relays that users name: by fingerprint, by nickname, by address.

use std::net::IpAddr;

use tor_dir::Relay;
use tor_id::RsaId;

/// The relays that any of its patterns describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelaySet {
    patterns: Vec<RelayPattern>,
}

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayPattern {
    /// The relay of this identity.
    Id(RsaId),
    /// Every relay of this name, whatever the case of its letters.
    Nickname(String),
    /// Every relay that has an address in this network, which is the first `bits` of `address`.
    Network {
        /// An address in it.
        address: IpAddr,
        /// 0 to 32, or to 128.
        bits: u8,
    },
}

impl RelaySet {
    /// True if the relay is one of them.
    pub fn contains(&self, relay: &Relay<'_>) -> bool {
        self.patterns.iter().any(|pattern| pattern.describes(relay))
    }
}

impl FromIterator<RelayPattern> for RelaySet {
    fn from_iter<I: IntoIterator<Item = RelayPattern>>(patterns: I) -> Self {
        Self { patterns: patterns.into_iter().collect() }
    }
}

impl RelayPattern {
    fn describes(&self, relay: &Relay<'_>) -> bool {
        match self {
            Self::Id(id) => id == relay.rsa(),
            Self::Nickname(name) => relay.nickname().as_str().eq_ignore_ascii_case(name),
            Self::Network { address, bits } => {
                relay.or_addresses().any(|own| in_network(own.ip(), *address, *bits))
            }
        }
    }
}

fn in_network(own: IpAddr, network: IpAddr, bits: u8) -> bool {
    let differing = match (own, network) {
        (IpAddr::V4(own), IpAddr::V4(network)) => (own.to_bits() ^ network.to_bits()).leading_zeros(),
        (IpAddr::V6(own), IpAddr::V6(network)) => (own.to_bits() ^ network.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    differing >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testnet::{TestRelay, network};

    fn members(patterns: &[RelayPattern]) -> Vec<String> {
        let mut relays: Vec<_> =
            (0..6).map(|i| TestRelay::new(i).subnet(40, u8::try_from(i).unwrap())).collect();
        relays[5].ipv6 = Some("2001:db8::5");
        let view = network(&relays);
        let set: RelaySet = patterns.iter().cloned().collect();
        let mut members: Vec<_> = view
            .all_relays()
            .filter(|relay| set.contains(relay))
            .map(|relay| relay.nickname().as_str().to_owned())
            .collect();
        members.sort();
        members
    }

    #[test]
    fn each_kind_of_pattern_describes_its_relays() {
        let network = |address: &str, bits| RelayPattern::Network { address: address.parse().unwrap(), bits };
        assert_eq!(members(&[]), [""; 0]);
        assert_eq!(members(&[RelayPattern::Id(TestRelay::new(3).id())]), ["relay3"]);
        assert_eq!(members(&[RelayPattern::Nickname("RELAY4".to_owned())]), ["relay4"]);
        assert_eq!(members(&[network("40.2.0.0", 16)]), ["relay2"]);
        assert_eq!(members(&[network("40.2.9.9", 15)]), ["relay2", "relay3"]);
        assert_eq!(members(&[network("40.2.1.1", 32)]), ["relay2"]);
        assert_eq!(members(&[network("40.2.1.2", 32)]), [""; 0]);
        assert_eq!(members(&[network("2001:db8::", 32)]), ["relay5"]);
        assert_eq!(members(&[network("::", 0)]), ["relay5"]);
        assert_eq!(members(&[network("0.0.0.0", 0)]).len(), 6);
        let two = [RelayPattern::Nickname("relay0".to_owned()), network("40.5.0.0", 16)];
        assert_eq!(members(&two), ["relay0", "relay5"]);
    }
}
