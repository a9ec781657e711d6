//! The circuits, from the moment that their path is chosen: before there is a channel, let alone a hop.
//!
//! ```text
//!             hop answered       the last did
//!  LAUNCHED ─────────────> EXTENDED ─────────> BUILT (or GUARD_WAIT) ──> CLOSED
//!      │                      │  ^               │
//!      └───> FAILED <─────────┘  └── extended ───┘
//! ```

mod end;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::Notify;
use tor_circ::Traffic;
use tor_circmgr::{BuiltCircuit, IsolationKey, Purpose};
use tor_ctrl_events::{
    BuildFlags, Circ, CircBw, CircInfo, CircMinor, CircMinorChange, CircPurpose, CircStatus, CircuitId,
    EventKind, LongName,
};
use tor_id::RsaId;
use tor_path::Path;

use super::{Ledger, bandwidth::CircuitBytes};
use crate::{CircuitHandle, circuit::WeakCircuit, clock};

pub use end::CircuitEnd;

/// The circuits that are not over.
#[derive(Debug, Default)]
pub(super) struct Circuits {
    launched: AtomicU64,
    live: Mutex<BTreeMap<CircuitId, Arc<Entry>>>,
}

/// How a circuit was planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) flags: BuildFlags,
    pub(crate) purpose: Purpose,
}

impl Plan {
    /// To a directory server: it hides nothing.
    pub(crate) const ONE_HOP: Self = Self {
        flags: BuildFlags { onehop_tunnel: true, is_internal: true, need_capacity: true, need_uptime: false },
        purpose: Purpose::General,
    };

    /// How a path was chosen: by relays that are fast, and stable ones for streams that live long.
    pub(crate) fn of(path: &Path, purpose: Purpose) -> Self {
        if path.is_by_hand() {
            return Self { purpose, ..Self::default() };
        }
        let flags = BuildFlags {
            onehop_tunnel: false,
            is_internal: !path.exits(),
            need_capacity: true,
            need_uptime: path.is_long_lived(),
        };
        Self { flags, purpose }
    }
}

/// One circuit, for whoever has to do with it.
#[derive(Clone, Debug)]
pub(crate) struct CircuitCard {
    ledger: Arc<Ledger>,
    entry: Arc<Entry>,
}

/// One circuit, for whoever leads its life: it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct CircuitRecord(CircuitCard);

#[derive(Debug)]
struct Entry {
    id: CircuitId,
    created: SystemTime,
    plan: Plan,
    state: Mutex<State>,
    bytes: CircuitBytes,
    /// All bytes that the client had read when it was launched.
    read_before: u64,
    /// Why it is to be closed, once that was decided.
    end: OnceLock<CircuitEnd>,
    ending: Notify,
    /// It is built now, or over.
    turned: Notify,
    way: OnceLock<WeakCircuit>,
}

#[derive(Debug)]
struct State {
    status: Status,
    path: Vec<LongName>,
    purpose: Purpose,
    /// The SOCKS user name and password that its streams have in common.
    credentials: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Launched,
    Extended,
    Built,
    GuardWait,
    Over,
}

impl Ledger {
    /// A circuit begins.
    pub(crate) fn launch(self: &Arc<Self>, plan: Plan) -> CircuitRecord {
        let id = CircuitId(self.circuits.launched.fetch_add(1, Ordering::Relaxed) + 1);
        let state =
            State { status: Status::Launched, path: Vec::new(), purpose: plan.purpose, credentials: None };
        let entry = Arc::new(Entry {
            id,
            created: clock::wall(),
            plan,
            state: Mutex::new(state),
            bytes: CircuitBytes::default(),
            read_before: self.bandwidth.all.so_far().0,
            end: OnceLock::new(),
            ending: Notify::new(),
            turned: Notify::new(),
            way: OnceLock::new(),
        });
        self.live_circuits().insert(id, Arc::clone(&entry));
        let card = CircuitCard { ledger: Arc::clone(self), entry };
        card.tell(&card.state(), CircStatus::Launched, None);
        CircuitRecord(card)
    }

    /// The circuits that are not over, as events tell them; by their numbers.
    pub fn circuits(&self) -> Vec<Circ> {
        let live: Vec<_> = self.live_circuits().values().cloned().collect();
        live.iter().filter_map(|entry| entry.now(self)).collect()
    }

    /// One of them.
    pub fn circuit(&self, id: CircuitId) -> Option<Circ> {
        let entry = self.live_circuits().get(&id).cloned()?;
        entry.now(self)
    }

    /// The way to a circuit that has its channel.
    pub fn circuit_handle(&self, id: CircuitId) -> Option<CircuitHandle> {
        let entry = self.live_circuits().get(&id).cloned()?;
        entry.way.get()?.upgrade()
    }

    /// What belongs to a circuit.
    pub(crate) fn circuit_card(self: &Arc<Self>, id: CircuitId) -> Option<CircuitCard> {
        let entry = self.live_circuits().get(&id).cloned()?;
        Some(CircuitCard { ledger: Arc::clone(self), entry })
    }

    /// Closes a circuit, built or not; with `if_unused` only if no stream is on it. False if there is none of that
    /// number.
    pub fn close_circuit(&self, id: CircuitId, if_unused: bool) -> bool {
        let Some(entry) = self.live_circuits().get(&id).cloned() else { return false };
        let way = entry.way.get().and_then(WeakCircuit::upgrade);
        let used = way.as_ref().is_some_and(|way| way.streams() > 0);
        if !(if_unused && used) {
            entry.end(CircuitEnd::Requested);
        }
        true
    }

    /// What moved in the last second on each circuit on which something did.
    pub(super) fn circuit_bandwidth(&self) {
        if !self.events.wants(EventKind::CircBw) {
            return;
        }
        let live: Vec<_> = self.live_circuits().values().cloned().collect();
        for entry in live {
            if let Some(event) = entry.bandwidth() {
                self.events.emit(event.into());
            }
        }
    }

    fn live_circuits(&self) -> MutexGuard<'_, BTreeMap<CircuitId, Arc<Entry>>> {
        self.circuits.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CircuitCard {
    pub(crate) fn id(&self) -> CircuitId {
        self.entry.id
    }

    /// From now on it can be reached this way.
    pub(crate) fn has_way(&self, way: WeakCircuit) {
        let _has_one = self.entry.way.set(way);
        // Somebody may have wanted it closed when there was nobody to wake.
        if let (Some(_), Some(way)) = (self.asked_to_end(), self.entry.way.get()) {
            way.wake();
        }
    }

    /// The circuit has this hop now.
    pub(crate) fn extended(&self, relay: &RsaId) {
        let mut state = self.state();
        if state.status == Status::Over {
            return;
        }
        state.status = Status::Extended;
        state.path.push(self.ledger.long_name(relay));
        self.tell(&state, CircStatus::Extended, None);
    }

    /// The last hop that was planned has answered.
    pub(crate) fn built(&self) {
        self.turn(Status::Built, CircStatus::Built);
    }

    /// It is built, but streams should not use it as long as a guard that is preferred may be up.
    pub(crate) fn waits_for_guard(&self) {
        self.turn(Status::GuardWait, CircStatus::GuardWait);
    }

    fn turn(&self, to: Status, tell: CircStatus) {
        let mut state = self.state();
        if state.status != Status::Over {
            state.status = to;
            self.tell(&state, tell, None);
        }
        drop(state);
        self.entry.turned.notify_waiters();
    }

    /// Waits until it is built. False if it never will be.
    pub(crate) async fn wait_built(&self) -> bool {
        loop {
            let turned = self.entry.turned.notified();
            match self.state().status {
                Status::Built => return true,
                Status::Over => return false,
                Status::Launched | Status::Extended | Status::GuardWait => {}
            }
            turned.await;
        }
    }

    /// It is being extended again. False if it is not built (any more).
    pub(crate) fn extends(&self) -> bool {
        let mut state = self.state();
        let was_built = state.status == Status::Built;
        if was_built {
            state.status = Status::Extended;
        }
        was_built
    }

    /// True once it is built, until it is over or extended again.
    pub(crate) fn is_built(&self) -> bool {
        self.state().status == Status::Built
    }

    pub(crate) fn hops(&self) -> usize {
        self.state().path.len()
    }

    pub(crate) fn set_purpose(&self, purpose: Purpose) {
        let mut state = self.state();
        let old = std::mem::replace(&mut state.purpose, purpose);
        if old != purpose && state.status != Status::Over {
            self.ledger.events.emit_with(EventKind::CircMinor, || CircMinor {
                id: self.entry.id,
                change: CircMinorChange::PurposeChanged,
                info: self.entry.info(&self.ledger, &state),
                old_purpose: Some(word_of(old)),
                old_hs_state: None,
                old_time_created: None,
            });
        }
    }

    /// Whose streams use it; `None` if anybody's may.
    pub(crate) fn used_by(&self, key: Option<&IsolationKey>) {
        self.state().credentials = key.and_then(|key| key.socks_auth.clone());
    }

    /// Has it closed, for that reason. The first reason counts.
    pub(crate) fn end(&self, why: CircuitEnd) {
        self.entry.end(why);
    }

    /// Why it is to be closed, if it is.
    pub(crate) fn asked_to_end(&self) -> Option<CircuitEnd> {
        self.entry.end.get().copied()
    }

    /// Waits until somebody wants it closed.
    pub(crate) async fn end_wanted(&self) -> CircuitEnd {
        loop {
            let ending = self.entry.ending.notified();
            if let Some(why) = self.asked_to_end() {
                return why;
            }
            ending.await;
        }
    }

    /// What has passed so far.
    pub(crate) fn count(&self, traffic: &Traffic) {
        self.entry.bytes.set(traffic);
    }

    fn over(&self, why: CircuitEnd) {
        let why = self.asked_to_end().unwrap_or(why);
        let mut state = self.state();
        let status = match std::mem::replace(&mut state.status, Status::Over) {
            Status::Over => return,
            Status::Launched | Status::Extended => CircStatus::Failed,
            Status::Built | Status::GuardWait => CircStatus::Closed,
        };
        if status == CircStatus::Failed && why.is_timeout() {
            self.ledger.timed_out(self.entry.read_before);
        }
        self.ledger.live_circuits().remove(&self.entry.id);
        self.entry.turned.notify_waiters();
        if self.ledger.events.wants(EventKind::CircBw)
            && let Some(event) = self.entry.bandwidth()
        {
            self.ledger.events.emit(event.into());
        }
        self.tell(&state, status, Some(why));
    }

    fn tell(&self, state: &State, status: CircStatus, why: Option<CircuitEnd>) {
        self.ledger.events.emit_with(EventKind::Circ, || {
            let (reason, remote_reason) = why.map_or((None, None), CircuitEnd::words);
            let info = self.entry.info(&self.ledger, state);
            Circ { reason, remote_reason, ..Circ::new(self.entry.id, status, info) }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.entry.state()
    }
}

impl Entry {
    fn end(&self, why: CircuitEnd) {
        let _first_reason_counts = self.end.set(why);
        self.ending.notify_waiters();
        if let Some(way) = self.way.get() {
            way.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it is now, unless it is over.
    fn now(&self, ledger: &Ledger) -> Option<Circ> {
        let state = self.state();
        let status = match state.status {
            Status::Launched => CircStatus::Launched,
            Status::Extended => CircStatus::Extended,
            Status::Built => CircStatus::Built,
            Status::GuardWait => CircStatus::GuardWait,
            Status::Over => return None,
        };
        Some(Circ::new(self.id, status, self.info(ledger, &state)))
    }

    fn info(&self, ledger: &Ledger, state: &State) -> CircInfo {
        let mut info = CircInfo::new(word_of(state.purpose));
        info.path = state.path.iter().map(|hop| ledger.current_name(hop)).collect();
        info.build_flags = self.plan.flags;
        info.time_created = Some(self.created);
        if let Some((name, password)) = &state.credentials {
            (info.socks_username, info.socks_password) = (Some(name.clone()), Some(password.clone()));
        }
        info
    }

    /// What moved since it was last told, if anything did.
    fn bandwidth(&self) -> Option<CircBw> {
        let delta = self.bytes.delta()?;
        Some(CircBw {
            id: self.id,
            read: delta.read,
            written: delta.written,
            time: Some(clock::wall()),
            delivered_read: delta.delivered_read,
            overhead_read: delta.overhead_read,
            delivered_written: delta.delivered_written,
            overhead_written: delta.overhead_written,
            congestion: None,
        })
    }
}

const fn word_of(purpose: Purpose) -> CircPurpose {
    match purpose {
        Purpose::General => CircPurpose::General,
        Purpose::Controller => CircPurpose::Controller,
    }
}

impl CircuitRecord {
    pub(crate) const fn card(&self) -> &CircuitCard {
        &self.0
    }

    /// It is over.
    pub(crate) fn over(self, why: CircuitEnd) {
        self.0.over(why);
    }
}

impl Drop for CircuitRecord {
    fn drop(&mut self) {
        self.0.over(CircuitEnd::Finished);
    }
}
