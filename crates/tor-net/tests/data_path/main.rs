//! Bytes through three onion layers, to and from a relay that plays all three hops.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod many;
mod other;
