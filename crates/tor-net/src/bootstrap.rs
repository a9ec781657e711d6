//! How far the start has come, in C Tor's words. <https://spec.torproject.org/control-spec/replies.html#bootstrap-phase>
//!
//! The log, the event `STATUS_CLIENT … BOOTSTRAP` and `GETINFO status/bootstrap-phase` say the same.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use tokio::sync::watch;
use tor_ctrl_events::{EventSink, NoEvents, Severity, Status, StatusType};
use tor_id::RelayIds;
use tracing::{debug, info, warn};

use crate::{ChannelError, ledger::reason};

/// A step of the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`Phase::words` says what each is")]
pub enum Phase {
    Starting,
    Conn,
    ConnDone,
    Handshake,
    HandshakeDone,
    OnehopCreate,
    RequestingStatus,
    LoadingStatus,
    LoadingKeys,
    RequestingDescriptors,
    LoadingDescriptors,
    EnoughDirinfo,
    ApConn,
    ApConnDone,
    ApHandshake,
    ApHandshakeDone,
    CircuitCreate,
    Done,
}

/// A step on the way to an open channel; which [`Phase`] that is depends on what the channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkStep {
    Connecting,
    Connected,
    Handshaking,
    Open,
}

/// How far the start has come. It never goes back.
#[derive(Debug)]
pub struct Bootstrap {
    at: Mutex<Option<(u8, Phase)>>,
    /// Connections to relays that failed before the first circuit.
    problems: AtomicU32,
    done: watch::Sender<bool>,
    events: Arc<dyn EventSink>,
    /// What was said last.
    said: Mutex<Option<Status>>,
    /// A circuit that carries streams was built (`status/circuit-established`).
    established: AtomicBool,
}

impl Phase {
    /// Percent, tag and summary.
    pub const fn words(self) -> (u8, &'static str, &'static str) {
        match self {
            Self::Starting => (0, "starting", "Starting"),
            Self::Conn => (5, "conn", "Connecting to a relay"),
            Self::ConnDone => (10, "conn_done", "Connected to a relay"),
            Self::Handshake => (14, "handshake", "Handshaking with a relay"),
            Self::HandshakeDone => (15, "handshake_done", "Handshake with a relay done"),
            Self::OnehopCreate => (20, "onehop_create", "Establishing an encrypted directory connection"),
            Self::RequestingStatus => (25, "requesting_status", "Asking for networkstatus consensus"),
            Self::LoadingStatus => (30, "loading_status", "Loading networkstatus consensus"),
            Self::LoadingKeys => (40, "loading_keys", "Loading authority key certs"),
            Self::RequestingDescriptors => (45, "requesting_descriptors", "Asking for relay descriptors"),
            Self::LoadingDescriptors => (50, "loading_descriptors", "Loading relay descriptors"),
            Self::EnoughDirinfo => (75, "enough_dirinfo", "Loaded enough directory info to build circuits"),
            Self::ApConn => (80, "ap_conn", "Connecting to a relay to build circuits"),
            Self::ApConnDone => (85, "ap_conn_done", "Connected to a relay to build circuits"),
            Self::ApHandshake => (89, "ap_handshake", "Finishing handshake with a relay to build circuits"),
            Self::ApHandshakeDone => {
                (90, "ap_handshake_done", "Handshake finished with a relay to build circuits")
            }
            Self::CircuitCreate => (95, "circuit_create", "Establishing a Tor circuit"),
            Self::Done => (100, "done", "Done"),
        }
    }
}

impl Bootstrap {
    /// Nothing has happened yet, and only the log will be told.
    pub fn new() -> Self {
        Self::telling(Arc::new(NoEvents))
    }

    /// Nothing has happened yet; `events` are told when something does.
    pub fn telling(events: Arc<dyn EventSink>) -> Self {
        Self {
            at: Mutex::new(None),
            problems: AtomicU32::new(0),
            done: watch::channel(false).0,
            events,
            said: Mutex::new(None),
            established: AtomicBool::new(false),
        }
    }

    /// The start has come to this step. Steps that were passed already are not news.
    pub fn reached(&self, phase: Phase) {
        self.advance(phase.words().0, phase);
    }

    /// Descriptors are being loaded: `percent` from 50 to 74.
    pub fn loading_descriptors(&self, percent: u8) {
        self.advance(percent, Phase::LoadingDescriptors);
    }

    pub(crate) fn link(&self, step: LinkStep) {
        let for_circuits = self.lock().is_some_and(|(_, phase)| phase >= Phase::EnoughDirinfo);
        self.reached(match (step, for_circuits) {
            (LinkStep::Connecting, false) => Phase::Conn,
            (LinkStep::Connected, false) => Phase::ConnDone,
            (LinkStep::Handshaking, false) => Phase::Handshake,
            (LinkStep::Open, false) => Phase::HandshakeDone,
            (LinkStep::Connecting, true) => Phase::ApConn,
            (LinkStep::Connected, true) => Phase::ApConnDone,
            (LinkStep::Handshaking, true) => Phase::ApHandshake,
            (LinkStep::Open, true) => Phase::ApHandshakeDone,
        });
    }

    /// A relay can't be reached. A few are down in any network; if it goes on, the user should know.
    pub(crate) fn problem(&self, relay: &RelayIds, addr: Option<SocketAddr>, error: &ChannelError) {
        let Some((percent, phase)) = self.progress().filter(|(_, phase)| *phase < Phase::Done) else {
            return;
        };
        let count = self.problems.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let (_, tag, summary) = phase.words();
        let worth_a_warning = is_worth_a_warning(count);
        let recommendation = if worth_a_warning { "warn" } else { "ignore" };
        let addr = addr.map_or_else(|| "?".to_owned(), |addr| addr.to_string());
        let (what, why) = (described(error), reason(error));
        let id = relay.rsa.to_string().trim_start_matches('$').to_owned();
        let line = format!(
            "Problem bootstrapping. Stuck at {percent}% ({tag}): {summary}. ({what}; {why}; count {count}; \
             recommendation {recommendation}; host {id} at {addr})"
        );
        if worth_a_warning {
            warn!("{line}")
        } else {
            debug!("{line}")
        }
        self.say(
            status(Severity::Warn, percent, phase)
                .quoted("WARNING", what)
                .arg("REASON", why)
                .arg("COUNT", count)
                .arg("RECOMMENDATION", recommendation)
                .quoted("HOSTID", id)
                .quoted("HOSTADDR", addr),
        );
    }

    /// A circuit for streams was built: if it is the first, the start is over.
    pub fn circuit_established(&self) {
        self.reached(Phase::Done);
        if !self.established.swap(true, Ordering::Relaxed) {
            debug!("Tor has successfully opened a circuit. Looks like client functionality is working.");
            self.tell("CIRCUIT_ESTABLISHED");
        }
    }

    /// Whether a circuit for streams was built, and nothing since has made it doubtful that another could be.
    pub fn is_circuit_established(&self) -> bool {
        self.established.load(Ordering::Relaxed)
    }

    /// The network is switched off, or too little is known of it: nobody knows whether another circuit can be built.
    pub fn circuit_doubtful(&self) {
        self.established.store(false, Ordering::Relaxed);
    }

    fn tell(&self, action: &str) {
        let kind = StatusType::Client.kind();
        self.events.emit_with(kind, || Status::new(StatusType::Client, Severity::Notice, action));
    }

    /// The answer to `GETINFO status/bootstrap-phase`.
    pub fn phase_line(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.as_ref().map_or_else(|| status(Severity::Notice, 0, Phase::Starting).line(), Status::line)
    }

    /// How far it is: percent and step.
    pub fn progress(&self) -> Option<(u8, Phase)> {
        *self.lock()
    }

    /// Waits until a circuit has been built.
    pub async fn done(&self) {
        let mut done = self.done.subscribe();
        let _sender_is_self = done.wait_for(|done| *done).await;
    }

    fn advance(&self, percent: u8, phase: Phase) {
        {
            let mut at = self.lock();
            if at.is_some_and(|(reached, _)| reached >= percent) {
                return;
            }
            *at = Some((percent, phase));
        }
        let (_, tag, summary) = phase.words();
        info!("Bootstrapped {percent}% ({tag}): {summary}");
        self.say(status(Severity::Notice, percent, phase));
        if phase == Phase::Done {
            self.done.send_replace(true);
        }
    }

    fn say(&self, status: Status) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(status.clone());
        self.events.emit_with(StatusType::Client.kind(), || status);
    }

    fn lock(&self) -> MutexGuard<'_, Option<(u8, Phase)>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(severity: Severity, percent: u8, phase: Phase) -> Status {
    let (_, tag, summary) = phase.words();
    Status::new(StatusType::Client, severity, "BOOTSTRAP")
        .arg("PROGRESS", percent)
        .arg("TAG", tag)
        .quoted("SUMMARY", summary)
}

/// What went wrong, as C Tor says it: what the system says, where it is the system that does.
fn described(error: &ChannelError) -> String {
    let text = if let ChannelError::Connect(error) | ChannelError::Io(error) = error {
        error.to_string()
    } else {
        error.to_string()
    };
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// C Tor warns at the tenth failure and at each after that. We try fewer relays at once, so we warn sooner; and ever
/// more rarely, so that a night without network does not fill the log.
const fn is_worth_a_warning(count: u32) -> bool {
    count >= 4 && count.is_power_of_two()
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_stays_away_is_told_a_few_times() {
        let told: Vec<_> = (1..=100).filter(|count| is_worth_a_warning(*count)).collect();
        assert_eq!(told, [4, 8, 16, 32, 64]);
    }

    #[test]
    fn the_last_word_is_the_answer_to_getinfo() {
        let bootstrap = Bootstrap::new();
        assert_eq!(bootstrap.phase_line(), r#"NOTICE BOOTSTRAP PROGRESS=0 TAG=starting SUMMARY="Starting""#);
        bootstrap.reached(Phase::Conn);
        let line = r#"NOTICE BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay""#;
        assert_eq!(bootstrap.phase_line(), line);
        let relay = RelayIds { rsa: tor_id::RsaId::from_bytes([0xab; 20]), ed25519: None };
        let refused = ChannelError::connect(std::io::Error::from_raw_os_error(111));
        bootstrap.problem(&relay, Some(([127, 0, 0, 1], 9001).into()), &refused);
        // Its words and their order are C Tor's.
        let line = "WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY=\"Connecting to a relay\" \
             WARNING=\"Connection refused\" REASON=CONNECTREFUSED COUNT=1 RECOMMENDATION=ignore \
             HOSTID=\"ABABABABABABABABABABABABABABABABABABABAB\" HOSTADDR=\"127.0.0.1:9001\"";
        assert_eq!(bootstrap.phase_line(), line);
    }

    #[test]
    fn progress_never_goes_back() {
        let bootstrap = Bootstrap::new();
        bootstrap.reached(Phase::Starting);
        bootstrap.reached(Phase::RequestingStatus);
        bootstrap.link(LinkStep::Connecting);
        assert_eq!(bootstrap.progress(), Some((25, Phase::RequestingStatus)));
        bootstrap.loading_descriptors(62);
        assert_eq!(bootstrap.progress(), Some((62, Phase::LoadingDescriptors)));
        bootstrap.loading_descriptors(54);
        assert_eq!(bootstrap.progress(), Some((62, Phase::LoadingDescriptors)));
        bootstrap.loading_descriptors(74);
        assert_eq!(bootstrap.progress(), Some((74, Phase::LoadingDescriptors)));
        bootstrap.reached(Phase::EnoughDirinfo);
        bootstrap.link(LinkStep::Connecting);
        assert_eq!(bootstrap.progress(), Some((80, Phase::ApConn)));
    }
}
