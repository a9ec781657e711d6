//! What is under the lock: the logs, and where each subscriber stands.

use std::{mem, task::Waker};

use super::{
    EventText,
    history::History,
    log::{Log, Slot, Value},
    slab::Slab,
};
use crate::{EventKind, EventKinds};

/// So many wanted events may pass one who takes none of them.
const MOST_MISSED: u64 = 65_536;

/// After how many events the subscribers are looked over.
const LOOK_OVER: u64 = 4_096;

/// A count for each type.
pub(super) type ByKind = [u64; EventKind::COUNT];

#[derive(Debug)]
pub(super) struct State {
    logs: [Log; Value::ALL.len()],
    sequence: u64,
    /// How many events of each type there were.
    published: ByKind,
    /// How many of them are no longer in the logs.
    evicted: ByKind,
    pub(super) history: History,
    pub(super) listeners: Slab<Listener>,
    /// Listeners that have read all that they want. Who wants the next event leaves.
    idle: Vec<usize>,
    /// What those in `idle` want, together.
    idle_kinds: EventKinds,
    /// [`Self::published`] when the listeners were looked over.
    looked_over: ByKind,
}

#[derive(Debug, Default)]
pub(super) struct Listener {
    kinds: EventKinds,
    is_idle: bool,
    /// Who waits for an event, if it is idle.
    on_event: Option<Waker>,
    /// It has taken an event since it was looked over.
    took: bool,
    /// Wanted events that passed while it took none.
    missed: u64,
    given_up: bool,
    on_given_up: Option<Waker>,
}

/// What is to be done once the lock is open again: to wake, and to free. (Freeing a waker may free its task, and a task
/// may hold a subscriber, which wants the lock.)
#[derive(Debug, Default)]
pub(super) struct After {
    wake: Vec<Waker>,
    free: Vec<Waker>,
    gone: Vec<Slot>,
}

impl After {
    pub(super) fn run(self) {
        self.wake.into_iter().for_each(Waker::wake);
        drop((self.free, self.gone));
    }
}

/// Where a subscriber stands.
#[derive(Debug)]
pub(super) struct Place {
    /// The next to read, in each log.
    logs: [u64; Value::ALL.len()],
    /// The next to read, of each type.
    numbers: ByKind,
}

/// What a subscriber missed.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) count: u64,
    pub(super) kinds: EventKinds,
}

/// What there is to read.
pub(super) enum Found {
    Event(Slot),
    Lost(Lost),
    Nothing,
}

impl Default for State {
    fn default() -> Self {
        Self {
            logs: Value::ALL.map(Log::new),
            sequence: 0,
            published: [0; EventKind::COUNT],
            evicted: [0; EventKind::COUNT],
            history: History::default(),
            listeners: Slab::default(),
            idle: Vec::new(),
            idle_kinds: EventKinds::NONE,
            looked_over: [0; EventKind::COUNT],
        }
    }
}

impl State {
    /// The types that are to be made.
    pub(super) fn wanted(&self) -> EventKinds {
        let kinds = self.listeners.values().map(|listener| listener.kinds);
        kinds.fold(self.history.kinds(), EventKinds::union)
    }

    /// Appends an event. The caller runs what comes back after it has opened the lock.
    pub(super) fn publish(&mut self, text: EventText) -> After {
        let mut after = After::default();
        if self.idle.len() == self.listeners.len() {
            // Everybody has read everything.
            self.clear(&mut after);
        }
        let kind = text.kind();
        let slot = Slot { sequence: self.sequence, number: count(&self.published, kind), text };
        self.sequence = self.sequence.saturating_add(1);
        set_count(&mut self.published, kind, slot.number.saturating_add(1));
        self.history.push(&slot);
        if let Some(log) = self.log_mut(Value::of(kind)) {
            log.push(slot, &mut after.gone);
        }
        self.note_evicted(&after.gone);
        if self.idle_kinds.contains(kind) {
            self.wake_idle(kind, &mut after);
        }
        if self.sequence.is_multiple_of(LOOK_OVER) {
            self.look_over(&mut after);
        }
        after
    }

    fn clear(&mut self, after: &mut After) {
        self.logs.iter_mut().for_each(|log| log.clear(&mut after.gone));
        self.note_evicted(&after.gone);
    }

    fn note_evicted(&mut self, gone: &[Slot]) {
        for slot in gone {
            set_count(&mut self.evicted, slot.text.kind(), slot.number.saturating_add(1));
        }
    }

    fn wake_idle(&mut self, kind: EventKind, after: &mut After) {
        let (listeners, mut left) = (&mut self.listeners, EventKinds::NONE);
        after.wake.reserve(self.idle.len());
        self.idle.retain(|id| {
            let Some(listener) = listeners.get_mut(*id) else { return false };
            listener.is_idle = !listener.kinds.contains(kind);
            if listener.is_idle {
                left = left.union(listener.kinds);
            } else {
                after.wake.extend(listener.on_event.take());
            }
            listener.is_idle
        });
        self.idle_kinds = left;
    }

    /// Gives up those who take nothing of all that they asked for.
    fn look_over(&mut self, after: &mut After) {
        let published = self.published;
        for listener in self.listeners.values_mut() {
            if listener.is_idle || listener.took {
                listener.missed = 0;
            } else {
                let passed = listener
                    .kinds
                    .iter()
                    .map(|kind| count(&published, kind).saturating_sub(count(&self.looked_over, kind)));
                listener.missed = listener.missed.saturating_add(passed.sum());
            }
            listener.took = false;
            if listener.missed >= MOST_MISSED {
                listener.given_up = true;
                after.wake.extend(listener.on_given_up.take());
            }
        }
        self.looked_over = published;
    }

    /// A new listener, with its place.
    pub(super) fn add(&mut self) -> (usize, Place) {
        let id = self.listeners.insert(Listener { is_idle: true, ..Listener::default() });
        self.idle.push(id);
        (id, Place { logs: self.ends(), numbers: self.published })
    }

    pub(super) fn remove(&mut self, id: usize) -> After {
        let mut after = After::default();
        if let Some(listener) = self.listeners.remove(id) {
            after.free.extend(listener.on_event.into_iter().chain(listener.on_given_up));
        }
        self.idle.retain(|idle| *idle != id);
        if self.listeners.is_empty() {
            self.clear(&mut after);
        }
        after
    }

    /// Sets what a listener wants. What it wants from now on begins now.
    pub(super) fn set_kinds(&mut self, id: usize, kinds: EventKinds, place: &mut Place) {
        let Some(listener) = self.listeners.get_mut(id) else { return };
        for kind in kinds.iter().filter(|kind| !listener.kinds.contains(*kind)) {
            set_count(&mut place.numbers, kind, count(&self.published, kind));
        }
        listener.kinds = kinds;
        listener.missed = 0;
        if listener.is_idle {
            self.idle_kinds = self.idle_kinds.union(kinds);
        }
    }

    pub(super) fn kinds(&self, id: usize) -> EventKinds {
        self.listeners.get(id).map_or(EventKinds::NONE, |listener| listener.kinds)
    }

    /// Whether the listener was given up.
    pub(super) fn given_up(&self, id: usize) -> bool {
        self.listeners.get(id).is_none_or(|listener| listener.given_up)
    }

    /// Who is to be woken when the listener is given up. Gives back who was before.
    pub(super) fn on_given_up(&mut self, id: usize, waker: &Waker) -> Option<Waker> {
        replace(&mut self.listeners.get_mut(id)?.on_given_up, waker)
    }

    /// The next thing to read. If there is nothing, the listener is idle, and the waker is kept. Gives back who was to be
    /// woken before.
    pub(super) fn find(
        &mut self,
        id: usize,
        place: &mut Place,
        waker: Option<&Waker>,
    ) -> (Found, Option<Waker>) {
        let kinds = self.kinds(id);
        let lost = self.lost(kinds, place);
        let found = if lost.count > 0 {
            Found::Lost(lost)
        } else if let Some(slot) = self.next(kinds, place) {
            Found::Event(slot)
        } else {
            return (Found::Nothing, self.rest(id, kinds, waker));
        };
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.took = true;
        }
        (found, None)
    }

    /// Moves the place over what is no longer there, and counts it.
    fn lost(&self, kinds: EventKinds, place: &mut Place) -> Lost {
        let mut lost = Lost::default();
        let mut higher_lost = false;
        for value in Value::ALL.into_iter().rev() {
            let Some((log, next)) = self.logs.get(index(value)).zip(place.logs.get_mut(index(value))) else {
                continue;
            };
            // Nothing of lower value is left to those who lost something of higher value.
            let (start, gone) =
                if higher_lost { (log.end(), &self.published) } else { (log.start(), &self.evicted) };
            if *next >= start {
                continue;
            }
            *next = start;
            for kind in kinds.iter().filter(|kind| Value::of(*kind) == value) {
                let missed = count(gone, kind).saturating_sub(count(&place.numbers, kind));
                if missed > 0 {
                    lost.count = lost.count.saturating_add(missed);
                    lost.kinds = lost.kinds.with(kind);
                    set_count(&mut place.numbers, kind, count(gone, kind));
                    higher_lost = true;
                }
            }
        }
        lost
    }

    /// The oldest event that is wanted and unread.
    fn next(&self, kinds: EventKinds, place: &mut Place) -> Option<Slot> {
        let mut oldest: Option<(usize, &Slot)> = None;
        for (index, (log, next)) in self.logs.iter().zip(&mut place.logs).enumerate() {
            let front = loop {
                match log.at(*next) {
                    Some(slot) if wanted(slot, kinds, &place.numbers) => break Some(slot),
                    Some(_) => *next = next.saturating_add(1),
                    None => break None,
                }
            };
            if let Some(slot) = front
                && oldest.is_none_or(|(_, oldest)| slot.sequence < oldest.sequence)
            {
                oldest = Some((index, slot));
            }
        }
        let (index, slot) = oldest?;
        if let Some(next) = place.logs.get_mut(index) {
            *next = next.saturating_add(1);
        }
        set_count(&mut place.numbers, slot.text.kind(), slot.number.saturating_add(1));
        Some(slot.clone())
    }

    /// The listener has read everything.
    fn rest(&mut self, id: usize, kinds: EventKinds, waker: Option<&Waker>) -> Option<Waker> {
        let listener = self.listeners.get_mut(id)?;
        if !mem::replace(&mut listener.is_idle, true) {
            self.idle.push(id);
            self.idle_kinds = self.idle_kinds.union(kinds);
        }
        replace(&mut listener.on_event, waker?)
    }

    fn ends(&self) -> [u64; Value::ALL.len()] {
        let mut ends = [0; Value::ALL.len()];
        for (end, log) in ends.iter_mut().zip(&self.logs) {
            *end = log.end();
        }
        ends
    }

    fn log_mut(&mut self, value: Value) -> Option<&mut Log> {
        self.logs.get_mut(index(value))
    }
}

impl Place {
    /// Whether the subscriber has had its chance at this event.
    pub(super) fn is_past(&self, slot: &Slot) -> bool {
        slot.number < count(&self.numbers, slot.text.kind())
    }
}

/// Keeps a waker in place of another, which comes back.
fn replace(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if place.as_ref().is_some_and(|old| old.will_wake(waker)) {
        return None;
    }
    place.replace(waker.clone())
}

fn wanted(slot: &Slot, kinds: EventKinds, numbers: &ByKind) -> bool {
    let kind = slot.text.kind();
    kinds.contains(kind) && slot.number >= count(numbers, kind)
}

/// The place of a value in [`Value::ALL`].
fn index(value: Value) -> usize {
    match value {
        Value::Low => 0,
        Value::Normal => 1,
        Value::High => 2,
    }
}

fn count(counts: &ByKind, kind: EventKind) -> u64 {
    counts.get(kind.index()).copied().unwrap_or_default()
}

fn set_count(counts: &mut ByKind, kind: EventKind, value: u64) {
    if let Some(count) = counts.get_mut(kind.index()) {
        *count = value;
    }
}
