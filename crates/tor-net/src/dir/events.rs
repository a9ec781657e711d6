//! What controllers are told of new documents.
//!
//! Told from the blocking thread that has the documents, in the order in which things happened: an entry in an event says what
//! `GETINFO ns/id/…` says at that moment.

use std::sync::Arc;

use tor_ctrl_events::{
    EventKind, EventSink, LongName, NewConsensus, NewDesc, Ns, Severity, Status, StatusType,
};
use tor_dir::{
    DirState, Output,
    info::{self, TOR_VERSION, VersionStatus},
};

/// Tells of documents, and remembers what need not be told again.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    events: Arc<dyn EventSink>,
    enough: bool,
    warned_of_new: bool,
    warned_of_old: bool,
}

impl Teller {
    pub(super) fn new(events: Arc<dyn EventSink>) -> Self {
        Self { events, enough: false, warned_of_new: false, warned_of_old: false }
    }

    /// Tells what an output means.
    pub(super) fn tell(&mut self, state: &DirState, output: &Output) {
        match output {
            Output::ConsensusArrived { old, from_store } => {
                if !from_store {
                    self.client("CONSENSUS_ARRIVED");
                }
                let Some(consensus) = state.consensus() else { return };
                let entries = || info::entries(state, consensus.relays());
                self.events.emit_with(EventKind::NewConsensus, || NewConsensus { entries: entries() });
                if self.events.wants(EventKind::Ns) {
                    let entries = info::changed_entries(state, old.as_deref(), consensus);
                    if !entries.is_empty() {
                        self.events.emit(Ns { entries }.into());
                    }
                }
            }
            Output::NsConsensusArrived => self.judge_version(state),
            // One event each, though it could name several: so does C Tor.
            Output::RoutersArrived(relays) => {
                for (id, name) in relays {
                    let relay = || LongName::new(*id, Some(name.as_str()));
                    self.events.emit_with(EventKind::NewDesc, || NewDesc { relays: vec![relay()] });
                }
            }
            Output::ClockBehind(by) => self.general(|| {
                let skew = format!("-{}", by.as_secs());
                status(StatusType::General, Severity::Warn, "CLOCK_SKEW")
                    .arg("SKEW", skew)
                    .arg("SOURCE", "CONSENSUS")
            }),
            Output::Fetch(_)
            | Output::Cancel(_)
            | Output::View(_)
            | Output::Refused { .. }
            | Output::Obsolete(_)
            | Output::Outdated(_)
            | Output::StoreFailed { .. }
            | _ => {}
        }
    }

    /// Tells whether circuits can be built, if that has changed.
    pub(super) fn tell_enough(&mut self, enough: bool) {
        if std::mem::replace(&mut self.enough, enough) != enough {
            self.client(if enough { "ENOUGH_DIR_INFO" } else { "NOT_ENOUGH_DIR_INFO" });
        }
    }

    /// As C Tor, which does this with the flavour for tools only.
    fn judge_version(&mut self, state: &DirState) {
        let recommended = state.ns_consensus().and_then(|consensus| consensus.client_versions());
        let recommended = recommended.unwrap_or_default();
        let (reason, told) = match VersionStatus::of(TOR_VERSION, recommended) {
            VersionStatus::New | VersionStatus::NewInSeries => ("NEW", &mut self.warned_of_new),
            VersionStatus::Obsolete => ("OBSOLETE", &mut self.warned_of_old),
            VersionStatus::Unrecommended => ("UNRECOMMENDED", &mut self.warned_of_old),
            VersionStatus::Recommended | VersionStatus::NoneRecommended | VersionStatus::Unknown | _ => {
                return;
            }
        };
        if !std::mem::replace(told, true) {
            self.general(|| {
                status(StatusType::General, Severity::Warn, "DANGEROUS_VERSION")
                    .arg("CURRENT", TOR_VERSION)
                    .arg("REASON", reason)
                    .quoted("RECOMMENDED", recommended)
            });
        }
    }

    fn client(&self, action: &'static str) {
        self.events
            .emit_with(EventKind::StatusClient, || status(StatusType::Client, Severity::Notice, action));
    }

    fn general(&self, make: impl FnOnce() -> Status) {
        self.events.emit_with(EventKind::StatusGeneral, make);
    }
}

fn status(kind: StatusType, severity: Severity, action: &'static str) -> Status {
    Status::new(kind, severity, action)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, PoisonError},
        time::{Duration, Instant},
    };

    use tor_ctrl_events::Event;
    use tor_dir::DirConfig;
    use tor_id::RsaId;
    use tor_netdoc::{NetworkKind, Nickname};

    use super::*;

    #[derive(Debug, Default)]
    struct Lines(Mutex<Vec<String>>);

    impl EventSink for Lines {
        fn wants(&self, _: EventKind) -> bool {
            true
        }

        fn emit(&self, event: Event) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.to_text());
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn events_have_ctors_words() {
        let lines = Arc::new(Lines::default());
        let mut teller = Teller::new(Arc::<Lines>::clone(&lines));
        let state = DirState::new(DirConfig::new(Vec::new(), NetworkKind::Public), Instant::now());
        teller.tell(&state, &Output::ConsensusArrived { old: None, from_store: false });
        teller.tell(&state, &Output::ConsensusArrived { old: None, from_store: true });
        teller.tell(&state, &Output::ClockBehind(Duration::from_secs(3600)));
        let relay = (RsaId::from_bytes([0xab; 20]), Nickname::new("moria1").unwrap());
        teller.tell(&state, &Output::RoutersArrived(vec![relay, relay]));
        // No consensus recommends a version.
        teller.tell(&state, &Output::NsConsensusArrived);
        for enough in [false, true, true, false] {
            teller.tell_enough(enough);
        }
        let name = format!("${}~moria1", "AB".repeat(20));
        let lines = lines.0.lock().unwrap();
        assert_eq!(
            *lines,
            [
                "650 STATUS_CLIENT NOTICE CONSENSUS_ARRIVED\r\n".to_owned(),
                "650 STATUS_GENERAL WARN CLOCK_SKEW SKEW=-3600 SOURCE=CONSENSUS\r\n".to_owned(),
                format!("650 NEWDESC {name}\r\n"),
                format!("650 NEWDESC {name}\r\n"),
                "650 STATUS_CLIENT NOTICE ENOUGH_DIR_INFO\r\n".to_owned(),
                "650 STATUS_CLIENT NOTICE NOT_ENOUGH_DIR_INFO\r\n".to_owned(),
            ]
        );
    }
}
