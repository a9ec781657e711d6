//! The consensus: verify, install, replace in time.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rand_core::CryptoRng;
use tor_id::RsaId;
use tor_netdoc::{Consensus, Flavor, Lifetime, MdDigest, UnverifiedConsensus, VerifyError, diff};

use super::{Bootstrap, DirError, DirState, Moment, Output, Waiting};
use crate::{
    ConsensusRequest, DirFile, DirRequest, DirStore, Source, backoff::Backoff,
    schedule::next_consensus_fetch, view::REASONABLY_LIVE,
};

/// How long after its end a consensus from the store is still worth having, as the base of a diff.
pub(super) const OLDEST_FROM_STORE: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How long to wait for certificates before another consensus is asked for.
const WAIT_FOR_CERTS: Duration = Duration::from_secs(20 * 60);
/// How many answers without the missing certificates before the consensus that needs them is given up. A server could
/// make up signing keys that nobody has a certificate for.
const MAX_CERT_TRIES: u8 = 3;
/// A consensus that begins this much after our clock's time says that the clock is behind.
const TOLERATED_SKEW: Duration = Duration::from_secs(60);

impl DirState {
    pub(super) fn load_consensus(&mut self, at: Moment, store: &mut impl DirStore, rng: &mut impl CryptoRng) {
        let text = match store.load(DirFile::Consensus) {
            Ok(content) => content.and_then(|content| String::from_utf8(content).ok()),
            Err(error) => return self.save(DirFile::Consensus, Err(error)),
        };
        let parsed = text.and_then(|text| UnverifiedConsensus::parse(text, self.config.network).ok());
        let fit = |consensus: &UnverifiedConsensus| {
            consensus.flavor() == Flavor::Microdesc
                && consensus.lifetime().valid_until + OLDEST_FROM_STORE >= at.wall
        };
        if let Some(consensus) = parsed.filter(fit) {
            // One that does not verify is as good as none.
            let _ = self.verify(at, consensus, None, store, rng);
        }
    }

    /// Takes a consensus, or a diff to one, from a server.
    pub(super) fn on_consensus(
        &mut self,
        at: Moment,
        text: String,
        from: RsaId,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) -> Result<(), DirError> {
        let text = if diff::looks_like_diff(&text) {
            let base = self.held.as_ref().ok_or(diff::DiffError::WrongBase)?;
            diff::apply(base.text(), &base.sha3_as_signed(), &text)?
        } else {
            text
        };
        let consensus = UnverifiedConsensus::parse(text, self.config.network)?;
        if consensus.flavor() != Flavor::Microdesc {
            return Err(DirError::WrongFlavor);
        }
        let lifetime = consensus.lifetime();
        // An old document never replaces a newer one, however well it is signed.
        if self.held.as_ref().is_some_and(|held| held.lifetime().valid_after >= lifetime.valid_after) {
            return Err(DirError::NotNewer);
        }
        check_time(&lifetime, at.wall)?;
        self.verify(at, consensus, Some(from), store, rng)
    }

    /// Installs a consensus if enough have signed it, or keeps it until the missing certificates come.
    pub(super) fn verify(
        &mut self,
        at: Moment,
        consensus: UnverifiedConsensus,
        from: Option<RsaId>,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) -> Result<(), DirError> {
        let candidate = Waiting { consensus, missing: Box::default(), since: at.now, from, tries: 0 };
        self.verify_waiting(at, candidate, store, rng)?;
        if self.waiting.is_some() {
            self.cert_retry.reset(at.now);
        }
        Ok(())
    }

    /// As [`Self::verify`], for one that may have been tried before.
    pub(super) fn verify_waiting(
        &mut self,
        at: Moment,
        candidate: Waiting,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) -> Result<(), DirError> {
        let Waiting { consensus, since, from, tries, .. } = candidate;
        match consensus.verify(&self.config.authorities, |id| self.certs.get(id), at.wall) {
            Ok(consensus) => {
                self.install(at, consensus, from.is_none(), store, rng);
                Ok(())
            }
            Err((consensus, VerifyError::NeedCerts { missing, .. })) => {
                self.waiting = Some(Waiting { consensus, missing, since, from, tries });
                self.bootstrap = None;
                self.cancel_consensus_fetches();
                Ok(())
            }
            Err((_, error)) => Err(error.into()),
        }
    }

    /// An answer has not brought the certificates that the waiting consensus needs.
    pub(super) fn still_waiting(&mut self) {
        self.waiting = self.waiting.take().and_then(|waiting| {
            let tries = waiting.tries + 1;
            (tries < MAX_CERT_TRIES).then_some(Waiting { tries, ..waiting })
        });
    }

    fn install(
        &mut self,
        at: Moment,
        consensus: Consensus,
        from_store: bool,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) {
        let lifetime = consensus.lifetime();
        if !from_store {
            let saved = store.replace(DirFile::Consensus, consensus.text().as_bytes());
            self.save(DirFile::Consensus, saved);
        }
        self.refetch_at = Some(next_consensus_fetch(&lifetime, at.wall, rng));
        if (lifetime.valid_after..=lifetime.valid_until).contains(&at.wall) {
            self.consensus_retry.reset(at.now);
        } else if !from_store {
            // It will do for now, but the server is behind, or our clock is off.
            self.consensus_retry.advance(at.now, rng);
        }
        if let Ok(behind) = lifetime.valid_after.duration_since(at.wall)
            && behind > TOLERATED_SKEW
        {
            self.outputs.push_back(Output::ClockBehind(behind));
        }
        self.waiting = None;
        self.cancel_consensus_fetches();
        let listed: HashSet<MdDigest> =
            consensus.relays().iter().filter_map(|relay| relay.microdesc()).collect();
        self.microdescs.retain(&listed);
        let old = self.held.replace(Arc::new(consensus));
        self.check_protocols(at.wall);
        self.load_microdescs(&listed, store);
        self.cancel_stale_microdesc_fetches(&listed);
        self.outputs.push_back(Output::ConsensusArrived { old, from_store });
        self.make_view();
    }

    /// A client that lacks a required protocol must not use the network.
    fn check_protocols(&mut self, wall: SystemTime) {
        let Some(held) = self.held.as_ref().filter(|held| check_time(&held.lifetime(), wall).is_ok()) else {
            return;
        };
        let lists = held.protocols();
        let missing = lists.required_client.missing_from(&self.config.supported);
        if !missing.is_empty() {
            self.obsolete = Some(missing.clone());
            self.outputs.push_back(Output::Obsolete(missing));
            return;
        }
        self.obsolete = None;
        let missing = lists.recommended_client.missing_from(&self.config.supported);
        if !missing.is_empty() {
            self.outputs.push_back(Output::Outdated(missing));
        }
    }

    /// True while there is neither a consensus that is fit for use nor one that waits for certificates.
    fn is_bootstrapping(&self, at: Moment) -> bool {
        let fit = self.held.as_ref().is_some_and(|held| check_time(&held.lifetime(), at.wall).is_ok());
        !fit && !self.is_waiting(at)
    }

    fn is_waiting(&self, at: Moment) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| {
            at.now < waiting.since + WAIT_FOR_CERTS
                && at.wall < waiting.consensus.lifetime().valid_until + REASONABLY_LIVE
        })
    }

    /// When to ask for a consensus, outside of bootstrap.
    fn consensus_due(&self, at: Moment) -> Option<SystemTime> {
        if self.is_waiting(at) {
            return None;
        }
        let lifetime = self.held.as_ref().map(|held| held.lifetime());
        let is_live =
            lifetime.is_some_and(|lifetime| (lifetime.valid_after..=lifetime.valid_until).contains(&at.wall));
        if is_live { self.refetch_at } else { Some(at.wall) }
    }

    pub(super) fn plan_consensus(&mut self, at: Moment, rng: &mut impl CryptoRng) {
        if self.is_bootstrapping(at) {
            return self.plan_bootstrap(at, rng);
        }
        self.bootstrap = None;
        let due = self.consensus_due(at).is_some_and(|due| due <= at.wall);
        if due && self.consensus_retry.is_due(at.now) && self.consensus_fetches() == 0 {
            self.fetch_consensus(at, Source::Cache);
        }
    }

    /// Asks several servers at once, more and more of them as time goes by, until one begins to answer.
    fn plan_bootstrap(&mut self, at: Moment, rng: &mut impl CryptoRng) {
        let (has_fallbacks, delay) = (self.config.has_fallbacks, self.config.authority_delay);
        let bootstrap = self.bootstrap.get_or_insert_with(|| Bootstrap {
            fallbacks: Backoff::new(Duration::ZERO, at.now),
            authorities: Backoff::new(if has_fallbacks { delay } else { Duration::ZERO }, at.now),
        });
        let mut due = vec![(bootstrap.authorities.next(), Source::Authority)];
        if has_fallbacks {
            due.push((bootstrap.fallbacks.next(), Source::Fallback));
        }
        // Who has waited longest comes first, so that neither starves the other.
        due.retain(|(next, _)| *next <= at.now);
        due.sort_by_key(|(next, _)| *next);
        for (_, source) in due {
            if !self.may_bootstrap_more() {
                return;
            }
            self.fetch_consensus(at, source);
            match (source, &mut self.bootstrap) {
                (Source::Fallback, Some(bootstrap)) => bootstrap.fallbacks.advance(at.now, rng),
                (Source::Authority | Source::Cache, Some(bootstrap)) => {
                    bootstrap.authorities.advance(at.now, rng)
                }
                (_, None) => {}
            }
        }
    }

    fn may_bootstrap_more(&self) -> bool {
        let is_answering = |pending: &super::Pending| pending.answering && is_for_client(&pending.request);
        self.consensus_fetches() < self.config.max_bootstrap_fetches
            && !self.fetches.values().any(is_answering)
    }

    fn fetch_consensus(&mut self, at: Moment, source: Source) {
        let request =
            ConsensusRequest::new(Flavor::Microdesc, &self.config.authorities, self.held.as_deref(), at.wall);
        let fetch = self.fetch(DirRequest::Consensus(request), source, None, Vec::new());
        self.outputs.push_back(Output::Fetch(fetch));
    }

    fn consensus_fetches(&self) -> usize {
        self.fetches.values().filter(|pending| is_for_client(&pending.request)).count()
    }

    fn cancel_consensus_fetches(&mut self) {
        self.cancel(is_for_client);
    }

    /// When [`Self::plan_consensus`] has something to do next.
    pub(super) fn consensus_deadline(&self, at: Moment) -> Option<std::time::Instant> {
        if self.is_bootstrapping(at) {
            let Some(bootstrap) = &self.bootstrap else { return Some(at.now) };
            if !self.may_bootstrap_more() {
                return None;
            }
            let fallbacks = self.config.has_fallbacks.then(|| bootstrap.fallbacks.next());
            return fallbacks.into_iter().chain([bootstrap.authorities.next()]).min();
        }
        if self.consensus_fetches() > 0 {
            return None;
        }
        match self.consensus_due(at) {
            Some(due) => Some(at.until(due).max(self.consensus_retry.next())),
            None => self.waiting.as_ref().map(|waiting| waiting.since + WAIT_FOR_CERTS),
        }
    }
}

/// A request for the flavour that a client uses.
pub(super) fn is_for_client(request: &DirRequest) -> bool {
    matches!(request, DirRequest::Consensus(request) if request.flavor == Flavor::Microdesc)
}

/// Refuses a consensus that is more than a day from its lifetime.
pub(super) fn check_time(lifetime: &Lifetime, wall: SystemTime) -> Result<(), DirError> {
    let beyond = |later: SystemTime, earlier: SystemTime| {
        later.duration_since(earlier).ok().filter(|by| *by > REASONABLY_LIVE)
    };
    match (beyond(lifetime.valid_after, wall), beyond(wall, lifetime.valid_until)) {
        (Some(by), _) => Err(DirError::FromTheFuture { by }),
        (None, Some(by)) => Err(DirError::Expired { by }),
        (None, None) => Ok(()),
    }
}
