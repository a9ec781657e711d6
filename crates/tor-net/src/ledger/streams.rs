//! The streams: of applications, of directory fetches, and a controller's look-ups.
//!
//! ```text
//!                 a controller attaches            the request is sealed      the exit answered
//!  NEW ─┬─> CONTROLLER_WAIT ──────────┬─────────────> SENTCONNECT ─────────────> SUCCEEDED ──> CLOSED
//!       └─────────────────────────────┘  Tor chooses   │      ^
//!                         FAILED, CLOSED <─────────────┴ DETACHED
//! ```
//!
//! The record is led by one task ([`crate::Opener`] for most); the circuit's task tells it, by a [`StreamCard`], when
//! the request really left, when the exit answered and when the circuit closed: before the circuit's own end is told,
//! so that no stream is ever on a circuit that is over. Controllers leave their orders with it.

mod orders;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;
use tor_cell::EndReason;
use tor_circmgr::{StreamRefusal, target::Errand};
use tor_ctrl_events::{
    CircuitId, Endpoint, EventKind, RemapSource, Stream, StreamBw, StreamClient, StreamId, StreamPurpose,
    StreamReason, StreamStatus,
};

pub use self::orders::{AttachError, UnknownStream};
pub(crate) use self::orders::{AttachOrder, ChosenCircuit, Order};
use super::Ledger;
use crate::{clock, pipe::Pipe};

/// The streams that are not over, and what all of them heed.
#[derive(Debug, Default)]
pub(super) struct Streams {
    live: Mutex<BTreeMap<StreamId, Arc<Entry>>>,
    leave_unattached: AtomicBool,
    nym_epoch: AtomicU32,
}

/// A stream that begins.
#[derive(Clone, Debug)]
pub(crate) struct NewStream {
    pub(crate) errand: Errand,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) purpose: StreamPurpose,
    /// The application's end of its connection to us.
    pub(crate) source: Option<Endpoint>,
    pub(crate) client: StreamClient,
    /// A controller may choose its circuit.
    pub(crate) managed: bool,
}

/// One stream, for the circuit that one attempt goes to.
#[derive(Clone, Debug)]
pub(crate) struct StreamCard {
    ledger: Arc<Ledger>,
    entry: Arc<Entry>,
    attempt: u32,
}

/// One stream, for whoever leads its life: it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct StreamRecord {
    ledger: Arc<Ledger>,
    entry: Arc<Entry>,
}

/// Why a stream left a circuit, or is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The exit said so.
    Exit(EndReason),
    /// We say so.
    Local(StreamReason),
    /// Somebody closed it without a reason.
    Unsaid,
}

#[derive(Debug)]
struct Entry {
    id: StreamId,
    errand: Errand,
    managed: bool,
    client: StreamClient,
    state: Mutex<State>,
    ordered: Notify,
    bytes: StreamBytes,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    host: String,
    port: u16,
    /// The exit that it must leave by.
    via: Option<String>,
    circuit: Option<CircuitId>,
    /// Counts the circuits that were tried: what an earlier one says does not matter any more.
    attempt: u32,
    /// Why it will be over.
    end: Option<Why>,
    pipe: Weak<Pipe>,
    close: Option<u8>,
    attach: Option<AttachOrder>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// For a circuit.
    Waiting,
    /// For a controller.
    Controlled,
    /// For the exit's answer.
    Sent,
    Open,
    Over,
}

/// Bytes of the application.
#[derive(Debug, Default)]
struct StreamBytes {
    written: AtomicU64,
    read: AtomicU64,
    told: Mutex<(u64, u64)>,
}

impl Ledger {
    /// A stream begins.
    pub(crate) fn new_stream(self: &Arc<Self>, new: NewStream) -> StreamRecord {
        let NewStream { errand, host, port, purpose, source, client, managed } = new;
        let id = StreamId(self.next_id());
        let state = State {
            phase: Phase::Waiting,
            host,
            port,
            via: None,
            circuit: None,
            attempt: 0,
            end: None,
            pipe: Weak::new(),
            close: None,
            attach: None,
        };
        let entry = Arc::new(Entry {
            id,
            errand,
            managed,
            client,
            state: Mutex::new(state),
            ordered: Notify::new(),
            bytes: StreamBytes::default(),
        });
        self.live_streams().insert(id, Arc::clone(&entry));
        let status = match errand {
            Errand::Connect => StreamStatus::New,
            Errand::Resolve | Errand::ResolvePtr => StreamStatus::NewResolve,
        };
        let state = entry.state();
        self.tell_stream(&entry, &state, status, |event| {
            event.purpose = Some(purpose);
            event.source_addr = source;
        });
        drop(state);
        StreamRecord { ledger: Arc::clone(self), entry }
    }

    /// The streams that are not over, in the words of `GETINFO stream-status`; by their numbers.
    pub fn streams(&self) -> Vec<Stream> {
        let live: Vec<_> = self.live_streams().values().cloned().collect();
        live.iter().filter_map(|entry| entry.now()).collect()
    }

    /// One of them.
    pub fn stream(&self, id: StreamId) -> Option<Stream> {
        self.live_stream(id)?.now()
    }

    /// Streams wait for a controller to attach them from now on, or do not (`__LeaveStreamsUnattached`). Those that
    /// wait already go on waiting.
    pub fn leave_streams_unattached(&self, leave: bool) {
        self.streams.leave_unattached.store(leave, Ordering::Relaxed);
    }

    pub(crate) fn leaves_streams_unattached(&self) -> bool {
        self.streams.leave_unattached.load(Ordering::Relaxed)
    }

    /// Streams from now on share no circuit with those before (NEWNYM), nor what exits answered them. The circuits are
    /// the manager's to retire.
    pub fn new_nym(&self) {
        self.streams.nym_epoch.fetch_add(1, Ordering::Relaxed);
        self.addresses().clear_transient();
    }

    /// How often there was a NEWNYM.
    pub fn nym_epoch(&self) -> u32 {
        self.streams.nym_epoch.load(Ordering::Relaxed)
    }

    /// What moved in the last second on each stream on which something did.
    pub(super) fn stream_bandwidth(&self) {
        if !self.events.wants(EventKind::StreamBw) {
            return;
        }
        let live: Vec<_> = self.live_streams().values().cloned().collect();
        live.iter().for_each(|entry| self.tell_stream_bytes(entry));
    }

    fn tell_stream_bytes(&self, entry: &Entry) {
        if !self.events.wants(EventKind::StreamBw) {
            return;
        }
        if let Some((written, read)) = entry.bytes.untold() {
            let time = Some(clock::wall());
            self.events.emit(StreamBw { id: entry.id, written, read, time }.into());
        }
    }

    fn tell_stream(&self, entry: &Entry, state: &State, status: StreamStatus, add: impl FnOnce(&mut Stream)) {
        if self.events.wants(EventKind::Stream) {
            let mut event = entry.describe(state, status);
            event.client = Some(entry.client.clone());
            add(&mut event);
            self.events.emit(event.into());
        }
    }

    fn live_stream(&self, id: StreamId) -> Option<Arc<Entry>> {
        self.live_streams().get(&id).cloned()
    }

    fn live_streams(&self) -> MutexGuard<'_, BTreeMap<StreamId, Arc<Entry>>> {
        self.streams.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamCard {
    /// The request is on its way by this circuit, and `pipe` is where its bytes will be.
    pub(crate) fn sent(&self, circuit: CircuitId, pipe: &Arc<Pipe>) {
        let Some(mut state) = self.current() else { return };
        if !matches!(state.phase, Phase::Waiting | Phase::Controlled) {
            return;
        }
        state.phase = Phase::Sent;
        state.circuit = Some(circuit);
        state.pipe = Arc::downgrade(pipe);
        let status = match self.entry.errand {
            Errand::Connect => StreamStatus::SentConnect,
            Errand::Resolve | Errand::ResolvePtr => StreamStatus::SentResolve,
        };
        self.ledger.tell_stream(&self.entry, &state, status, |_| {});
    }

    /// The exit has connected it.
    pub(crate) fn connected(&self) {
        if let Some(mut state) = self.current()
            && state.phase == Phase::Sent
        {
            state.phase = Phase::Open;
        }
    }

    /// The exit has ended it, after it was open.
    pub(crate) fn ended(&self, reason: EndReason) {
        if let Some(mut state) = self.current()
            && state.phase == Phase::Open
        {
            state.end.get_or_insert(Why::Exit(reason));
        }
    }

    /// The circuit is about to be over.
    pub(crate) fn circuit_gone(&self) {
        let Some(mut state) = self.current() else { return };
        let destroyed = Why::Local(StreamReason::Destroy);
        match state.phase {
            Phase::Sent => {
                self.ledger.tell_stream(&self.entry, &state, StreamStatus::Detached, |event| {
                    destroyed.put(event);
                });
                state.phase = Phase::Waiting;
                state.circuit = None;
            }
            Phase::Open => self.ledger.stream_over(&self.entry, state, destroyed),
            Phase::Waiting | Phase::Controlled | Phase::Over => {}
        }
    }

    /// The state, if this is still about the attempt that counts.
    fn current(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.entry.state();
        (state.attempt == self.attempt && state.phase != Phase::Over).then_some(state)
    }
}

impl StreamRecord {
    pub(crate) fn id(&self) -> StreamId {
        self.entry.id
    }

    pub(crate) fn errand(&self) -> Errand {
        self.entry.errand
    }

    /// Where it leads now; a controller may have changed that.
    pub(crate) fn target(&self) -> (String, u16) {
        let state = self.entry.state();
        (state.host.clone(), state.port)
    }

    /// For the next circuit that is tried.
    pub(crate) fn card(&self) -> StreamCard {
        let mut state = self.entry.state();
        state.attempt += 1;
        StreamCard {
            ledger: Arc::clone(&self.ledger),
            entry: Arc::clone(&self.entry),
            attempt: state.attempt,
        }
    }

    /// It leads there from now on, as `source` says.
    pub(crate) fn remap(&self, host: String, source: RemapSource) {
        let mut state = self.entry.state();
        state.host = host;
        self.ledger.tell_stream(&self.entry, &state, StreamStatus::Remap, |event| {
            event.source = Some(source);
        });
    }

    /// The same without a word; `via`: by this exit.
    pub(crate) fn leads_to(&self, host: String, via: Option<String>) {
        let mut state = self.entry.state();
        (state.host, state.via) = (host, via);
    }

    /// Its circuit did not do.
    pub(crate) fn detached(&self, why: &Why) {
        let mut state = self.entry.state();
        state.attempt += 1;
        if state.phase == Phase::Sent {
            self.ledger.tell_stream(&self.entry, &state, StreamStatus::Detached, |event| why.put(event));
        }
        state.phase = Phase::Waiting;
    }

    /// It waits for a controller.
    pub(crate) fn controller_wait(&self) {
        let mut state = self.entry.state();
        state.phase = Phase::Controlled;
        self.ledger.tell_stream(&self.entry, &state, StreamStatus::ControllerWait, |_| {});
        state.circuit = None;
    }

    /// It is on no circuit.
    pub(crate) fn leave_circuit(&self) {
        let mut state = self.entry.state();
        state.attempt += 1;
        state.circuit = None;
        state.phase = Phase::Waiting;
    }

    /// It waits for a circuit that Tor chooses.
    pub(crate) fn circuit_wait(&self) {
        let mut state = self.entry.state();
        if state.phase == Phase::Controlled {
            state.phase = Phase::Waiting;
        }
    }

    /// The application has been told that it is open.
    pub(crate) fn succeeded(&self) {
        let state = self.entry.state();
        if state.phase != Phase::Over {
            self.ledger.tell_stream(&self.entry, &state, StreamStatus::Succeeded, |_| {});
        }
    }

    /// It came to nothing. Only connections say so before they are over, as in C Tor.
    pub(crate) fn failed(&self, why: Why) {
        let mut state = self.entry.state();
        if self.entry.errand == Errand::Connect && state.phase != Phase::Over && why != Why::Unsaid {
            self.ledger.tell_stream(&self.entry, &state, StreamStatus::Failed, |event| why.put(event));
        }
        state.end = Some(why);
    }

    /// The application wrote so many bytes.
    pub(crate) fn wrote(&self, count: usize) {
        self.entry.bytes.written.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }

    /// The application took so many bytes.
    pub(crate) fn read(&self, count: usize) {
        self.entry.bytes.read.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }
}

impl Drop for StreamRecord {
    fn drop(&mut self) {
        let state = self.entry.state();
        let why = state.end.clone().unwrap_or(Why::Local(StreamReason::Done));
        self.ledger.stream_over(&self.entry, state, why);
    }
}

impl Ledger {
    fn stream_over(&self, entry: &Entry, mut state: MutexGuard<'_, State>, why: Why) {
        if state.phase == Phase::Over {
            return;
        }
        state.phase = Phase::Over;
        self.tell_stream_bytes(entry);
        self.live_streams().remove(&entry.id);
        self.tell_stream(entry, &state, StreamStatus::Closed, |event| why.put(event));
        // Dropping an order tells its controller.
        let _too_late = state.attach.take();
    }
}

impl Entry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, state: &State, status: StreamStatus) -> Stream {
        let host = match &state.via {
            Some(via) => format!("{}.{via}.exit", state.host),
            None => state.host.clone(),
        };
        Stream::new(self.id, status, state.circuit, Endpoint::new(host, state.port))
    }

    fn now(&self) -> Option<Stream> {
        let state = self.state();
        let resolves = self.errand != Errand::Connect;
        let status = match (state.phase, resolves) {
            (Phase::Waiting | Phase::Controlled, false) => StreamStatus::New,
            (Phase::Waiting | Phase::Controlled, true) => StreamStatus::NewResolve,
            (Phase::Sent, false) => StreamStatus::SentConnect,
            (Phase::Sent, true) => StreamStatus::SentResolve,
            (Phase::Open, _) => StreamStatus::Succeeded,
            (Phase::Over, _) => return None,
        };
        Some(self.describe(&state, status))
    }
}

impl StreamBytes {
    /// What was not told yet, if there is anything: written and read.
    fn untold(&self) -> Option<(u64, u64)> {
        let now = (self.written.load(Ordering::Relaxed), self.read.load(Ordering::Relaxed));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *told, now);
        let new = (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1));
        (new != (0, 0)).then_some(new)
    }
}

impl Why {
    fn put(&self, event: &mut Stream) {
        match self {
            Self::Exit(reason) => {
                event.reason = Some(StreamReason::End);
                event.remote_reason = Some(word(*reason));
            }
            Self::Local(reason) => event.reason = Some(reason.clone()),
            Self::Unsaid => {}
        }
    }

    /// An exit's refusal. C Tor ends look-ups that got an answer, if only that there is none, as done.
    pub(crate) fn refused(refusal: StreamRefusal, errand: Errand) -> Self {
        match refusal {
            StreamRefusal::Ended(reason) => Self::Exit(reason),
            StreamRefusal::Unresolved { .. } if errand == Errand::Connect => {
                Self::Exit(EndReason::RESOLVEFAILED)
            }
            StreamRefusal::Unresolved { .. } => Self::Local(StreamReason::Done),
            StreamRefusal::CircuitClosed => Self::Local(StreamReason::Destroy),
        }
    }

    /// The reason that a controller's CLOSESTREAM gives.
    pub(crate) fn asked(reason: u8) -> Self {
        if reason == 0 { Self::Unsaid } else { Self::Local(word(EndReason(reason))) }
    }
}

/// C Tor's word for a reason.
fn word(reason: EndReason) -> StreamReason {
    match reason {
        EndReason::MISC => StreamReason::Misc,
        EndReason::RESOLVEFAILED => StreamReason::ResolveFailed,
        EndReason::CONNECTREFUSED => StreamReason::ConnectRefused,
        EndReason::EXITPOLICY => StreamReason::ExitPolicy,
        EndReason::DESTROY => StreamReason::Destroy,
        EndReason::DONE => StreamReason::Done,
        EndReason::TIMEOUT => StreamReason::Timeout,
        EndReason::NOROUTE => StreamReason::NoRoute,
        EndReason::HIBERNATING => StreamReason::Hibernating,
        EndReason::INTERNAL => StreamReason::Internal,
        EndReason::RESOURCELIMIT => StreamReason::ResourceLimit,
        EndReason::CONNRESET => StreamReason::ConnReset,
        EndReason::TORPROTOCOL => StreamReason::TorProtocol,
        EndReason::NOTDIRECTORY => StreamReason::NotDirectory,
        EndReason(other) => StreamReason::Other(format!("UNKNOWN_{other}")),
    }
}

#[cfg(test)]
mod tests;
