//! Relays in one process, for tests: they speak the relay's end of the Tor protocol over real TCP and TLS on
//! loopback, and break it on purpose when told to.
//!
//! ```text
//!  Network: identities that know one another
//!     │ start(i)
//!     ▼
//!  Relay ── one task a connection ──> TLS ──> link handshake ──> circuits ──> hops ──> streams ──> services
//!     │ arm(Misbehave)       what it does wrong: once, and from then on it is a good relay again
//!     └ seen(), saw()        what the client did, and what was wrong with that
//! ```
//!
//! A relay plays the hops behind it too: asked to extend to another identity of its network it answers as that
//! one, with that one's keys, so a circuit of three hops is three onion layers at the end of one connection. A
//! client can't tell.
//!
//! The last hop is an exit, to services that are in the relay itself. The host name of a BEGIN says which:
//!
//! | host | what happens |
//! |---|---|
//! | `echo` | all that is sent comes back |
//! | `download.N` | N bytes of [`pattern`] come, then END |
//! | `upload.N` | N bytes are taken, then their SHA-256 comes, then END |
//! | `open` | connects, and says nothing |
//! | `silent` | is never answered |
//! | `refuse.R` | END, with reason R |
//! | anything else | END, for the name does not resolve |
//!
//! RESOLVE knows the names [`HOST_V4`] and [`HOST_V6`], and the name of the former's address; directory requests go
//! to the function given to [`Relay::serve_directory`].
//!
//! ```
//! use tor_testnet::{Misbehave, Network, Request, Step};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let network = Network::new(3)?;
//! let relay = network.start(0).await?;
//! // A client can now open a channel to relay.addr() and expect network.identity(0)'s keys there.
//! // The next circuit that it creates is destroyed, without a word.
//! relay.arm(Misbehave::Instead(Request::Create, vec![Step::destroy()]));
//! assert!(relay.seen().is_empty());
//! # Ok::<(), std::io::Error>(()) })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`Documents`] are what a directory of such relays serves: a consensus, microdescriptors, certificates.
//!
//! Left out on purpose: links between relays.

mod certs;
mod circuit;
mod connection;
pub mod documents;
mod identity;
mod relay;
mod script;
mod service;
mod stream;
mod tls;

pub use certs::CertPlan;
pub use documents::{Authorities, Documents};
pub use identity::{Identity, Network};
pub use relay::{DirectoryFn, Relay, Seen};
pub use script::{Edit, Misbehave, OnCircuit, OnStream, Reply, Request, Step};
pub use service::{HOST_V4, HOST_V6, pattern};
