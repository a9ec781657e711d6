//! Rate limits: at most so many events of a type a second, and a count of the others.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::EventText;
use crate::{Event, EventKind, Severity, Status, StatusType};

const SECOND: Duration = Duration::from_secs(1);

/// At most so many events of a type a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The type.
    pub kind: EventKind,
    /// How many a second; 0 lets none through.
    pub per_second: u32,
}

#[derive(Debug, Default)]
pub(super) struct Limits {
    of: BTreeMap<EventKind, Window>,
}

#[derive(Debug)]
struct Window {
    per_second: u32,
    since: Option<Instant>,
    passed: u32,
    withheld: u64,
}

/// What a limit says of an event.
pub(super) enum Verdict {
    Pass,
    /// It may pass, and this many before it were withheld.
    PassAfter(u64),
    Withhold,
}

impl Limits {
    pub(super) fn set(&mut self, limit: RateLimit) {
        let window = Window { per_second: limit.per_second, since: None, passed: 0, withheld: 0 };
        self.of.insert(limit.kind, window);
    }

    pub(super) fn remove(&mut self, kind: EventKind) {
        self.of.remove(&kind);
    }

    pub(super) fn list(&self) -> Vec<RateLimit> {
        let limit =
            |(kind, window): (&EventKind, &Window)| RateLimit { kind: *kind, per_second: window.per_second };
        self.of.iter().map(limit).collect()
    }

    /// Withheld and not told yet.
    pub(super) fn withheld(&self, kind: EventKind) -> u64 {
        self.of.get(&kind).map_or(0, |window| window.withheld)
    }

    pub(super) fn judge(&mut self, now: Instant, kind: EventKind) -> Verdict {
        self.of.get_mut(&kind).map_or(Verdict::Pass, |window| window.judge(now))
    }
}

impl Window {
    fn judge(&mut self, now: Instant) -> Verdict {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            self.since = Some(now);
            self.passed = 0;
        }
        if self.passed >= self.per_second {
            self.withheld = self.withheld.saturating_add(1);
            return Verdict::Withhold;
        }
        self.passed = self.passed.saturating_add(1);
        match std::mem::take(&mut self.withheld) {
            0 => Verdict::Pass,
            count => Verdict::PassAfter(count),
        }
    }
}

/// `650 STATUS_GENERAL NOTICE EVENTS_WITHHELD COUNT=… TYPES=…`
pub(super) fn withheld_notice(kind: EventKind, count: u64) -> EventText {
    let status = Status::new(StatusType::General, Severity::Notice, "EVENTS_WITHHELD");
    EventText::of(&Event::from(status.arg("COUNT", count).arg("TYPES", kind)))
}
