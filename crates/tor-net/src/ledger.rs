//! What this client has open now: circuits, streams and connections to relays, as values, and the one place where
//! their states change. Each change is told to whoever listens to events, so that no event can be told without the
//! state being so, and `GETINFO circuit-status` and the CIRC events can't differ.
//!
//! ```text
//!  factory, directory ── CircuitRecord ──> circuit task          LAUNCHED EXTENDED BUILT … CLOSED
//!  SOCKS, directory   ── stream records ─> (ledger/streams.rs)   NEW SENTCONNECT … CLOSED
//!  dialer             ── ConnRecord ─────> channel task          LAUNCHED CONNECTED … CLOSED
//! ```
//!
//! A record belongs to whoever lives that life; dropping it ends it. Circuits are numbered from 1; streams and
//! connections share one counter, as in C Tor.

mod addresses;
mod bandwidth;
mod circuits;
mod connections;
mod streams;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::{
    sync::watch,
    time::{Duration, MissedTickBehavior, interval},
};
use tor_ctrl_events::{Bw, EventKind, EventSink, LongName, NetworkLiveness, NoEvents};
use tor_dir::NetworkView;
use tor_id::RsaId;

pub use addresses::Addresses;
pub(crate) use bandwidth::Meter;
pub use bandwidth::Second;
pub use circuits::CircuitEnd;
pub(crate) use circuits::{CircuitCard, CircuitRecord, Plan};
pub use connections::Connection;
pub(crate) use connections::{ConnRecord, reason};
pub use streams::{AttachError, UnknownStream};
pub(crate) use streams::{AttachOrder, ChosenCircuit, NewStream, Order, StreamCard, StreamRecord, Why};

/// What this client has open.
#[derive(Debug)]
pub struct Ledger {
    events: Arc<dyn EventSink>,
    /// The number of the next stream or connection.
    next: AtomicU64,
    circuits: circuits::Circuits,
    connections: connections::Connections,
    streams: streams::Streams,
    addresses: Addresses,
    bandwidth: bandwidth::Bandwidth,
    /// Where the names of relays come from, once there is a network.
    view: OnceLock<watch::Receiver<Option<Arc<NetworkView>>>>,
    /// Bytes come in (`GETINFO network-liveness`).
    live: AtomicBool,
}

impl Ledger {
    /// Nothing is open. What happens is told to `events`.
    pub fn new(events: Arc<dyn EventSink>) -> Arc<Self> {
        Arc::new(Self {
            addresses: Addresses::new(Arc::clone(&events)),
            events,
            next: AtomicU64::new(1),
            circuits: circuits::Circuits::default(),
            connections: connections::Connections::default(),
            streams: streams::Streams::default(),
            bandwidth: bandwidth::Bandwidth::default(),
            view: OnceLock::new(),
            live: AtomicBool::new(false),
        })
    }

    /// One to whose events nobody listens.
    pub fn silent() -> Arc<Self> {
        Self::new(Arc::new(NoEvents))
    }

    /// Who is told what happens.
    pub fn events(&self) -> &Arc<dyn EventSink> {
        &self.events
    }

    /// Which targets lead elsewhere.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The next number of a stream or a connection; each is given once.
    pub fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Names relays by this view from now on. The first caller's stays.
    pub fn follow(&self, view: watch::Receiver<Option<Arc<NetworkView>>>) {
        let _already_followed = self.view.set(view);
    }

    /// `$FP~nick` for a relay of the consensus, else `$FP`.
    pub fn long_name(&self, relay: &RsaId) -> LongName {
        LongName { id: *relay, nickname: self.nickname(relay) }
    }

    /// A name as it is today: the consensus may have come since it was written down, or be gone.
    pub(crate) fn current_name(&self, was: &LongName) -> LongName {
        LongName { id: was.id, nickname: self.nickname(&was.id).or_else(|| was.nickname.clone()) }
    }

    fn nickname(&self, relay: &RsaId) -> Option<String> {
        let view = self.view.get()?.borrow();
        Some(view.as_ref()?.relay(relay)?.nickname().to_string())
    }
}

/// Bytes, second by second.
impl Ledger {
    /// Tells each second what has moved in it, until dropped.
    pub async fn run(self: Arc<Self>) {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.tick().await;
        loop {
            second.tick().await;
            self.tick();
        }
    }

    /// A second has passed.
    pub fn tick(&self) {
        let Second { read, written } = self.bandwidth.tick();
        if read > 0 {
            self.alive();
        }
        self.events.emit_with(EventKind::Bw, || Bw { read, written });
        self.stream_bandwidth();
        self.connection_bandwidth();
        self.circuit_bandwidth();
    }

    /// All bytes that connections to relays have read and written so far.
    pub fn traffic(&self) -> Second {
        let (read, written) = self.bandwidth.all.so_far();
        Second { read, written }
    }

    /// The last 300 seconds, oldest first.
    pub fn past_seconds(&self) -> Vec<Second> {
        self.bandwidth.past()
    }

    /// The same as `GETINFO bw-event-cache` says it.
    pub fn bw_event_cache(&self) -> String {
        self.bandwidth.cache()
    }

    /// Whether bytes come from the network, as far as we know.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    /// Something came from the network.
    fn alive(&self) {
        if !self.live.swap(true, Ordering::Relaxed) {
            self.events.emit_with(EventKind::NetworkLiveness, || NetworkLiveness { up: true });
        }
    }

    /// A circuit was given up for time; when it began, so many bytes had come. If none has come since, it is the
    /// network that is down.
    fn timed_out(&self, read_before: u64) {
        let (read, _) = self.bandwidth.all.so_far();
        if read == read_before && self.live.swap(false, Ordering::Relaxed) {
            self.events.emit_with(EventKind::NetworkLiveness, || NetworkLiveness { up: false });
        }
    }
}
