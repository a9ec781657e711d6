//! The consensus: what the directory authorities agree on.
//! <https://spec.torproject.org/dir-spec/consensus-formats.html>
//!
//! ```text
//! header      times, protocols, params, shared random        ┐
//!             dir-source …, one for each authority            │ signed, up to and including
//! relays      r, a, s, v, pr, w, p, m …, ascending by RSA id  │ "directory-signature "
//! footer      bandwidth-weights                               ┘
//! signatures  directory-signature …
//! ```
//!
//! [`UnverifiedConsensus::parse`] reads the text, [`UnverifiedConsensus::verify`] is the only way from there to a
//! [`Consensus`]. The text is kept once; entries know where in it they lie. Time is not looked at, except that
//! signing certificates must not have expired: whether a consensus is fresh is the caller's question.
//!
//! Left out: votes, and what only relays read (`server-versions` aside).

use std::{
    net::Ipv4Addr,
    ops::Range,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use sha3::{Digest, Sha3_256};
use tor_id::RsaId;

use crate::{NetParams, Protocols};

mod flags;
mod parse;
mod relay;
mod verify;

pub use flags::RelayFlags;
pub use relay::{DescriptorDigest, RelayEntry};
pub use verify::{CertId, SignatureDigest, UnverifiedConsensus, VerifyError};

/// Which of the two forms of the consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// Entries name router descriptors.
    Ns,
    /// Entries name microdescriptors.
    Microdesc,
}

/// How short a consensus may live: C Tor refuses ones that are too short-lived for their network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkKind {
    /// The public network: intervals of five minutes or more.
    #[default]
    Public,
    /// `TestingTorNetwork`: intervals of ten seconds or more.
    Testing,
}

/// A consensus that enough authorities have signed.
#[derive(Clone, Debug)]
pub struct Consensus {
    body: Body,
    signers: Box<[RsaId]>,
}

/// What a consensus says.
#[derive(Clone, Debug)]
struct Body {
    text: Arc<str>,
    flavor: Flavor,
    method: u32,
    lifetime: Lifetime,
    voting_delay: (Duration, Duration),
    client_versions: Option<Box<str>>,
    server_versions: Option<Box<str>>,
    protocols: ProtocolLists,
    params: NetParams,
    shared_random: SharedRandom,
    authorities: Box<[Voter]>,
    relays: Box<[RelayEntry]>,
    bandwidth_weights: NetParams,
    signed: Range<usize>,
    sha3: OnceLock<[u8; 32]>,
}

/// From when to when a consensus holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// When its period begins.
    pub valid_after: SystemTime,
    /// When the next one begins, in the authorities' plan.
    pub fresh_until: SystemTime,
    /// When it should no longer be used.
    pub valid_until: SystemTime,
}

/// Subprotocols that a client or relay should or must speak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtocolLists {
    /// Clients that lack one of these should warn.
    pub recommended_client: Protocols,
    /// Clients that lack one of these must not use the network.
    pub required_client: Protocols,
    /// Relays that lack one of these should warn.
    pub recommended_relay: Protocols,
    /// Relays that lack one of these must not join.
    pub required_relay: Protocols,
}

/// The shared random values. <https://spec.torproject.org/srv-spec/index.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedRandom {
    /// The value of the protocol run before the last.
    pub previous: Option<[u8; 32]>,
    /// The value of the last protocol run.
    pub current: Option<[u8; 32]>,
}

/// An authority that took part, as `dir-source` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Voter {
    /// Its nickname (legacy keys add `-legacy`, so it is no [`crate::Nickname`]).
    pub nickname: Box<str>,
    /// SHA-1 of its v3 identity key.
    pub v3_ident: RsaId,
    /// Its address.
    pub ipv4: Ipv4Addr,
    /// Its port for plain HTTP.
    pub dir_port: u16,
    /// Its OR port.
    pub or_port: u16,
}

impl Consensus {
    /// The text, byte for byte as it was received.
    pub const fn text(&self) -> &Arc<str> {
        &self.body.text
    }

    /// The flavour.
    pub const fn flavor(&self) -> Flavor {
        self.body.flavor
    }

    /// The consensus method.
    pub const fn method(&self) -> u32 {
        self.body.method
    }

    /// From when to when it holds.
    pub const fn lifetime(&self) -> Lifetime {
        self.body.lifetime
    }

    /// How long before `valid_after` votes and signatures are exchanged.
    pub const fn voting_delay(&self) -> (Duration, Duration) {
        self.body.voting_delay
    }

    /// Recommended client versions, separated by commas.
    pub fn client_versions(&self) -> Option<&str> {
        self.body.client_versions.as_deref()
    }

    /// Recommended relay versions, separated by commas.
    pub fn server_versions(&self) -> Option<&str> {
        self.body.server_versions.as_deref()
    }

    /// Recommended and required subprotocols.
    pub const fn protocols(&self) -> &ProtocolLists {
        &self.body.protocols
    }

    /// The parameters that the authorities voted.
    pub const fn params(&self) -> &NetParams {
        &self.body.params
    }

    /// The shared random values.
    pub const fn shared_random(&self) -> SharedRandom {
        self.body.shared_random
    }

    /// The authorities that voted.
    pub fn authorities(&self) -> &[Voter] {
        &self.body.authorities
    }

    /// The relays, ascending by RSA identity.
    pub fn relays(&self) -> &[RelayEntry] {
        &self.body.relays
    }

    /// The entry of the relay with this identity.
    pub fn relay(&self, id: &RsaId) -> Option<&RelayEntry> {
        let index = self.body.relays.binary_search_by(|relay| relay.rsa.cmp(id)).ok()?;
        self.body.relays.get(index)
    }

    /// The text of an entry of this consensus, for tools that show it.
    pub fn text_of(&self, relay: &RelayEntry) -> &str {
        let at = |end: u32| usize::try_from(end).ok();
        at(relay.span.start)
            .zip(at(relay.span.end))
            .and_then(|(start, end)| self.body.text.get(start..end))
            .unwrap_or_default()
    }

    /// The bandwidth weights (`Wgg` …).
    pub const fn bandwidth_weights(&self) -> &NetParams {
        &self.body.bandwidth_weights
    }

    /// The authorities (v3 identities) whose signatures were found good.
    pub fn signers(&self) -> &[RsaId] {
        &self.signers
    }

    /// SHA3-256 of the signed part: how a request names the base of a diff.
    pub fn sha3_as_signed(&self) -> [u8; 32] {
        *self.body.sha3.get_or_init(|| {
            Sha3_256::digest(self.body.text.get(self.body.signed.clone()).unwrap_or_default()).into()
        })
    }
}

#[cfg(test)]
mod tests;
