//! The few relays that this client always enters by. <https://spec.torproject.org/guard-spec/index.html>
//!
//! An observer who runs some relays sees a client's traffic enter sooner or later if it enters anywhere; one who
//! runs none of the client's guards never does. So the guards are sampled once, kept on disk, and left only for
//! a reason.
//!
//! ```text
//!  sampled: 20 or so, drawn by weight from the consensus ── a circuit through it succeeds ──> confirmed
//!  filtered: those that are listed now and have an address that we may use
//!  primary: the first 3 filtered ones, confirmed ones before others
//!  use: the first primary that is not down; without one, a confirmed one; then another, in the order of sampling
//! ```
//!
//! Left out until guard-spec is built in full: a record of its own for restrictive configurations, circuits that
//! wait for a better guard ([`GuardUse::NotYet`] throws them away instead), path bias.

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use tor_dir::{Param, Relay};
use tor_id::RsaId;
use tor_netdoc::Nickname;
use tracing::{debug, info};

use crate::Selector;

mod reach;
mod sample;
mod told;

pub(crate) use sample::is_guard;
pub use told::{GuardChange, GuardNews, GuardStatus};

use reach::Reach;
use told::News;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// So many of the primary guards are asked for directory documents.
pub(crate) const DIRECTORY_GUARDS_TO_USE: Param =
    Param::new("guard-n-primary-dir-guards-to-use", 3, 1, i32::MAX);
/// If nothing succeeded for so long (seconds), the internet was likely down, and no guard is to blame.
const INTERNET_LIKELY_DOWN: Param = Param::new("guard-internet-likely-down-interval", 600, 1, i32::MAX);
/// How long circuits wait for the microdescriptor of a primary guard before they go through the next one.
const DESCRIPTOR_PATIENCE: Duration = Duration::from_secs(60);

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
    /// Its place in the order of confirming.
    pub(crate) confirmed_idx: u32,
    /// What the state file says of it that we don't understand: kept, as guard-spec A.5 requires.
    pub(crate) extra: String,
    /// Listed now, with an address that we may use.
    filtered: bool,
    primary: bool,
    reach: Reach,
    /// It is known to be up: it answered, and nothing has failed since.
    answered: bool,
}

/// What to do with a circuit whose guard answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum GuardUse {
    /// Streams may use it.
    Now,
    /// A guard that this client prefers may be up: build through that first.
    NotYet,
}

/// The guards of this client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// In the order of sampling.
    pub(crate) guards: Vec<Guard>,
    /// `Guard` lines of other selections (bridges have their own): kept as they are.
    pub(crate) others: Vec<String>,
    pub(crate) changed: bool,
    /// When a guard last answered.
    last_success: Option<SystemTime>,
    /// If nothing succeeds for so long, the internet is likely down; from the consensus.
    internet_likely_down: Duration,
    /// How many primary guards there should be.
    primaries_wanted: usize,
    /// Since when a primary guard can't be used for want of its microdescriptor.
    awaiting_descriptor: Option<SystemTime>,
    /// It was said that none can be reached, and none has answered since.
    said_unreachable: bool,
    /// What nobody has been told yet.
    news: News,
}

/// What a guard is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    Traffic,
    Directory,
}

impl Guards {
    /// Guards from a record, in the order of sampling.
    pub(crate) fn recorded(guards: Vec<Guard>, others: Vec<String>) -> Self {
        Self { guards, others, ..Self::default() }
    }

    /// The guards, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &Guard> {
        self.in_order().into_iter().filter_map(|index| self.guards.get(index))
    }

    /// True once after each change that the disk should know.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// A circuit through this guard, or a directory request to it, succeeded.
    ///
    /// [`GuardUse::NotYet`] if it is not a primary guard and one of those may be up after all. Then it is not
    /// confirmed either: it is not the one to stay with.
    pub fn succeeded(&mut self, id: &RsaId, wall: SystemTime, rng: &mut impl CryptoRng) -> GuardUse {
        let was_down = self.internet_was_likely_down(wall);
        self.last_success = Some(wall);
        self.said_unreachable = false;
        let Some(guard) = self.guards.iter_mut().find(|guard| guard.rsa == *id) else {
            return GuardUse::Now;
        };
        guard.reach = Reach::default();
        if !std::mem::replace(&mut guard.answered, true) {
            self.news.push(guard, GuardNews::Up);
        }
        if !guard.primary {
            if was_down {
                self.forgive(|guard| guard.primary);
            }
            if !self.primaries().all(|guard| guard.reach.is_failing()) {
                return GuardUse::NotYet;
            }
        }
        self.confirm(id, wall, rng);
        GuardUse::Now
    }

    fn confirm(&mut self, id: &RsaId, wall: SystemTime, rng: &mut impl CryptoRng) {
        let taken = self.guards.iter().filter(|guard| guard.confirmed_on.is_some());
        let next = taken.map(|guard| guard.confirmed_idx.saturating_add(1)).max().unwrap_or(0);
        let new = self.guards.iter_mut().find(|guard| guard.rsa == *id && guard.confirmed_on.is_none());
        if let Some(guard) = new {
            guard.confirmed_on = Some(some_time_before(wall, sample::LIFETIME / 10, rng));
            guard.confirmed_idx = next;
            debug!("New guard confirmed: {}", guard.nickname);
            self.changed = true;
            self.choose_primaries(wall);
        }
    }

    /// No channel to this guard could be opened, or it did not answer when a circuit was to be created. It is
    /// left alone for a while; if it is primary for 30 seconds at first and up to ten minutes, else for an hour.
    pub fn failed(&mut self, id: &RsaId, wall: SystemTime) {
        let Some(guard) = self.guards.iter_mut().find(|guard| guard.rsa == *id) else { return };
        guard.answered = false;
        if guard.reach.failed(wall, guard.primary) {
            debug!("Guard {} failed", guard.nickname);
        }
        self.news.push(guard, GuardNews::Down);
    }

    /// The guard for a circuit to this exit.
    pub(crate) fn choose<'a>(
        &mut self,
        selector: &Selector<'a>,
        exit: &Relay<'_>,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Option<Relay<'a>> {
        self.choose_for(Usage::Traffic, selector, wall, rng, |relay| !selector.conflict(relay, exit))
    }

    pub(crate) fn choose_for<'a>(
        &mut self,
        usage: Usage,
        selector: &Selector<'a>,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
        fits: impl Fn(&Relay<'_>) -> bool,
    ) -> Option<Relay<'a>> {
        self.update(selector, wall, rng);
        let view = selector.view();
        let relay = |guard: &Guard| view.relay(&guard.rsa).filter(|relay| guard.filtered && fits(relay));
        let found = match self.primary_for(usage, selector, wall, &relay) {
            // Until its microdescriptor is here: a guard is not left because a fetch is under way.
            Err(AwaitDescriptor) => return None,
            // Documents can come from elsewhere: no reason to show ourselves to more guards.
            Ok(found) if found.is_empty() && usage == Usage::Directory && self.a_primary_is_up(wall) => {
                return None;
            }
            Ok(found) if found.is_empty() => {
                self.expand(selector, wall, rng);
                let others = self.in_order().into_iter().filter(|&index| {
                    let usable = |relay: Relay<'_>| usage == Usage::Directory || relay.is_usable();
                    self.guards
                        .get(index)
                        .is_some_and(|guard| guard.is_up(wall) && relay(guard).is_some_and(usable))
                });
                others.take(1).collect()
            }
            Ok(found) => found,
        };
        let index = rng.next_u64().checked_rem(u64::try_from(found.len()).unwrap_or(1)).unwrap_or(0);
        let Some(index) = usize::try_from(index).ok().and_then(|index| found.get(index).copied()) else {
            // All are down. Most likely it is us: begin with the first again.
            let down = |guard: &Guard| !guard.is_up(wall) && relay(guard).is_some();
            if self.guards.iter().any(down) {
                // The user hears of it once, however long it lasts.
                if std::mem::replace(&mut self.said_unreachable, true) {
                    debug!("No guard can be reached; trying all again");
                } else {
                    info!(
                        "No guard can be reached, as when the internet is gone. Trying all again until one answers."
                    );
                }
                self.forgive(|_| true);
            }
            return None;
        };
        let guard = self.guards.get_mut(index)?;
        guard.reach.chosen(wall);
        view.relay(&guard.rsa)
    }

    /// The primary guards among which chance decides: so many of the first ones that are up as the usage allows.
    fn primary_for<'a>(
        &mut self,
        usage: Usage,
        selector: &Selector<'a>,
        wall: SystemTime,
        relay: &impl Fn(&Guard) -> Option<Relay<'a>>,
    ) -> Result<Vec<usize>, AwaitDescriptor> {
        let (view, config) = (selector.view(), selector.config());
        let wanted = match usage {
            Usage::Traffic => config.entry(view),
            Usage::Directory => config.directory(view),
        };
        let mut considered = 0;
        let mut found = Vec::new();
        let mut awaited = false;
        for (index, guard) in self.guards.iter().enumerate().filter(|(_, guard)| guard.primary) {
            if considered >= wanted && !found.is_empty() {
                break;
            }
            match relay(guard) {
                // It would conflict with the exit: another primary guard stands in, if there is no other choice.
                None => considered += 1,
                Some(_) if guard.reach.is_down(wall, true) => {}
                Some(relay) if usage == Usage::Traffic && !relay.is_usable() => awaited = true,
                Some(_) => {
                    considered += 1;
                    found.push(index);
                }
            }
        }
        if usage == Usage::Traffic && awaited {
            let since = *self.awaiting_descriptor.get_or_insert(wall);
            // If the clock went back there is no telling how long it has been.
            if wall.duration_since(since).is_ok_and(|passed| passed < DESCRIPTOR_PATIENCE) {
                return Err(AwaitDescriptor);
            }
        } else if usage == Usage::Traffic {
            self.awaiting_descriptor = None;
        }
        Ok(found)
    }

    /// Primary guards, then confirmed ones, then the others; within each in the order of sampling.
    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.guards.len()).collect();
        let rank = |guard: &Guard| (!guard.primary, guard.confirmed_on.is_none());
        order.sort_by_key(|&index| self.guards.get(index).map(rank));
        order
    }

    fn primaries(&self) -> impl Iterator<Item = &Guard> {
        self.guards.iter().filter(|guard| guard.primary)
    }

    fn a_primary_is_up(&self, wall: SystemTime) -> bool {
        self.primaries().any(|guard| guard.is_up(wall))
    }

    fn forgive(&mut self, which: impl Fn(&Guard) -> bool) {
        for guard in self.guards.iter_mut().filter(|guard| which(guard)) {
            (guard.reach, guard.answered) = (Reach::default(), false);
        }
    }

    fn internet_was_likely_down(&self, wall: SystemTime) -> bool {
        let long_ago =
            |since| wall.duration_since(since).is_ok_and(|passed| passed > self.internet_likely_down);
        self.last_success.is_none_or(long_ago)
    }
}

/// A primary guard could be used if its microdescriptor were here.
struct AwaitDescriptor;

impl Guard {
    /// A guard that was sampled then.
    pub(crate) fn new(rsa: RsaId, nickname: Nickname, sampled_on: SystemTime) -> Self {
        Self {
            rsa,
            nickname,
            sampled_on,
            confirmed_on: None,
            unlisted_since: None,
            confirmed_idx: 0,
            extra: String::new(),
            filtered: false,
            primary: false,
            reach: Reach::default(),
            answered: false,
        }
    }

    /// True unless it failed a moment ago.
    pub fn is_up(&self, wall: SystemTime) -> bool {
        !self.reach.is_down(wall, self.primary)
    }

    /// True if it is one of those that come before all others.
    pub const fn is_primary(&self) -> bool {
        self.primary
    }
}

/// A random time of the `span` before `wall`.
fn some_time_before(wall: SystemTime, span: Duration, rng: &mut impl CryptoRng) -> SystemTime {
    let seconds = rng.next_u64().checked_rem(span.as_secs()).unwrap_or(0);
    wall.checked_sub(Duration::from_secs(seconds)).unwrap_or(wall)
}

#[cfg(test)]
mod tests;
