//! Answers of directory servers: head, and body in every encoding. The limit on output must hold.
#![no_main]
use tor_dir::{Encoding, FREE_OUTPUT, MAX_FACTOR, ResponseReader};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut reader = ResponseReader::new(1 << 24);
    let _ = reader.push(input).and_then(|()| reader.finish());
    for body in [Encoding::Zlib, Encoding::Gzip, Encoding::Zstd, Encoding::Lzma]
        .map(|encoding| encoding.decode(input, 1 << 24))
    {
        assert!(body.map_or(0, |body| body.len()) <= FREE_OUTPUT.max(MAX_FACTOR * (input.len() + 1)));
    }
});
