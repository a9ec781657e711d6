//! Relay messages: what travels inside RELAY and RELAY_EARLY cells.
//! <https://spec.torproject.org/tor-spec/relay-cells.html>

mod extend2;
mod format;
mod sendme;

pub use extend2::{Extend2, Extended2, HandshakeType};
pub use format::{RelayCmd, RelayFormat, RelayMsg};
pub use sendme::{Sendme, SendmeTag};
