//! What some server failed to give: when to ask for it again, and whom not to ask.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    time::Instant,
};

use rand_core::CryptoRng;
use tor_id::RsaId;

use crate::backoff::Backoff;

/// Most servers that are remembered as having failed to give one.
const MAX_AVOIDED: usize = 8;

/// Documents by name, of those that were asked for in vain. Only names that were asked for get in, so that it is no longer
/// than the consensus that lists them.
#[derive(Debug)]
pub(super) struct Retries<K> {
    failed: HashMap<K, Retry>,
    /// Documents that are what the network names by this digest, and that we can't read. They never will be anything else.
    impossible: HashSet<K>,
}

#[derive(Debug)]
struct Retry {
    backoff: Backoff,
    by: Vec<RsaId>,
}

impl<K: Copy + Eq + Hash> Retries<K> {
    pub(super) fn new() -> Self {
        Self { failed: HashMap::new(), impossible: HashSet::new() }
    }

    /// A new consensus is a new chance for all that failed; what can't be read stays so while it is listed.
    pub(super) fn renew(&mut self, listed: impl Fn(&K) -> bool) {
        self.failed.clear();
        self.impossible.retain(listed);
    }

    /// These were asked for and did not come.
    pub(super) fn add(
        &mut self,
        now: Instant,
        missing: impl Iterator<Item = K>,
        from: Option<RsaId>,
        rng: &mut impl CryptoRng,
    ) {
        // One draw for all, so that they are asked for again together.
        let random = rng.next_u64();
        for key in missing.filter(|key| !self.impossible.contains(key)) {
            let retry = self.failed.entry(key).or_insert_with(|| Retry {
                backoff: Backoff::new(std::time::Duration::ZERO, now),
                by: Vec::new(),
            });
            retry.backoff.advance_by(now, random);
            retry.by.extend(from.filter(|from| !retry.by.contains(from) && retry.by.len() < MAX_AVOIDED));
        }
    }

    /// It has come.
    pub(super) fn remove(&mut self, key: &K) {
        self.failed.remove(key);
    }

    /// It has come, and is nothing that we can read.
    pub(super) fn give_up(&mut self, key: K) {
        self.failed.remove(&key);
        self.impossible.insert(key);
    }

    pub(super) fn is_impossible(&self, key: &K) -> bool {
        self.impossible.contains(key)
    }

    /// When to ask for one.
    pub(super) fn due(&self, key: &K, now: Instant) -> Instant {
        self.failed.get(key).map_or(now, |retry| retry.backoff.next())
    }

    /// The schedule of one, if it failed.
    pub(super) fn backoff(&self, key: &K) -> Option<&Backoff> {
        self.failed.get(key).map(|retry| &retry.backoff)
    }

    /// The servers that failed to give any of these.
    pub(super) fn avoided(&self, keys: &[K]) -> Vec<RsaId> {
        let mut avoid: Vec<RsaId> =
            keys.iter().filter_map(|key| self.failed.get(key)).flat_map(|retry| &retry.by).copied().collect();
        avoid.sort_unstable();
        avoid.dedup();
        avoid
    }
}
