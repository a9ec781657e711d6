//! Texts with many microdescriptors, as servers send and caches keep them.
#![no_main]
use tor_netdoc::microdesc::{Interner, Origin, split};

libfuzzer_sys::fuzz_target!(|input: &str| for origin in [Origin::Network, Origin::Cache] {
    let _ = split(input, origin, &mut Interner::default()).count();
});
