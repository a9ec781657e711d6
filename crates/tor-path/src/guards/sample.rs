//! Which guards there are: drawn from the consensus, followed through it, and forgotten in the end.
//! <https://spec.torproject.org/guard-spec/algorithm.html#SAMPLED>

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use tor_dir::{NetworkView, Param, Relay, Role};
use tor_id::RsaId;
use tor_netdoc::RelayFlags;
use tracing::debug;

use super::{DAY, Guard, GuardNews, Guards, INTERNET_LIKELY_DOWN, some_time_before};
use crate::{PathConfig, Selector, config::days};

/// Sampled guards, at the most.
const MAX_SAMPLE: Param = Param::new("guard-max-sample-size", 60, 1, i32::MAX);
/// The same as a percentage of the guards of the consensus.
const MAX_SAMPLE_PERCENT: Param = Param::new("guard-max-sample-threshold-percent", 20, 1, 100);
/// Of the sample, so many should be usable.
const MIN_FILTERED: Param = Param::new("guard-min-filtered-sample-size", 20, 1, i32::MAX);
/// A guard that is not in the consensus for so many days is forgotten.
const UNLISTED_DAYS: Param = Param::new("guard-remove-unlisted-guards-after-days", 20, 1, 3650);
/// The lifetime by which times in the state file are blurred.
pub(super) const LIFETIME: Duration = DAY.saturating_mul(120);

/// Fit for the first hop of any circuit: what C Tor asks of a guard.
pub(crate) fn is_guard(relay: &Relay<'_>) -> bool {
    relay.has(RelayFlags::GUARD)
        && relay.has(RelayFlags::FAST)
        && relay.has(RelayFlags::STABLE)
        && relay.has(RelayFlags::VALID)
        && relay.has(RelayFlags::V2_DIR)
        && !relay.has(RelayFlags::MIDDLE_ONLY)
        && relay.is_wanted()
}

impl Guards {
    /// Brings the sample up to date with the consensus, and fills the list of primary guards.
    pub fn update(&mut self, selector: &Selector<'_>, wall: SystemTime, rng: &mut impl CryptoRng) {
        let (view, config) = (selector.view(), selector.config());
        let seconds = u64::try_from(view.param(&INTERNET_LIKELY_DOWN)).unwrap_or(0);
        self.internet_likely_down = Duration::from_secs(seconds);
        self.primaries_wanted = config.primary(view);
        // A consensus that is out of date says nothing of today's guards: it adds none and removes none.
        let current = view.is_reasonably_live(wall);
        if current {
            self.follow(view, wall, rng);
            self.forget_old(view, config, wall);
        }
        for guard in &mut self.guards {
            let relay = view.relay(&guard.rsa).filter(is_guard);
            guard.filtered = relay.is_some_and(|relay| selector.can_be_reached(&relay));
        }
        self.choose_primaries(wall);
        if self.primaries().count() < self.primaries_wanted {
            self.expand(selector, wall, rng);
            self.choose_primaries(wall);
        }
    }

    /// Adds guards until there are enough that can be used, but never more than the limits.
    pub(super) fn expand(&mut self, selector: &Selector<'_>, wall: SystemTime, rng: &mut impl CryptoRng) {
        let view = selector.view();
        if !view.is_reasonably_live(wall) {
            return;
        }
        let limit = limit(view);
        let enough = usize::try_from(view.param(&MIN_FILTERED)).unwrap_or(1);
        loop {
            let filtered = || self.guards.iter().filter(|guard| guard.filtered);
            // The record may be that of another network (or of one long ago), which fills it with guards that
            // are no more: so many as are used are added in any case.
            let needed = filtered().count() < self.primaries_wanted;
            let wanted =
                filtered().filter(|guard| !guard.reach.is_down(wall, guard.primary)).count() < enough;
            if !(needed || wanted && self.guards.len() < limit) || !self.sample(selector, wall, rng) {
                return;
            }
        }
    }

    /// The list of primary guards: confirmed ones first, then those that are on it, then others that are up.
    pub(super) fn choose_primaries(&mut self, wall: SystemTime) {
        let rank = |guard: &Guard| match guard {
            _ if guard.confirmed_on.is_some() => 0,
            _ if guard.primary => 1,
            _ if !guard.reach.is_down(wall, false) => 2,
            _ => 3,
        };
        let mut order: Vec<(u8, RsaId)> =
            self.guards.iter().filter(|guard| guard.filtered).map(|guard| (rank(guard), guard.rsa)).collect();
        order.sort_by_key(|(rank, _)| *rank);
        order.truncate(self.primaries_wanted);
        for guard in &mut self.guards {
            guard.primary = order.iter().any(|(_, id)| *id == guard.rsa);
        }
    }

    /// Notes which guards are in the consensus.
    fn follow(&mut self, view: &NetworkView, wall: SystemTime, rng: &mut impl CryptoRng) {
        let blur = days(view.param(&UNLISTED_DAYS)) / 5;
        for guard in &mut self.guards {
            let listed = view.relay(&guard.rsa).is_some_and(|relay| is_guard(&relay));
            let unlisted_since = match (listed, guard.unlisted_since) {
                (true, _) => None,
                (false, None) => Some(some_time_before(wall, blur, rng)),
                (false, since) => since,
            };
            if guard.unlisted_since != unlisted_since {
                guard.unlisted_since = unlisted_since;
                self.changed = true;
            }
        }
    }

    /// Forgets what was not listed for long, and what has served its time.
    fn forget_old(&mut self, view: &NetworkView, config: &PathConfig, wall: SystemTime) {
        let unlisted = days(view.param(&UNLISTED_DAYS));
        let (lifetime, confirmed) = (config.lifetime(view), config.confirmed_lifetime(view));
        let older = |since: SystemTime, age| wall.duration_since(since).is_ok_and(|passed| passed > age);
        let before = self.guards.len();
        self.guards.retain(|guard| {
            let gone = guard.unlisted_since.is_some_and(|since| older(since, unlisted));
            let served = match guard.confirmed_on {
                Some(since) => older(since, confirmed),
                None => older(guard.sampled_on, lifetime),
            };
            if gone || served {
                debug!("Guard forgotten: {}", guard.nickname);
            }
            !gone && !served
        });
        self.changed |= self.guards.len() != before;
    }

    /// Adds one guard to the sample; false if there is none left to add.
    fn sample(&mut self, selector: &Selector<'_>, wall: SystemTime, rng: &mut impl CryptoRng) -> bool {
        let known = |id: &RsaId| self.guards.iter().any(|guard| guard.rsa == *id);
        // All that the consensus lists, whether their microdescriptors are here or not: whoever serves those
        // must have no say in which guards we get.
        let candidates = selector.view().all_relays().filter(|relay| is_guard(relay) && !known(relay.rsa()));
        let Some(new) = selector.weighted(Role::Guard, rng, candidates) else { return false };
        let lifetime = selector.config().lifetime(selector.view());
        let mut guard = Guard::new(*new.rsa(), *new.nickname(), some_time_before(wall, lifetime / 10, rng));
        guard.filtered = selector.can_be_reached(&new);
        self.news.push(&guard, GuardNews::New);
        self.guards.push(guard);
        self.changed = true;
        true
    }
}

/// How many guards there may be.
fn limit(view: &NetworkView) -> usize {
    let known = view.all_relays().filter(is_guard).count();
    let number = |param| usize::try_from(view.param(param)).unwrap_or(0);
    let share = known.saturating_mul(number(&MAX_SAMPLE_PERCENT)) / 100;
    share.min(number(&MAX_SAMPLE)).max(number(&MIN_FILTERED))
}
