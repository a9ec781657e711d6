//! Consensus diffs: the input is base and diff, a NUL between.
#![no_main]
use tor_netdoc::diff;

libfuzzer_sys::fuzz_target!(|input: &str| if let Some((base, script)) = input.split_once('\0') {
    let text = format!("network-status-diff-version 1\nhash {0} {0}\n{script}", "00".repeat(32));
    let _ = diff::apply(base, &[0; 32], &text);
});
