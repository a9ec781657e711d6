//! The link handshake against relays good and bad.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod hostile;
mod order;
mod pair;
mod support;
mod vectors;
