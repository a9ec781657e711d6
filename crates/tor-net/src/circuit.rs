//! One task a circuit: it owns the circuit engine and the streams of its last hop, and moves bytes between the
//! channel's cells and the streams' buffers.
//!
//! ```text
//!  Inbox ── batch ──> peel each cell where it lies ──> Streams ──> Pipe::deliver
//!  Pipe::fill <── round robin over ready streams, as both windows allow ── seal at the end of `out` ──> Down
//! ```
//!
//! The engines decide everything; this file only carries. An error from either closes the circuit, and nothing
//! else: its streams end, its channel and its neighbours do not notice.

mod task;

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tor_cell::{DestroyReason, relay::BeginFlags};
use tor_circ::{CircError, CircParams, HopIndex, HopSpec, SendError};
use tor_circmgr::{BuiltCircuit, IsolationKey, StreamRefusal, Target};
use tor_ctrl_events::CircuitId;
use tor_stream::StreamError;

use self::task::{Ports, Task};
use crate::{
    ChannelError, ChannelHandle, DataStream,
    channel::NewCircuit,
    clock,
    ledger::{CircuitCard, CircuitEnd, CircuitRecord, Plan, StreamCard},
    pipe::{Attention, Pipe},
};

/// Commands that may wait for a circuit's task.
const COMMANDS: usize = 64;

/// What to open on a circuit.
#[derive(Clone)]
pub enum OpenRequest {
    /// A connection to a host and port.
    Connect {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
        /// Which address families will do.
        flags: BeginFlags,
        /// What the application has said already: it goes out before the exit has answered.
        early: Bytes,
    },
    /// A connection to the last hop's own directory, with the request.
    Dir(Bytes),
    /// The addresses of a name, or the name of an address in its `.arpa` form.
    Resolve(String),
}

/// Targets are not for logs.
impl fmt::Debug for OpenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect { .. } => "Connect",
            Self::Dir(_) => "Dir",
            Self::Resolve(_) => "Resolve",
        })
    }
}

/// A stream to open, and what the ledger has of it, if anything.
#[derive(Clone, Debug)]
pub struct StreamRequest {
    open: OpenRequest,
    card: Option<StreamCard>,
}

impl StreamRequest {
    pub(crate) const fn new(open: OpenRequest, card: StreamCard) -> Self {
        Self { open, card: Some(card) }
    }
}

/// One that the ledger does not know.
impl From<OpenRequest> for StreamRequest {
    fn from(open: OpenRequest) -> Self {
        Self { open, card: None }
    }
}

/// What was opened.
#[derive(Debug)]
pub enum Opened {
    /// A stream, and where the exit says it leads.
    Stream(DataStream, Option<IpAddr>),
    /// Answers to a look-up, at least one.
    Answers(Vec<Answer>),
}

/// One answer to a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An address of the name, and for how many seconds it holds.
    Address(IpAddr, u32),
    /// The name of the address.
    Name(String, u32),
}

/// A circuit. Clones share it; it closes when the last one is dropped and its streams are over.
#[derive(Clone)]
pub struct CircuitHandle {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

/// A way to a circuit that does not keep it open.
#[derive(Clone)]
pub(crate) struct WeakCircuit {
    commands: mpsc::WeakSender<Command>,
    shared: Weak<Shared>,
}

#[derive(Debug)]
struct Shared {
    card: CircuitCard,
    open: AtomicBool,
    streams: AtomicUsize,
    attention: Arc<Attention>,
    closed: watch::Receiver<Option<CircuitError>>,
}

enum Command {
    Hop {
        spec: HopSpec,
        timeout: Duration,
        reply: oneshot::Sender<Result<(), CircuitError>>,
    },
    /// At that hop, or at the last one.
    Open {
        request: OpenRequest,
        hop: Option<HopIndex>,
        pipe: Arc<Pipe>,
        reply: Reply,
    },
}

/// To whoever waits for a stream to open.
type Reply = oneshot::Sender<Result<Answered, StreamRefusal>>;

/// What the exit answered.
enum Answered {
    Connected(Option<IpAddr>),
    Answers(Vec<Answer>),
}

/// A circuit that could not be built, or is no more.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum CircuitError {
    /// Its channel.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The circuit engine closed it.
    #[error(transparent)]
    Circuit(#[from] CircError),
    /// A stream of it broke the protocol.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It can't be asked for that.
    #[error(transparent)]
    Refused(#[from] SendError),
    /// A relay closed it.
    #[error("closed by {by}: {reason}")]
    Destroyed {
        /// The hop that said so.
        by: HopIndex,
        /// Why.
        reason: DestroyReason,
    },
    /// The channel closed, or the relay sent more than its windows allowed.
    #[error("the channel is gone")]
    ChannelLost,
    /// Nobody needs it any more.
    #[error("no longer needed")]
    Closed,
}

impl CircuitHandle {
    /// A circuit without hops on a channel.
    ///
    /// # Errors
    /// If the channel is closed or full.
    pub async fn new(channel: &ChannelHandle, params: CircParams) -> Result<Self, ChannelError> {
        Self::start(channel, params, channel.ledger().launch(Plan::default())).await
    }

    /// The circuit of this record, without hops, on a channel.
    pub(crate) async fn start(
        channel: &ChannelHandle,
        params: CircParams,
        record: CircuitRecord,
    ) -> Result<Self, ChannelError> {
        let NewCircuit { id, inbox, down } = match channel.open_circuit().await {
            Ok(new) => new,
            Err(error) => {
                record.over(CircuitEnd::of_channel(&error));
                return Err(error);
            }
        };
        let (commands, from_handles) = mpsc::channel(COMMANDS);
        let (closing, closed) = watch::channel(None);
        let attention = Arc::<Attention>::default();
        let shared = Arc::new(Shared {
            card: record.card().clone(),
            open: AtomicBool::new(true),
            streams: AtomicUsize::new(0),
            attention: Arc::clone(&attention),
            closed,
        });
        let handle = Self { commands, shared: Arc::clone(&shared) };
        record.card().has_way(handle.downgrade());
        let task = Task::new(id, params, attention, shared, record);
        let ports = Ports { inbox, commands: from_handles, down };
        clock::spawn(async move {
            let error = task.run(ports).await;
            let _nobody_waits = closing.send(Some(error));
        });
        Ok(handle)
    }

    /// Adds a hop: CREATE for the first, EXTEND2 for the others.
    ///
    /// # Errors
    /// Whatever ended the circuit.
    pub async fn add_hop(&self, spec: HopSpec, timeout: Duration) -> Result<(), CircuitError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Hop { spec, timeout, reply };
        self.commands.send(command).await.map_err(|_| CircuitError::ChannelLost)?;
        answer.await.map_err(|_| CircuitError::ChannelLost)?
    }

    /// Its number, as events tell it; no other circuit of this client has it.
    pub fn id(&self) -> CircuitId {
        self.shared.card.id()
    }

    /// Opens a stream at the last hop, of which the ledger knows nothing.
    ///
    /// # Errors
    /// If that refuses, or the circuit is closed.
    pub async fn open(&self, request: &OpenRequest) -> Result<Opened, StreamRefusal> {
        self.open_at(&request.clone().into(), None).await
    }

    /// Opens a stream at a hop, or at the last one. Dropping the future gives the stream up.
    ///
    /// # Errors
    /// If that hop, or its exit, refuses, or the circuit is closed or has no such hop.
    pub async fn open_at(
        &self,
        request: &StreamRequest,
        hop: Option<HopIndex>,
    ) -> Result<Opened, StreamRefusal> {
        let (reply, answer) = oneshot::channel();
        let StreamRequest { open, card } = request.clone();
        // It is here from the start: dropping it, along with this future, is what gives the stream up.
        let (stream, pipe) = DataStream::new(Arc::clone(&self.shared.attention), card);
        let command = Command::Open { request: open, hop, pipe, reply };
        self.commands.send(command).await.map_err(|_| StreamRefusal::CircuitClosed)?;
        match answer.await.map_err(|_| StreamRefusal::CircuitClosed)?? {
            Answered::Connected(address) => Ok(Opened::Stream(stream, address)),
            Answered::Answers(answers) => Ok(Opened::Answers(answers)),
        }
    }

    /// True once all hops that were planned are there, unless it is being extended again.
    pub fn is_built(&self) -> bool {
        self.shared.card.is_built()
    }

    /// Hops that are there.
    pub fn hops(&self) -> usize {
        self.shared.card.hops()
    }

    /// Closes it, for that reason.
    pub(crate) fn end(&self, why: CircuitEnd) {
        self.shared.open.store(false, Ordering::Relaxed);
        self.shared.card.end(why);
        self.shared.attention.wake();
    }

    /// What the ledger has of it.
    pub(crate) fn card(&self) -> &CircuitCard {
        &self.shared.card
    }

    pub(crate) fn downgrade(&self) -> WeakCircuit {
        WeakCircuit { commands: self.commands.downgrade(), shared: Arc::downgrade(&self.shared) }
    }

    /// Waits until the circuit is closed, and says why.
    pub async fn closed(&self) -> CircuitError {
        let mut closed = self.shared.closed.clone();
        let error = closed.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        error.unwrap_or(CircuitError::Closed)
    }
}

impl BuiltCircuit for CircuitHandle {
    type Stream = Opened;
    type Request = StreamRequest;

    async fn open(&self, request: &StreamRequest) -> Result<Opened, StreamRefusal> {
        self.open_at(request, None).await
    }

    fn target(request: &StreamRequest) -> Target {
        match &request.open {
            OpenRequest::Connect { host, port, .. } => Target::new(&format!("{host}:{port}")),
            OpenRequest::Dir(_) => Target::new(""),
            OpenRequest::Resolve(name) => Target::new(name),
        }
    }

    fn is_open(&self) -> bool {
        self.shared.open.load(Ordering::Relaxed) && !self.commands.is_closed()
    }

    fn streams(&self) -> usize {
        self.shared.streams.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.end(CircuitEnd::Finished);
    }

    fn used_by(&self, key: Option<&IsolationKey>) {
        self.shared.card.used_by(key);
    }
}

impl WeakCircuit {
    /// The circuit, if it is still open.
    pub(crate) fn upgrade(&self) -> Option<CircuitHandle> {
        let shared = self.shared.upgrade().filter(|shared| shared.open.load(Ordering::Relaxed))?;
        Some(CircuitHandle { commands: self.commands.upgrade()?, shared })
    }

    /// Has its task look why it should end.
    pub(crate) fn wake(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.open.store(false, Ordering::Relaxed);
            shared.attention.wake();
        }
    }
}

impl fmt::Debug for WeakCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakCircuit").finish_non_exhaustive()
    }
}

impl fmt::Debug for CircuitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}
