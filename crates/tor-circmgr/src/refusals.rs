//! Exits that refused, so that the next stream does not ask them in vain.
//!
//! Two kinds, as C Tor has it. An exit that is going to sleep or has no room refuses everybody: nobody asks it for
//! a while. One whose policy forbids a target that its summary allows, or that can't resolve a name, is right
//! about that target only; and it is only remembered for streams of the same isolation key, so that nothing that
//! one application did shows in what happens to another.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use tor_id::RsaId;

use crate::IsolationKey;

/// A target, as the application wrote it. Two streams to one place have equal ones.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(String);

/// How long a refusal of one target is remembered.
const OF_TARGET: Duration = Duration::from_secs(10 * 60);
/// How long an exit that refuses all is left alone. (C Tor: until it leaves the consensus.)
const OF_ALL: Duration = Duration::from_secs(60 * 60);
/// Refusals of each kind that are remembered, at the most; the oldest give way.
const MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    of_all: VecDeque<(RsaId, Instant)>,
    of_target: VecDeque<(RsaId, Instant, IsolationKey, Target)>,
}

impl Target {
    /// The target of this text, compared without regard to case.
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }
}

/// Where somebody goes is not for logs.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Target")
    }
}

impl Refusals {
    /// The exit refuses everybody now.
    pub(crate) fn of_all(&mut self, exit: RsaId, now: Instant) {
        self.of_all.retain(|(known, _)| *known != exit);
        push(&mut self.of_all, (exit, now + OF_ALL));
    }

    /// The exit refused this target to this key.
    pub(crate) fn of_target(&mut self, exit: RsaId, now: Instant, key: &IsolationKey, target: &Target) {
        self.of_target.retain(|(known, _, k, t)| (known, k, t) != (&exit, key, target));
        push(&mut self.of_target, (exit, now + OF_TARGET, key.clone(), target.clone()));
    }

    /// The exits that a stream of this key to this target need not ask.
    pub(crate) fn exits(&self, now: Instant, key: &IsolationKey, target: &Target) -> Vec<RsaId> {
        let all = self.of_all.iter().filter(|(_, until)| now < *until).map(|(exit, _)| *exit);
        let one = self.of_target.iter().filter(|(_, until, k, t)| now < *until && k == key && t == target);
        all.chain(one.map(|(exit, ..)| *exit)).collect()
    }

    /// The exits that refuse everybody.
    pub(crate) fn asleep(&self, now: Instant) -> Vec<RsaId> {
        self.of_all.iter().filter(|(_, until)| now < *until).map(|(exit, _)| *exit).collect()
    }

    pub(crate) fn forget_old(&mut self, now: Instant) {
        self.of_all.retain(|(_, until)| now < *until);
        self.of_target.retain(|(_, until, ..)| now < *until);
    }
}

fn push<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= MAX {
        list.pop_front();
    }
    list.push_back(item);
}
