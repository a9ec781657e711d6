//! Documents that a client has no use for and tools want: the consensus of the `ns` flavour and router descriptors.
//! (C Tor: `FetchUselessDescriptors`.)
//!
//! They are fetched by the rules of the useful ones, and after them: no consensus of this flavour is asked for before there is a
//! view of the network, so that none of this holds up the start. A descriptor counts if this consensus names its digest
//! for its relay, and its signatures are good. Of each relay the newest one that came is kept, with its text.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use rand_core::CryptoRng;
use tor_id::RsaId;
use tor_netdoc::{Consensus, DescriptorDigest, Flavor, RouterDesc, UnverifiedConsensus, diff, router};

use super::{
    DirError, DirState, Moment, Output,
    consensus::{OLDEST_FROM_STORE, check_time},
    microdescs::{FEW, MAX_FETCHES, MAX_PER_REQUEST, MIN_JOURNAL, lossy, portion},
    retries::Retries,
};
use crate::{
    ConsensusRequest, DirFile, DirRequest, DirStore, Source, backoff::Backoff, dates,
    schedule::next_consensus_fetch,
};

/// How long a descriptor whose relay is no longer listed is kept after it was made.
const KEEP_UNLISTED: Duration = Duration::from_secs(48 * 60 * 60);
/// Most descriptors that are kept, listed or not.
const MAX_ROUTERS: usize = 100_000;

/// A router descriptor, and what we know of how it came.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) desc: RouterDesc,
    /// Lines that begin with `@`.
    pub(crate) annotations: Box<str>,
}

impl Router {
    /// Its bandwidth by its own account, in the unit of consensuses.
    pub(crate) fn kilobytes(&self) -> u32 {
        self.desc.believable_bandwidth() / 1000
    }
}

#[derive(Debug)]
pub(super) struct Useless {
    consensus: Option<Arc<Consensus>>,
    refetch_at: Option<SystemTime>,
    retry: Backoff,
    store_unread: bool,
    routers: BTreeMap<RsaId, Router>,
    retries: Retries<[u8; 20]>,
    last_asked: Option<Instant>,
    cache_length: usize,
    journal_length: usize,
}

impl Useless {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            consensus: None,
            refetch_at: None,
            retry: Backoff::new(Duration::ZERO, now),
            store_unread: true,
            routers: BTreeMap::new(),
            retries: Retries::new(),
            last_asked: None,
            cache_length: 0,
            journal_length: 0,
        }
    }

    pub(super) fn failed_consensus(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        self.retry.advance(now, rng);
    }

    /// These were asked for and did not all come.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        digests: &[[u8; 20]],
        from: Option<RsaId>,
        rng: &mut impl CryptoRng,
    ) {
        let known: HashSet<[u8; 20]> = self.routers.values().map(|router| router.desc.digest).collect();
        let missing = digests.iter().filter(|digest| !known.contains(*digest)).copied();
        self.retries.add(now, missing, from, rng);
    }

    /// Which relay the consensus gives each digest to.
    fn listed(&self) -> HashMap<[u8; 20], RsaId> {
        let relays = self.consensus.iter().flat_map(|consensus| consensus.relays());
        relays
            .filter_map(|relay| match relay.descriptor {
                DescriptorDigest::Router(digest) => Some((digest, relay.rsa)),
                DescriptorDigest::Microdesc(_) | DescriptorDigest::Absent | _ => None,
            })
            .collect()
    }

    /// Takes a descriptor if the consensus names it, or it is its relay's newest.
    fn take(&mut self, desc: RouterDesc, annotations: &str, is_listed: bool) -> bool {
        let known = self.routers.get(&desc.rsa);
        let is_newest = known.is_none_or(|known| known.desc.published < desc.published);
        if !is_listed && !is_newest || known.is_none() && self.routers.len() >= MAX_ROUTERS {
            return false;
        }
        self.retries.remove(&desc.digest);
        self.routers.insert(desc.rsa, Router { desc, annotations: annotations.into() });
        true
    }

    /// Forgets what is neither listed nor young.
    fn forget(&mut self, wall: SystemTime) {
        let Some(consensus) = &self.consensus else { return };
        self.routers.retain(|rsa, router| {
            consensus.relay(rsa).is_some() || router.desc.published + KEEP_UNLISTED >= wall
        });
    }
}

impl DirState {
    /// The consensus of the `ns` flavour that was verified last.
    pub const fn ns_consensus(&self) -> Option<&Arc<Consensus>> {
        self.useless.consensus.as_ref()
    }

    /// The router descriptors at hand, by their relays' identity.
    pub(crate) const fn routers(&self) -> &BTreeMap<RsaId, Router> {
        &self.useless.routers
    }

    pub(crate) const fn ns_backoff(&self) -> &Backoff {
        &self.useless.retry
    }

    /// The digests of the descriptors that the consensus lists.
    pub(crate) fn router_digests(&self) -> HashMap<[u8; 20], RsaId> {
        self.useless.listed()
    }

    pub(crate) fn router_backoff(&self, digest: &[u8; 20]) -> Option<&Backoff> {
        self.useless.retries.backoff(digest)
    }

    /// Takes what the store has, once.
    pub(super) fn load_useless(&mut self, at: Moment, store: &mut impl DirStore, rng: &mut impl CryptoRng) {
        if !std::mem::take(&mut self.useless.store_unread) {
            return;
        }
        match store.load(DirFile::NsConsensus) {
            Ok(content) => {
                let text = content.and_then(|content| String::from_utf8(content).ok());
                let parsed = text.and_then(|text| UnverifiedConsensus::parse(text, self.config.network).ok());
                if let Some(consensus) = parsed
                    && consensus.flavor() == Flavor::Ns
                    && consensus.lifetime().valid_until + OLDEST_FROM_STORE >= at.wall
                {
                    // One that does not verify is as good as none.
                    let _ = self.verify_ns(at, consensus, rng);
                }
            }
            Err(error) => self.save(DirFile::NsConsensus, Err(error)),
        }
        let listed = self.useless.listed();
        let mut came = Vec::new();
        for file in [DirFile::Routers, DirFile::RouterJournal] {
            let text = match store.load(file) {
                Ok(content) => lossy(content.unwrap_or_default()),
                Err(error) => {
                    self.save(file, Err(error));
                    continue;
                }
            };
            let length = if file == DirFile::Routers {
                &mut self.useless.cache_length
            } else {
                &mut self.useless.journal_length
            };
            *length = text.len();
            for piece in router::split(&text) {
                let part = |range| text.get(range).unwrap_or_default();
                let Ok(desc) = RouterDesc::parse(part(piece.body), at.wall) else { continue };
                let name = (desc.rsa, desc.nickname);
                let is_listed = listed.contains_key(&desc.digest);
                if self.useless.take(desc, part(piece.annotations), is_listed) {
                    came.push(name);
                }
            }
        }
        self.useless.forget(at.wall);
        if !came.is_empty() {
            self.outputs.push_back(Output::RoutersArrived(came));
        }
    }

    /// Takes a consensus of the `ns` flavour, or a diff to one, from a server.
    pub(super) fn on_ns_consensus(
        &mut self,
        at: Moment,
        text: String,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) -> Result<(), DirError> {
        let held = self.useless.consensus.as_ref();
        let text = if diff::looks_like_diff(&text) {
            let base = held.ok_or(diff::DiffError::WrongBase)?;
            diff::apply(base.text(), &base.sha3_as_signed(), &text)?
        } else {
            text
        };
        let consensus = UnverifiedConsensus::parse(text, self.config.network)?;
        if consensus.flavor() != Flavor::Ns {
            return Err(DirError::WrongFlavor);
        }
        let lifetime = consensus.lifetime();
        if held.is_some_and(|held| held.lifetime().valid_after >= lifetime.valid_after) {
            return Err(DirError::NotNewer);
        }
        check_time(&lifetime, at.wall)?;
        let held = self.verify_ns(at, consensus, rng)?;
        let saved = store.replace(DirFile::NsConsensus, held.text().as_bytes());
        self.save(DirFile::NsConsensus, saved);
        Ok(())
    }

    /// Holds a consensus if it is signed well. If certificates are missing it is asked for again: those that the useful
    /// flavour needs are the same.
    fn verify_ns(
        &mut self,
        at: Moment,
        consensus: UnverifiedConsensus,
        rng: &mut impl CryptoRng,
    ) -> Result<Arc<Consensus>, DirError> {
        let verified = consensus.verify(&self.config.authorities, |id| self.certs.get(id), at.wall);
        let consensus = Arc::new(verified.map_err(|(_, error)| error)?);
        let lifetime = consensus.lifetime();
        self.useless.refetch_at = Some(next_consensus_fetch(&lifetime, at.wall, rng));
        if (lifetime.valid_after..=lifetime.valid_until).contains(&at.wall) {
            self.useless.retry.reset(at.now);
        } else {
            self.useless.retry.advance(at.now, rng);
        }
        self.useless.consensus = Some(Arc::clone(&consensus));
        let listed = self.useless.listed();
        self.useless.retries.renew(|digest| listed.contains_key(digest));
        self.useless.forget(at.wall);
        self.outputs.push_back(Output::NsConsensusArrived);
        Ok(consensus)
    }

    /// Takes those of the answer that were asked for.
    pub(super) fn on_routers(
        &mut self,
        at: Moment,
        text: &str,
        digests: &[[u8; 20]],
        from: RsaId,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) -> Result<(), DirError> {
        let listed = self.useless.listed();
        let wanted: HashSet<&[u8; 20]> = digests.iter().collect();
        let source = self.held.as_ref().and_then(|held| held.relay(&from)).map(|relay| relay.ipv4);
        let mut annotations = format!("@downloaded-at {}\n", dates::iso(at.wall));
        if let Some(source) = source {
            annotations.push_str(&format!("@source \"{source}\"\n"));
        }
        let (mut came, mut journal, mut useful) = (Vec::new(), String::new(), false);
        for piece in router::split(text).take(MAX_PER_REQUEST) {
            let Some(digest) = piece.digest.filter(|digest| wanted.contains(digest)) else { continue };
            let body = text.get(piece.body).unwrap_or_default();
            match RouterDesc::parse(body, at.wall) {
                Ok(desc) if listed.get(&digest) == Some(&desc.rsa) => {
                    let name = (desc.rsa, desc.nickname);
                    if self.useless.take(desc, &annotations, true) {
                        useful = true;
                        came.push(name);
                        journal.extend([annotations.as_str(), body]);
                    }
                }
                // The digest is of the signed part, without what follows: another server may have it whole.
                Ok(_) | Err(_) => {}
            }
        }
        if !useful {
            return Err(DirError::NothingRequested);
        }
        self.useless.failed(at.now, digests, Some(from), rng);
        self.useless.journal_length += journal.len();
        let saved = store.append(DirFile::RouterJournal, journal.as_bytes());
        self.save(DirFile::RouterJournal, saved);
        self.outputs.push_back(Output::RoutersArrived(came));
        self.fold_routers(store);
        Ok(())
    }

    pub(super) fn cancel_useless(&mut self) {
        self.cancel(is_useless);
    }

    pub(super) fn plan_useless(&mut self, at: Moment) {
        if !self.wants_useless(at) {
            return;
        }
        if self.ns_due(at).is_some_and(|due| due <= at.now) {
            let held = self.useless.consensus.as_deref();
            let request = ConsensusRequest::new(Flavor::Ns, &self.config.authorities, held, at.wall);
            let fetch = self.fetch(DirRequest::Consensus(request), Source::Cache, None, Vec::new());
            self.outputs.push_back(Output::Fetch(fetch));
        }
        let mut missing = self.missing_routers();
        missing.retain(|digest| self.useless.retries.due(digest, at.now) <= at.now);
        if missing.is_empty() || self.router_delay(at, missing.len()) > at.now {
            return;
        }
        missing.sort_unstable();
        let room = MAX_FETCHES.saturating_sub(self.router_fetches());
        for digests in missing.chunks(portion(missing.len())).take(room) {
            let avoid = self.useless.retries.avoided(digests);
            let fetch = self.fetch(DirRequest::Routers(digests.to_vec()), Source::Cache, None, avoid);
            self.outputs.push_back(Output::Fetch(fetch));
            self.useless.last_asked = Some(at.now);
        }
    }

    /// When [`Self::plan_useless`] has something to do next.
    pub(super) fn useless_deadline(&self, at: Moment) -> Option<Instant> {
        if !self.wants_useless(at) {
            return None;
        }
        let routers = || {
            let missing = self.missing_routers();
            let due = missing.iter().map(|digest| self.useless.retries.due(digest, at.now)).min()?;
            Some(due.max(self.router_delay(at, missing.len())))
        };
        let routers = if self.router_fetches() < MAX_FETCHES { routers() } else { None };
        self.ns_due(at).into_iter().chain(routers).min()
    }

    fn wants_useless(&self, at: Moment) -> bool {
        self.wanted.useless && self.view(at.wall).is_some()
    }

    /// When to ask for a consensus; never while one is asked for.
    fn ns_due(&self, at: Moment) -> Option<Instant> {
        let is_asked = |request: &DirRequest| matches!(request, DirRequest::Consensus(request) if request.flavor == Flavor::Ns);
        if self.fetches.values().any(|pending| is_asked(&pending.request)) {
            return None;
        }
        let lifetime = self.useless.consensus.as_ref().map(|held| held.lifetime());
        let is_live =
            lifetime.is_some_and(|lifetime| (lifetime.valid_after..=lifetime.valid_until).contains(&at.wall));
        let due = if is_live { self.useless.refetch_at? } else { at.wall };
        Some(at.until(due).max(self.useless.retry.next()))
    }

    /// Those that the consensus lists, that are not at hand and not asked for at the moment.
    fn missing_routers(&self) -> Vec<[u8; 20]> {
        let asked: HashSet<&[u8; 20]> = self
            .fetches
            .values()
            .filter_map(|pending| match &pending.request {
                DirRequest::Routers(digests) => Some(digests),
                DirRequest::Consensus(_) | DirRequest::Certs { .. } | DirRequest::Microdescs(_) => None,
            })
            .flatten()
            .collect();
        let at_hand = |digest: &[u8; 20], rsa: &RsaId| {
            self.useless.routers.get(rsa).is_some_and(|known| known.desc.digest == *digest)
        };
        self.useless
            .listed()
            .into_iter()
            .filter(|(digest, rsa)| !at_hand(digest, rsa) && !asked.contains(digest))
            .map(|(digest, _)| digest)
            .collect()
    }

    /// A few can wait for company.
    fn router_delay(&self, at: Moment, count: usize) -> Instant {
        match self.useless.last_asked {
            Some(last) if count < FEW => last + self.config.few_microdescs_wait,
            Some(_) | None => at.now,
        }
    }

    fn router_fetches(&self) -> usize {
        self.fetches.values().filter(|pending| matches!(pending.request, DirRequest::Routers(_))).count()
    }

    /// Once the journal is half as long as the cache, both become one file of what is at hand.
    fn fold_routers(&mut self, store: &mut impl DirStore) {
        let Useless { journal_length, cache_length, .. } = self.useless;
        if journal_length < MIN_JOURNAL || journal_length < cache_length / 2 || self.router_fetches() > 0 {
            return;
        }
        let mut folded = String::new();
        for router in self.useless.routers.values() {
            folded.extend([&*router.annotations, router.desc.text()]);
        }
        let saved = store.replace(DirFile::Routers, folded.as_bytes());
        if saved.is_ok() {
            (self.useless.cache_length, self.useless.journal_length) = (folded.len(), 0);
            let emptied = store.replace(DirFile::RouterJournal, b"");
            self.save(DirFile::RouterJournal, emptied);
        }
        self.save(DirFile::Routers, saved);
    }
}

/// A request for something that a client does not need.
fn is_useless(request: &DirRequest) -> bool {
    match request {
        DirRequest::Consensus(request) => request.flavor == Flavor::Ns,
        DirRequest::Routers(_) => true,
        DirRequest::Certs { .. } | DirRequest::Microdescs(_) => false,
    }
}

#[cfg(test)]
mod tests;
