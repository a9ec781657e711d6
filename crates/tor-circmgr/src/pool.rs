//! The circuits that exist or are on their way, and the rules by which a stream gets one. No waiting, no clock:
//! [`crate::CircMgr`] calls in with `now`.
//!
//! ```text
//!             a stream waits         built        first stream             dirtiness over, or the exit
//!  Building ───────────────> Building ──> Clean ─────────────> Dirty(key) ──────────────────────────> Retired
//!  (for anyone)              (for a key)  (that key's first)   (that key only)   no stream left: closed
//! ```

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use tor_id::RsaId;
use tor_path::{ExitNeed, Path};

use crate::{
    BuiltCircuit, CircuitNumber, IsolationKey, Purpose,
    backoff::Backoff,
    refusals::{Refusals, Target},
};

/// Clean circuits that handle a predicted port (C Tor's `MIN_CIRCUITS_HANDLING_STREAM`).
const CLEAN_PER_PORT: usize = 2;
/// Unused circuits of all kinds, at the most (C Tor's `MAX_UNUSED_OPEN_CIRCUITS`).
const MAX_UNUSED: usize = 14;
/// An unused circuit lives this long.
const UNUSED_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A port is predicted for this long after it was last asked for.
const PREDICTION: Duration = Duration::from_secs(60 * 60);
/// Predicted ports, at the most; there are not clean circuits enough for more.
const MAX_PREDICTED: usize = 32;
/// Circuits that are being built at once (C Tor's `MaxClientCircuitsPending`).
pub(crate) const MAX_BUILDING: usize = 32;
/// A circuit that takes longer to build is no longer waited for alone: another is ordered beside it.
const SLOW: Duration = Duration::from_secs(10);
/// A new circuit is kept for those who waited for it for so long.
const RESERVED: Duration = Duration::from_secs(1);
/// How soon to look again when nothing can be ordered now.
const CROWDED: Duration = Duration::from_millis(200);

/// What a stream asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) need: &'a ExitNeed,
    pub(crate) key: &'a IsolationKey,
    pub(crate) target: &'a Target,
    /// The exit that it must be, whatever it refused before.
    pub(crate) via: Option<RsaId>,
}

#[derive(Debug)]
pub(crate) struct Pool<C> {
    pub(crate) building: BTreeMap<CircuitNumber, Building>,
    pub(crate) open: BTreeMap<CircuitNumber, Open<C>>,
    /// What was asked for, and when last.
    pub(crate) predicted: BTreeMap<ExitNeed, Instant>,
    pub(crate) refusals: Refusals,
    backoff: Backoff,
    shut: bool,
}

#[derive(Debug)]
pub(crate) struct Building {
    path: Path,
    started: Instant,
    pub(crate) purpose: Purpose,
    claimed: Option<IsolationKey>,
    /// Ordered before all circuits were retired.
    retired: bool,
}

#[derive(Debug)]
pub(crate) struct Open<C> {
    pub(crate) circuit: C,
    pub(crate) path: Path,
    pub(crate) purpose: Purpose,
    opened: Instant,
    pub(crate) owner: Owner,
    /// It is about to get more hops.
    pub(crate) growing: bool,
    /// No new streams, whatever the dirtiness says.
    retired: bool,
}

/// Who may use an open circuit.
#[derive(Debug)]
pub(crate) enum Owner {
    Anyone,
    /// Until then only whoever waited for it; then anyone.
    Reserved(IsolationKey, Instant),
    /// Its streams are of this key, the first of them at that time. `kept`: it ages only while it has none.
    Dirty {
        /// `None`: a controller has put streams of several there.
        key: Option<IsolationKey>,
        since: Instant,
        kept: bool,
    },
}

/// What a stream can do about a circuit now.
#[derive(Debug)]
pub(crate) enum Choice<C> {
    /// Use this one.
    Use(Chosen<C>),
    /// One is on its way, or none can be ordered yet. Look again when the pool has changed, at the latest then.
    Wait(Instant),
    /// Nothing fits: build one, with [`Pool::start`].
    Build,
    /// The client is shutting down.
    Shut,
}

/// A circuit that a stream may use.
#[derive(Debug)]
pub(crate) struct Chosen<C> {
    pub(crate) number: CircuitNumber,
    pub(crate) exit: Option<RsaId>,
    pub(crate) circuit: C,
    /// It was clean until now: one less is ready.
    pub(crate) was_clean: bool,
}

impl<C: BuiltCircuit> Pool<C> {
    pub(crate) fn new() -> Self {
        Self {
            building: BTreeMap::new(),
            open: BTreeMap::new(),
            predicted: BTreeMap::new(),
            refusals: Refusals::default(),
            backoff: Backoff::default(),
            shut: false,
        }
    }

    /// A circuit for the stream, which must not leave through `avoid`. The circuit that is chosen belongs to the
    /// stream's key from then on.
    pub(crate) fn choose(
        &mut self,
        now: Instant,
        wish: Wish<'_>,
        avoid: &[RsaId],
        dirtiness: Duration,
    ) -> Choice<C> {
        if self.shut {
            return Choice::Shut;
        }
        let fits = |path: &Path| wish.is_served_by(path, avoid);
        let usable = self
            .open
            .iter_mut()
            .filter(|(_, open)| open.may_be_used() && fits(&open.path))
            .filter(|(_, open)| open.owner.admits(wish.key, now, dirtiness));
        if let Some((number, open)) =
            usable.max_by_key(|(number, open)| (open.owner.rank(wish.key), **number))
        {
            let was_clean = open.owner.take(wish.key, now);
            if was_clean {
                open.circuit.used_by(Some(wish.key));
            }
            let exit = open.path.exit().map(|exit| exit.ids.rsa);
            return Choice::Use(Chosen { number: *number, exit, circuit: open.circuit.clone(), was_clean });
        }
        let coming =
            self.building.values_mut().filter(|b| b.is_for_all() && fits(&b.path) && now < b.started + SLOW);
        let ours = |b: &&mut Building| b.claimed.as_ref().is_none_or(|claimed| claimed == wish.key);
        // One that is ours already before one that could be.
        if let Some(building) = coming.filter(ours).max_by_key(|b| b.claimed.is_some()) {
            building.claimed.get_or_insert_with(|| wish.key.clone());
            return Choice::Wait(building.started + SLOW);
        }
        self.may_build(now)
    }

    /// True if a circuit should still be built for a stream that was told so a moment ago.
    pub(crate) fn would_build(&self, now: Instant, wish: Wish<'_>, avoid: &[RsaId]) -> bool {
        let fits = |path: &Path| wish.is_served_by(path, avoid);
        let ready = self
            .open
            .values()
            .any(|open| matches!(open.owner, Owner::Anyone) && open.may_be_used() && fits(&open.path));
        let coming = self.building.values().any(|b| {
            b.is_for_all() && now < b.started + SLOW && b.claimed.as_ref() == Some(wish.key) && fits(&b.path)
        });
        !ready && !coming && matches!(self.may_build(now), Choice::Build)
    }

    fn may_build(&self, now: Instant) -> Choice<C> {
        match self.backoff.until(now) {
            _ if self.shut => Choice::Shut,
            Some(until) => Choice::Wait(until),
            None if self.building.len() >= MAX_BUILDING => Choice::Wait(now + CROWDED),
            None => Choice::Build,
        }
    }

    /// Counts a circuit as being built. With a key, that key's streams wait for it.
    pub(crate) fn start(
        &mut self,
        number: CircuitNumber,
        now: Instant,
        path: Path,
        purpose: Purpose,
        claimed: Option<IsolationKey>,
    ) {
        self.building.insert(number, Building { path, started: now, purpose, claimed, retired: false });
    }

    /// The circuit is built. Who waited for it comes first; it is theirs for good only once they use it.
    pub(crate) fn built(&mut self, number: CircuitNumber, now: Instant, circuit: C) {
        self.backoff.succeeded();
        let Some(Building { path, purpose, claimed, retired, .. }) = self.building.remove(&number) else {
            return;
        };
        if self.shut || retired {
            circuit.close();
            return;
        }
        let owner = claimed.map_or(Owner::Anyone, |key| Owner::Reserved(key, now + RESERVED));
        let open = Open { circuit, path, purpose, opened: now, owner, growing: false, retired };
        self.open.insert(number, open);
    }

    /// The circuit could not be built.
    pub(crate) fn failed(&mut self, number: CircuitNumber, now: Instant) {
        self.building.remove(&number);
        self.backoff.failed(now);
    }

    /// No new streams on this one.
    pub(crate) fn retire(&mut self, number: CircuitNumber) {
        if let Some(open) = self.open.get_mut(&number) {
            open.retired = true;
        }
    }

    /// No new streams on any circuit that exists or is being built.
    pub(crate) fn retire_all(&mut self) {
        // A controller that has put streams on a circuit of its own may put others there.
        let kept = |open: &Open<C>| open.purpose == Purpose::Controller && open.owner.is_dirty();
        self.open.values_mut().filter(|open| !kept(open)).for_each(|open| open.retired = true);
        self.building.values_mut().for_each(|building| building.retired = true);
    }

    /// Closes every circuit; there will be no more until [`Pool::resume`].
    pub(crate) fn shut(&mut self) {
        self.shut = true;
        self.open.values().for_each(|open| open.circuit.close());
        self.building.clear();
    }

    /// Circuits may be built again. What went wrong before counts no more.
    pub(crate) fn resume(&mut self) {
        self.shut = false;
        self.backoff = Backoff::default();
    }

    pub(crate) const fn is_shut(&self) -> bool {
        self.shut
    }

    /// The circuit ages only while it has no streams (`KeepAliveIsolateSOCKSAuth`).
    pub(crate) fn keep_alive(&mut self, number: CircuitNumber, now: Instant) {
        if let Some(Open { owner: Owner::Dirty { since, kept, .. }, .. }) = self.open.get_mut(&number) {
            (*since, *kept) = (now, true);
        }
    }

    /// Notes that this was asked for, so that the next stream finds a circuit ready.
    pub(crate) fn predict(&mut self, need: &ExitNeed, now: Instant) {
        let Some(need) = need.predicts() else { return };
        self.predicted.insert(need, now);
        if self.predicted.len() > MAX_PREDICTED {
            let oldest = self.predicted.iter().min_by_key(|(_, asked)| **asked).map(|(need, _)| *need);
            oldest.map(|need| self.predicted.remove(&need));
        }
    }

    /// No relay serves this: nothing is kept ready for it.
    pub(crate) fn forget(&mut self, need: &ExitNeed) {
        self.predicted.remove(need);
    }

    /// Forgets what is closed and returns what should be closed: retired or too old, and without streams.
    pub(crate) fn sweep(&mut self, now: Instant, dirtiness: Duration) -> Vec<C> {
        self.predicted.retain(|_, asked| now < *asked + PREDICTION);
        self.refusals.forget_old(now);
        let mut idle = Vec::new();
        self.open.retain(|_, open| {
            if !open.circuit.is_open() {
                return false;
            }
            let busy = open.circuit.streams() > 0;
            if matches!(&open.owner, Owner::Reserved(_, until) if *until <= now) {
                open.owner = Owner::Anyone;
                open.circuit.used_by(None);
            }
            if let Owner::Dirty { since, kept: true, .. } = &mut open.owner
                && busy
                && now < *since + dirtiness
            {
                *since = now;
            }
            let over = open.retired
                || match &open.owner {
                    Owner::Dirty { since, .. } => now >= *since + dirtiness,
                    // What a controller has made for later is not old before it is used.
                    Owner::Anyone | Owner::Reserved(..) => {
                        open.purpose == Purpose::General && now >= open.opened + UNUSED_LIFETIME
                    }
                };
            if over && !busy {
                idle.push(open.circuit.clone());
            }
            !over || busy
        });
        idle
    }

    /// What one more clean circuit should be built for now.
    pub(crate) fn wanted(&self, now: Instant) -> Option<ExitNeed> {
        if self.shut || self.backoff.until(now).is_some() {
            return None;
        }
        let clean = self.open.values().filter(|open| !open.owner.is_dirty() && open.may_be_used());
        let coming = self.building.values().filter(|building| building.is_for_all());
        if clean.clone().count() + coming.clone().count() >= MAX_UNUSED {
            return None;
        }
        let free = clean.filter(|open| open.owner.is_free(now)).map(|open| &open.path);
        let free: Vec<&Path> = free.chain(coming.filter(|b| b.claimed.is_none()).map(|b| &b.path)).collect();
        let mut predicted = self.predicted.keys();
        predicted.find(|need| free.iter().filter(|path| path.serves(need)).count() < CLEAN_PER_PORT).copied()
    }

    /// Circuits that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.values().filter(|open| open.circuit.is_open()).count()
    }
}

impl Wish<'_> {
    fn is_served_by(&self, path: &Path, avoid: &[RsaId]) -> bool {
        path.serves(self.need)
            && match (path.exit(), self.via) {
                (Some(exit), Some(via)) => exit.ids.rsa == via,
                (Some(exit), None) => !avoid.contains(&exit.ids.rsa),
                (None, via) => via.is_none(),
            }
    }
}

impl<C: BuiltCircuit> Open<C> {
    /// Whether a stream may get it, as far as that does not depend on the stream.
    fn may_be_used(&self) -> bool {
        self.purpose == Purpose::General && !self.growing && !self.retired && self.circuit.is_open()
    }
}

impl Building {
    /// Whether a stream may get it once it is built.
    fn is_for_all(&self) -> bool {
        self.purpose == Purpose::General && !self.retired
    }
}

impl Owner {
    const fn is_dirty(&self) -> bool {
        matches!(self, Self::Dirty { .. })
    }

    fn admits(&self, wants: &IsolationKey, now: Instant, dirtiness: Duration) -> bool {
        match self {
            Self::Anyone => true,
            Self::Reserved(key, until) => key == wants || *until <= now,
            Self::Dirty { key, since, .. } => key.as_ref() == Some(wants) && now < *since + dirtiness,
        }
    }

    fn is_free(&self, now: Instant) -> bool {
        match self {
            Self::Anyone => true,
            Self::Reserved(_, until) => *until <= now,
            Self::Dirty { .. } => false,
        }
    }

    /// Of those that may be used, the one that this key dirtied last comes first, then one that was built for it,
    /// then the newest.
    fn rank(&self, wants: &IsolationKey) -> (Option<Instant>, bool) {
        match self {
            Self::Anyone => (None, false),
            Self::Reserved(key, _) => (None, key == wants),
            Self::Dirty { since, .. } => (Some(*since), true),
        }
    }

    /// A stream of `key` is put on it, whoever's it was. True if it was nobody's.
    pub(crate) fn take_by_hand(&mut self, key: &IsolationKey, now: Instant) -> bool {
        match self {
            Self::Dirty { key: owner, .. } => {
                if owner.as_ref() != Some(key) {
                    *owner = None;
                }
                false
            }
            Self::Anyone | Self::Reserved(..) => self.take(key, now),
        }
    }

    /// The circuit is `wants`'s from now on. True if it was nobody's.
    fn take(&mut self, wants: &IsolationKey, now: Instant) -> bool {
        if matches!(self, Self::Dirty { .. }) {
            return false;
        }
        *self = Self::Dirty { key: Some(wants.clone()), since: now, kept: false };
        true
    }
}

#[cfg(test)]
mod tests;
