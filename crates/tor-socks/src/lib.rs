//! The local front door of a Tor client: SOCKS4, SOCKS4a and SOCKS5 with Tor's extensions.
//! <https://spec.torproject.org/socks-extensions.html>
//!
//! [`Handshake`] takes bytes as they arrive and writes replies, until it has a [`Request`]: a [`Command`] (connect, or
//! Tor's own RESOLVE and RESOLVE_PTR), a [`Host`] and a port, and the [`Credentials`] that isolate it. The request then
//! encodes its own reply, in the version that it came in; [`Status::from_end_reason`] says what an exit's refusal means
//! to an application.
//!
//! ```
//! use bytes::BytesMut;
//! use tor_socks::{Command, Handshake, Host, PortOptions, Status, Step};
//!
//! // A client that pipelines: methods, a request, and its first data.
//! let mut input = BytesMut::new();
//! input.extend_from_slice(b"\x05\x01\x00");
//! input.extend_from_slice(b"\x05\x01\x00\x03\x0bexample.com\x00\x50");
//! input.extend_from_slice(b"GET /");
//! let mut out = BytesMut::new();
//!
//! let Step::Done(request) = Handshake::start(PortOptions::default()).on_bytes(&mut input, &mut out)? else {
//!     panic!("more bytes are needed");
//! };
//! assert_eq!((request.command, request.port), (Command::Connect, 80));
//! assert_eq!(request.host, Host::Name("example.com".to_owned()));
//! assert_eq!(&input[..], b"GET /"); // for the stream, not for us
//! assert_eq!(&out[..], b"\x05\x00");
//!
//! request.fail(Status::from_end_reason(4), &mut out); // the exit's policy forbids it
//! assert_eq!(out[3], Status::NOT_ALLOWED.0);
//! # Ok::<(), tor_socks::SocksError>(())
//! ```
//!
//! Left out on purpose: sockets, the decision what isolates what, the maps from names to addresses and back, and the
//! warning about [`Request::bare_address`], which only the edge can rate-limit.

mod error;
mod handshake;
mod hostname;
mod http;
mod request;
mod socks4;
mod socks5;
mod status;

pub use error::SocksError;
pub use handshake::{Handshake, PortOptions, Step};
pub use request::{Command, Credentials, Host, Request, Version};
pub use status::{Failure, Status};
