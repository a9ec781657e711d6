//! A relay cell of either format: the message in it, written into another cell, is the same.
#![no_main]
use tor_cell::{CELL_BODY_LEN, relay::RelayFormat};

libfuzzer_sys::fuzz_target!(|input: &[u8]| for format in [RelayFormat::V0, RelayFormat::V1] {
    let (mut cell, mut copy) = ([0; CELL_BODY_LEN], [0xff; CELL_BODY_LEN]);
    cell.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
    let Ok(msg) = format.decode(&cell) else { continue };
    format.encode(&msg, &mut copy, |padding| padding.fill(1)).unwrap();
    assert_eq!(format.decode(&copy), Ok(msg));
});
