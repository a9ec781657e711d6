//! One circuit of the Tor protocol: how it is built hop by hop, the onion encryption of its cells, and the
//! windows that keep it from flooding. <https://spec.torproject.org/tor-spec/circuit-management.html>
//!
//! ```text
//!   tor-stream:  messages of streams          window: DATA cells that may be sent
//!                  │ send, send_data              │                ▲ Event::Message, Extended, WindowOpened …
//!   ┌──────────────▼──────────────────────────────▼────────────────┴───────────┐
//!   │ Circuit     create, extend ── handshake with the next hop                │
//!   │             hop 1, hop 2, hop 3: HopCipher, send and receive window each │
//!   └──────────────┬───────────────────────────────────────────────▲───────────┘
//!                  ▼ out: whole cells of 514 bytes                  │ on_cell: 509 bytes, decrypted in place
//!   tor-chan:    one channel to the first hop
//! ```
//!
//! This is the path of every byte, so cells do not move: a message is encoded, sealed and wrapped at the end of
//! the buffer that will be written, and peeled where it was read; what [`Circuit::on_cell`] returns borrows from
//! there. Nothing is allocated for a DATA cell.
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # use bytes::BytesMut;
//! # use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
//! # use tor_cell::{CellBody, CircId, StreamId, frame::{CircIdWidth, Frame}, relay::{RelayCmd, RelayMsg}};
//! # use tor_circ::{CircParams, Circuit, Event, HopHandshake, HopIndex, HopSpec, relay::{RelayCircuit, RelayKeys}};
//! # use tor_id::{Ed25519Id, RelayIds, RsaId};
//! # use tor_ntor::{KeyPair, NtorKeys, NtorV3Keys};
//! # fn cell(out: &mut BytesMut) -> (tor_cell::frame::ChanCmd, CellBody) {
//! #     let bytes = out.split();
//! #     let frame = Frame::read(&bytes, CircIdWidth::Four).unwrap();
//! #     (frame.command, *frame.fixed().unwrap())
//! # }
//! # #[expect(clippy::disallowed_methods, reason = "an example is an edge")]
//! # let now = Instant::now();
//! # let mut rng = ChaCha8Rng::seed_from_u64(1);
//! # let (rsa, ed25519) = (RsaId::from_bytes([1; 20]), Ed25519Id::from_bytes([2; 32]));
//! # let onion_keys = vec![KeyPair::generate(&mut rng)];
//! # let handshake = HopHandshake::Ntor { onion_key: *onion_keys[0].public() };
//! # let ntor_v3 = NtorV3Keys { ed25519, onion_keys: vec![] };
//! # let keys = RelayKeys { ntor: NtorKeys { rsa, onion_keys }, ntor_v3 };
//! let id = CircId::from_wire(0x8000_0001).unwrap();
//! let mut circuit = Circuit::new(id, CircParams::default(), &mut rng);
//! let relay = HopSpec { ids: RelayIds::new(rsa, Some(ed25519)), addrs: vec![], handshake };
//!
//! let mut out = BytesMut::new();
//! circuit.create(&relay, now + Duration::from_secs(10), &mut rng, &mut out)?;
//!
//! // The relay reads CREATE2 and answers CREATED2.
//! let (command, body) = cell(&mut out);
//! let mut relay = RelayCircuit::answer(id, command, &body, &keys, &mut rng, &mut out)?;
//! let (command, mut body) = cell(&mut out);
//! let event = circuit.on_cell(now, command, &mut body, &mut out)?;
//! assert_eq!(event, Event::Extended { hop: HopIndex::FIRST });
//!
//! // And now we talk.
//! let begin_dir = RelayMsg { command: RelayCmd::BEGIN_DIR, stream: StreamId::from_wire(1), body: &[] };
//! circuit.send(HopIndex::FIRST, &begin_dir, &mut out)?;
//! let (_, mut body) = cell(&mut out);
//! assert_eq!(relay.forward(&mut body)?.unwrap().1, begin_dir);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Circuit`]: the client's end. One call for each cell, each message, and each deadline.
//! - [`CircError`] ends a circuit, [`SendError`] merely refuses.
//! - [`HopCipher`]: one layer of the onion; [`Tor1`] between client and relay, [`Tor1Hs`] between the ends of an
//!   onion service circuit.
//! - [`relay`]: the other end, for tests and for relays that misbehave.
//!
//! Left out on purpose: which relays to choose (`tor-path`), what streams do (`tor-stream`), whose circuit id
//! it is (`tor-chan`).

mod circuit;
mod error;
mod event;
mod handshake;
mod hop;
mod onion;
mod padding;
pub mod relay;
mod window;

pub use circuit::{CircParams, Circuit};
pub use error::{CircError, SendError, SendmeError};
pub use event::{Event, Traffic};
pub use hop::{HopHandshake, HopIndex, HopSpec};
pub use onion::{End, HopCipher, Layer, Tag, Tor1, Tor1Hs};
