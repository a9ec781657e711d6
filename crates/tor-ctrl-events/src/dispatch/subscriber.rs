//! One reader of events.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{
    EventText, RateLimit, Shared,
    limit::{Limits, Verdict, withheld_notice},
    state::{Found, Lost, Place},
};
use crate::{Event, EventKind, EventKinds, Filter, Severity, Status, StatusType};

/// One reader of a [`Dispatcher`](super::Dispatcher)'s events, at its own pace. Dropping it ends the subscription.
pub struct Subscriber {
    shared: Arc<Shared>,
    id: usize,
    place: Place,
    /// To be read before anything else: history, and events with a notice before them.
    ready: VecDeque<EventText>,
    lost: u64,
    filters: Vec<Filter>,
    limits: Limits,
}

impl Subscriber {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (id, place) = shared.lock().add();
        let (ready, filters, limits) = (VecDeque::new(), Vec::new(), Limits::default());
        Self { shared, id, place, ready, lost: 0, filters, limits }
    }

    /// Sets which types it wants, in place of those before. Events that were emitted before it wanted them don't come;
    /// those that wait and aren't wanted any more neither.
    pub fn set(&mut self, kinds: EventKinds) {
        self.shared.change(|state| state.set_kinds(self.id, kinds, &mut self.place));
    }

    /// What it wants.
    pub fn kinds(&self) -> EventKinds {
        self.shared.lock().kinds(self.id)
    }

    /// The next event, if one waits. `now` counts for the rate limits alone.
    pub fn try_next(&mut self, now: Instant) -> Option<EventText> {
        self.next(now, None)
    }

    /// The next event. If none waits, the task is woken when one does.
    pub fn poll_next(&mut self, now: Instant, context: &mut Context<'_>) -> Poll<EventText> {
        self.next(now, Some(context.waker())).map_or(Poll::Pending, Poll::Ready)
    }

    /// Appends events until `limit` bytes stand in `out` or none waits, and tells how many events they were. The last may
    /// exceed the limit.
    pub fn take(&mut self, now: Instant, limit: usize, out: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        while out.len() < limit
            && let Some(event) = self.try_next(now)
        {
            out.extend_from_slice(event.as_bytes());
            taken += 1;
        }
        taken
    }

    /// Ready when the subscriber has taken none of 65,536 events that it asked for: nobody can tell it what it lost, so its
    /// connection should be closed.
    pub fn poll_given_up(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        if state.given_up(self.id) {
            return Poll::Ready(());
        }
        let before = state.on_given_up(self.id, context.waker());
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// Whether it was given up: see [`Self::poll_given_up`].
    pub fn is_given_up(&self) -> bool {
        self.shared.lock().given_up(self.id)
    }

    /// How many events it has missed and been told of, in all.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Puts the history of some types before what waits: what is kept of them ([`Dispatcher::keep_history`]), the newest
    /// `most` events, without those that it reads anyway. Filters apply, rate limits don't. Tells how many they are.
    ///
    /// [`Dispatcher::keep_history`]: super::Dispatcher::keep_history
    pub fn replay(&mut self, kinds: EventKinds, most: usize) -> usize {
        let (wanted, mut past) = {
            let state = self.shared.lock();
            (state.kinds(self.id), state.history.of(kinds))
        };
        past.retain(|slot| {
            let comes_anyway = wanted.contains(slot.text.kind()) && !self.place.is_past(slot);
            !comes_anyway && passes(&self.filters, &slot.text)
        });
        let newest = past.split_off(past.len().saturating_sub(most));
        self.ready.extend(newest.iter().map(|slot| slot.text.clone()));
        newest.len()
    }

    /// Sets the conditions on events, in place of those before. An event comes if all that apply to its type let it pass.
    /// They apply to what is read from now on.
    pub fn set_filters(&mut self, filters: Vec<Filter>) {
        self.filters = filters;
    }

    /// The conditions on events.
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Lets through at most so many events of a type a second, from now on. The first event after some were withheld has a
    /// `STATUS_GENERAL NOTICE EVENTS_WITHHELD COUNT=… TYPES=…` before it.
    pub fn limit(&mut self, limit: RateLimit) {
        self.limits.set(limit);
    }

    /// Lets all events of a type through again.
    pub fn unlimit(&mut self, kind: EventKind) {
        self.limits.remove(kind);
    }

    /// The rate limits.
    pub fn limits(&self) -> Vec<RateLimit> {
        self.limits.list()
    }

    /// How many events of a type the rate limit has withheld since it last told.
    pub fn withheld(&self, kind: EventKind) -> u64 {
        self.limits.withheld(kind)
    }

    fn next(&mut self, now: Instant, waker: Option<&Waker>) -> Option<EventText> {
        if let Some(event) = self.ready.pop_front() {
            return Some(event);
        }
        loop {
            // The lock is open again before anything is done with what was found.
            let (found, before) = self.shared.lock().find(self.id, &mut self.place, waker);
            drop(before);
            match found {
                Found::Nothing => return None,
                Found::Lost(lost) => {
                    self.lost = self.lost.saturating_add(lost.count);
                    return Some(lost_notice(&lost));
                }
                Found::Event(slot) if !passes(&self.filters, &slot.text) => {}
                Found::Event(slot) => match self.limits.judge(now, slot.text.kind()) {
                    Verdict::Pass => return Some(slot.text),
                    Verdict::PassAfter(count) => {
                        let notice = withheld_notice(slot.text.kind(), count);
                        self.ready.push_back(slot.text);
                        return Some(notice);
                    }
                    Verdict::Withhold => {}
                },
            }
        }
    }
}

fn passes(filters: &[Filter], text: &EventText) -> bool {
    filters.iter().all(|filter| !filter.kinds.contains(text.kind()) || filter.lets_through(&text.0.facts))
}

/// `650 STATUS_GENERAL WARN EVENTS_LOST COUNT=… TYPES=…`
fn lost_notice(lost: &Lost) -> EventText {
    let types: Vec<&str> = lost.kinds.iter().map(EventKind::name).collect();
    let status = Status::new(StatusType::General, Severity::Warn, "EVENTS_LOST");
    EventText::of(&Event::from(status.arg("COUNT", lost.count).arg("TYPES", types.join(","))))
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let after = self.shared.change(|state| state.remove(self.id));
        after.run();
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("id", &self.id).field("lost", &self.lost).finish_non_exhaustive()
    }
}
