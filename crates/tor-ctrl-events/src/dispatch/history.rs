//! The last events of some types, for those who come late.

use std::collections::{BTreeMap, VecDeque};

use super::log::Slot;
use crate::{EventKind, EventKinds};

/// Of one type, bytes.
const MOST_BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct History {
    of: BTreeMap<EventKind, Past>,
}

#[derive(Debug, Default)]
struct Past {
    most: usize,
    bytes: usize,
    slots: VecDeque<Slot>,
}

impl History {
    pub(super) fn keep(&mut self, kind: EventKind, most: usize) {
        if most == 0 {
            self.of.remove(&kind);
        } else {
            let past = self.of.entry(kind).or_default();
            past.most = most;
            past.shrink();
        }
    }

    pub(super) fn limits(&self) -> Vec<(EventKind, usize)> {
        self.of.iter().map(|(kind, past)| (*kind, past.most)).collect()
    }

    pub(super) fn kinds(&self) -> EventKinds {
        self.of.keys().copied().collect()
    }

    pub(super) fn push(&mut self, slot: &Slot) {
        if let Some(past) = self.of.get_mut(&slot.text.kind()) {
            past.bytes = past.bytes.saturating_add(slot.text.cost());
            past.slots.push_back(slot.clone());
            past.shrink();
        }
    }

    /// In the order in which they came.
    pub(super) fn of(&self, kinds: EventKinds) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self
            .of
            .iter()
            .filter(|(kind, _)| kinds.contains(**kind))
            .flat_map(|(_, past)| past.slots.iter().cloned())
            .collect();
        slots.sort_by_key(|slot| slot.sequence);
        slots
    }
}

impl Past {
    fn shrink(&mut self) {
        while self.slots.len() > self.most || self.bytes > MOST_BYTES {
            let Some(oldest) = self.slots.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.text.cost());
        }
    }
}
