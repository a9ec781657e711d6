//! A command, then the body of a relay message: what decodes must encode, and be the same again.
#![no_main]
use tor_cell::relay::{Message, RelayCmd};

libfuzzer_sys::fuzz_target!(|input: &[u8]| if let Some((&command, body)) = input.split_first() {
    let Ok(message) = Message::decode(RelayCmd(command), body) else { return };
    let mut wire = Vec::new();
    message.encode(&mut wire).unwrap();
    assert_eq!(Message::decode(RelayCmd(command), &wire), Ok(message));
});
