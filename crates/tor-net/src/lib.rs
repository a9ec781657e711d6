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
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use tokio::io::AsyncReadExt;
//! # use tor_cell::relay::BeginFlags;
//! # use tor_circ::{CircParams, HopHandshake, HopSpec};
//! # use tor_circmgr::BuiltCircuit;
//! # use tor_net::{Bootstrap, Channels, CircuitHandle, Ledger, OpenRequest, Opened, RelayAddress, TlsConfig};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let network = tor_testnet::Network::new(3)?; // a relay in this process, which plays the hops behind it too
//! let relay = network.start(0).await?;
//!
//! let (bootstrap, ledger) = (Arc::new(Bootstrap::new()), Ledger::silent());
//! let channels = Channels::new(TlsConfig::new()?, Default::default(), bootstrap, ledger);
//! let guard = RelayAddress { ids: relay.identity().ids(), addrs: vec![relay.addr()] };
//! let circuit = CircuitHandle::new(&channels.get(&guard).await?, CircParams::default()).await?;
//! for hop in [0, 1, 2].map(|index| network.identity(index)) {
//!     let handshake = HopHandshake::Ntor { onion_key: hop.onion_key() };
//!     let spec = HopSpec { ids: hop.ids(), addrs: vec!["192.0.2.1:9001".parse()?], handshake };
//!     circuit.add_hop(spec, Duration::from_secs(10)).await?;
//! }
//! let (host, early) = ("echo".to_owned(), "three layers".into());
//! let request = OpenRequest::Connect { host, port: 80, flags: BeginFlags::NONE, early };
//! let Opened::Stream(mut stream, _) = circuit.open(&request).await? else { panic!("it answers") };
//! let mut answer = [0; 12];
//! stream.read_exact(&mut answer).await?;
//! assert_eq!(&answer, b"three layers");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`RelayCircuits`] builds circuits for `tor-circmgr`, [`Directory`] keeps the documents up to date, [`SocksDoor`] lets
//! applications in, [`DiskStore`] and [`StateFile`] are the files.

mod bootstrap;
mod channel;
mod circuit;
pub mod clock;
mod control;
mod dir;
mod error;
mod factory;
mod lead;
mod ledger;
mod link;
mod listen;
mod pipe;
mod socks;
mod splice;
mod store;
mod tls;

pub use bootstrap::{Bootstrap, Phase};
pub use channel::ChannelHandle;
pub use circuit::{Answer, CircuitError, CircuitHandle, OpenRequest, Opened, StreamRequest};
pub use control::ControlDoor;
pub use dir::{Directory, DirectorySettings, Documents};
pub use error::{ChannelError, StreamEnd};
pub use factory::{CircuitSettings, ControlError, ControlledCircuits, Launch, RelayCircuits};
pub use lead::Opener;
pub use ledger::{Addresses, AttachError, CircuitEnd, Connection, Ledger, Second, UnknownStream};
pub use link::{Channels, RelayAddress};
pub use listen::{Accepted, Listener};
pub use pipe::DataStream;
pub use socks::{SocksDoor, SocksPort, SocksServer};
pub use store::{DiskStore, StateFile, replace_file};
pub use tls::TlsConfig;
pub use tor_circmgr::target::is_internal;
