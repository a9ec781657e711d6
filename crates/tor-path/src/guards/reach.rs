//! Whether a guard can be reached, as far as we know. Not kept on disk.
//! <https://spec.torproject.org/guard-spec/algorithm.html#RETRYING>

use std::time::{Duration, SystemTime};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How long a guard that has failed for at most the first of these is left alone: a primary one, another.
const SCHEDULE: [(Duration, Duration, Duration); 3] = [
    (HOUR.saturating_mul(6), MINUTE.saturating_mul(10), HOUR),
    (HOUR.saturating_mul(96), MINUTE.saturating_mul(90), HOUR.saturating_mul(4)),
    (HOUR.saturating_mul(168), HOUR.saturating_mul(4), HOUR.saturating_mul(18)),
];
const LATER: (Duration, Duration) = (HOUR.saturating_mul(9), HOUR.saturating_mul(36));
/// The first pause of a primary guard; each failure doubles it, up to what the schedule says. guard-spec would
/// leave the guard for ten minutes at once, which is to leave it for having been restarted.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// What is known of a guard's reachability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    failing: Option<Failing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failing {
    since: SystemTime,
    /// The last attempt, failed or under way.
    tried: SystemTime,
    /// Failures in a row, at least 1.
    count: u32,
    /// A circuit is trying it now.
    probed: bool,
}

impl Reach {
    /// It failed, and nothing has succeeded since.
    pub(super) const fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Since when it has failed, if nothing has succeeded since.
    pub(super) fn failing_since(&self) -> Option<SystemTime> {
        self.failing.map(|failing| failing.since)
    }

    /// It failed, or was tried in vain, so shortly ago that it is not tried again yet. A clock that goes back
    /// ends that.
    pub(super) fn is_down(&self, wall: SystemTime, primary: bool) -> bool {
        let passed = |failing: Failing| wall.duration_since(failing.tried).ok();
        self.failing
            .is_some_and(|failing| passed(failing).is_some_and(|passed| passed < failing.pause(primary)))
    }

    /// It failed. False if that is the same failure again: all circuits of a channel fail with it.
    pub(super) fn failed(&mut self, wall: SystemTime, primary: bool) -> bool {
        let first = Failing { since: wall, tried: wall, count: 0, probed: false };
        let was = self.failing.unwrap_or(first);
        if self.is_down(wall, primary) && !was.probed {
            return false;
        }
        self.failing =
            Some(Failing { tried: wall, count: was.count.saturating_add(1), probed: false, ..was });
        true
    }

    /// A circuit is about to try it. If it failed before, this one circuit finds out: others do not wait for it.
    pub(super) const fn chosen(&mut self, wall: SystemTime) {
        if let Some(failing) = &mut self.failing {
            failing.tried = wall;
            failing.probed = true;
        }
    }
}

impl Failing {
    /// How long it is left alone after it was tried.
    fn pause(self, primary: bool) -> Duration {
        let failing_for = self.tried.duration_since(self.since).unwrap_or_default();
        let step = SCHEDULE.iter().find(|(until, ..)| failing_for <= *until);
        let (primary_pause, other_pause) = step.map_or(LATER, |&(_, primary, other)| (primary, other));
        if primary {
            primary_pause.min(FIRST_PAUSE * 2_u32.pow(self.count.saturating_sub(1).min(11)))
        } else {
            other_pause
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    /// Fails at each moment at which it may be tried; the pauses between, in seconds.
    fn pauses(primary: bool, days: u64) -> Vec<u64> {
        let (mut reach, mut pauses, mut last) = (Reach::default(), Vec::new(), 0);
        for now in (0..days * 86_400).step_by(30) {
            if !reach.is_down(at(now), primary) {
                reach.chosen(at(now));
                assert!(reach.failed(at(now), primary));
                pauses.push(now - last);
                last = now;
            }
        }
        pauses.remove(0);
        pauses
    }

    #[test]
    fn primary_guards_are_tried_soon_again_and_then_ever_more_seldom() {
        let pauses = pauses(true, 10);
        assert_eq!(pauses[..7], [30, 60, 120, 240, 480, 600, 600]);
        let hours: Vec<u64> = pauses.iter().filter(|pause| **pause > 600).map(|pause| pause / 60).collect();
        assert_eq!((hours[0], hours[hours.len() - 1]), (90, 540));
        assert!(hours.is_sorted() && hours.contains(&240));
    }

    #[test]
    fn others_are_left_for_an_hour_at_least() {
        let pauses = pauses(false, 10);
        assert_eq!(pauses[..2], [3600, 3600]);
        assert!(pauses.is_sorted() && pauses.contains(&(4 * 3600)) && pauses.contains(&(18 * 3600)));
        assert_eq!(pauses.last(), Some(&(36 * 3600)));
    }

    #[test]
    fn one_failure_of_many_circuits_counts_once() {
        let mut reach = Reach::default();
        assert!(reach.failed(at(0), true));
        for _ in 0..30 {
            assert!(!reach.failed(at(1), true));
        }
        assert!(reach.is_down(at(29), true) && !reach.is_down(at(30), true));
        // The failure of the circuit that probes it counts, though others are told that it is down.
        reach.chosen(at(31));
        assert!(reach.is_down(at(32), true));
        assert!(reach.failed(at(40), true));
        assert!(reach.is_down(at(99), true) && !reach.is_down(at(100), true));
    }

    #[test]
    fn a_clock_that_goes_back_keeps_no_guard_down() {
        let mut reach = Reach::default();
        reach.failed(at(1_000_000), true);
        assert!(!reach.is_down(at(0), true));
        assert!(reach.is_failing());
    }
}
