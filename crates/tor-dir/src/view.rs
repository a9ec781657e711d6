//! The network as a client sees it: a consensus joined with microdescriptors.
//!
//! The consensus says who is there, a relay's microdescriptor how to talk to it. A relay whose microdescriptor is
//! not at hand can't be used yet. [`NetworkView::path_fraction`] says how much of the network can be, in the terms
//! by which C Tor decides that it may build circuits.

use std::{
    collections::HashMap,
    net::{SocketAddr, SocketAddrV6},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tor_id::{Ed25519Id, RelayIds, RsaId};
use tor_netdoc::{
    Consensus, Lifetime, MdDigest, Microdesc, NetParams, Nickname, Protocol, RelayEntry, RelayFlags,
    SharedRandom,
};

use crate::{Param, Role, Weights, param};

mod fraction;

pub use fraction::PathFraction;

/// How far from its lifetime a consensus may still be used (C Tor: "reasonably live").
pub(crate) const REASONABLY_LIVE: Duration = Duration::from_secs(24 * 60 * 60);

/// An immutable picture of the network. Cheap to share in an [`Arc`]; a new document makes a new one.
#[derive(Clone, Debug)]
pub struct NetworkView {
    consensus: Arc<Consensus>,
    /// Beside `consensus.relays()`, entry by entry.
    microdescs: Box<[Option<Arc<Microdesc>>]>,
    by_ed25519: HashMap<Ed25519Id, usize>,
    fraction: PathFraction,
}

/// One relay: its consensus entry, and its microdescriptor if that is at hand.
#[derive(Clone, Copy, Debug)]
pub struct Relay<'a> {
    entry: &'a RelayEntry,
    microdesc: Option<&'a Microdesc>,
}

impl NetworkView {
    /// Joins a consensus with those of its microdescriptors that `microdesc` knows.
    pub fn new(consensus: Arc<Consensus>, microdesc: impl Fn(&MdDigest) -> Option<Arc<Microdesc>>) -> Self {
        let microdescs: Box<[_]> = consensus
            .relays()
            .iter()
            .map(|entry| entry.microdesc().and_then(|digest| microdesc(&digest)))
            .collect();
        let ed25519 =
            |microdesc: &Option<Arc<Microdesc>>| microdesc.as_ref().and_then(|microdesc| microdesc.ed25519);
        let by_ed25519 = microdescs
            .iter()
            .enumerate()
            .filter_map(|(index, microdesc)| Some((ed25519(microdesc)?, index)))
            .collect();
        let mut view = Self { consensus, microdescs, by_ed25519, fraction: PathFraction::default() };
        view.fraction = PathFraction::of(&view);
        view
    }

    /// The consensus.
    pub const fn consensus(&self) -> &Arc<Consensus> {
        &self.consensus
    }

    /// From when to when the consensus holds.
    pub fn lifetime(&self) -> Lifetime {
        self.consensus.lifetime()
    }

    /// True while the consensus is within its lifetime.
    pub fn is_live(&self, wall: SystemTime) -> bool {
        let lifetime = self.lifetime();
        (lifetime.valid_after..=lifetime.valid_until).contains(&wall)
    }

    /// True while the consensus may be used: until a day after, and from a day before, its lifetime.
    pub fn is_reasonably_live(&self, wall: SystemTime) -> bool {
        let lifetime = self.lifetime();
        wall + REASONABLY_LIVE >= lifetime.valid_after && wall <= lifetime.valid_until + REASONABLY_LIVE
    }

    /// The value of a consensus parameter, within its limits.
    pub fn param(&self, param: &Param) -> i32 {
        param.of(self.consensus.params())
    }

    /// All parameters, as they were voted.
    pub fn params(&self) -> &NetParams {
        self.consensus.params()
    }

    /// The shared random values.
    pub fn shared_random(&self) -> SharedRandom {
        self.consensus.shared_random()
    }

    /// The weights by which relays are chosen for a role.
    pub fn weights(&self, role: Role) -> Weights {
        Weights::of(&self.consensus, role)
    }

    /// Every relay of the consensus, ascending by RSA identity.
    pub fn all_relays(&self) -> impl Iterator<Item = Relay<'_>> {
        self.consensus
            .relays()
            .iter()
            .zip(&self.microdescs)
            .map(|(entry, microdesc)| Relay { entry, microdesc: microdesc.as_deref() })
    }

    /// The relays that circuits can be built through now; see [`Relay::is_usable`].
    pub fn relays(&self) -> impl Iterator<Item = Relay<'_>> {
        self.all_relays().filter(Relay::is_usable)
    }

    /// The relay with this RSA identity, usable or not.
    pub fn relay(&self, id: &RsaId) -> Option<Relay<'_>> {
        self.at(self.consensus.relays().binary_search_by(|entry| entry.rsa.cmp(id)).ok()?)
    }

    /// The relay with this Ed25519 identity. Only relays whose microdescriptor is at hand are found.
    pub fn relay_by_ed25519(&self, id: &Ed25519Id) -> Option<Relay<'_>> {
        self.at(*self.by_ed25519.get(id)?)
    }

    /// The relay that has all of these identities.
    pub fn relay_by_ids(&self, ids: &RelayIds) -> Option<Relay<'_>> {
        let relay = self.relay(&ids.rsa)?;
        ids.ed25519.is_none_or(|ed25519| relay.ed25519() == Some(ed25519)).then_some(relay)
    }

    /// The microdescriptors that the consensus names and that are not at hand, in the order of its relays.
    /// Relays that a client would not use anyway are left out.
    pub fn missing_microdescs(&self) -> impl Iterator<Item = MdDigest> {
        self.all_relays()
            .filter(|relay| relay.microdesc.is_none() && relay.is_wanted())
            .filter_map(|relay| relay.entry.microdesc())
    }

    /// The known microdescriptors, in the order of the relays.
    pub fn microdescs(&self) -> impl Iterator<Item = &Arc<Microdesc>> {
        self.microdescs.iter().flatten()
    }

    /// Which part of the likely paths can be built.
    pub const fn path_fraction(&self) -> &PathFraction {
        &self.fraction
    }

    /// Which part of the likely paths must be buildable before any is built: 0.25 to 0.95.
    pub fn needed_fraction(&self) -> f64 {
        f64::from(self.param(&param::MIN_PATHS_FOR_CIRCS_PCT)) / 100.0
    }

    /// True if enough is known of the network to build circuits.
    pub fn has_enough_info(&self) -> bool {
        self.fraction.paths() >= self.needed_fraction()
    }

    /// True if the two relays must not be in one circuit because they say, or have proved, that one operator runs
    /// both. A relay is its own family. Subnets are the caller's to compare: [`Relay::in_same_subnet`].
    pub fn in_same_family(&self, one: &Relay<'_>, other: &Relay<'_>) -> bool {
        one.rsa() == other.rsa()
            || self.param(&param::USE_FAMILY_LISTS) != 0 && one.lists(other) && other.lists(one)
            || self.param(&param::USE_FAMILY_IDS) != 0 && one.shares_family_id(other)
    }

    fn at(&self, index: usize) -> Option<Relay<'_>> {
        let microdesc = self.microdescs.get(index)?.as_deref();
        Some(Relay { entry: self.consensus.relays().get(index)?, microdesc })
    }
}

impl<'a> Relay<'a> {
    /// The consensus entry.
    pub const fn entry(&self) -> &'a RelayEntry {
        self.entry
    }

    /// The microdescriptor, if it is at hand.
    pub const fn microdesc(&self) -> Option<&'a Microdesc> {
        self.microdesc
    }

    /// The RSA identity.
    pub const fn rsa(&self) -> &'a RsaId {
        &self.entry.rsa
    }

    /// The Ed25519 identity, if it is known.
    pub fn ed25519(&self) -> Option<Ed25519Id> {
        self.microdesc?.ed25519.filter(|id| !id.is_zero())
    }

    /// Both identities.
    pub fn ids(&self) -> RelayIds {
        RelayIds::new(self.entry.rsa, self.ed25519())
    }

    /// The nickname.
    pub const fn nickname(&self) -> &'a Nickname {
        &self.entry.nickname
    }

    /// The Curve25519 onion key, if it is known. An all-zero key is none.
    pub fn ntor_key(&self) -> Option<&'a [u8; 32]> {
        self.microdesc.map(|microdesc| &microdesc.ntor_key).filter(|key| **key != [0; 32])
    }

    /// The flags.
    pub const fn flags(&self) -> RelayFlags {
        self.entry.flags
    }

    /// True if the relay has all of these flags.
    pub const fn has(&self, flags: RelayFlags) -> bool {
        self.entry.flags.contains(flags)
    }

    /// True if the relay may be an exit: it has `Exit` and not `BadExit`.
    pub const fn is_exit(&self) -> bool {
        self.has(RelayFlags::EXIT) && !self.has(RelayFlags::BAD_EXIT)
    }

    /// True if the relay speaks this version of this subprotocol.
    pub fn supports(&self, protocol: Protocol, version: u32) -> bool {
        self.entry.protocols.supports(protocol, version)
    }

    /// Where the relay takes OR connections: IPv4 first. None that is zero.
    pub fn or_addresses(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        let extra = if self.entry.ipv6.is_none() {
            self.microdesc.and_then(|microdesc| microdesc.ipv6)
        } else {
            None
        };
        self.entry.or_addresses().chain(extra.map(SocketAddr::V6))
    }

    /// The IPv6 address at which the relay takes OR connections.
    pub fn ipv6(&self) -> Option<SocketAddrV6> {
        self.entry.ipv6.or_else(|| self.microdesc?.ipv6)
    }

    /// True if the exit policy summary allows this port over IPv4.
    pub fn allows_port(&self, port: u16) -> bool {
        let policy = self.microdesc.and_then(|microdesc| microdesc.policy.as_deref());
        policy.is_some_and(|policy| policy.allows(port))
    }

    /// True if the exit policy summary allows this port over IPv6.
    pub fn allows_port_ipv6(&self, port: u16) -> bool {
        let policy = self.microdesc.and_then(|microdesc| microdesc.policy6.as_deref());
        policy.is_some_and(|policy| policy.allows(port))
    }

    /// True if circuits can be built through the relay now: it is wanted, its microdescriptor is at hand with both
    /// an onion key and an Ed25519 identity, and it has an address.
    pub fn is_usable(&self) -> bool {
        self.is_wanted()
            && self.ntor_key().is_some()
            && self.ed25519().is_some()
            && self.or_addresses().next().is_some()
    }

    /// True if a client would use the relay once it has its microdescriptor: it understands EXTEND2.
    pub fn is_wanted(&self) -> bool {
        self.supports(Protocol::RELAY, 2)
    }

    /// True if the two share an IPv4 /16 or an IPv6 /32.
    pub fn in_same_subnet(&self, other: &Relay<'_>) -> bool {
        let (one, two) = (self.entry.ipv4, other.entry.ipv4);
        let ipv4 = !one.is_unspecified() && !two.is_unspecified() && one.octets()[..2] == two.octets()[..2];
        let ipv6 = self.ipv6().zip(other.ipv6());
        ipv4 || ipv6.is_some_and(|(one, two)| one.ip().octets()[..4] == two.ip().octets()[..4])
    }

    /// True if this relay's own `family` line names the other.
    fn lists(&self, other: &Relay<'_>) -> bool {
        let family = self.microdesc.and_then(|microdesc| microdesc.family.as_ref());
        family.is_some_and(|family| family.contains(&other.entry.rsa, &other.entry.nickname))
    }

    fn shares_family_id(&self, other: &Relay<'_>) -> bool {
        let ids = |relay: &Self| relay.microdesc.and_then(|microdesc| microdesc.family_ids.as_deref());
        let theirs = other.microdesc.and_then(|microdesc| microdesc.family_ids.as_deref());
        ids(self).zip(theirs).is_some_and(|(one, two)| one.iter().any(|id| two.binary_search(id).is_ok()))
    }
}

#[cfg(test)]
mod tests;
