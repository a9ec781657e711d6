//! Texts with many authority certificates.
#![no_main]
use tor_netdoc::AuthCert;

libfuzzer_sys::fuzz_target!(|input: &str| {
    let _ = AuthCert::parse_all(input).count();
});
