//! A client whose configuration changes while it runs: all of the change or nothing, and nobody who is in is thrown out.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod network;
mod ports;
mod world;
