//! Consensuses of both flavours.
#![no_main]
use tor_netdoc::{NetworkKind, UnverifiedConsensus};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let _ = UnverifiedConsensus::parse(input, NetworkKind::Testing);
});
