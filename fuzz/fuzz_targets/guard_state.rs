//! Guards in the state file: what is written is read again without complaint, and written the same.
#![no_main]
use tor_path::Guards;

libfuzzer_sys::fuzz_target!(|input: &str| {
    let text = Guards::parse(input).0.to_text();
    let (again, errors) = Guards::parse(&text);
    assert_eq!((again.to_text(), errors), (text, Vec::new()));
});
