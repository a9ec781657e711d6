//! One Tor channel: the cells of many circuits on one TLS connection to a relay.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html>
//!
//! ```text
//!   TLS is done ──▶ Handshake ── CERTS prove who the relay is ──▶ Link ──▶ Channel ──▶ closed
//!                   VERSIONS CERTS AUTH_CHALLENGE NETINFO                  circuit ids, padding, idleness
//! ```
//!
//! Nothing here reads a socket or a clock. The caller frames what it has received with [`Handshake::frame`],
//! later with [`Frame::read`](tor_cell::frame::Frame::read), feeds one cell after the other, then writes `out`
//! to the connection, then waits for more bytes or for the `deadline()`.
//!
//! ```
//! use std::{net::IpAddr, time::Instant};
//!
//! use bytes::BytesMut;
//! use tor_chan::{Expected, Handshake, LinkError, Target};
//! # #[expect(clippy::disallowed_methods, reason = "an example is an edge")]
//! # let now = Instant::now();
//! let target = Target {
//!     expected: Expected::default(),
//!     tls_cert_sha256: [7; 32],
//!     address: IpAddr::from([192, 0, 2, 1]).into(),
//! };
//! let mut out = BytesMut::new();
//! let handshake = Handshake::start(target, now, &mut out);
//! assert_eq!(out[..], [0, 0, 7, 0, 6, 0, 3, 0, 4, 0, 5]);
//!
//! // Whoever it is that answers, it is no relay.
//! assert!(matches!(handshake.frame(b"HTTP/1.1 400"), Err(LinkError::Unexpected { .. })));
//! ```
//!
//! - [`Handshake`]: versions, the relay's certificates down to the TLS certificate, its clock.
//! - [`Channel`]: to which circuit a cell belongs; connection padding; when to close.
//! - [`responder`]: the other end of the handshake, for tests.
//!
//! Left out on purpose: what is inside the cells of circuits (`tor-circ`), TLS and tasks (`tor-net`).

mod certs;
mod channel;
mod circuits;
mod error;
mod handshake;
mod padding;
pub mod responder;
#[cfg(test)]
mod testing;

pub use channel::{Action, Channel, ChannelConfig, Route, Stats};
pub use circuits::MAX_CIRCUITS;
pub use error::{ChanError, LinkError};
pub use handshake::{Expected, HANDSHAKE_TIMEOUT, Handshake, Link, MAX_HANDSHAKE_BYTES, Step, Target};
pub use padding::{ConnectionPadding, PaddingParams, Usage};

use bytes::BytesMut;
use tor_cell::{ChanBody, frame::put_message};

/// Appends a cell of the channel itself. None of ours is too long.
fn put<'m, M: ChanBody<'m>>(message: &M, out: &mut BytesMut) {
    let fits = put_message(None, message, out);
    debug_assert!(fits.is_ok(), "{fits:?}");
}
