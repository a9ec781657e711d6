//! When to fetch the next consensus. <https://spec.torproject.org/dir-spec/client-operation.html>

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use tor_netdoc::Lifetime;

use crate::backoff::between;

/// The random moment at which a client that holds a consensus with this lifetime fetches the next one: after caches had
/// three quarters of an interval to get it, and before seven eighths of the rest have passed.
///
/// A consensus that is not live is replaced at once: then the answer is `wall`.
pub fn next_consensus_fetch(lifetime: &Lifetime, wall: SystemTime, rng: &mut impl CryptoRng) -> SystemTime {
    if !(lifetime.valid_after..=lifetime.valid_until).contains(&wall) {
        return wall;
    }
    let (start, end) = window(lifetime);
    start + between(Duration::ZERO, end.duration_since(start).unwrap_or_default(), rng)
}

/// The window of [`next_consensus_fetch`].
fn window(lifetime: &Lifetime) -> (SystemTime, SystemTime) {
    let second = Duration::from_secs(1);
    let Lifetime { valid_after, fresh_until, valid_until, .. } = *lifetime;
    let interval = fresh_until.duration_since(valid_after).unwrap_or_default();
    let mut start = fresh_until + interval * 3 / 4;
    let width = (valid_until.duration_since(start).unwrap_or_default() * 7 / 8).max(second);
    // Networks in a hurry: be done before the consensus is invalid.
    if start + width >= valid_until {
        start = valid_until - width - second;
    }
    (start, start + width)
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::testdata::mini_consensus;

    fn at(minutes: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minutes)
    }

    fn lifetime(valid_after: u64, fresh_until: u64, valid_until: u64) -> Lifetime {
        let mut lifetime = mini_consensus().lifetime();
        lifetime.valid_after = at(valid_after);
        lifetime.fresh_until = at(fresh_until);
        lifetime.valid_until = at(valid_until);
        lifetime
    }

    #[test]
    fn the_public_networks_window() {
        // An hour, of three: from 1:45, for seven eighths of 75 minutes.
        let (start, end) = window(&lifetime(1000, 1060, 1180));
        assert_eq!(start, at(1105));
        assert_eq!(end - Duration::from_secs(65 * 60 + 37), at(1105) + Duration::from_millis(500));
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let fetch = next_consensus_fetch(&lifetime(1000, 1060, 1180), at(1010), &mut rng);
            assert!(start <= fetch && fetch < end);
            seen.push(fetch);
        }
        seen.sort_unstable();
        assert!(seen[99].duration_since(seen[0]).unwrap() > Duration::from_secs(30 * 60));
    }

    #[test]
    fn a_short_lived_consensus_is_replaced_before_it_ends() {
        for fresh in 1..10 {
            let lifetime = lifetime(1000, 1000 + fresh, 1000 + fresh.max(2));
            let (start, end) = window(&lifetime);
            assert!(start < end && end < lifetime.valid_until, "{fresh}");
        }
    }

    #[test]
    fn one_that_is_not_live_is_replaced_at_once() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let lifetime = lifetime(1000, 1060, 1180);
        for wall in [at(999), at(1181)] {
            assert_eq!(next_consensus_fetch(&lifetime, wall, &mut rng), wall);
        }
    }
}
