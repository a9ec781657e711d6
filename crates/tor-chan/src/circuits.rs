//! Which circuit ids are in use on a channel.
//! <https://spec.torproject.org/tor-spec/create-created-cells.html#choosing-circid>
//!
//! ```text
//!            allocate            release                  the peer's DESTROY, or forgotten
//!   (free) ───────────▶ Live ───────────────▶ Released ───────────────────────────▶ (free)
//!                        │ the peer's DESTROY
//!                        └─────────────────▶ Destroyed ───────────────────────────▶ (free)
//!                                                         release
//! ```
//!
//! An id is never given out while anybody may still mean the old circuit by it: not before both ends have
//! ended it, or until the peer's cells for it can't be under way any more ([`FORGET_AFTER`], and at most
//! [`MAX_RELEASED`] at once: a relay does not answer our DESTROY).

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use rand_core::CryptoRng;
use tor_cell::CircId;

/// The most circuits that a channel carries at once.
pub const MAX_CIRCUITS: usize = 4096;

/// How long a released circuit's id stays reserved, unless the peer's DESTROY comes first.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(600);
/// How many released ids are kept reserved: beyond that the oldest is forgotten.
pub(crate) const MAX_RELEASED: usize = 4096;

/// Set in the ids that the initiator of a channel chooses, clear in those of the responder.
const INITIATOR: u32 = 1 << 31;
/// C Tor's number of guesses before it gives up. With both bounds reached, 64 fail once in 10^347.
const MAX_GUESSES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Both ends use it.
    Live,
    /// The peer has ended it, its owner here has not let go of it.
    Destroyed,
    /// We have ended it at this time; the peer may not know yet.
    Released(Instant),
}

/// What an id means to a cell that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A live circuit.
    Live,
    /// A circuit that has ended a short time ago.
    Ended,
    /// None that we remember.
    Unknown,
}

/// The ids of one channel.
#[derive(Debug, Default)]
pub(crate) struct Circuits {
    slots: BTreeMap<CircId, Slot>,
    /// Ids in the order of their release, some of which may have been freed since.
    released: VecDeque<(Instant, CircId)>,
    owned: usize,
}

impl Circuits {
    /// A random id that means nothing else; `None` if the channel is full.
    pub(crate) fn allocate(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Option<CircId> {
        if self.owned >= MAX_CIRCUITS {
            return None;
        }
        self.forget(now);
        let id = (0..MAX_GUESSES)
            .filter_map(|_| CircId::from_wire(rng.next_u32() | INITIATOR))
            .find(|id| !self.slots.contains_key(id))?;
        self.slots.insert(id, Slot::Live);
        self.owned += 1;
        Some(id)
    }

    /// Our end has let go of the circuit. False if it had none of this id.
    pub(crate) fn release(&mut self, now: Instant, id: CircId) -> bool {
        match self.slots.get_mut(&id) {
            Some(slot @ Slot::Live) => {
                *slot = Slot::Released(now);
                self.released.push_back((now, id));
            }
            Some(Slot::Destroyed) => {
                self.slots.remove(&id);
            }
            Some(Slot::Released(_)) | None => return false,
        }
        self.owned = self.owned.saturating_sub(1);
        self.forget(now);
        true
    }

    /// The peer has ended the circuit. Says what the id meant until then.
    pub(crate) fn on_destroy(&mut self, id: CircId) -> Standing {
        match self.slots.get_mut(&id) {
            Some(slot @ Slot::Live) => {
                *slot = Slot::Destroyed;
                Standing::Live
            }
            Some(Slot::Released(_)) => {
                self.slots.remove(&id);
                Standing::Ended
            }
            Some(Slot::Destroyed) => Standing::Ended,
            None => Standing::Unknown,
        }
    }

    pub(crate) fn standing(&self, id: CircId) -> Standing {
        match self.slots.get(&id) {
            Some(Slot::Live) => Standing::Live,
            Some(Slot::Destroyed | Slot::Released(_)) => Standing::Ended,
            None => Standing::Unknown,
        }
    }

    /// Circuits whose owner here has not let go of them.
    pub(crate) fn len(&self) -> usize {
        self.owned
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(since, id)) = self.released.front() {
            if self.released.len() <= MAX_RELEASED && now < since + FORGET_AFTER {
                return;
            }
            self.released.pop_front();
            // Freed and used again since then, it stays.
            if self.slots.get(&id) == Some(&Slot::Released(since)) {
                self.slots.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::testing::start;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    /// Gives the same numbers over and over.
    struct Stuck(Vec<u32>, usize);

    impl rand_core::TryRng for Stuck {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            self.1 += 1;
            Ok(self.0[self.1 % self.0.len()])
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            self.try_next_u32().map(u64::from)
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            bytes.fill(0);
            Ok(())
        }
    }
    impl rand_core::TryCryptoRng for Stuck {}

    #[test]
    fn ids_have_the_initiators_bit() {
        let (mut circuits, mut rng) = (Circuits::default(), rng());
        for _ in 0..100 {
            assert!(circuits.allocate(start(), &mut rng).unwrap().to_wire() >> 31 == 1);
        }
    }

    #[test]
    fn an_id_in_use_is_never_given_out_again() {
        let (mut circuits, mut rng) = (Circuits::default(), Stuck(vec![5], 0));
        let id = circuits.allocate(start(), &mut rng).unwrap();
        assert_eq!(circuits.allocate(start(), &mut rng), None, "live");

        assert_eq!(circuits.on_destroy(id), Standing::Live);
        assert_eq!(circuits.allocate(start(), &mut rng), None, "its owner has not let go");
        assert!(circuits.release(start(), id));
        assert_eq!(circuits.allocate(start(), &mut rng), Some(id), "both ends are done");

        assert!(circuits.release(start(), id));
        assert_eq!(circuits.allocate(start(), &mut rng), None, "the peer may still send");
        assert_eq!(circuits.on_destroy(id), Standing::Ended);
        assert_eq!(circuits.allocate(start(), &mut rng), Some(id));
    }

    #[test]
    fn a_released_id_is_forgotten_in_time() {
        let (mut circuits, mut rng) = (Circuits::default(), Stuck(vec![5], 0));
        let id = circuits.allocate(start(), &mut rng).unwrap();
        circuits.release(start(), id);
        let almost = start() + FORGET_AFTER - Duration::from_millis(1);
        assert_eq!(circuits.allocate(almost, &mut rng), None);
        assert_eq!(circuits.allocate(start() + FORGET_AFTER, &mut rng), Some(id));
    }

    #[test]
    fn an_old_release_does_not_free_the_ids_next_circuit() {
        let (mut circuits, mut rng) = (Circuits::default(), Stuck(vec![5], 0));
        let id = circuits.allocate(start(), &mut rng).unwrap();
        circuits.release(start(), id);
        circuits.on_destroy(id);
        let later = start() + Duration::from_secs(60);
        assert_eq!(circuits.allocate(later, &mut rng), Some(id));
        circuits.forget(start() + FORGET_AFTER);
        assert_eq!(circuits.standing(id), Standing::Live);
        circuits.release(later, id);
        circuits.forget(start() + FORGET_AFTER);
        assert_eq!(circuits.standing(id), Standing::Ended);
    }

    #[test]
    fn the_number_of_circuits_and_of_reserved_ids_is_bounded() {
        let (mut circuits, mut rng) = (Circuits::default(), rng());
        let ids: Vec<_> = (0..MAX_CIRCUITS).map(|_| circuits.allocate(start(), &mut rng).unwrap()).collect();
        assert_eq!(circuits.allocate(start(), &mut rng), None);
        for id in ids {
            assert!(circuits.release(start(), id));
            assert!(!circuits.release(start(), id));
        }
        assert_eq!(circuits.len(), 0);
        for _ in 0..10 {
            let id = circuits.allocate(start(), &mut rng).unwrap();
            circuits.release(start(), id);
        }
        assert_eq!(circuits.released.len(), MAX_RELEASED);
        assert_eq!(circuits.slots.len(), MAX_RELEASED);
    }

    proptest! {
        /// Against the plainest model there is: a list of (id, we hold it, the peer may use it).
        #[test]
        fn agrees_with_a_list(ops in vec((0u8..3, 0usize..8), 0..200)) {
            let (mut circuits, mut rng) = (Circuits::default(), Stuck((1..9).collect(), 0));
            let mut model: Vec<(CircId, bool, bool)> = Vec::new();
            for (op, which) in ops {
                let chosen = model.get(which).map(|entry| entry.0);
                match (op, chosen) {
                    (0, _) => match circuits.allocate(start(), &mut rng) {
                        Some(id) => {
                            prop_assert!(model.iter().all(|entry| entry.0 != id));
                            model.push((id, true, true));
                        }
                        None => prop_assert_eq!(model.len(), 8),
                    },
                    (1, Some(id)) => {
                        prop_assert_eq!(circuits.release(start(), id), model[which].1);
                        model[which].1 = false;
                    }
                    (_, Some(id)) => {
                        circuits.on_destroy(id);
                        model[which].2 = false;
                    }
                    (_, None) => {}
                }
                model.retain(|entry| entry.1 || entry.2);
                prop_assert_eq!(circuits.len(), model.iter().filter(|entry| entry.1).count());
                for &(id, ours, theirs) in &model {
                    let expected = if ours && theirs { Standing::Live } else { Standing::Ended };
                    prop_assert_eq!(circuits.standing(id), expected);
                }
            }
        }
    }
}
