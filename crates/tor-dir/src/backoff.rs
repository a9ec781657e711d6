//! When to try again: exponential backoff with "decorrelated jitter", as C Tor's download schedules have it.
//!
//! The first try is after a fixed delay, each further one after a random time between the base and three times the
//! last delay.

use std::time::{Duration, Instant};

use rand_core::CryptoRng;

/// Longest delay. C Tor has none; nobody wants to wait a week for a retry.
const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A schedule of tries for one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    last: Duration,
    next: Instant,
    advanced: u32,
}

impl Backoff {
    /// A schedule whose first try is after `initial`.
    pub(crate) fn new(initial: Duration, now: Instant) -> Self {
        Self { initial, last: Duration::ZERO, next: now + initial, advanced: 0 }
    }

    /// When the next try is due.
    pub(crate) const fn next(&self) -> Instant {
        self.next
    }

    /// How often [`Self::advance`] was called since the start, and the delay that it came to last.
    pub(crate) const fn position(&self) -> (u32, Duration) {
        (self.advanced, self.last)
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.next <= now
    }

    /// Plans the try after this one.
    pub(crate) fn advance(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        self.advance_by(now, rng.next_u64());
    }

    /// Plans the try after this one with a random number of the caller's: schedules with the same past that are given the
    /// same number stay together.
    pub(crate) fn advance_by(&mut self, now: Instant, random: u64) {
        let base = self.initial.max(Duration::from_secs(1));
        let high = (self.last * 3).max(base + Duration::from_secs(1));
        self.last = scale(base, high, random).min(MAX_DELAY);
        self.next = now + self.last;
        self.advanced = self.advanced.saturating_add(1);
    }

    /// Starts over.
    pub(crate) fn reset(&mut self, now: Instant) {
        *self = Self::new(self.initial, now);
    }
}

/// A random time in `low..high`, or `low` if that is empty.
pub(crate) fn between(low: Duration, high: Duration, rng: &mut impl CryptoRng) -> Duration {
    scale(low, high, rng.next_u64())
}

/// Maps a random number to `low..high`. Milliseconds are fine enough.
fn scale(low: Duration, high: Duration, random: u64) -> Duration {
    let width = high.saturating_sub(low).as_millis();
    low + Duration::from_millis(u64::try_from((u128::from(random) * width) >> 64).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn delays_grow_within_their_bounds() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let now = Instant::now();
        let mut backoff = Backoff::new(Duration::from_secs(6), now);
        assert!(!backoff.is_due(now) && backoff.is_due(now + Duration::from_secs(6)));
        let mut longest = Duration::ZERO;
        for _ in 0..1000 {
            let last = backoff.last;
            backoff.advance(now, &mut rng);
            assert!(backoff.last >= Duration::from_secs(6));
            assert!(backoff.last <= (last * 3).max(Duration::from_secs(7)));
            longest = longest.max(backoff.last);
        }
        assert_eq!(longest, MAX_DELAY);
        backoff.reset(now);
        assert_eq!(backoff.next(), now + Duration::from_secs(6));
        assert_eq!(between(Duration::from_secs(2), Duration::from_secs(1), &mut rng), Duration::from_secs(2));
    }
}
