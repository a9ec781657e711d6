use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use proptest::prelude::*;

use super::*;

/// More than any of these tests needs.
const MAX: usize = 128 * 1024 * 1024;

const ALL: [Encoding; 4] = [Encoding::Zlib, Encoding::Gzip, Encoding::Zstd, Encoding::Lzma];

fn encode(encoding: Encoding, text: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Identity => text.to_vec(),
        Encoding::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Zstd => {
            ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
        }
        Encoding::Lzma => {
            let mut body = Vec::new();
            lzma_rs::lzma_compress(&mut io::BufReader::new(text), &mut body).unwrap();
            body
        }
    }
}

/// Text that does not compress by much.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn names_and_guesses() {
    for name in Encoding::ACCEPTED.split(", ") {
        assert!(Encoding::named(&name.to_uppercase()).is_some(), "{name}");
    }
    assert_eq!(Encoding::named("br"), None);
    for encoding in ALL {
        assert_eq!(Encoding::guess(&encode(encoding, b"network-status-version 3")), encoding);
    }
    assert_eq!(Encoding::guess(b"network-status-version 3"), Encoding::Identity);
    assert_eq!(Encoding::guess(b""), Encoding::Identity);
}

// What C Tor itself sends.
#[test]
fn known_bodies() {
    let text = crate::testdata::private("consensus-2.txt");
    for (name, encoding) in
        [("deflate", Encoding::Zlib), ("x-zstd", Encoding::Zstd), ("x-tor-lzma", Encoding::Lzma)]
    {
        let body = crate::testdata::private(&format!("consensus-2.{name}"));
        assert_eq!(Encoding::named(name), Some(encoding));
        assert_eq!(encoding.decode_as_labelled(&body, MAX), Ok(text.clone()), "{name}");
        for length in (0..body.len()).step_by(7) {
            assert!(encoding.decode_as_labelled(&body[..length], MAX).is_err(), "{name} cut to {length}");
        }
    }
}

#[test]
fn mislabelled_bodies() {
    let text = noise(5000);
    for encoding in ALL {
        let body = encode(encoding, &text);
        assert_eq!(Encoding::Identity.decode(&body, MAX), Ok(text.clone()), "{encoding:?} as identity");
        for label in ALL {
            assert_eq!(label.decode(&body, MAX), Ok(text.clone()), "{encoding:?} as {label:?}");
        }
    }
    assert_eq!(
        Encoding::Gzip.decode(b"plain text, labelled gzip", MAX),
        Ok(b"plain text, labelled gzip".to_vec())
    );
}

// TROVE-2026-021.
#[test]
fn a_body_cut_anywhere_is_an_error() {
    let text = noise(800);
    for encoding in ALL {
        let body = encode(encoding, &text);
        for length in 0..body.len() {
            let result = encoding.decode_as_labelled(&body[..length], MAX);
            assert!(result.is_err(), "{encoding:?} cut to {length} of {}", body.len());
        }
    }
    let body = encode(Encoding::Zlib, &text);
    assert_eq!(Encoding::Zlib.decode(&body[..body.len() / 2], MAX), Err(EncodingError::Truncated));
}

#[test]
fn corrupt_bodies() {
    let text = noise(3000);
    for encoding in [Encoding::Zlib, Encoding::Gzip] {
        let mut body = encode(encoding, &text);
        let last = body.len() - 6;
        body[last] ^= 1;
        assert!(encoding.decode_as_labelled(&body, MAX).is_err(), "{encoding:?}");
        // Something behind the last stream that is no stream.
        let mut body = encode(encoding, &text);
        body.extend_from_slice(b"junk");
        assert!(encoding.decode_as_labelled(&body, MAX).is_err(), "{encoding:?}");
    }
}

#[test]
fn concatenated_streams_are_one_body() {
    let (one, two) = (noise(2000), b"second".to_vec());
    for encoding in [Encoding::Zlib, Encoding::Gzip, Encoding::Zstd] {
        let body = [encode(encoding, &one), encode(encoding, &two)].concat();
        assert_eq!(encoding.decode(&body, MAX), Ok([one.clone(), two.clone()].concat()), "{encoding:?}");
    }
}

#[test]
fn a_bomb_is_stopped() {
    let zeros = vec![0; FREE_OUTPUT + CHUNK];
    for encoding in [Encoding::Zlib, Encoding::Gzip, Encoding::Zstd] {
        let result = encoding.decode(&encode(encoding, &zeros), MAX);
        assert!(matches!(result, Err(EncodingError::Bomb { .. })), "{encoding:?}");
        // As much is free.
        let allowed = encode(encoding, &zeros[..FREE_OUTPUT - CHUNK]);
        assert!(encoding.decode(&allowed, MAX).is_ok(), "{encoding:?}");
    }
}

// TROVE-2026-022: each stream is below the limit, all of them are not.
#[test]
fn many_small_bombs_are_a_bomb() {
    let zeros = vec![0; FREE_OUTPUT / 4];
    for encoding in [Encoding::Zlib, Encoding::Gzip, Encoding::Zstd] {
        let stream = encode(encoding, &zeros);
        assert!(encoding.decode(&stream.repeat(3), MAX).is_ok(), "{encoding:?}");
        let result = encoding.decode(&stream.repeat(5), MAX);
        assert!(matches!(result, Err(EncodingError::Bomb { .. })), "{encoding:?}");
    }
}

#[test]
fn large_output_from_large_input_is_no_bomb() {
    let text = noise(FREE_OUTPUT + 100_000);
    assert_eq!(Encoding::Zlib.decode(&encode(Encoding::Zlib, &text), MAX), Ok(text));
}

#[test]
fn too_many_streams() {
    let empty = encode(Encoding::Zlib, b"");
    assert_eq!(Encoding::Zlib.decode(&empty.repeat(MAX_STREAMS + 1), MAX), Err(EncodingError::Corrupt));
}

// A header that asks for a window of gigabytes gets no such memory.
#[test]
fn large_windows() {
    let mut body = encode(Encoding::Lzma, &noise(1000));
    body[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(Encoding::Lzma.decode_as_labelled(&body, MAX).is_ok());
    // zstd: no single segment, window of 2^41.
    let huge = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00];
    assert!(Encoding::Zstd.decode_as_labelled(&huge, MAX).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn survives_the_wire(text in prop::collection::vec(any::<u8>(), 0..2000), index in 0..4_usize) {
        prop_assert_eq!(ALL[index].decode_as_labelled(&encode(ALL[index], &text), MAX), Ok(text));
    }

    #[test]
    fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), index in 0..4_usize, flip: prop::sample::Index) {
        let _ = ALL[index].decode(&bytes, MAX);
        let mut body = encode(ALL[index], &bytes);
        let at = flip.index(body.len());
        body[at] ^= 0x40;
        let _ = ALL[index].decode(&body, MAX);
        bytes.splice(0..0, [0x28, 0xb5, 0x2f, 0xfd]);
        let _ = Encoding::Zstd.decode(&bytes, MAX);
    }
}

/// A frame says how much memory its decoder needs, and LZMA's output is not seen before its window is full: without a
/// limit of its own on windows, a few bytes reserved gigabytes.
#[test]
fn a_window_that_is_too_large_is_refused() {
    // Magic, no options, a window of 2^17 or 2^27 bytes, then the last block: raw, of one byte.
    let zstd = |window| [0x28, 0xb5, 0x2f, 0xfd, 0, window, 9, 0, 0, b'x'];
    assert_eq!(Encoding::Zstd.decode(&zstd((17 - 10) << 3), MAX).unwrap(), b"x");
    assert_eq!(Encoding::Zstd.decode(&zstd((27 - 10) << 3), MAX), Err(EncodingError::Corrupt));
    // A dictionary of 4 GiB does no harm in itself, more text than the limit does.
    let lzma = |length| {
        let mut body = encode(Encoding::Lzma, &vec![0; length]);
        body[1..5].fill(0xff);
        Encoding::Lzma.decode_as_labelled(&body, MAX).map(|text| text.len())
    };
    assert_eq!(lzma(1000), Ok(1000));
    assert_eq!(lzma(MAX_WINDOW + 1000), Err(EncodingError::Corrupt));
}

#[test]
fn no_more_is_decoded_than_was_allowed() {
    let text = vec![b'x'; 1000];
    for encoding in [Encoding::Zlib, Encoding::Gzip] {
        let body = encode(encoding, &text);
        assert_eq!(encoding.decode(&body, 1000), Ok(text.clone()), "{encoding:?}");
        assert!(matches!(encoding.decode(&body, 999), Err(EncodingError::Bomb { .. })), "{encoding:?}");
    }
}
