//! Exit policy summaries: what is read is written again as it was meant.
#![no_main]
use tor_netdoc::PortPolicy;

libfuzzer_sys::fuzz_target!(|input: &str| if let Ok(policy) = PortPolicy::parse(input) {
    assert_eq!(PortPolicy::parse(&policy.to_string()), Ok(policy));
});
