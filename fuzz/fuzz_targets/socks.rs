//! A SOCKS handshake, all at once and byte by byte: both end the same way.
#![no_main]
use bytes::BytesMut;
use tor_socks::{Handshake, PortOptions, Step};

fn talk<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (String, BytesMut) {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let start = Ok(Step::More(Handshake::start(PortOptions::default())));
    let end = pieces.fold(start, |step, piece| match step {
        Ok(Step::More(handshake)) => {
            input.extend_from_slice(piece);
            handshake.on_bytes(&mut input, &mut out)
        }
        over => over,
    });
    (format!("{end:?}"), out)
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    assert_eq!(talk(std::iter::once(input)), talk(input.chunks(1)));
});
