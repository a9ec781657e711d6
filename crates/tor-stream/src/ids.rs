//! Stream ids: 16 bits, never zero, unique among the streams that either end may still speak of.
//! <https://spec.torproject.org/tor-spec/opening-streams.html>
//!
//! Ids are handed out one after the other from a random start, as C Tor does, so that a relay learns nothing
//! from the first.

use rand_core::CryptoRng;
use tor_cell::StreamId;

/// Hands out stream ids.
#[derive(Debug)]
pub(crate) struct StreamIds {
    next: u16,
}

impl StreamIds {
    pub(crate) fn new(rng: &mut impl CryptoRng) -> Self {
        let mut start = [0; 2];
        rng.fill_bytes(&mut start);
        Self { next: u16::from_be_bytes(start) }
    }

    /// The next id that is not `taken`, or `None` if all are.
    pub(crate) fn allocate(&mut self, taken: impl Fn(StreamId) -> bool) -> Option<StreamId> {
        for _ in 0..=u16::MAX {
            let raw = self.next;
            self.next = raw.wrapping_add(1);
            match StreamId::from_wire(raw) {
                Some(id) if !taken(id) => return Some(id),
                Some(_) | None => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn wraps_past_zero_and_skips_what_is_taken() {
        let mut ids = StreamIds { next: u16::MAX - 1 };
        let mut next = |taken: &[u16]| ids.allocate(|id| taken.contains(&id.to_wire())).unwrap().to_wire();
        assert_eq!(next(&[]), u16::MAX - 1);
        assert_eq!(next(&[]), u16::MAX);
        assert_eq!(next(&[1, 2]), 3);
    }

    #[test]
    fn hands_out_each_id_once_and_then_none() {
        let mut ids = StreamIds { next: 40_000 };
        let mut given = BTreeSet::new();
        while let Some(id) = ids.allocate(|id| given.contains(&id)) {
            assert!(given.insert(id));
        }
        assert_eq!(given.len(), usize::from(u16::MAX));
    }
}
