//! A chosen path: all that is needed to build the circuit, and to ask later what it serves.

use std::{net::SocketAddr, sync::Arc};

use tor_dir::Relay;
use tor_id::RelayIds;
use tor_netdoc::{Nickname, PortPolicy, Protocol};

use crate::need::{ExitNeed, ExitPolicies};

/// One relay of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who it is.
    pub ids: RelayIds,
    /// Where it takes OR connections, IPv4 first.
    pub addrs: Vec<SocketAddr>,
    /// Its ntor onion key.
    pub ntor_key: [u8; 32],
    /// It answers ntor-v3 (`Relay=4`).
    pub ntor_v3: bool,
    /// What it calls itself.
    pub nickname: Nickname,
}

/// Guard, middle, exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    hops: Vec<Hop>,
    policies: Option<ExitPolicies>,
    long_lived: bool,
    /// Nobody weighed these relays.
    by_hand: bool,
}

impl Hop {
    /// The hop that this relay would be; `None` if it is not usable.
    pub fn of(relay: &Relay<'_>) -> Option<Self> {
        if !relay.is_usable() {
            return None;
        }
        Some(Self {
            ids: relay.ids(),
            addrs: relay.or_addresses().collect(),
            ntor_key: *relay.ntor_key()?,
            ntor_v3: relay.supports(Protocol::RELAY, 4),
            nickname: *relay.nickname(),
        })
    }
}

impl Path {
    /// A path that ends at an exit with these policy summaries, IPv4's and IPv6's. `long_lived`: its relays are
    /// stable enough for streams that live long.
    pub fn exiting(
        hops: [Hop; 3],
        policy: Option<Arc<PortPolicy>>,
        policy6: Option<Arc<PortPolicy>>,
        long_lived: bool,
    ) -> Self {
        Self {
            hops: hops.into(),
            policies: Some(ExitPolicies::new(policy, policy6)),
            long_lived,
            by_hand: false,
        }
    }

    /// A path of hops that somebody chose, whose last one has these policy summaries.
    pub(crate) const fn of_hand(
        hops: Vec<Hop>,
        policy: Option<Arc<PortPolicy>>,
        policy6: Option<Arc<PortPolicy>>,
    ) -> Self {
        Self { hops, policies: Some(ExitPolicies::new(policy, policy6)), long_lived: false, by_hand: true }
    }

    /// A path of these hops that serves no stream to the outside.
    pub const fn internal(hops: Vec<Hop>) -> Self {
        Self { hops, policies: None, long_lived: false, by_hand: false }
    }

    /// The relays in order.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// The relay that the client connects to.
    pub fn guard(&self) -> Option<&Hop> {
        self.hops.first()
    }

    /// The relay that connects to the outside.
    pub fn exit(&self) -> Option<&Hop> {
        self.hops.last()
    }

    /// True if its last relay is there to connect to the outside.
    pub const fn exits(&self) -> bool {
        self.policies.is_some()
    }

    /// True if somebody chose its relays, and not this crate.
    pub const fn is_by_hand(&self) -> bool {
        self.by_hand
    }

    /// True if its relays were chosen for streams that live long.
    pub const fn is_long_lived(&self) -> bool {
        self.long_lived
    }

    /// True if the last relay's policy allows this. Never for a single relay: it would know both ends.
    pub fn serves(&self, need: &ExitNeed) -> bool {
        if self.hops.len() < 2 {
            return false;
        }
        let stable_enough = self.long_lived || !need.is_long_lived();
        stable_enough && self.policies.as_ref().is_some_and(|policies| policies.allow(need))
    }
}
