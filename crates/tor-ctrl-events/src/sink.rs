//! Where events go: [`EventSink`].

use std::fmt;

use crate::{Event, EventKind};

/// Takes events. The client's parts hold an `Arc<dyn EventSink>`, and neither wait for it nor learn who listens.
///
/// An implementation never blocks, and may be told of an event while it deals with another on the same thread: a log
/// message within a log message.
pub trait EventSink: Send + Sync + fmt::Debug {
    /// Whether anybody listens to such events: one relaxed atomic load. Who makes an event asks this first.
    fn wants(&self, kind: EventKind) -> bool;

    /// Takes an event. One that nobody wants is dropped.
    fn emit(&self, event: Event);
}

impl dyn EventSink + '_ {
    /// Makes an event and emits it, if anybody listens.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tor_ctrl_events::{Bw, EventKind, EventSink, NoEvents};
    ///
    /// let sink: Arc<dyn EventSink> = Arc::new(NoEvents);
    /// sink.emit_with(EventKind::Bw, || -> Bw { unreachable!("nobody listens") });
    /// ```
    pub fn emit_with<E: Into<Event>>(&self, kind: EventKind, make: impl FnOnce() -> E) {
        if self.wants(kind) {
            self.emit(make().into());
        }
    }
}

/// Where nobody ever listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn wants(&self, _: EventKind) -> bool {
        false
    }

    fn emit(&self, _: Event) {}
}
