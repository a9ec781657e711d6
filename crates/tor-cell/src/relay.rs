//! Relay messages: what travels inside RELAY and RELAY_EARLY cells.
//! <https://spec.torproject.org/tor-spec/relay-cells.html>

mod command;
mod extend2;
mod format;
mod sendme;

pub use command::RelayCmd;
pub use extend2::{Extend2, Extended2};
pub use format::{FormatError, RelayFormat, RelayMsg};
pub use sendme::{Sendme, SendmeTag};

pub use crate::HandshakeType;
