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
//! encoding writes into the caller's buffer.

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
