//! From one client to many controllers: [`Dispatcher`] takes events, each [`Subscriber`] reads those that it wants.
//!
//! ```text
//!   emit ──▶ text, once ──▶ ┌ high   ▓▓▓▓▓▓▓▓▓▓▓▓▓░░░ ┐
//!                           │ normal ▓▓▓▓░░           │  three logs, one order
//!                           └ low    ▓▓▓▓▓▓▓▓▓▓▓▓░░░░ ┘
//!                                 ▲      ▲        ▲
//!                             subscriber  …    subscriber: three places in the logs, and a set of types
//! ```
//!
//! An event is appended to the log of its [`Value`], and that is all: a thousand subscribers cost what one costs, but for
//! waking those who wait. Each log is bounded, in events and in bytes; whoever reads slower than events come finds the
//! oldest gone. Nobody's pace matters to anybody else.
//!
//! What a slow subscriber loses: the log of low value holds the shortest time, so that the oldest events of low value go
//! first; and if ever one of higher value is lost, so is all of lower value that still waited. The next thing that it reads
//! is a `STATUS_GENERAL WARN EVENTS_LOST COUNT=… TYPES=…`. One that reads nothing while 65,536 events that it asked for
//! pass can't be told: it is given up ([`Subscriber::poll_given_up`]), and its connection should be closed.
//!
//! The order of events is that of `emit`, for every subscriber, whatever their types.
//!
//! Under the lock there is neither formatting nor a waker nor a `Drop` of somebody else's: an event that is emitted while
//! another is (a log message about events) waits for nothing.

mod history;
mod limit;
mod log;
mod slab;
mod state;
mod subscriber;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64, atomic::Ordering},
};

use self::state::State;
pub use self::{limit::RateLimit, log::Value, subscriber::Subscriber};
use crate::{Event, EventKind, EventKinds, EventSink, filter::Facts};

/// Takes the events of a client and keeps them for those who subscribed. Clones are the same dispatcher.
///
/// ```
/// use std::time::Instant;
/// use tor_ctrl_events::{Bw, Dispatcher, Event, EventKind, EventSink};
///
/// # fn main() { test(Instant::now()) }
/// # fn test(now: Instant) {
/// let dispatcher = Dispatcher::new();
/// assert!(!dispatcher.wants(EventKind::Bw));
///
/// let mut subscriber = dispatcher.subscribe();
/// subscriber.set(EventKind::Bw.into());
/// dispatcher.emit(Event::from(Bw { read: 7, written: 8 }));
/// assert_eq!(subscriber.try_next(now).unwrap().as_bytes(), b"650 BW 7 8\r\n");
/// assert!(subscriber.try_next(now).is_none());
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Dispatcher {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The types that somebody listens to, or of which history is kept.
    wanted: AtomicU64,
    state: Mutex<State>,
    /// Those to tell when `wanted` changes.
    on_change: Mutex<Vec<OnChange>>,
}

type OnChange = Arc<dyn Fn() + Send + Sync>;

impl Dispatcher {
    /// One without subscribers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new subscriber, to nothing as yet.
    pub fn subscribe(&self) -> Subscriber {
        Subscriber::new(Arc::clone(&self.shared))
    }

    /// Keeps the last events of a type for [`Subscriber::replay`] and [`Self::history`], at most as many as given and at
    /// most 256 KiB; 0 keeps none, which is how it begins. Events of a type with a history are made even if nobody listens.
    pub fn keep_history(&self, kind: EventKind, events: usize) {
        self.shared.change(|state| state.history.keep(kind, events));
    }

    /// Has a function called each time that the types which [`EventSink::wants`] answers with yes have become others: for a
    /// source of events, such as the log, that must know without asking each time. It is called on the thread that changed
    /// them, without a lock; calls may overlap, so it should look anew at what is wanted.
    pub fn on_interest_changed(&self, tell: impl Fn() + Send + Sync + 'static) {
        let mut on_change = self.shared.on_change.lock().unwrap_or_else(PoisonError::into_inner);
        on_change.push(Arc::new(tell));
    }

    /// The types that somebody wants, or of which history is kept.
    pub fn wanted(&self) -> EventKinds {
        self.shared.wanted()
    }

    /// The types of which history is kept, and how many events of each.
    pub fn histories(&self) -> Vec<(EventKind, usize)> {
        self.shared.lock().history.limits()
    }

    /// What is kept of these types, in order.
    pub fn history(&self, kinds: EventKinds) -> Vec<EventText> {
        self.shared.lock().history.of(kinds).into_iter().map(|slot| slot.text).collect()
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        self.shared.lock().listeners.len()
    }
}

impl EventSink for Dispatcher {
    fn wants(&self, kind: EventKind) -> bool {
        self.shared.wanted().contains(kind)
    }

    fn emit(&self, event: Event) {
        if !self.wants(event.kind()) {
            return;
        }
        let text = EventText::of(&event);
        drop(event);
        let after = self.shared.lock().publish(text);
        after.run();
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("wanted", &self.wanted()).finish_non_exhaustive()
    }
}

impl Shared {
    /// A panic elsewhere (there is none under the lock) would leave the state as it was: go on with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self) -> EventKinds {
        EventKinds::from_bits(self.wanted.load(Ordering::Relaxed))
    }

    /// Does something that may change what is wanted, and tells those who must know, once the lock is open again.
    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let done = act(&mut state);
        let wanted = state.wanted().bits();
        let before = self.wanted.swap(wanted, Ordering::Relaxed);
        drop(state);
        if before != wanted {
            let tell = self.on_change.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tell.iter().for_each(|tell| tell());
        }
        done
    }
}

/// One event as it is sent: whole lines, from `650` to the last CRLF. Clones share the text.
#[derive(Clone)]
pub struct EventText(Arc<Entry>);

struct Entry {
    kind: EventKind,
    facts: Facts,
    text: Vec<u8>,
}

/// Most events are shorter.
const USUAL_LENGTH: usize = 320;

impl EventText {
    pub(crate) fn of(event: &Event) -> Self {
        let mut text = Vec::with_capacity(USUAL_LENGTH);
        event.write(&mut text);
        Self(Arc::new(Entry { kind: event.kind(), facts: Facts::of(event), text }))
    }

    /// Its type.
    pub fn kind(&self) -> EventKind {
        self.0.kind
    }

    /// The bytes to send.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.text
    }

    /// What it takes of memory.
    fn cost(&self) -> usize {
        self.0.text.capacity() + size_of::<Entry>() + 2 * size_of::<usize>()
    }
}

impl AsRef<[u8]> for EventText {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for EventText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventText({:?})", String::from_utf8_lossy(self.as_bytes()))
    }
}
