//! Microdescriptors: which are missing, in what portions to ask for them, and the cache.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use rand_core::CryptoRng;
use tor_id::RsaId;
use tor_netdoc::{
    MdDigest, Microdesc,
    microdesc::{self, Interner, Origin, Piece},
};

use super::{DirError, DirState, Microdescs, Moment, Output, retries::Retries};
use crate::{DirFile, DirRequest, DirStore, NetworkView, Source, dates};

/// Most digests in one request through a circuit.
pub(super) const MAX_PER_REQUEST: usize = 500;
/// Fewest, so that requests are not split for nothing.
const MIN_PER_REQUEST: usize = 32;
/// Into how many requests to split, so that no single server decides what we learn.
const MIN_REQUESTS: usize = 3;
/// Fewer missing ones than this can wait, once there is enough.
pub(super) const FEW: usize = 16;
/// Most requests at a time.
pub(super) const MAX_FETCHES: usize = 24;
/// How long a microdescriptor that is no longer listed stays in the cache.
const KEEP_UNLISTED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The journal is not folded into the cache below this length.
pub(super) const MIN_JOURNAL: usize = 16_384;

impl Microdescs {
    pub(super) fn new() -> Self {
        Self {
            known: HashMap::new(),
            interner: Interner::default(),
            retries: Retries::new(),
            last_asked: None,
            store_unread: true,
            cache_length: 0,
            journal_length: 0,
        }
    }

    /// Forgets what a new consensus does not list.
    pub(super) fn retain(&mut self, listed: &HashSet<MdDigest>) {
        self.known.retain(|digest, _| listed.contains(digest));
        self.retries.renew(|digest| listed.contains(digest));
        self.interner.prune();
    }

    /// These were asked for and did not come.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        digests: &[MdDigest],
        from: Option<RsaId>,
        rng: &mut impl CryptoRng,
    ) {
        let missing = digests.iter().filter(|digest| !self.known.contains_key(digest));
        self.retries.add(now, missing.copied(), from, rng);
    }

    /// Takes a microdescriptor, if it is one of those that are wanted. One that can't be read, though it is what the consensus
    /// names, is remembered as such, or it would be asked for without end.
    fn take(&mut self, piece: Piece, text: &str, wanted: &HashSet<MdDigest>) -> Taken {
        let digest = piece.digest;
        let settled = self.known.contains_key(&digest) || self.retries.is_impossible(&digest);
        if settled || !wanted.contains(&digest) {
            return Taken::NotWanted;
        }
        let body = text.get(piece.span).unwrap_or_default();
        // Annotations that a server has put before it are not its fault.
        match piece.microdesc.or_else(|_| Microdesc::parse(body, &mut self.interner)) {
            Ok(microdesc) => {
                self.known.insert(digest, Arc::new(microdesc));
                self.retries.remove(&digest);
                Taken::Good
            }
            Err(_) => {
                self.retries.give_up(digest);
                Taken::Unreadable
            }
        }
    }
}

/// What came of a microdescriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Good,
    /// It is what was wanted, and nothing that we can read.
    Unreadable,
    NotWanted,
}

impl DirState {
    /// Looks through the store for microdescriptors that are listed: once, for the first consensus.
    pub(super) fn load_microdescs(&mut self, listed: &HashSet<MdDigest>, store: &impl DirStore) {
        if !std::mem::take(&mut self.microdescs.store_unread) {
            return;
        }
        for file in [DirFile::Microdescs, DirFile::MicrodescJournal] {
            let text = match store.load(file) {
                // Damage spoils only the entries that it hits.
                Ok(content) => lossy(content.unwrap_or_default()),
                Err(error) => {
                    self.save(file, Err(error));
                    continue;
                }
            };
            let length = if file == DirFile::Microdescs {
                &mut self.microdescs.cache_length
            } else {
                &mut self.microdescs.journal_length
            };
            *length = text.len();
            let mut interner = std::mem::take(&mut self.microdescs.interner);
            for piece in microdesc::split(&text, Origin::Cache, &mut interner) {
                self.microdescs.take(piece, &text, listed);
            }
            self.microdescs.interner = interner;
        }
    }

    /// Takes those of the answer that were asked for. What is malformed, or something else, was not given: its digest
    /// does not match, so it is asked of another server.
    pub(super) fn on_microdescs(
        &mut self,
        at: Moment,
        text: &str,
        digests: &[MdDigest],
        from: RsaId,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) -> Result<(), DirError> {
        let wanted: HashSet<MdDigest> = digests.iter().copied().collect();
        let mut interner = std::mem::take(&mut self.microdescs.interner);
        let annotation = format!("@last-listed {}\n", dates::iso(at.wall));
        let (mut journal, mut useful) = (String::new(), false);
        // An answer may be a hundred megabytes of what nobody asked for: that is not read to its end.
        for piece in microdesc::split(text, Origin::Network, &mut interner).take(MAX_PER_REQUEST) {
            let body = text.get(piece.span.clone()).unwrap_or_default();
            let taken = self.microdescs.take(piece, text, &wanted);
            useful |= taken != Taken::NotWanted;
            if taken == Taken::Good {
                journal.push_str(&annotation);
                journal.push_str(body);
                if !journal.ends_with('\n') {
                    journal.push('\n');
                }
            }
        }
        // Families and policies of those that were not taken.
        interner.prune();
        self.microdescs.interner = interner;
        if !useful {
            return Err(DirError::NothingRequested);
        }
        self.microdescs.failed(at.now, digests, Some(from), rng);
        if journal.is_empty() {
            return Ok(());
        }
        self.microdescs.journal_length += journal.len();
        let saved = store.append(DirFile::MicrodescJournal, journal.as_bytes());
        self.save(DirFile::MicrodescJournal, saved);
        self.make_view();
        self.fold_journal(at.wall, store);
        Ok(())
    }

    pub(super) fn make_view(&mut self) {
        let Some(held) = &self.held else { return };
        let known = &self.microdescs.known;
        let view = Arc::new(NetworkView::new(Arc::clone(held), |digest| known.get(digest).cloned()));
        self.view = Some(Arc::clone(&view));
        if self.obsolete.is_none() {
            self.outputs.push_back(Output::View(view));
        }
    }

    pub(super) fn cancel_stale_microdesc_fetches(&mut self, listed: &HashSet<MdDigest>) {
        self.cancel(|request| match request {
            DirRequest::Microdescs(digests) => !digests.iter().any(|digest| listed.contains(digest)),
            DirRequest::Consensus(_) | DirRequest::Certs { .. } | DirRequest::Routers(_) => false,
        });
    }

    pub(super) fn plan_microdescs(&mut self, at: Moment) {
        let mut missing = self.missing(at);
        missing.retain(|digest| self.microdescs.retries.due(digest, at.now) <= at.now);
        if missing.is_empty() || self.microdesc_delay(at, missing.len()) > at.now {
            return;
        }
        // Sorted, so that a request does not tell in what order the consensus has them.
        missing.sort_unstable();
        let portion = portion(missing.len());
        let room = MAX_FETCHES.saturating_sub(self.microdesc_fetches());
        for digests in missing.chunks(portion).take(room) {
            let avoid = self.microdescs.retries.avoided(digests);
            let request = DirRequest::Microdescs(digests.to_vec());
            let fetch = self.fetch(request, Source::Cache, None, avoid);
            self.outputs.push_back(Output::Fetch(fetch));
            self.microdescs.last_asked = Some(at.now);
        }
    }

    /// When [`Self::plan_microdescs`] has something to do next.
    pub(super) fn microdesc_deadline(&self, at: Moment) -> Option<Instant> {
        if self.microdesc_fetches() >= MAX_FETCHES {
            return None;
        }
        let missing = self.missing(at);
        let due = missing.iter().map(|digest| self.microdescs.retries.due(digest, at.now)).min()?;
        Some(due.max(self.microdesc_delay(at, missing.len())))
    }

    /// Those that the consensus lists, that are not known and not asked for at the moment.
    fn missing(&self, at: Moment) -> Vec<MdDigest> {
        let Some(view) = self.view(at.wall) else { return Vec::new() };
        let asked: HashSet<&MdDigest> = self
            .fetches
            .values()
            .filter_map(|pending| match &pending.request {
                DirRequest::Microdescs(digests) => Some(digests),
                DirRequest::Consensus(_) | DirRequest::Certs { .. } | DirRequest::Routers(_) => None,
            })
            .flatten()
            .collect();
        let wanted =
            |digest: &MdDigest| !asked.contains(digest) && !self.microdescs.retries.is_impossible(digest);
        view.missing_microdescs().filter(wanted).collect()
    }

    /// A few can wait for company, if there is enough to build circuits.
    fn microdesc_delay(&self, at: Moment, count: usize) -> Instant {
        let enough = self.view(at.wall).is_some_and(|view| view.has_enough_info());
        match self.microdescs.last_asked {
            Some(last) if count < FEW && enough => last + self.config.few_microdescs_wait,
            Some(_) | None => at.now,
        }
    }

    fn microdesc_fetches(&self) -> usize {
        self.fetches.values().filter(|pending| matches!(pending.request, DirRequest::Microdescs(_))).count()
    }

    /// Once the journal is half as long as the cache, both become one file, without what is long gone.
    pub(super) fn fold_journal(&mut self, wall: SystemTime, store: &mut impl DirStore) {
        let Microdescs { journal_length, cache_length, .. } = self.microdescs;
        if journal_length < MIN_JOURNAL || journal_length < cache_length / 2 || self.microdesc_fetches() > 0 {
            return;
        }
        let mut folded = String::new();
        let mut seen = HashSet::new();
        for file in [DirFile::MicrodescJournal, DirFile::Microdescs] {
            let text = match store.load(file) {
                Ok(content) => lossy(content.unwrap_or_default()),
                Err(error) => return self.save(file, Err(error)),
            };
            for piece in microdesc::split(&text, Origin::Cache, &mut Interner::default()) {
                let listed = self.microdescs.known.contains_key(&piece.digest).then_some(wall);
                let last = listed.or(piece.last_listed).filter(|last| *last + KEEP_UNLISTED >= wall);
                if let (Some(last), Some(body), true) =
                    (last, text.get(piece.span), seen.insert(piece.digest))
                {
                    folded.push_str(&format!("@last-listed {}\n{body}", dates::iso(last)));
                }
            }
        }
        let saved = store.replace(DirFile::Microdescs, folded.as_bytes());
        if saved.is_ok() {
            (self.microdescs.cache_length, self.microdescs.journal_length) = (folded.len(), 0);
            let emptied = store.replace(DirFile::MicrodescJournal, b"");
            self.save(DirFile::MicrodescJournal, emptied);
        }
        self.save(DirFile::Microdescs, saved);
    }
}

/// How many to ask of one server.
pub(super) fn portion(missing: usize) -> usize {
    missing.div_ceil(MIN_REQUESTS).clamp(MIN_PER_REQUEST, MAX_PER_REQUEST)
}

/// A file as text; what is not UTF-8 becomes something whose digest fits nothing.
pub(crate) fn lossy(content: Vec<u8>) -> String {
    String::from_utf8(content).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::private;

    fn take_all(known: &mut Microdescs, text: &str, wanted: &[MdDigest]) -> Vec<Taken> {
        let wanted = wanted.iter().copied().collect();
        let pieces: Vec<_> = microdesc::split(text, Origin::Network, &mut Interner::default()).collect();
        pieces.into_iter().map(|piece| known.take(piece, text, &wanted)).collect()
    }

    /// The authorities may list what we can't read. It was asked for again and again, of one server after the other.
    #[test]
    fn what_cannot_be_read_is_not_asked_for_again() {
        let mut known = Microdescs::new();
        let text = "onion-key\nntor-onion-key nonsense\n";
        let digest = MdDigest::of(text);
        assert_eq!(take_all(&mut known, text, &[]), [Taken::NotWanted]);
        assert_eq!(take_all(&mut known, text, &[digest]), [Taken::Unreadable]);
        assert!(known.retries.is_impossible(&digest));
        assert_eq!(take_all(&mut known, text, &[digest]), [Taken::NotWanted]);
        known.retain(&HashSet::from([digest]));
        assert!(known.retries.is_impossible(&digest), "as long as it is listed");
        known.retain(&HashSet::new());
        assert!(!known.retries.is_impossible(&digest));
    }

    /// A server that puts annotations before a good one must not make us give it up.
    #[test]
    fn annotations_of_a_server_spoil_nothing() {
        let all = String::from_utf8(private("microdescs.txt")).unwrap();
        let first = microdesc::split(&all, Origin::Network, &mut Interner::default()).next().unwrap();
        let text = format!("@last-listed 2020-01-01 00:00:00\n@x\n{}", &all[first.span.clone()]);
        let mut known = Microdescs::new();
        assert_eq!(take_all(&mut known, &text, &[first.digest]), [Taken::Good]);
    }
}
