//! The few relays that this client always enters by. <https://spec.torproject.org/guard-spec/index.html>
//!
//! An observer who runs some relays sees a client's traffic enter sooner or later if it enters anywhere; one who
//! runs none of the client's guards never does. So the guards are sampled once, kept on disk, and left only for
//! a reason.
//!
//! ```text
//!  sampled, in the order of sampling ── first circuit succeeds ──> confirmed, in the order of confirming
//!  primary = the first 3 that are listed: confirmed ones, then sampled ones
//!  use     = the first primary that is not down; without one, the next of the sample
//! ```
//!
//! Left out until guard-spec is built in full: filtered sets and restrictions by configuration, the states
//! `<maybe>` and `<wait>` of circuits, path bias.

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use tor_dir::{Relay, Role, param};
use tor_id::RsaId;
use tor_netdoc::Nickname;
use tracing::{debug, info};

use crate::{Selector, choose::is_guard};

/// Sampled guards, at the most (guard-spec: MAX_SAMPLE_SIZE).
const MAX_SAMPLE: usize = 60;
/// A guard that is not in the consensus for so long is forgotten (REMOVE_UNLISTED_GUARDS_AFTER).
const UNLISTED: Duration = Duration::from_secs(20 * DAY);
/// A guard that was never used is forgotten after this (GUARD_LIFETIME).
const LIFETIME: Duration = Duration::from_secs(120 * DAY);
/// A guard that was used is forgotten after 48 to 60 days.
const CONFIRMED_LIFETIME: Duration = Duration::from_secs(60 * DAY);
const DAY: u64 = 24 * 60 * 60;

/// One guard, as the state file keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Its RSA identity.
    pub rsa: RsaId,
    /// Its nickname when it was sampled.
    pub nickname: Nickname,
    /// When it was sampled; a random time of the days before, so that the state file tells less.
    pub sampled_on: SystemTime,
    /// When a circuit through it first succeeded; random likewise.
    pub confirmed_on: Option<SystemTime>,
    /// Since when it has not been in the consensus.
    pub unlisted_since: Option<SystemTime>,
    /// Not to be tried before this; not kept on disk.
    down_until: Option<SystemTime>,
    failures: u32,
}

/// The guards of this client, in the order in which they are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// Confirmed ones first, in the order of confirming.
    pub(crate) guards: Vec<Guard>,
    pub(crate) changed: bool,
}

impl Guards {
    /// The guards, those that are used first in front.
    pub fn iter(&self) -> impl Iterator<Item = &Guard> {
        self.guards.iter()
    }

    /// True once after each change that the disk should know.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// A circuit through this guard, or a channel to it, succeeded.
    pub fn succeeded(&mut self, id: &RsaId, wall: SystemTime, rng: &mut impl CryptoRng) {
        let Some(index) = self.guards.iter().position(|guard| guard.rsa == *id) else { return };
        let confirmed = self.guards.iter().filter(|guard| guard.confirmed_on.is_some()).count();
        let Some(guard) = self.guards.get_mut(index) else { return };
        guard.down_until = None;
        guard.failures = 0;
        if guard.confirmed_on.is_none() {
            guard.confirmed_on = Some(some_time_before(wall, LIFETIME / 10, rng));
            info!("New guard confirmed: {}", guard.nickname);
            self.changed = true;
            // It takes its place behind those that were confirmed before.
            if let Some(range) = self.guards.get_mut(confirmed..=index) {
                range.rotate_right(1);
            }
        }
    }

    /// No channel to this guard could be opened, or it did not create a circuit. It is left alone for a while:
    /// 30 seconds, doubled each time, up to ten minutes.
    pub fn failed(&mut self, id: &RsaId, wall: SystemTime) {
        if let Some(guard) = self.guards.iter_mut().find(|guard| guard.rsa == *id) {
            let pause = Duration::from_secs(30) * 2_u32.pow(guard.failures.min(5));
            guard.failures = guard.failures.saturating_add(1);
            guard.down_until = Some(wall + pause.min(Duration::from_secs(600)));
            debug!("Guard {} is down for {} s", guard.nickname, pause.as_secs());
        }
    }

    /// The guard for a circuit to this exit.
    pub(crate) fn choose<'a>(
        &mut self,
        selector: &Selector<'a>,
        exit: &Relay<'_>,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Option<Relay<'a>> {
        self.first_usable(selector, wall, rng, |relay| !selector.conflict(relay, exit))
    }

    /// The guard to ask for documents.
    pub(crate) fn choose_directory<'a>(
        &mut self,
        selector: &Selector<'a>,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Option<Relay<'a>> {
        self.first_usable(selector, wall, rng, |_| true)
    }

    fn first_usable<'a>(
        &mut self,
        selector: &Selector<'a>,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
        fits: impl Fn(&Relay<'_>) -> bool,
    ) -> Option<Relay<'a>> {
        self.update(selector, wall, rng);
        let view = selector.view();
        let primary = usize::try_from(view.param(&param::NUM_PRIMARY_GUARDS)).unwrap_or(3);
        loop {
            let relay = |guard: &Guard| {
                view.relay(&guard.rsa).filter(|relay| relay.is_usable() && is_guard(relay) && fits(relay))
            };
            let up = |guard: &&Guard| guard.down_until.is_none_or(|until| until <= wall);
            if let Some(found) = self.guards.iter().filter(up).find_map(relay) {
                return Some(found);
            }
            if self.listed(selector) >= MAX_SAMPLE || !self.sample(selector, wall, rng) {
                // All are down. Most likely it is us: try the primary one that was left alone longest.
                let mut down: Vec<_> = self.guards.iter().take(primary).collect();
                down.sort_by_key(|guard| guard.down_until);
                return down.into_iter().find_map(relay);
            }
        }
    }

    /// Brings the sample up to date with the consensus, and fills it up to the primary guards.
    fn update(&mut self, selector: &Selector<'_>, wall: SystemTime, rng: &mut impl CryptoRng) {
        let view = selector.view();
        let primary = usize::try_from(view.param(&param::NUM_PRIMARY_GUARDS)).unwrap_or(3);
        for guard in &mut self.guards {
            let listed = view.relay(&guard.rsa).is_some_and(|relay| is_guard(&relay));
            let unlisted_since = match (listed, guard.unlisted_since) {
                (true, _) => None,
                (false, None) => Some(some_time_before(wall, UNLISTED / 5, rng)),
                (false, since) => since,
            };
            if guard.unlisted_since != unlisted_since {
                guard.unlisted_since = unlisted_since;
                self.changed = true;
            }
        }
        let before = self.guards.len();
        self.guards.retain(|guard| {
            let older = |since: SystemTime, age| wall.duration_since(since).is_ok_and(|passed| passed > age);
            let unlisted = guard.unlisted_since.is_some_and(|since| older(since, UNLISTED));
            let old = match guard.confirmed_on {
                Some(since) => older(since, CONFIRMED_LIFETIME),
                None => older(guard.sampled_on, LIFETIME),
            };
            !unlisted && !old
        });
        self.changed |= self.guards.len() != before;
        while self.listed(selector) < primary && self.sample(selector, wall, rng) {}
    }

    fn listed(&self, selector: &Selector<'_>) -> usize {
        let listed = |guard: &&Guard| {
            selector.view().relay(&guard.rsa).is_some_and(|relay| is_guard(&relay) && relay.is_usable())
        };
        self.guards.iter().filter(listed).count()
    }

    /// Adds one guard to the sample; false if there is none left to add.
    fn sample(&mut self, selector: &Selector<'_>, wall: SystemTime, rng: &mut impl CryptoRng) -> bool {
        let known = |id: &RsaId| self.guards.iter().any(|guard| guard.rsa == *id);
        let new = selector.weighted(Role::Guard, rng, |relay| is_guard(relay) && !known(relay.rsa()));
        let Some(new) = new else { return false };
        let sampled_on = some_time_before(wall, LIFETIME / 10, rng);
        self.guards.push(Guard::new(*new.rsa(), *new.nickname(), sampled_on));
        self.changed = true;
        true
    }
}

impl Guard {
    /// A guard that was sampled then.
    pub(crate) const fn new(rsa: RsaId, nickname: Nickname, sampled_on: SystemTime) -> Self {
        Self {
            rsa,
            nickname,
            sampled_on,
            confirmed_on: None,
            unlisted_since: None,
            down_until: None,
            failures: 0,
        }
    }

    /// True unless it failed a moment ago.
    pub fn is_up(&self, wall: SystemTime) -> bool {
        self.down_until.is_none_or(|until| until <= wall)
    }
}

/// A random time of the `span` before `wall`.
fn some_time_before(wall: SystemTime, span: Duration, rng: &mut impl CryptoRng) -> SystemTime {
    let seconds = rng.next_u64().checked_rem(span.as_secs()).unwrap_or(0);
    wall.checked_sub(Duration::from_secs(seconds)).unwrap_or(wall)
}
