//! Router descriptors, one or many.
#![no_main]
use tor_netdoc::{RouterDesc, router::split};

libfuzzer_sys::fuzz_target!(|input: &str| {
    let _ = RouterDesc::parse(input, std::time::SystemTime::UNIX_EPOCH);
    let _ = split(input).count();
});
