//! The words of the Tor protocol: channel cells and the relay messages inside them.
//! <https://spec.torproject.org/tor-spec/cell-packet-format.html>
//!
//! Framing (how long is it) is apart from meaning (what does it say):
//!
//! ```text
//! bytes of a TLS stream ── frame::Frame ──> channel cell ── chan::*  ──> a message of the link
//!                                              │ RELAY, RELAY_EARLY
//!                                              └─ relay::RelayFormat ──> RelayMsg ── relay::* ──> its fields
//! ```
//!
//! Each message is one file with one place that knows its bytes: [`Body`]. Decoding borrows from the cell,
//! encoding writes into the caller's buffer. A message of the link becomes a cell by [`frame::put_message`]; a
//! relay message becomes the body of a RELAY cell by [`relay::RelayFormat::encode`], to be encrypted by
//! `tor-circ`:
//!
//! ```
//! use bytes::BytesMut;
//! use tor_cell::{CELL_BODY_LEN, CircId, DestroyReason, StreamId};
//! use tor_cell::chan::Destroy;
//! use tor_cell::frame::{CircIdWidth, Frame, put_message};
//! use tor_cell::relay::{Begin, BeginFlags, RelayFormat, RelayMsg};
//!
//! // A message of the link: whole cells go out, whole cells come in.
//! let mut wire = BytesMut::new();
//! put_message(CircId::from_wire(0x8000_0001), &Destroy { reason: DestroyReason::NONE }, &mut wire)?;
//! let frame = Frame::read(&wire, CircIdWidth::Four).expect("all bytes are there");
//! assert_eq!(frame.decode::<Destroy>()?.reason, DestroyReason::NONE);
//!
//! // A relay message, in a cell that is still to be encrypted. Random bytes (here not so) pad it.
//! let begin = Begin::new("www.torproject.org", 443, BeginFlags::IPV6_OK)?;
//! let mut scratch = Vec::new();
//! let msg = RelayMsg::new(StreamId::from_wire(1), &begin, &mut scratch)?;
//! let mut cell = [0; CELL_BODY_LEN];
//! RelayFormat::V0.encode(&msg, &mut cell, |padding| padding.fill(4))?;
//! assert_eq!(RelayFormat::V0.decode(&cell)?.decode::<Begin>()?.address(), "www.torproject.org");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Bytes after a message's last field are ignored, as later versions may add fields, but for the messages whose
//! last field is all the rest. Unknown code points survive, as numbers. Left out on purpose: what a message
//! means to the state of a link, circuit or stream, and all cryptography.

pub mod chan;
mod code_point;
pub mod codec;
pub mod frame;
mod handshake_type;
mod ids;
mod reason;
pub mod relay;

pub use codec::{Body, ChanBody, DecodeError, RelayBody, TooLong};
pub use handshake_type::{HandshakeType, MAX_HANDSHAKE_REPLY};
pub use ids::{CircId, StreamId};
pub use reason::{DestroyReason, EndReason};

/// Bytes in the body of a fixed-length cell.
pub const CELL_BODY_LEN: usize = 509;
/// Bytes of a whole fixed-length cell with a 4-byte circuit id (link protocol 4 and later).
pub const CELL_LEN: usize = 514;

/// The body of a fixed-length cell.
pub type CellBody = [u8; CELL_BODY_LEN];
