//! Opening a stream, and what to do about each way in which an exit can refuse it.
//!
//! C Tor's rules (`connection_ap_process_end_not_open`), and bounds of our own where C Tor goes on until the
//! application's patience ends: a target that every exit refuses must not make us ask them all.

use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tor_cell::EndReason;
use tor_id::Fault;
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
        let deadline = Instant::now() + self.timing.socks_timeout;
        let target = F::Circuit::target(request);
        let wish = Wish { need, key, target: &target };
        let keep_alive = keep_alive && key.has_credentials();
        let mut trials = Trials::default();
        loop {
            let found = timeout_at(deadline, self.circuit(wish, &trials.avoid)).await;
            let chosen = match (found, trials.last) {
                (Ok(Ok(chosen)), _) => chosen,
                // No exit is left: what the last one said tells more than that.
                (Ok(Err(ConnectError::NoPath(_))), Some(last)) => return Err(ConnectError::Refused(last)),
                (Ok(Err(error)), _) => return Err(error),
                (Err(_), _) => return Err(ConnectError::TimedOut),
            };
            if keep_alive {
                self.pool().keep_alive(chosen.slot, Instant::now());
            }
            let until = deadline.min(Instant::now() + self.patience(&trials));
            match timeout_at(until, chosen.circuit.open(request)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(refusal)) => self.refused(wish, &chosen, refusal, &mut trials)?,
                Err(_) if Instant::now() >= deadline => return Err(ConnectError::TimedOut),
                Err(_) => {
                    debug!("An exit did not answer in time; trying another");
                    self.pool().retire(chosen.slot);
                    self.note_change();
                    trials.silent += 1;
                    trials.avoid.silent.extend(chosen.exit);
                }
            }
        }
    }

    fn patience(&self, trials: &Trials) -> Duration {
        self.timing.stream_timeout.unwrap_or(if trials.silent < 2 { PATIENCE.0 } else { PATIENCE.1 })
    }

    /// Takes the refusal to heart. An error if the stream is not to be tried again.
    fn refused(
        &self,
        wish: Wish<'_>,
        chosen: &Chosen<F::Circuit>,
        refusal: StreamRefusal,
        trials: &mut Trials,
    ) -> Result<(), ConnectError> {
        trials.last = Some(refusal);
        let about = about(&refusal);
        let (count, most) = match about {
            About::Target => return Err(ConnectError::Refused(refusal)),
            About::MaybeTarget => (&mut trials.unresolved, MAX_UNRESOLVED),
            About::ExitAndTarget | About::Exit => (&mut trials.unwilling, MAX_UNWILLING),
            About::Circuit => (&mut trials.lost, MAX_LOST),
        };
        *count += 1;
        let enough = *count >= most;
        let now = Instant::now();
        let mut pool = self.pool();
        match (about, chosen.exit) {
            (About::Circuit, _) | (_, None) => pool.retire(chosen.slot),
            (About::Exit, Some(exit)) => pool.refusals.of_all(exit, now),
            (_, Some(exit)) => pool.refusals.of_target(exit, now, wish.key, wish.target),
        }
        drop(pool);
        if about != About::Circuit {
            trials.avoid.refused.extend(chosen.exit);
        }
        if enough {
            return Err(ConnectError::Refused(refusal));
        }
        debug!("Stream refused ({refusal}); trying another circuit");
        Ok(())
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
