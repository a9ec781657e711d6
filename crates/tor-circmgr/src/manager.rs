//! The procedures: get a circuit, build, build ahead. (`open` has the one above them: open a stream, and
//! try again elsewhere.)

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior, timeout_at},
};
use tor_id::RsaId;
use tor_path::{ExitNeed, Path, PathError};
use tracing::debug;

use crate::{
    BuildError, BuiltCircuit, CircuitFactory, CircuitNumber, ConnectError, Purpose,
    pool::{Choice, Chosen, Pool, Wish},
};

/// How often what is old is looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How long to wait for a better view of the network, or a guard.
const NO_PATH: Duration = Duration::from_secs(1);

/// The times of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A circuit takes no new streams this long after its first (`MaxCircuitDirtiness`).
    pub dirtiness: Duration,
    /// How long a stream may look for a circuit that serves it (`SocksTimeout`).
    pub socks_timeout: Duration,
    /// How long one exit may take to answer (`CircuitStreamTimeout`); `None`: 10 s, later 15 s.
    pub stream_timeout: Option<Duration>,
    /// Whether circuits are built before they are asked for (not under `__DisablePredictedCircuits`).
    pub predict: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            dirtiness: Duration::from_secs(600),
            socks_timeout: Duration::from_secs(120),
            stream_timeout: None,
            predict: true,
        }
    }
}

/// The circuits of a client.
pub struct CircMgr<F: CircuitFactory> {
    factory: F,
    timing: Mutex<Timing>,
    pool: Mutex<Pool<F::Circuit>>,
    /// A circuit was built, failed or given up: streams that wait should look again.
    changed: Notify,
    /// Something was used or asked for: there may be circuits to build ahead.
    stock: Notify,
    /// At most as many as the pool lets be built at once.
    orders: mpsc::UnboundedSender<Order<F>>,
    to_build: Mutex<Option<mpsc::UnboundedReceiver<Order<F>>>>,
}

/// A circuit to build, and its place in the pool.
type Order<F> = (CircuitNumber, <F as CircuitFactory>::Launch);

/// The exits that a stream should not get.
#[derive(Clone, Debug, Default)]
pub(crate) struct Avoid {
    /// They refused this stream.
    pub(crate) refused: Vec<RsaId>,
    /// They kept silent. Better than none.
    pub(crate) silent: Vec<RsaId>,
}

impl<F: CircuitFactory> CircMgr<F> {
    /// A client without circuits. Nothing is built until [`CircMgr::run`] is driven.
    pub fn new(factory: F, timing: Timing) -> Self {
        let (orders, to_build) = mpsc::unbounded_channel();
        Self {
            factory,
            timing: Mutex::new(timing),
            pool: Mutex::new(Pool::new()),
            changed: Notify::new(),
            stock: Notify::new(),
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
            if self.open_circuits() > 0 {
                return;
            }
            changed.await;
        }
    }

    /// The times that hold now.
    pub fn timing(&self) -> Timing {
        *self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other times hold from now on, for the circuits that exist too.
    pub fn set_timing(&self, timing: Timing) {
        *self.timing.lock().unwrap_or_else(PoisonError::into_inner) = timing;
        self.stock.notify_one();
    }

    /// Closes every circuit, whatever lives on it. There will be no others until [`CircMgr::resume`].
    pub fn close_all(&self) {
        self.pool().shut();
        self.changed.notify_waiters();
        self.stock.notify_one();
    }

    /// Circuits may be built again after [`CircMgr::close_all`].
    pub fn resume(&self) {
        self.pool().resume();
        self.note_change();
    }

    /// Makes `port` one of those for which circuits are ready before they are asked for.
    pub fn predict(&self, port: u16) {
        self.pool().predict(&ExitNeed::port(port), Instant::now());
        self.stock.notify_one();
    }

    /// There are other paths than a moment ago: whoever waits for one should look at once.
    pub fn network_changed(&self) {
        self.changed.notify_waiters();
        self.stock.notify_one();
    }

    /// Gives new streams none of the circuits that exist or are being built, and closes those without streams.
    pub fn retire_all(&self) {
        self.pool().retire_all();
        self.sweep();
        self.changed.notify_waiters();
        self.stock.notify_one();
    }

    /// Builds what streams ask for and what is predicted, and closes what is old, until dropped; from then on there
    /// are no circuits. A second call returns at once.
    pub async fn run(&self) {
        let Some(mut to_build) = self.to_build.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let _nothing_is_built_without_us = ShutOnDrop(self);
        let mut building = FuturesUnordered::new();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.pool().is_shut() {
                building.clear();
                while to_build.try_recv().is_ok() {}
            }
            if self.timing().predict {
                self.build_ahead();
            }
            tokio::select! {
                Some((number, launch)) = to_build.recv() => building.push(self.build(number, launch)),
                Some(()) = building.next(), if !building.is_empty() => {}
                _ = sweep.tick() => self.sweep(),
                () = self.stock.notified() => {}
            }
        }
    }

    /// A circuit for the stream, waiting until one is built where none is ready.
    pub(crate) async fn circuit(
        &self,
        wish: Wish<'_>,
        avoid: &Avoid,
    ) -> Result<Chosen<F::Circuit>, ConnectError> {
        let mut strictness = Strictness::All;
        loop {
            // Before looking, so that what changes in between is not missed.
            let changed = self.changed.notified();
            let avoided = self.avoided(strictness, wish, avoid);
            if self.timing().predict {
                self.pool().predict(wish.need, Instant::now());
            }
            match self.choose(wish, &avoided) {
                Choice::Use(chosen) => {
                    if chosen.was_clean {
                        self.stock.notify_one();
                    }
                    return Ok(chosen);
                }
                Choice::Wait(until) => {
                    let _either = timeout_at(until, changed).await;
                }
                Choice::Shut => return Err(ConnectError::Shutdown),
                Choice::Build => match self.path(wish, &avoided) {
                    Ok(path) => self.order(wish, &avoided, path)?,
                    // The view of the network, or a guard, may come back while the stream waits.
                    Err(error) if error.is_transient() => {
                        let _either = timeout_at(Instant::now() + NO_PATH, changed).await;
                    }
                    Err(PathError::NoExit) if strictness != Strictness::Refused && wish.via.is_none() => {
                        strictness = strictness.relaxed();
                    }
                    Err(error) => return Err(ConnectError::NoPath(error)),
                },
            }
        }
    }

    fn path(&self, wish: Wish<'_>, avoided: &[RsaId]) -> Result<Path, PathError> {
        match &wish.via {
            Some(exit) => self.factory.choose_path_by(exit, wish.need),
            None => self.factory.choose_path(wish.need, avoided),
        }
    }

    /// Has a circuit built for the stream, unless one has appeared meanwhile.
    fn order(&self, wish: Wish<'_>, avoided: &[RsaId], path: Path) -> Result<(), ConnectError> {
        let now = Instant::now();
        let mut pool = self.pool();
        if !pool.would_build(now, wish, avoided) {
            return Ok(());
        }
        let (number, launch) = self.factory.launch(path.clone(), Purpose::General, Some(wish.key));
        pool.start(number, now, path, Purpose::General, Some(wish.key.clone()));
        drop(pool);
        self.orders.send((number, launch)).map_err(|_| ConnectError::Shutdown)
    }

    fn choose(&self, wish: Wish<'_>, avoided: &[RsaId]) -> Choice<F::Circuit> {
        self.pool().choose(Instant::now(), wish, avoided, self.timing().dirtiness)
    }

    fn avoided(&self, strictness: Strictness, wish: Wish<'_>, avoid: &Avoid) -> Vec<RsaId> {
        let mut avoided = avoid.refused.clone();
        if strictness <= Strictness::Silent {
            avoided.extend(&avoid.silent);
        }
        if strictness == Strictness::All {
            avoided.extend(self.pool().refusals.exits(Instant::now(), wish.key, wish.target));
        }
        avoided
    }

    fn build_ahead(&self) {
        loop {
            let now = Instant::now();
            let (need, asleep) = {
                let pool = self.pool();
                let Some(need) = pool.wanted(now) else { return };
                (need, pool.refusals.asleep(now))
            };
            match self.factory.choose_path(&need, &asleep) {
                Ok(path) => {
                    if self.begin(path, Purpose::General).is_none() {
                        return;
                    }
                }
                Err(error) if error.is_transient() => return,
                // What nobody serves must not keep others from being ready.
                Err(_) => self.pool().forget(&need),
            }
        }
    }

    /// Begins a circuit that nobody's streams wait for; `None` if the client is shutting down.
    pub(crate) fn begin(&self, path: Path, purpose: Purpose) -> Option<CircuitNumber> {
        let (number, launch) = self.factory.launch(path.clone(), purpose, None);
        self.pool().start(number, Instant::now(), path, purpose, None);
        self.orders.send((number, launch)).ok()?;
        Some(number)
    }

    async fn build(&self, number: CircuitNumber, launch: F::Launch) {
        let built = self.factory.build(launch).await;
        let now = Instant::now();
        match built {
            Ok(circuit) => self.pool().built(number, now, circuit),
            Err(BuildError { what }) => {
                debug!("Circuit not built: {what}");
                self.pool().failed(number, now);
            }
        }
        self.changed.notify_waiters();
    }

    fn sweep(&self) {
        let idle = self.pool().sweep(Instant::now(), self.timing().dirtiness);
        idle.iter().for_each(BuiltCircuit::close);
    }

    /// Streams that wait should look again.
    pub(crate) fn note_change(&self) {
        self.changed.notify_waiters();
        self.stock.notify_one();
    }

    pub(crate) fn pool(&self) -> MutexGuard<'_, Pool<F::Circuit>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: CircuitFactory> std::fmt::Debug for CircMgr<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CircMgr").field("timing", &self.timing()).finish_non_exhaustive()
    }
}

/// Which exits a stream keeps off: fewer and fewer as long as none is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strictness {
    /// All that have refused it, were silent, or refused others before.
    All,
    /// All that have refused it or were silent.
    Silent,
    /// Those that have refused it: to ask them again leads nowhere.
    Refused,
}

impl Strictness {
    const fn relaxed(self) -> Self {
        match self {
            Self::All => Self::Silent,
            Self::Silent | Self::Refused => Self::Refused,
        }
    }
}

struct ShutOnDrop<'a, F: CircuitFactory>(&'a CircMgr<F>);

impl<F: CircuitFactory> Drop for ShutOnDrop<'_, F> {
    fn drop(&mut self) {
        self.0.close_all();
    }
}
