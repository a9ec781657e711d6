//! One circuit of the Tor protocol.

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
