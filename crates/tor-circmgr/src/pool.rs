//! The circuits that exist or are on their way, and the rules by which a stream gets one. No waiting, no clock:
//! [`crate::CircMgr`] calls in with `now`.
//!
//! ```text
//!             claim                     first stream                dirtiness over, or
//!  Building ───────────> Building      Clean ─────────> Dirty(key) ────────────────────> Retired
//!  (for anyone)          (for a key)                    (that key only)   no stream left: closed
//! ```

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use tor_id::RsaId;
use tor_path::{ExitNeed, Path};

use crate::{BuiltCircuit, IsolationKey};

/// Clean circuits that handle a predicted port (C Tor's `MIN_CIRCUITS_HANDLING_STREAM`).
const CLEAN_PER_PORT: usize = 2;
/// Unused circuits of all kinds, at the most (C Tor's `MAX_UNUSED_OPEN_CIRCUITS`).
const MAX_UNUSED: usize = 14;
/// An unused circuit lives this long.
const UNUSED_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A port is predicted for this long after it was last asked for.
const PREDICTION: Duration = Duration::from_secs(60 * 60);

/// Circuits that are being built at once.
const MAX_BUILDING: usize = 32;
/// How soon to look again when that many are.
const CROWDED: Duration = Duration::from_millis(200);
/// Failed builds in a row that cost no pause.
const FREE_FAILURES: u32 = 3;
/// Each further one adds this to the pause before the next build, up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Names a circuit of the pool, built or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u64);

#[derive(Debug)]
pub(crate) struct Pool<C> {
    next: u64,
    building: BTreeMap<Slot, Building>,
    open: BTreeMap<Slot, Open<C>>,
    predicted: BTreeMap<u16, Instant>,
    /// Builds that failed since one succeeded, and until when the next must wait for that.
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Building {
    path: Path,
    claimed: Option<IsolationKey>,
}

#[derive(Debug)]
struct Open<C> {
    circuit: C,
    path: Path,
    opened: Instant,
    /// Set by the first stream: whose it is, and since when.
    used: Option<(IsolationKey, Instant)>,
    /// No new streams, whatever the dirtiness says.
    retired: bool,
}

/// What a stream can do about a circuit now.
#[derive(Debug)]
pub(crate) enum Choice<C> {
    /// Use this one, whose exit is named beside it.
    Use(Slot, Option<RsaId>, C),
    /// One is on its way.
    Wait,
    /// Nothing fits: build one, with [`Pool::start`].
    Build,
    /// As `Build`, but not before this: too many builds failed, or are under way.
    Later(Instant),
}

impl<C: BuiltCircuit> Pool<C> {
    pub(crate) fn new() -> Self {
        Self {
            next: 1,
            building: BTreeMap::new(),
            open: BTreeMap::new(),
            predicted: BTreeMap::new(),
            failures: 0,
            not_before: None,
        }
    }

    /// A circuit for a stream that needs `need`, keeps apart by `key` and must not leave through `avoid`.
    /// The circuit that is chosen belongs to `key` from then on.
    pub(crate) fn choose(
        &mut self,
        now: Instant,
        need: &ExitNeed,
        key: &IsolationKey,
        avoid: &[RsaId],
        dirtiness: Duration,
    ) -> Choice<C> {
        let fits =
            |path: &Path| path.serves(need) && path.exit().is_none_or(|exit| !avoid.contains(&exit.ids.rsa));
        let best = self
            .open
            .iter_mut()
            .filter(|(_, open)| !open.retired && open.circuit.is_open() && fits(&open.path))
            .filter(|(_, open)| match &open.used {
                Some((owner, since)) => owner == key && now < *since + dirtiness,
                None => true,
            })
            // One that is this key's already, else the oldest clean one.
            .min_by_key(|(slot, open)| (open.used.is_none(), **slot));
        if let Some((slot, open)) = best {
            open.used.get_or_insert_with(|| (key.clone(), now));
            let exit = open.path.exit().map(|exit| exit.ids.rsa);
            return Choice::Use(*slot, exit, open.circuit.clone());
        }
        if self.building.values().any(|b| b.claimed.as_ref() == Some(key) && fits(&b.path)) {
            return Choice::Wait;
        }
        if let Some(unclaimed) = self.building.values_mut().find(|b| b.claimed.is_none() && fits(&b.path)) {
            unclaimed.claimed = Some(key.clone());
            return Choice::Wait;
        }
        match self.not_before {
            Some(until) if now < until => Choice::Later(until),
            _ if self.building.len() >= MAX_BUILDING => Choice::Later(now + CROWDED),
            _ => Choice::Build,
        }
    }

    /// Counts a circuit as being built. With a key, only that key's streams wait for it.
    pub(crate) fn start(&mut self, path: Path, claimed: Option<IsolationKey>) -> Slot {
        let slot = Slot(self.next);
        self.next += 1;
        self.building.insert(slot, Building { path, claimed });
        slot
    }

    /// The circuit is built. A claim ends here: whoever comes first with a fitting key gets it.
    pub(crate) fn built(&mut self, slot: Slot, now: Instant, circuit: C) {
        self.failures = 0;
        self.not_before = None;
        if let Some(Building { path, claimed: _ }) = self.building.remove(&slot) {
            self.open.insert(slot, Open { circuit, path, opened: now, used: None, retired: false });
        }
    }

    /// The circuit could not be built. One failure is bad luck; several in a row mean that the next should wait.
    pub(crate) fn failed(&mut self, slot: Slot, now: Instant) {
        self.building.remove(&slot);
        self.failures = self.failures.saturating_add(1);
        if self.failures > FREE_FAILURES {
            let pause = PAUSE * (self.failures - FREE_FAILURES);
            self.not_before = Some(now + pause.min(MAX_PAUSE));
        }
    }

    /// No new streams on this one.
    pub(crate) fn retire(&mut self, slot: Slot) {
        if let Some(open) = self.open.get_mut(&slot) {
            open.retired = true;
        }
    }

    /// No new streams on any circuit that exists.
    pub(crate) fn retire_all(&mut self) {
        self.open.values_mut().for_each(|open| open.retired = true);
    }

    /// Closes every open circuit.
    pub(crate) fn close_all(&self) {
        self.open.values().for_each(|open| open.circuit.close());
    }

    /// Keeps `slot` from growing old while it is used (`KeepAliveIsolateSOCKSAuth`).
    pub(crate) fn refresh(&mut self, slot: Slot, now: Instant) {
        if let Some(Open { used: Some((_, since)), .. }) = self.open.get_mut(&slot) {
            *since = now;
        }
    }

    /// Notes that a port was asked for, so that the next stream finds a circuit ready.
    pub(crate) fn predict(&mut self, port: u16, now: Instant) {
        self.predicted.insert(port, now);
    }

    /// Forgets what is closed and returns what should be closed: retired or too old, and without streams.
    pub(crate) fn sweep(&mut self, now: Instant, dirtiness: Duration) -> Vec<C> {
        self.predicted.retain(|_, asked| now < *asked + PREDICTION);
        let mut idle = Vec::new();
        self.open.retain(|_, open| {
            if !open.circuit.is_open() {
                return false;
            }
            let over = open.retired
                || match &open.used {
                    Some((_, since)) => now >= *since + dirtiness,
                    None => now >= open.opened + UNUSED_LIFETIME,
                };
            if over && open.circuit.streams() == 0 {
                idle.push(open.circuit.clone());
                return false;
            }
            true
        });
        idle
    }

    /// A need for which one more clean circuit should be built now, if any.
    pub(crate) fn wanted(&self, now: Instant) -> Option<ExitNeed> {
        if self.not_before.is_some_and(|until| now < until) {
            return None;
        }
        let unused =
            self.open.values().filter(|open| open.used.is_none() && !open.retired).map(|open| &open.path);
        let clean: Vec<&Path> =
            unused.chain(self.building.values().filter(|b| b.claimed.is_none()).map(|b| &b.path)).collect();
        if clean.len() + self.building.values().filter(|b| b.claimed.is_some()).count() >= MAX_UNUSED {
            return None;
        }
        self.predicted
            .keys()
            .map(|&port| ExitNeed::port(port))
            .find(|need| clean.iter().filter(|path| path.serves(need)).count() < CLEAN_PER_PORT)
    }

    /// Circuits that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.values().filter(|open| open.circuit.is_open()).count()
    }
}
