//! Which documents we have, and which to fetch next. <https://spec.torproject.org/dir-spec/client-operation.html>
//!
//! ```text
//!            no consensus ──fetch──> waiting for certificates ──fetch──┐
//!                │  ↑                                                  │ enough good signatures
//!                │  └── a day past its end                             ▼
//!                └────────────────── verified ───────────────────> consensus held ──> microdescriptors ──> enough
//!                                                                      ↑  │ random time before its end
//!                                                                      └──┘
//! ```
//!
//! **One input, then drain, then wait**: after each [`DirState::handle`] take all of [`DirState::poll_output`], then
//! wait for an answer or for [`DirState::deadline`], which is an [`Input::Timer`].
//!
//! The rules that keep a hostile server from doing harm: a document that does not verify, or is older than the held
//! one, or outside its time, changes nothing; a microdescriptor counts only if its digest was asked for; what a
//! server did not give is asked of another.
//!
//! Left out: who the servers are. A [`Fetch`] says what kind of server to ask, and whom not to.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use rand_core::CryptoRng;
use tor_id::RsaId;
use tor_netdoc::{
    AuthCert, CertId, Consensus, Flavor, MdDigest, Microdesc, NetworkKind, Protocols, UnverifiedConsensus,
    microdesc::Interner,
};

use crate::{DirFile, DirRequest, DirStore, NetworkView, backoff::Backoff};

mod certs;
mod consensus;
mod fetches;
mod microdescs;
mod output;
mod readiness;
mod retries;
pub(crate) mod schedules;
mod useless;

pub use output::{DirError, Fetch, FetchId, Output, Source};
pub use readiness::Readiness;
pub(crate) use {microdescs::lossy, schedules::BootstrapSource, useless::Router};

/// What we implement of Tor's subprotocols, for the check of what the consensus requires of clients. Onion services
/// and circuit padding are not among it until they are built.
const SUPPORTED: &str = "Cons=1-2 Desc=1-4 DirCache=2 FlowCtrl=1 Link=4-5 Microdesc=1-3 Relay=2-4";

/// What the state must know of its network and its client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DirConfig {
    /// The authorities that we recognise, by v3 identity.
    pub authorities: Vec<RsaId>,
    /// How short-lived documents may be.
    pub network: NetworkKind,
    /// What this client implements.
    pub supported: Protocols,
    /// Whether there are fallbacks to ask before the authorities.
    pub has_fallbacks: bool,
    /// How long after the start authorities are asked for a consensus, if fallbacks are asked at once.
    pub authority_delay: Duration,
    /// Most consensus fetches at a time while there is none.
    pub max_bootstrap_fetches: usize,
    /// How long a few missing microdescriptors may wait for company once enough are at hand.
    pub few_microdescs_wait: Duration,
}

/// Documents that a client does not need, for tools that read them from its control port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the caller makes it")]
pub struct DirWanted {
    /// The `ns` flavour of the consensus, and router descriptors (`FetchUselessDescriptors`).
    pub useless: bool,
    /// Extra-info documents of those router descriptors (`DownloadExtraInfo`).
    pub extra_info: bool,
}

/// Now, on both clocks: retries go by `now`, which never jumps, documents by `wall`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the caller makes it")]
pub struct Moment {
    /// Monotonic time.
    pub now: Instant,
    /// Time of day.
    pub wall: SystemTime,
}

/// What may happen to the state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// Look whether anything is due: at the start, and when [`DirState::deadline`] comes.
    Timer,
    /// A server has begun to answer a fetch.
    Answering(FetchId),
    /// A server has answered.
    Answer {
        /// Which fetch.
        id: FetchId,
        /// Which server.
        from: RsaId,
        /// The HTTP status.
        status: u16,
        /// The decoded body.
        body: Vec<u8>,
    },
    /// What to fetch from now on.
    Orders {
        /// Whether anything may be fetched; if not, what is being fetched is given up.
        network: bool,
        /// What to fetch beyond what a client needs.
        wanted: DirWanted,
    },
    /// A fetch came to nothing.
    Failed {
        /// Which fetch.
        id: FetchId,
        /// Which server, if it was known and is to blame.
        from: Option<RsaId>,
    },
}

/// All documents, and the plan to get more.
#[derive(Debug)]
pub struct DirState {
    config: DirConfig,
    network: bool,
    wanted: DirWanted,
    outputs: VecDeque<Output>,
    fetches: BTreeMap<FetchId, Pending>,
    next_id: u64,
    certs: BTreeMap<CertId, AuthCert>,
    cert_retry: Backoff,
    held: Option<Arc<Consensus>>,
    waiting: Option<Waiting>,
    refetch_at: Option<SystemTime>,
    consensus_retry: Backoff,
    bootstrap: Option<Bootstrap>,
    obsolete: Option<Protocols>,
    microdescs: Microdescs,
    useless: useless::Useless,
    view: Option<Arc<NetworkView>>,
}

/// A fetch that was given out.
#[derive(Debug)]
struct Pending {
    request: DirRequest,
    answering: bool,
}

/// A consensus that can't be verified for want of certificates.
#[derive(Debug)]
struct Waiting {
    consensus: UnverifiedConsensus,
    missing: Box<[CertId]>,
    since: Instant,
    /// Who sent it, and so probably has the certificates; `None` if it is from the store.
    from: Option<RsaId>,
    /// How many answers have not brought them.
    tries: u8,
}

/// The schedules by which a client without a consensus asks for one.
#[derive(Debug)]
struct Bootstrap {
    fallbacks: Backoff,
    authorities: Backoff,
}

#[derive(Debug)]
struct Microdescs {
    known: HashMap<MdDigest, Arc<Microdesc>>,
    interner: Interner,
    /// Those that some server failed to give.
    retries: retries::Retries<MdDigest>,
    last_asked: Option<Instant>,
    /// Whether the store may have microdescriptors that were not looked at.
    store_unread: bool,
    cache_length: usize,
    journal_length: usize,
}

impl DirConfig {
    /// C Tor's numbers for a network whose consensuses these authorities sign.
    pub fn new(authorities: Vec<RsaId>, network: NetworkKind) -> Self {
        let (authority_delay, few_microdescs_wait) = match network {
            NetworkKind::Public => (Duration::from_secs(6), Duration::from_secs(600)),
            NetworkKind::Testing => (Duration::ZERO, Duration::from_secs(5)),
        };
        Self {
            authorities,
            network,
            supported: Protocols::parse(SUPPORTED).unwrap_or_default(),
            has_fallbacks: network == NetworkKind::Public,
            authority_delay,
            max_bootstrap_fetches: 3,
            few_microdescs_wait,
        }
    }
}

impl DirState {
    /// A state without documents.
    pub fn new(config: DirConfig, now: Instant) -> Self {
        Self {
            config,
            network: true,
            wanted: DirWanted::default(),
            outputs: VecDeque::new(),
            fetches: BTreeMap::new(),
            next_id: 0,
            certs: BTreeMap::new(),
            cert_retry: Backoff::new(Duration::ZERO, now),
            held: None,
            waiting: None,
            refetch_at: None,
            consensus_retry: Backoff::new(Duration::ZERO, now),
            bootstrap: None,
            obsolete: None,
            microdescs: Microdescs::new(),
            useless: useless::Useless::new(now),
            view: None,
        }
    }

    /// Takes what a store has. Documents that are malformed, expired or unsigned are passed over.
    pub fn load(&mut self, at: Moment, store: &mut impl DirStore, rng: &mut impl CryptoRng) {
        self.load_certs(at, store);
        self.load_consensus(at, store, rng);
    }

    /// Takes an input. Drain [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, at: Moment, input: Input, store: &mut impl DirStore, rng: &mut impl CryptoRng) {
        match input {
            Input::Timer => {}
            Input::Answering(id) => {
                if let Some(pending) = self.fetches.get_mut(&id) {
                    pending.answering = true;
                }
            }
            Input::Answer { id, from, status, body } => {
                self.on_answer(at, id, from, status, body, store, rng)
            }
            Input::Orders { network, wanted } => self.on_orders(at, network, wanted, store, rng),
            Input::Failed { id, from } => {
                if let Some(pending) = self.fetches.remove(&id) {
                    self.on_failure(at, pending.request, from, rng);
                }
            }
        }
        self.plan(at, rng);
    }

    /// The next thing for the driver to do, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The network, while the consensus is fit for use: until a day after its end.
    pub fn view(&self, wall: SystemTime) -> Option<&Arc<NetworkView>> {
        self.view.as_ref().filter(|view| self.obsolete.is_none() && view.is_reasonably_live(wall))
    }

    /// The consensus that was verified last, fit for use or not.
    pub const fn consensus(&self) -> Option<&Arc<Consensus>> {
        self.held.as_ref()
    }

    /// The network as the consensus that was verified last has it, fit for use or not.
    pub const fn latest_view(&self) -> Option<&Arc<NetworkView>> {
        self.view.as_ref()
    }

    /// What is fetched beyond what a client needs.
    pub const fn wanted(&self) -> DirWanted {
        self.wanted
    }

    /// The certificates at hand.
    pub fn certs(&self) -> impl Iterator<Item = &AuthCert> {
        self.certs.values()
    }

    /// The protocols that the network requires of clients and that we lack. If there are any, nothing more is fetched
    /// and there is no view.
    pub const fn missing_protocols(&self) -> Option<&Protocols> {
        self.obsolete.as_ref()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one input, with the three ports of every input"
    )]
    fn on_answer(
        &mut self,
        at: Moment,
        id: FetchId,
        from: RsaId,
        status: u16,
        body: Vec<u8>,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) {
        // An answer to a fetch that was cancelled comes too late.
        let Some(pending) = self.fetches.remove(&id) else { return };
        let result = match (status, String::from_utf8(body)) {
            (200, Ok(text)) => match &pending.request {
                DirRequest::Consensus(request) => match request.flavor {
                    Flavor::Microdesc => self.on_consensus(at, text, from, store, rng),
                    Flavor::Ns => self.on_ns_consensus(at, text, store, rng),
                },
                DirRequest::Routers(digests) => self.on_routers(at, &text, digests, from, store, rng),
                DirRequest::Certs { .. } => self.on_certs(at, &text, store, rng),
                DirRequest::Microdescs(digests) => self.on_microdescs(at, &text, digests, from, store, rng),
            },
            (200, Err(_)) => Err(DirError::NotText),
            (status, _) => Err(DirError::Status(status)),
        };
        if let Err(error) = result {
            self.outputs.push_back(Output::Refused { id, from, error });
            self.on_failure(at, pending.request, Some(from), rng);
        }
    }

    fn on_failure(&mut self, at: Moment, request: DirRequest, from: Option<RsaId>, rng: &mut impl CryptoRng) {
        match request {
            DirRequest::Consensus(request) if request.flavor == Flavor::Ns => {
                self.useless.failed_consensus(at.now, rng);
            }
            DirRequest::Routers(digests) => self.useless.failed(at.now, &digests, from, rng),
            // While there is no consensus, the next tries are planned already.
            DirRequest::Consensus(_) if self.bootstrap.is_some() => {}
            DirRequest::Consensus(_) => self.consensus_retry.advance(at.now, rng),
            DirRequest::Certs { .. } => {
                self.cert_retry.advance(at.now, rng);
                self.still_waiting();
            }
            DirRequest::Microdescs(digests) => self.microdescs.failed(at.now, &digests, from, rng),
        }
    }

    fn on_orders(
        &mut self,
        at: Moment,
        network: bool,
        wanted: DirWanted,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) {
        if !network {
            self.cancel(|_| true);
            // The schedule of a start begins again with the next one.
            self.bootstrap = None;
        }
        if wanted.useless {
            self.load_useless(at, store, rng);
        } else {
            self.cancel_useless();
        }
        (self.network, self.wanted) = (network, wanted);
    }

    fn save(&mut self, file: DirFile, result: std::io::Result<()>) {
        if let Err(error) = result {
            self.outputs.push_back(Output::StoreFailed { file, error: error.kind() });
        }
    }
}

#[cfg(test)]
mod tests;
