//! The commands about streams and addresses.

use tor_circmgr::address_map::{Listing, MapError};
use tor_ctrl::{ControllerId, MapAnswer, Mapping, Reply, Word};
use tor_ctrl_events::{CircuitId, EventKind, StreamId};
use tor_net::{AttachError, UnknownStream};
use tracing::warn;

use super::Shared;

impl Shared {
    /// ATTACHSTREAM.
    pub(super) async fn attach_stream(
        &self,
        stream: &Word<StreamId>,
        circuit: &Word<CircuitId>,
        hop: Option<&Word<u32>>,
    ) -> Reply {
        let ledger = self.client.ledger();
        let Some(id) = stream.value().filter(|id| ledger.stream(*id).is_some()) else {
            return stream.unknown();
        };
        let mut chosen = None;
        if !circuit.is_zero() {
            let Some(circuit) = circuit.value().filter(|id| ledger.circuit(*id).is_some()) else {
                return circuit.unknown();
            };
            chosen = Some(circuit);
        }
        // C Tor reads the hop only where there is a circuit.
        let hop = match hop.filter(|_| chosen.is_some()) {
            None => None,
            Some(hop) => match hop.value() {
                Some(value) => Some(value),
                None => return hop.bad_hop(),
            },
        };
        match ledger.attach_stream(id, chosen, hop).await {
            Ok(()) => Reply::ok(),
            Err(AttachError::Stream(_)) => stream.unknown(),
            Err(AttachError::Circuit(_)) => circuit.unknown(),
            Err(error) => Reply::line(error.code(), error.to_string()),
        }
    }

    /// REDIRECTSTREAM.
    pub(super) fn redirect_stream(
        &self,
        stream: &Word<StreamId>,
        address: &str,
        port: Option<&Word<u16>>,
    ) -> Reply {
        let ledger = self.client.ledger();
        let Some(id) = stream.value().filter(|id| ledger.stream(*id).is_some()) else {
            return stream.unknown();
        };
        let port = match port {
            None => None,
            Some(port) => match port.value() {
                Some(value) => Some(value),
                None => return port.bad_port(),
            },
        };
        done(stream, ledger.redirect_stream(id, address, port))
    }

    /// CLOSESTREAM.
    pub(super) fn close_stream(&self, stream: &Word<StreamId>, reason: &Word<u8>) -> Reply {
        let ledger = self.client.ledger();
        let Some(id) = stream.value().filter(|id| ledger.stream(*id).is_some()) else {
            return stream.unknown();
        };
        match reason.value() {
            Some(reason) => done(stream, ledger.close_stream(id, reason)),
            None => reason.bad_reason(),
        }
    }

    /// RESOLVE: the answers are ADDRMAP events.
    pub(super) fn resolve(&self, from: ControllerId, targets: &[String], reverse: bool) -> Reply {
        if !self.events().wants(EventKind::AddrMap) {
            warn!(
                "Control connection {from} asks for a look-up, but nobody listens to ADDRMAP events, which are its answer."
            );
        }
        for target in targets {
            self.client.opener().lookup(target, reverse, None);
        }
        Reply::ok()
    }

    /// MAPADDRESS: each pair for itself.
    pub(super) fn map_addresses(&self, mappings: &[Mapping]) -> Reply {
        let addresses = self.client.ledger().addresses();
        Reply::mapped(mappings.iter().map(|Mapping { from, to }| {
            let (asked_from, asked_to) = (from.clone(), to.clone());
            match addresses.assign(from, to) {
                Ok(pair) => {
                    let (from, to) =
                        pair.split_once('=').map_or((pair.as_str(), ""), |(from, to)| (from, to));
                    MapAnswer::Mapped { from: from.to_owned(), to: to.to_owned() }
                }
                Err(MapError::Target { .. }) => MapAnswer::BadTarget { to: asked_to },
                Err(MapError::Exhausted { .. }) => MapAnswer::Exhausted { from: asked_from, to: asked_to },
                Err(MapError::Pair { why, .. }) => {
                    MapAnswer::BadPair { from: asked_from, to: asked_to, why: why.to_string() }
                }
                Err(other) => MapAnswer::BadPair { from: asked_from, to: asked_to, why: other.to_string() },
            }
        }))
    }

    /// `GETINFO address-mappings/…`.
    pub(super) fn mappings(&self, part: &str) -> Option<String> {
        let listing = match part {
            "all" => Listing::All,
            "cache" => Listing::Cache,
            "config" => Listing::Config,
            "control" => Listing::Control,
            _ => return None,
        };
        Some(self.client.ledger().addresses().lines(listing).join("\r\n"))
    }
}

fn done(stream: &Word<StreamId>, result: Result<(), UnknownStream>) -> Reply {
    result.map_or_else(|_| stream.unknown(), |()| Reply::ok())
}
