//! A command, then the body of a cell: what decodes must encode, and be the same again.
#![no_main]
use tor_cell::{chan::Message, frame::ChanCmd};

libfuzzer_sys::fuzz_target!(|input: &[u8]| if let Some((&command, body)) = input.split_first() {
    let Ok(message) = Message::decode(ChanCmd(command), body) else { return };
    let mut wire = Vec::new();
    message.encode(&mut wire).unwrap();
    assert_eq!(Message::decode(ChanCmd(command), &wire), Ok(message));
});
