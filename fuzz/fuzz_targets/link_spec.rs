//! Link specifiers: what is read is written back as it came.
#![no_main]
use tor_id::LinkSpec;

libfuzzer_sys::fuzz_target!(|input: &[u8]| if let Ok((rest, spec)) = LinkSpec::parse(input) {
    let mut wire = Vec::new();
    spec.encode(&mut wire).unwrap();
    assert_eq!(wire, input[..input.len() - rest.len()]);
});
