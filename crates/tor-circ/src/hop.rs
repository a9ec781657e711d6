//! Which relay is to be the next hop, and how it is asked.
//! <https://spec.torproject.org/tor-spec/create-created-cells.html>

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use tor_id::{LinkSpec, RelayIds};
use tor_ntor::OnionKey;

/// A hop's place in its circuit, from 0. Prints as "hop 1" for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HopIndex(pub u8);

/// The relay that is to be the next hop.
#[derive(Clone, Debug)]
pub struct HopSpec {
    /// Who it is. Without an Ed25519 identity the hop before it is not told one, and ntor-v3 is impossible.
    pub ids: RelayIds,
    /// Where it listens. The hop before it is told the first IPv4 and the first IPv6 address; a first hop
    /// needs none.
    pub addrs: Vec<SocketAddr>,
    /// How keys are agreed.
    pub handshake: HopHandshake,
}

/// How keys are agreed with a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HopHandshake {
    /// CREATE_FAST: no public key; only for a first hop whose keys are unknown. The link protects it.
    CreateFast,
    /// ntor.
    Ntor {
        /// The relay's current onion key.
        onion_key: OnionKey,
    },
    /// ntor-v3, without extensions.
    NtorV3 {
        /// The relay's current onion key.
        onion_key: OnionKey,
    },
}

impl HopIndex {
    /// The first hop: the relay at the other end of the channel.
    pub const FIRST: Self = Self(0);

    pub(crate) fn as_usize(self) -> usize {
        self.0.into()
    }
}

impl fmt::Display for HopIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hop {}", u16::from(self.0) + 1)
    }
}

impl HopSpec {
    /// The link specifiers that name this relay, in C Tor's order (which differs from the spec's suggestion):
    /// IPv4, RSA identity, Ed25519 identity, IPv6. `None` without a usable address.
    pub(crate) fn link_specs(&self) -> Option<Vec<LinkSpec>> {
        // A relay or bridge with address 0.0.0.0 or port 0 must not be asked for (C Tor bug 41276).
        let usable = |addr: &&SocketAddr| !addr.ip().is_unspecified() && addr.port() != 0;
        let first = |v4: bool| {
            self.addrs.iter().filter(usable).find(|addr| matches!(addr.ip(), IpAddr::V4(_)) == v4).copied()
        };
        let (v4, v6) = (first(true), first(false));
        // "EXTEND2 must contain an address": at least one of either kind.
        v4.or(v6)?;
        let specs = [
            v4.map(LinkSpec::Address),
            Some(LinkSpec::Rsa(self.ids.rsa)),
            self.ids.ed25519.map(LinkSpec::Ed25519),
            v6.map(LinkSpec::Address),
        ];
        Some(specs.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use tor_id::{Ed25519Id, RsaId};

    use super::*;

    fn spec(ed25519: bool, addrs: &[&str]) -> HopSpec {
        let ed25519 = ed25519.then(|| Ed25519Id::from_bytes([2; 32]));
        HopSpec {
            ids: RelayIds::new(RsaId::from_bytes([1; 20]), ed25519),
            addrs: addrs.iter().map(|addr| addr.parse().unwrap()).collect(),
            handshake: HopHandshake::CreateFast,
        }
    }

    fn kinds(spec: &HopSpec) -> Option<String> {
        spec.link_specs().map(|specs| {
            let letter = |spec: &LinkSpec| match spec {
                LinkSpec::Address(SocketAddr::V4(_)) => '4',
                LinkSpec::Address(SocketAddr::V6(_)) => '6',
                LinkSpec::Rsa(_) => 'r',
                LinkSpec::Ed25519(_) => 'e',
                LinkSpec::Unknown { .. } => '?',
            };
            specs.iter().map(letter).collect()
        })
    }

    #[test]
    fn link_specifiers_come_in_c_tors_order() {
        let full = spec(true, &["[2001:db8::1]:9001", "192.0.2.1:9001", "192.0.2.2:9001"]);
        assert_eq!(kinds(&full).unwrap(), "4re6");
        let first = LinkSpec::Address("192.0.2.1:9001".parse().unwrap());
        assert_eq!(full.link_specs().unwrap().first(), Some(&first));
        assert_eq!(kinds(&spec(false, &["192.0.2.1:9001"])).unwrap(), "4r");
        assert_eq!(kinds(&spec(true, &["[2001:db8::1]:9001"])).unwrap(), "re6");
    }

    #[test]
    fn an_address_that_is_none_is_never_asked_for() {
        assert_eq!(kinds(&spec(true, &[])), None);
        assert_eq!(kinds(&spec(true, &["0.0.0.0:9001", "[::]:9001", "192.0.2.1:0"])), None);
        assert_eq!(kinds(&spec(true, &["0.0.0.0:9001", "192.0.2.1:9001"])).unwrap(), "4re");
    }
}
