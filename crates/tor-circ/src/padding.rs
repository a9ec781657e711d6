//! Random padding, and how much of it there must be.
//! <https://spec.torproject.org/tor-spec/relay-cells.html> (proposal 289)
//!
//! Whoever can predict a whole cell could acknowledge it unseen, so the bytes behind a message are random. A
//! full DATA cell has no such bytes: therefore one cell in each 50 to 100 leaves room for 16 of them, as C Tor
//! does it.

use aes::Aes128Enc;
use cipher::Key;
use rand_core::CryptoRng;
use tor_cell::relay::{RelayCmd, RelayFormat};

use crate::onion::Keystream;

/// The longest body of a DATA message.
const MAX_BODY: usize = RelayFormat::V0.max_body(RelayCmd::DATA);
/// The longest that makes the cell unpredictable: room for 4 zeros, which the format puts behind each message,
/// and 16 random bytes.
const MAX_UNPREDICTABLE_BODY: usize = MAX_BODY - 4 - 16;
/// A cell must be unpredictable at the latest after this many and up to as many again, at random.
const INTERVAL: u8 = 50;

/// A cheap generator for padding: the keystream of a random key.
#[derive(Debug)]
pub(crate) struct Padding(Keystream<Aes128Enc>);

/// Sees to it that the hop can't predict its DATA cells for long.
#[derive(Debug)]
pub(crate) struct Unpredictability {
    cells_left: u8,
    done: bool,
}

impl Padding {
    pub(crate) fn new(rng: &mut impl CryptoRng) -> Self {
        let mut key = Key::<Aes128Enc>::default();
        rng.fill_bytes(&mut key);
        Self(Keystream::new(&key))
    }

    /// Makes `bytes` random.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.apply(bytes);
    }

    /// A random number below `limit`; slightly uneven, which is good enough for jitter.
    pub(crate) fn below(&mut self, limit: u8) -> u8 {
        let mut byte = [0];
        self.fill(&mut byte);
        let [byte] = byte;
        byte.checked_rem(limit).unwrap_or_default()
    }
}

impl Unpredictability {
    pub(crate) fn new(padding: &mut Padding) -> Self {
        Self { cells_left: INTERVAL + padding.below(INTERVAL), done: false }
    }

    /// How long the body of the next DATA cell may be.
    pub(crate) const fn room(&self) -> usize {
        if self.cells_left == 0 && !self.done { MAX_UNPREDICTABLE_BODY } else { MAX_BODY }
    }

    /// Counts a DATA cell with a body of `length` bytes.
    pub(crate) fn sent(&mut self, length: usize, padding: &mut Padding) {
        self.done |= length <= MAX_UNPREDICTABLE_BODY;
        match self.cells_left.checked_sub(1) {
            Some(left) => self.cells_left = left,
            None if self.done => *self = Self::new(padding),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn no_hundred_full_cells_in_a_row() {
        let mut padding = Padding::new(&mut ChaCha8Rng::seed_from_u64(2));
        let mut due = Unpredictability::new(&mut padding);
        let mut full_in_a_row = 0;
        for _ in 0..1000 {
            let length = due.room();
            full_in_a_row = if length == MAX_BODY { full_in_a_row + 1 } else { 0 };
            assert!(full_in_a_row <= 2 * usize::from(INTERVAL));
            due.sent(length, &mut padding);
        }
    }

    #[test]
    fn a_short_cell_earlier_spares_the_full_one() {
        let mut padding = Padding::new(&mut ChaCha8Rng::seed_from_u64(3));
        let mut due = Unpredictability::new(&mut padding);
        due.sent(10, &mut padding);
        for _ in 0..INTERVAL {
            assert_eq!(due.room(), MAX_BODY);
            due.sent(MAX_BODY, &mut padding);
        }
    }
}
