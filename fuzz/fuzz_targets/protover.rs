//! Subprotocol lists: what is read is written again as it was meant.
#![no_main]
use tor_netdoc::Protocols;

libfuzzer_sys::fuzz_target!(|input: &str| if let Ok(list) = Protocols::parse(input) {
    assert_eq!(Protocols::parse(&list.to_string()), Ok(list));
});
