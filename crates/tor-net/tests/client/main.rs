//! The whole client but its configuration, on a network of scripted relays: documents, circuits, SOCKS.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod circuits;
mod controlled;
mod directory;
mod events;
mod socks;
mod streams;
mod tape;
mod world;
