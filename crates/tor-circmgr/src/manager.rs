//! The procedures: get a circuit, open a stream, try again elsewhere, build ahead.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use thiserror::Error;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout, timeout_at},
};
use tor_cell::EndReason;
use tor_id::{Fault, RsaId};
use tor_path::{ExitNeed, Path, PathError};
use tracing::debug;

use crate::{
    BuildError, BuiltCircuit, CircuitFactory, IsolationKey, StreamRefusal,
    pool::{Choice, Pool, Slot},
};

/// How often what is old is looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// A name that this many exits could not resolve does not exist (C Tor's `MAX_RESOLVE_FAILURES`).
const MAX_RESOLVE_FAILURES: u32 = 3;

/// The times of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A circuit takes no new streams this long after its first (`MaxCircuitDirtiness`).
    pub dirtiness: Duration,
    /// How long a stream may look for a circuit that serves it (`SocksTimeout`).
    pub socks_timeout: Duration,
    /// How long one exit may take to answer (`CircuitStreamTimeout`); `None`: 10 s, later 15 s.
    pub stream_timeout: Option<Duration>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            dirtiness: Duration::from_secs(600),
            socks_timeout: Duration::from_secs(120),
            stream_timeout: None,
        }
    }
}

/// Why no stream could be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The last exit's refusal, where another exit would say the same.
    #[error(transparent)]
    Refused(StreamRefusal),
    /// No relay that we know of serves this.
    #[error(transparent)]
    NoPath(PathError),
    /// Time is over.
    #[error("no circuit served the stream in time")]
    TimedOut,
    /// The client is shutting down.
    #[error("the client is shutting down")]
    Shutdown,
}

impl ConnectError {
    /// Who must change.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Refused(_) | Self::TimedOut | Self::NoPath(_) => Fault::Network,
            Self::Shutdown => Fault::Caller,
        }
    }
}

/// The circuits of a client.
pub struct CircMgr<F: CircuitFactory> {
    factory: F,
    timing: Timing,
    pool: Mutex<Pool<F::Circuit>>,
    /// Something in the pool changed.
    changed: Notify,
    orders: mpsc::UnboundedSender<(Slot, Path)>,
    to_build: Mutex<Option<mpsc::UnboundedReceiver<(Slot, Path)>>>,
}

impl<F: CircuitFactory> CircMgr<F> {
    /// A client without circuits. Nothing is built until [`CircMgr::run`] is driven.
    pub fn new(factory: F, timing: Timing) -> Self {
        let (orders, to_build) = mpsc::unbounded_channel();
        Self {
            factory,
            timing,
            pool: Mutex::new(Pool::new()),
            changed: Notify::new(),
            orders,
            to_build: Mutex::new(Some(to_build)),
        }
    }

    /// The way to the network.
    pub const fn factory(&self) -> &F {
        &self.factory
    }

    /// Circuits that are open now.
    pub fn open_circuits(&self) -> usize {
        self.pool().open()
    }

    /// Waits until a circuit is open.
    pub async fn first_circuit(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.open_circuits() > 0 {
                return;
            }
            changed.await;
        }
    }

    /// Closes every circuit, whatever lives on it.
    pub fn close_all(&self) {
        self.pool().close_all();
        self.changed.notify_waiters();
    }

    /// Makes `port` one of those for which circuits are ready before they are asked for.
    pub fn predict(&self, port: u16) {
        self.pool().predict(port, Instant::now());
        self.changed.notify_waiters();
    }

    /// Builds what streams ask for and what is predicted, and closes what is old, until dropped. A second
    /// call returns at once.
    pub async fn run(&self) {
        let Some(mut to_build) = self.to_build.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let mut building = FuturesUnordered::new();
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            let changed = self.changed.notified();
            self.build_ahead();
            tokio::select! {
                Some((slot, path)) = to_build.recv() => building.push(self.build(slot, path)),
                Some(()) = building.next(), if !building.is_empty() => {}
                _ = sweep.tick() => {
                    let idle = self.pool().sweep(Instant::now(), self.timing.dirtiness);
                    idle.iter().for_each(BuiltCircuit::close);
                }
                () = changed => {}
            }
        }
    }

    /// Closes every circuit that has no streams and gives new streams none of those that exist.
    pub fn retire_all(&self) {
        self.pool().retire_all();
        self.changed.notify_waiters();
    }

    /// Opens a stream for `request` to what `need` says, on a circuit that no other key uses.
    ///
    /// An exit that refuses for policy, is going to sleep or can't resolve the name is left for another, as C
    /// Tor does; so is one that does not answer in time.
    ///
    /// # Errors
    /// If every exit would refuse, none serves the target, or time is over.
    pub async fn open(
        &self,
        request: &<F::Circuit as BuiltCircuit>::Request,
        need: &ExitNeed,
        key: &IsolationKey,
        keep_alive: bool,
    ) -> Result<<F::Circuit as BuiltCircuit>::Stream, ConnectError> {
        let deadline = Instant::now() + self.timing.socks_timeout;
        let mut avoid: Vec<RsaId> = Vec::new();
        let mut unresolved = 0;
        for attempt in 0_u32.. {
            let found = timeout_at(deadline, self.circuit(need, key, &avoid)).await;
            let (slot, exit, circuit) = match found {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(ConnectError::TimedOut),
            };
            if keep_alive {
                self.pool().refresh(slot, Instant::now());
            }
            let patience = self.timing.stream_timeout.unwrap_or(match attempt {
                0 | 1 => Duration::from_secs(10),
                2.. => Duration::from_secs(15),
            });
            let until = deadline.min(Instant::now() + patience);
            let refusal = match timeout_at(until, circuit.open(request)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(refusal)) => refusal,
                Err(_) if Instant::now() >= deadline => return Err(ConnectError::TimedOut),
                Err(_) => {
                    // An exit that keeps silent is not asked again by anybody.
                    debug!("An exit did not answer in {} s; trying another", patience.as_secs());
                    self.pool().retire(slot);
                    avoid.extend(exit);
                    continue;
                }
            };
            match next_step(&refusal) {
                Next::GiveUp => return Err(ConnectError::Refused(refusal)),
                Next::AnotherExit => avoid.extend(exit),
                Next::AnotherExitFewTimes => {
                    unresolved += 1;
                    if unresolved >= MAX_RESOLVE_FAILURES {
                        return Err(ConnectError::Refused(refusal));
                    }
                    avoid.extend(exit);
                }
                Next::AnotherCircuit => self.pool().retire(slot),
            }
            debug!("Stream refused ({refusal}); trying another circuit");
        }
        Err(ConnectError::TimedOut)
    }

    /// A circuit for the stream, waiting until one is built where none is ready.
    async fn circuit(
        &self,
        need: &ExitNeed,
        key: &IsolationKey,
        avoid: &[RsaId],
    ) -> Result<(Slot, Option<RsaId>, F::Circuit), ConnectError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let choice = {
                let mut pool = self.pool();
                let now = Instant::now();
                if let Some(port) = need.predicted_port() {
                    pool.predict(port, now);
                }
                pool.choose(now, need, key, avoid, self.timing.dirtiness)
            };
            match choice {
                Choice::Use(slot, exit, circuit) => {
                    self.changed.notify_waiters(); // one clean circuit less
                    return Ok((slot, exit, circuit));
                }
                Choice::Wait => changed.await,
                Choice::Later(when) => {
                    let _either = timeout_at(when, changed).await;
                }
                Choice::Build => match self.factory.choose_path(need, avoid) {
                    Ok(path) => {
                        let slot = self.pool().start(path.clone(), Some(key.clone()));
                        self.orders.send((slot, path)).map_err(|_| ConnectError::Shutdown)?;
                    }
                    // The view of the network, or a guard, may come back while the stream waits.
                    Err(error) if error.is_transient() => {
                        let _either = timeout(Duration::from_secs(1), changed).await;
                    }
                    Err(error) => return Err(ConnectError::NoPath(error)),
                },
            }
        }
    }

    fn build_ahead(&self) {
        loop {
            let Some(need) = self.pool().wanted(Instant::now()) else { return };
            let Ok(path) = self.factory.choose_path(&need, &[]) else { return };
            let slot = self.pool().start(path.clone(), None);
            if self.orders.send((slot, path)).is_err() {
                return;
            }
        }
    }

    async fn build(&self, slot: Slot, path: Path) {
        match self.factory.build(path).await {
            Ok(circuit) => self.pool().built(slot, Instant::now(), circuit),
            Err(BuildError { what }) => {
                debug!("Circuit not built: {what}");
                self.pool().failed(slot, Instant::now());
            }
        }
        self.changed.notify_waiters();
    }

    fn pool(&self) -> MutexGuard<'_, Pool<F::Circuit>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: CircuitFactory> std::fmt::Debug for CircMgr<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CircMgr").field("timing", &self.timing).finish_non_exhaustive()
    }
}

enum Next {
    GiveUp,
    AnotherExit,
    AnotherExitFewTimes,
    AnotherCircuit,
}

/// What C Tor's clients do about each refusal: some say something of the exit, some of the destination.
fn next_step(refusal: &StreamRefusal) -> Next {
    match *refusal {
        StreamRefusal::CircuitClosed => Next::AnotherCircuit,
        StreamRefusal::Unresolved { transient: true } => Next::AnotherExitFewTimes,
        StreamRefusal::Unresolved { transient: false } => Next::GiveUp,
        StreamRefusal::Ended(EndReason::EXITPOLICY | EndReason::HIBERNATING | EndReason::RESOURCELIMIT) => {
            Next::AnotherExit
        }
        StreamRefusal::Ended(EndReason::RESOLVEFAILED | EndReason::MISC | EndReason::NOROUTE) => {
            Next::AnotherExitFewTimes
        }
        StreamRefusal::Ended(_) => Next::GiveUp,
    }
}
