//! Bytes through three onion layers, to and from a relay that plays all three hops.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod many;
mod other;

use tokio::io::AsyncReadExt;
use tor_net::DataStream;
use tor_testnet::pattern;

use support::within;

/// Reads so many bytes of `download.N`, and then its end.
async fn read_pattern(stream: &mut DataStream, length: usize) {
    let mut got = Vec::new();
    within(stream.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got.len(), length);
    assert!(got.into_iter().eq(pattern(0).take(length)), "other bytes than were sent");
}
