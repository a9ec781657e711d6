//! Channel cells: framing with both widths of circuit ids, and every message of a link.
#![no_main]
use tor_cell::{
    chan::Message,
    frame::{CircIdWidth, Frame},
};

libfuzzer_sys::fuzz_target!(|input: &[u8]| for width in [CircIdWidth::Two, CircIdWidth::Four] {
    let mut rest = input;
    while let Some(frame) = Frame::read(rest, width) {
        let _ = Message::decode(frame.command, frame.body);
        rest = &rest[frame.len..];
    }
});
