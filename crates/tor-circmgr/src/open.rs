//! Opening a stream, and what to do about each way in which an exit can refuse it.
//!
//! C Tor's rules (`connection_ap_process_end_not_open`), and bounds of our own where C Tor goes on until the
//! application's patience ends: a target that every exit refuses must not make us ask them all.

use std::{future::Future, time::Duration};

use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tor_cell::EndReason;
use tor_id::{Fault, RsaId};
use tor_path::{ExitNeed, PathError};
use tracing::debug;

use crate::{
    BuiltCircuit, CircMgr, CircuitFactory, IsolationKey, StreamRefusal,
    manager::Avoid,
    pool::{Chosen, Wish},
};

/// A target that this many exits could not resolve or reach is not there (C Tor's `MAX_RESOLVE_FAILURES`).
const MAX_UNRESOLVED: u32 = 3;
/// Exits that refuse for policy, or because they have no room.
const MAX_UNWILLING: u32 = 8;
/// Circuits that close before the exit answers. A relay must not learn to close circuits until it likes one.
const MAX_LOST: u32 = 3;
/// How long an exit may take to answer: the first two, and later ones.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(15));

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

/// What a stream has met with so far.
#[derive(Debug, Default)]
struct Trials {
    avoid: Avoid,
    unresolved: u32,
    unwilling: u32,
    lost: u32,
    silent: u32,
    last: Option<StreamRefusal>,
}

/// A stream on its way: what it asks for, and which exits it has met. One attempt at a time, so that whoever leads the
/// stream can tell how each went, and choose a circuit for it ([`Opening::on_circuit`]).
pub struct Opening<'a, F: CircuitFactory> {
    manager: &'a CircMgr<F>,
    need: ExitNeed,
    via: Option<RsaId>,
    key: IsolationKey,
    keep_alive: bool,
    deadline: Instant,
    trials: Trials,
}

/// An attempt that did not open the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setback {
    /// Another circuit may serve it.
    Detached(Detached),
    /// There is no use in trying again.
    Over(ConnectError),
}

/// Why a stream left a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detached {
    /// The exit refused, or the circuit closed.
    Refused(StreamRefusal),
    /// The exit did not answer in time.
    Silent,
}

impl<F: CircuitFactory> CircMgr<F> {
    /// Opens a stream for `request` to what `need` says, on a circuit that no other key uses.
    ///
    /// An exit that refuses for policy, is going to sleep or can't resolve the name is left for another, as C
    /// Tor does; so is one that does not answer in time. With `keep_alive` the circuit does not grow old while
    /// streams with SOCKS credentials live on it (`KeepAliveIsolateSOCKSAuth`).
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
        let deadline = Instant::now() + self.timing().socks_timeout;
        let mut opening = self.opening(*need, key.clone(), keep_alive, deadline);
        loop {
            match opening.attempt(request).await {
                Ok(stream) => return Ok(stream),
                Err(Setback::Detached(_)) => {}
                Err(Setback::Over(error)) => return Err(error),
            }
        }
    }

    /// A stream that is to be open by `deadline`; the arguments are those of [`CircMgr::open`].
    pub fn opening(
        &self,
        need: ExitNeed,
        key: IsolationKey,
        keep_alive: bool,
        deadline: Instant,
    ) -> Opening<'_, F> {
        let keep_alive = keep_alive && key.has_credentials();
        Opening { manager: self, need, via: None, key, keep_alive, deadline, trials: Trials::default() }
    }
}

impl<F: CircuitFactory> Opening<'_, F> {
    /// The stream leads elsewhere from now on; what exits said of its old target counts on.
    pub fn set_need(&mut self, need: ExitNeed) {
        self.need = need;
    }

    /// The stream must leave by this exit, even if it refused before; `None`: by any.
    pub fn set_via(&mut self, exit: Option<RsaId>) {
        self.via = exit;
    }

    /// Tries one circuit, waiting until one is built where none is ready.
    ///
    /// # Errors
    /// If it does not serve the stream.
    pub async fn attempt(
        &mut self,
        request: &<F::Circuit as BuiltCircuit>::Request,
    ) -> Result<<F::Circuit as BuiltCircuit>::Stream, Setback> {
        let target = F::Circuit::target(request);
        let Self { manager, need, via, key, keep_alive, deadline, trials } = self;
        let wish = Wish { need, key, target: &target, via: *via };
        let found = timeout_at(*deadline, manager.circuit(wish, &trials.avoid)).await;
        let chosen = match (found, trials.last) {
            (Ok(Ok(chosen)), _) => chosen,
            // No exit is left: what the last one said tells more than that.
            (Ok(Err(ConnectError::NoPath(_))), Some(last)) => {
                return Err(Setback::Over(ConnectError::Refused(last)));
            }
            (Ok(Err(error)), _) => return Err(Setback::Over(error)),
            (Err(_), _) => return Err(Setback::Over(ConnectError::TimedOut)),
        };
        if *keep_alive {
            manager.pool().keep_alive(chosen.number, Instant::now());
        }
        let until = (*deadline).min(Instant::now() + manager.patience(trials));
        match timeout_at(until, chosen.circuit.open(request)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(refusal)) => Err(manager.refused(wish, &chosen, refusal, trials)),
            Err(_) if Instant::now() >= *deadline => Err(Setback::Over(ConnectError::TimedOut)),
            Err(_) => {
                debug!("An exit did not answer in time; trying another");
                manager.pool().retire(chosen.number);
                manager.note_change();
                trials.silent += 1;
                trials.avoid.silent.extend(chosen.exit);
                Err(Setback::Detached(Detached::Silent))
            }
        }
    }

    /// Tries a circuit that somebody else chose: `opening` is what opens the stream on it.
    ///
    /// # Errors
    /// If it does not serve the stream.
    pub async fn on_circuit<S>(
        &mut self,
        opening: impl Future<Output = Result<S, StreamRefusal>>,
    ) -> Result<S, Setback> {
        let until = self.deadline.min(Instant::now() + self.manager.patience(&self.trials));
        match timeout_at(until, opening).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(refusal)) => Err(self.trials.count(refusal)),
            Err(_) if Instant::now() >= self.deadline => Err(Setback::Over(ConnectError::TimedOut)),
            Err(_) => {
                self.trials.silent += 1;
                Err(Setback::Detached(Detached::Silent))
            }
        }
    }
}

impl<F: CircuitFactory> CircMgr<F> {
    fn patience(&self, trials: &Trials) -> Duration {
        self.timing().stream_timeout.unwrap_or(if trials.silent < 2 { PATIENCE.0 } else { PATIENCE.1 })
    }

    /// Takes the refusal to heart.
    fn refused(
        &self,
        wish: Wish<'_>,
        chosen: &Chosen<F::Circuit>,
        refusal: StreamRefusal,
        trials: &mut Trials,
    ) -> Setback {
        let about = about(&refusal);
        let now = Instant::now();
        let mut pool = self.pool();
        match (about, chosen.exit) {
            (About::Target, _) => {}
            (About::Circuit, _) | (_, None) => pool.retire(chosen.number),
            // The same exit will be asked again, but not by the same circuit.
            (_, Some(_)) if wish.via.is_some() => pool.retire(chosen.number),
            (About::Exit, Some(exit)) => pool.refusals.of_all(exit, now),
            (_, Some(exit)) => pool.refusals.of_target(exit, now, wish.key, wish.target),
        }
        drop(pool);
        if !matches!(about, About::Circuit | About::Target) {
            trials.avoid.refused.extend(chosen.exit);
        }
        trials.count(refusal)
    }
}

impl Trials {
    /// One more refusal: is another circuit worth trying?
    fn count(&mut self, refusal: StreamRefusal) -> Setback {
        self.last = Some(refusal);
        let over = Setback::Over(ConnectError::Refused(refusal));
        let (count, most) = match about(&refusal) {
            About::Target => return over,
            About::MaybeTarget => (&mut self.unresolved, MAX_UNRESOLVED),
            About::ExitAndTarget | About::Exit => (&mut self.unwilling, MAX_UNWILLING),
            About::Circuit => (&mut self.lost, MAX_LOST),
        };
        *count += 1;
        if *count >= most {
            return over;
        }
        debug!("Stream refused ({refusal}); trying another circuit");
        Setback::Detached(Detached::Refused(refusal))
    }
}

impl<F: CircuitFactory> std::fmt::Debug for Opening<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("need", &self.need).field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// The destination: another exit would say the same.
    Target,
    /// Perhaps the destination, perhaps this exit's way to it.
    MaybeTarget,
    /// This exit, and this destination.
    ExitAndTarget,
    /// This exit, to everybody.
    Exit,
    /// The circuit.
    Circuit,
}

fn about(refusal: &StreamRefusal) -> About {
    match *refusal {
        StreamRefusal::CircuitClosed => About::Circuit,
        StreamRefusal::Unresolved { transient: true } => About::MaybeTarget,
        StreamRefusal::Unresolved { transient: false } => About::Target,
        StreamRefusal::Ended(EndReason::EXITPOLICY) => About::ExitAndTarget,
        StreamRefusal::Ended(EndReason::HIBERNATING | EndReason::RESOURCELIMIT) => About::Exit,
        StreamRefusal::Ended(EndReason::RESOLVEFAILED | EndReason::MISC | EndReason::NOROUTE) => {
            About::MaybeTarget
        }
        StreamRefusal::Ended(_) => About::Target,
    }
}
