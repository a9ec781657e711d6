//! From signed documents to a live view of the network, and what to fetch next.
//!
//! [`DirState`] takes documents, from a [`DirStore`] and from directory servers, and says which to fetch when. What it
//! knows it gives out as a [`NetworkView`]: a verified consensus joined with the microdescriptors at hand, which never
//! changes. A new document makes a new view, and whoever holds the old one keeps it.
//!
//! ```text
//!                 ┌──────── DirState ────────┐
//!  DirStore ────> │ certs, consensus,        │ ──> Output::View(Arc<NetworkView>) ──> tor-path
//!  Input::Answer >│ microdescriptors, clocks │ ──> Output::Fetch(Fetch { DirRequest, Source, avoid })
//!                 └──────────────────────────┘                     │ driver: one-hop circuit, BEGIN_DIR
//!        ▲                                                         ▼
//!        └── Response <── ResponseReader (HTTP, decompression) <── DirRequest::to_http
//! ```
//!
//! Nothing here does I/O or reads a clock: time and random numbers are arguments, and the store is a trait.
//!
//! ```
//! use std::time::{Instant, SystemTime};
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use tor_dir::{DirConfig, DirServer, DirState, DirRequest, Input, MemoryStore, Moment, Output, Source};
//! use tor_netdoc::NetworkKind;
//!
//! let authorities = DirServer::default_authorities().iter().filter_map(DirServer::v3_ident).collect();
//! let (mut store, mut rng) = (MemoryStore::new(), ChaCha20Rng::from_seed([1; 32]));
//! # #[allow(clippy::disallowed_methods)]
//! let at = Moment { now: Instant::now(), wall: SystemTime::now() };
//! let mut state = DirState::new(DirConfig::new(authorities, NetworkKind::Public), at.now);
//! state.load(at, &mut store, &mut rng);
//!
//! // Nothing is known yet, so a fallback is to be asked for a consensus.
//! state.handle(at, Input::Timer, &mut store, &mut rng);
//! let Some(Output::Fetch(fetch)) = state.poll_output() else { panic!() };
//! assert_eq!(fetch.source, Source::Fallback);
//! assert!(matches!(fetch.request, DirRequest::Consensus(_)));
//! assert!(fetch.request.path().starts_with("/tor/status-vote/current/consensus-microdesc/0232AF+"));
//! ```
//!
//! Left out on purpose: which server to ask (guards and weights are `tor-path`'s), sockets, files.

mod backoff;
mod dates;
mod encoding;
pub mod geoip;
mod http;
pub mod info;
pub mod param;
mod request;
mod schedule;
mod server;
mod state;
mod store;
mod view;
mod weights;

#[cfg(test)]
mod testdata;

pub use encoding::{Encoding, EncodingError, FREE_OUTPUT, MAX_FACTOR};
pub use http::{Response, ResponseError, ResponseReader};
pub use param::Param;
pub use request::{ConsensusRequest, DirRequest};
pub use schedule::next_consensus_fetch;
pub use server::{DirServer, ServerKind, ServerLineError};
pub use state::{
    DirConfig, DirError, DirState, DirWanted, Fetch, FetchId, Input, Moment, Output, Readiness, Source,
};
pub use store::{DirFile, DirStore, MemoryStore};
pub use view::{NetworkView, PathFraction, Relay};
pub use weights::{Role, Weights};
