//! Our circuit and three relays, in memory, on a virtual clock.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod building;
mod hostile;
mod messages;
mod model;
mod network;
mod windows;
