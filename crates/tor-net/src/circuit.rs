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
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tor_cell::{DestroyReason, relay::BeginFlags};
use tor_circ::{CircError, CircParams, HopIndex, HopSpec, SendError};
use tor_circmgr::{BuiltCircuit, StreamRefusal, Target};
use tor_stream::StreamError;

use self::task::{Ports, Task};
use crate::{
    ChannelError, ChannelHandle, DataStream,
    channel::NewCircuit,
    clock,
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

#[derive(Debug)]
struct Shared {
    serial: u64,
    open: AtomicBool,
    streams: AtomicUsize,
    attention: Arc<Attention>,
    closed: watch::Receiver<Option<CircuitError>>,
}

enum Command {
    Hop { spec: HopSpec, timeout: Duration, reply: oneshot::Sender<Result<(), CircuitError>> },
    Open { request: OpenRequest, pipe: Arc<Pipe>, reply: Reply },
    Close,
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
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let NewCircuit { id, inbox, down } = channel.open_circuit().await?;
        let (commands, from_handles) = mpsc::channel(COMMANDS);
        let (closing, closed) = watch::channel(None);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let attention = Arc::<Attention>::default();
        let shared = Arc::new(Shared {
            serial,
            open: AtomicBool::new(true),
            streams: AtomicUsize::new(0),
            attention: Arc::clone(&attention),
            closed,
        });
        let task = Task::new(id, params, attention, Arc::clone(&shared));
        let ports = Ports { inbox, commands: from_handles, down };
        clock::spawn(async move {
            let error = task.run(ports).await;
            let _nobody_waits = closing.send(Some(error));
        });
        Ok(Self { commands, shared })
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

    /// A number that no other circuit of this process has.
    pub fn serial(&self) -> u64 {
        self.shared.serial
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
    type Request = OpenRequest;

    async fn open(&self, request: &OpenRequest) -> Result<Opened, StreamRefusal> {
        let (reply, answer) = oneshot::channel();
        // It is here from the start: dropping it, along with this future, is what gives the stream up.
        let (stream, pipe) = DataStream::new(Arc::clone(&self.shared.attention));
        let command = Command::Open { request: request.clone(), pipe, reply };
        self.commands.send(command).await.map_err(|_| StreamRefusal::CircuitClosed)?;
        match answer.await.map_err(|_| StreamRefusal::CircuitClosed)?? {
            Answered::Connected(address) => Ok(Opened::Stream(stream, address)),
            Answered::Answers(answers) => Ok(Opened::Answers(answers)),
        }
    }

    fn target(request: &OpenRequest) -> Target {
        match request {
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
        self.shared.open.store(false, Ordering::Relaxed);
        let _closed_already_or_busy = self.commands.try_send(Command::Close);
    }
}

impl fmt::Debug for CircuitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitHandle").field("serial", &self.shared.serial).finish_non_exhaustive()
    }
}
