//! The edge of the Tor client: everything that blocks, ticks, rolls dice or touches the system.
//!
//! ```text
//!  listeners ─ SOCKS ─> circuit manager ─> circuit task ─> channel task ─> TLS over TCP
//!                                            │  engines: tor-circ, tor-stream     │ engine: tor-chan
//!                                            └──────────── batches of cells ──────┘
//! ```
//!
//! There are no protocol rules here: if something needs a test to be believed, it is in one of the crates
//! below. One task a channel, one a circuit, none a stream; tasks own their engines and speak through bounded
//! queues, in batches.

mod bootstrap;
mod channel;
mod circuit;
pub mod clock;
mod dir;
mod error;
mod factory;
mod link;
mod pipe;
mod socks;
mod splice;
mod store;
mod tls;

pub use bootstrap::{Bootstrap, Phase};
pub use channel::ChannelHandle;
pub use circuit::{Answer, CircuitError, CircuitHandle, OpenRequest, Opened};
pub use dir::{Directory, DirectorySettings};
pub use error::{ChannelError, StreamEnd};
pub use factory::{CircuitSettings, RelayCircuits};
pub use link::{Channels, RelayAddress};
pub use pipe::DataStream;
pub use socks::{SocksDoor, SocksPort, is_internal};
pub use store::{DiskStore, StateFile};
pub use tls::TlsConfig;
