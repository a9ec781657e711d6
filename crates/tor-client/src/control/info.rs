//! GETINFO: each key's value, from whoever knows it.

mod names;
mod process;
mod relay;

use tor_ctrl::{InfoAnswer, InfoError, OnionAddress, Signal};
use tor_ctrl_events::EventKind;

use super::Shared;
use crate::C_TOR_VERSION;

impl Shared {
    /// Answers one key.
    pub(super) async fn info(&self, key: &str) -> InfoAnswer {
        if let known @ (Ok(Some(_)) | Err(_)) = self.info_of_state(key) {
            return known;
        }
        for answer in [relay::answer(key), self.conf.info(key), self.extra_info(key)] {
            if !matches!(answer, Ok(None)) {
                return answer;
            }
        }
        self.client.directory_info(key).await
    }

    /// What the client's own state says.
    fn info_of_state(&self, key: &str) -> InfoAnswer {
        let ledger = self.client.ledger();
        let lines = |lines: Vec<String>| lines.join("\r\n");
        Ok(Some(match key {
            "version" => C_TOR_VERSION.to_owned(),
            "info/names" => names::text(),
            "events/names" => event_names(),
            "signal/names" => Signal::NAMES.map(|(name, _)| name).join(" "),
            "features/names" => "VERBOSE_NAMES EXTENDED_EVENTS".to_owned(),
            "process/pid" => process::pid(),
            "process/uid" => process::uid(),
            "process/user" => process::user(),
            "process/descriptor-limit" => process::descriptor_limit(),
            "uptime" => self.client.uptime().as_secs().to_string(),
            "current-time/utc" => jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "current-time/local" => jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "dormant" => u8::from(self.client.is_dormant()).to_string(),
            "address" | "address/v4" | "address/v6" => return Err(InfoError::unavailable("Address unknown")),
            "limits/max-mem-in-queues" => {
                return Err(InfoError::unavailable("MaxMemInQueues is not supported by this version"));
            }
            "circuit-status" => {
                lines(ledger.circuits().iter().map(|circuit| circuit.status_line()).collect())
            }
            "stream-status" => lines(ledger.streams().iter().map(|stream| stream.status_line()).collect()),
            "orconn-status" => lines(
                ledger.or_connections().iter().map(|connection| connection.status.status_line()).collect(),
            ),
            "entry-guards" | "helper-nodes" => self.controlled().entry_guards(),
            "traffic/read" => ledger.traffic().read.to_string(),
            "traffic/written" => ledger.traffic().written.to_string(),
            "bw-event-cache" => ledger.bw_event_cache(),
            "network-liveness" => if ledger.is_live() { "up" } else { "down" }.to_owned(),
            "status/circuit-established" => u8::from(self.client.has_built_a_circuit()).to_string(),
            "status/bootstrap-phase" => self.client.bootstrap_phase(),
            _ => {
                if let Some(kind) = key.strip_prefix("net/listeners/") {
                    return Ok(self.listeners(kind));
                }
                if let Some(part) = key.strip_prefix("address-mappings/") {
                    return Ok(self.mappings(part));
                }
                return onion_descriptor(key);
            }
        }))
    }

    /// Where ports of a kind listen, quoted, a blank between them; nothing if there is none.
    fn listeners(&self, kind: &str) -> Option<String> {
        let known =
            ["or", "extor", "dir", "socks", "trans", "natd", "httptunnel", "dns", "control", "metrics"];
        let quoted = |place: String| tor_ctrl::escape(place.as_bytes());
        known.contains(&kind).then(|| {
            let places: Vec<_> = self.client.listeners(kind).into_iter().map(quoted).collect();
            places.join(" ")
        })
    }
}

/// The events that SETEVENTS takes: C Tor's in its order, then those that it only documents.
fn event_names() -> String {
    EventKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" ")
}

/// Descriptors of onion services: none are fetched, none are ours.
fn onion_descriptor(key: &str) -> InfoAnswer {
    let address = key.strip_prefix("hs/client/desc/id/").or_else(|| key.strip_prefix("hs/service/desc/id/"));
    match address.map(|address| OnionAddress::parse(address).is_some()) {
        Some(true) => Err(InfoError::unavailable("Not found in cache")),
        Some(false) => Err(InfoError::unavailable("Invalid address")),
        None => Ok(None),
    }
}
