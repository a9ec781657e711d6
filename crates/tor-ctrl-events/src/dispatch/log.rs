//! The logs that subscribers read: one for each value, bounded.

use std::collections::VecDeque;

use super::EventText;
use crate::EventKind;

/// How much an event matters to a controller that can't have them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// What comes by the hundred, and again in a second: byte counts, cell counts, DEBUG and INFO.
    Low,
    /// What can be asked for again: directory entries, mappings, NOTICE.
    Normal,
    /// What a controller can't put together again once it has missed it: circuits, streams, connections, statuses, WARN.
    High,
}

impl Value {
    /// From the lowest.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The value of a type.
    pub const fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::Bw
            | EventKind::StreamBw
            | EventKind::CircBw
            | EventKind::ConnBw
            | EventKind::CellStats
            | EventKind::Debug
            | EventKind::Info => Self::Low,
            EventKind::Notice
            | EventKind::NewDesc
            | EventKind::AddrMap
            | EventKind::DescChanged
            | EventKind::Ns
            | EventKind::ClientsSeen
            | EventKind::NewConsensus
            | EventKind::BuildTimeoutSet
            | EventKind::TransportLaunched
            | EventKind::HsDescContent
            | EventKind::PtLog
            | EventKind::PtStatus => Self::Normal,
            EventKind::Circ
            | EventKind::CircMinor
            | EventKind::Stream
            | EventKind::OrConn
            | EventKind::Warn
            | EventKind::Err
            | EventKind::StatusGeneral
            | EventKind::StatusClient
            | EventKind::StatusServer
            | EventKind::Guard
            | EventKind::Signal
            | EventKind::ConfChanged
            | EventKind::HsDesc
            | EventKind::NetworkLiveness => Self::High,
        }
    }

    /// How many events, and how many bytes, wait at most. The normal ones hold a real network's consensus.
    const fn bounds(self) -> (usize, usize) {
        match self {
            Self::Low => (2_048, 1 << 20),
            Self::Normal => (1_024, 8 << 20),
            Self::High => (4_096, 3 << 20),
        }
    }
}

/// An event in its place.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Its place among all.
    pub(super) sequence: u64,
    /// Its place among those of its type.
    pub(super) number: u64,
    pub(super) text: EventText,
}

/// The events of one value, oldest first. Places in it count from the first event ever.
#[derive(Debug)]
pub(super) struct Log {
    value: Value,
    slots: VecDeque<Slot>,
    /// The place of the oldest.
    start: u64,
    bytes: usize,
}

impl Log {
    pub(super) fn new(value: Value) -> Self {
        Self { value, slots: VecDeque::new(), start: 0, bytes: 0 }
    }

    /// The place of the oldest that is still there.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The place of the next that will come.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(u64::try_from(self.slots.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn at(&self, place: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(place.checked_sub(self.start)?).ok()?)
    }

    /// Appends, and gives back what had to go for it. The newest stays, however long it is.
    pub(super) fn push(&mut self, slot: Slot, gone: &mut Vec<Slot>) {
        let (most, bytes) = self.value.bounds();
        self.bytes = self.bytes.saturating_add(slot.text.cost());
        self.slots.push_back(slot);
        while self.slots.len() > most || (self.bytes > bytes && self.slots.len() > 1) {
            let Some(oldest) = self.slots.pop_front() else { return };
            self.forget(&oldest);
            gone.push(oldest);
        }
    }

    /// Gives back everything.
    pub(super) fn clear(&mut self, gone: &mut Vec<Slot>) {
        while let Some(oldest) = self.slots.pop_front() {
            self.forget(&oldest);
            gone.push(oldest);
        }
    }

    fn forget(&mut self, slot: &Slot) {
        self.start = self.start.saturating_add(1);
        self.bytes = self.bytes.saturating_sub(slot.text.cost());
    }
}
