//! Content encodings of directory servers, with a limit that no bomb gets past.
//! <https://spec.torproject.org/dir-spec/compression-formats.html>
//!
//! Servers send gzip and zlib, zstd, and LZMA in its old container (`x-tor-lzma`). As C Tor, we take concatenated
//! streams as one body, and refuse output that is out of all proportion to its input: more than [`MAX_FACTOR`] times,
//! once it is longer than [`FREE_OUTPUT`]. Both count over the whole body, not by stream, or many small bombs in a
//! row would get past (TROVE-2026-022). A body that ends before its last stream does is an error (TROVE-2026-021).

use std::{
    cell::Cell,
    io::{self, BufRead, Read, Write},
};

use flate2::{Decompress, FlushDecompress, Status, bufread::GzDecoder};
use lzma_rs::decompress::Options;
use ruzstd::decoding::StreamingDecoder;
use thiserror::Error;
use tor_id::Fault;

/// Output up to this length may come from any input.
pub const FREE_OUTPUT: usize = 5 * 1024 * 1024;
/// Most bytes of output for each byte of input, beyond [`FREE_OUTPUT`].
pub const MAX_FACTOR: usize = 25;
/// Most memory for a decoder's window.
const MAX_WINDOW: usize = 16 * 1024 * 1024;
/// Most streams in one body.
const MAX_STREAMS: usize = 10_000;
const CHUNK: usize = 64 * 1024;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// As it is.
    Identity,
    /// zlib (`deflate`).
    Zlib,
    /// gzip.
    Gzip,
    /// Zstandard (`x-zstd`).
    Zstd,
    /// LZMA alone (`x-tor-lzma`).
    Lzma,
}

/// Why a body can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// The body is corrupt, or not encoded as its label says.
    #[error("corrupt compressed body")]
    Corrupt,
    /// The body ends in the middle.
    #[error("truncated compressed body")]
    Truncated,
    /// The body expands out of all proportion.
    #[error("compression bomb: {input} bytes became more than {output}")]
    Bomb {
        /// Bytes of input that were looked at.
        input: usize,
        /// Bytes of output at which it was stopped.
        output: usize,
    },
}

impl EncodingError {
    /// Whoever served the body is to blame.
    pub const fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl Encoding {
    /// What we accept, best first, as C Tor writes it.
    pub const ACCEPTED: &str = "x-tor-lzma, x-zstd, deflate, gzip, identity";

    /// The encoding of this name; names are compared without regard to case.
    pub fn named(name: &str) -> Option<Self> {
        [
            ("identity", Self::Identity),
            ("deflate", Self::Zlib),
            ("gzip", Self::Gzip),
            ("x-zstd", Self::Zstd),
            ("x-tor-lzma", Self::Lzma),
        ]
        .into_iter()
        .find(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, encoding)| encoding)
    }

    /// The encoding that a body seems to have, from how it begins.
    pub fn guess(body: &[u8]) -> Self {
        match *body {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [first, second, _, ..] if first & 0x0f == 8 && u16::from_be_bytes([first, second]) % 31 == 0 => {
                Self::Zlib
            }
            [0x5d, 0, 0, ..] => Self::Lzma,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Identity,
        }
    }

    /// Decodes a whole body to at most `max` bytes. If it is not encoded as it says but seems to be encoded otherwise, that is tried.
    ///
    /// # Errors
    /// If the body is corrupt, cut short, or a bomb.
    pub fn decode(self, body: &[u8], max: usize) -> Result<Vec<u8>, EncodingError> {
        let guess = Self::guess(body);
        if self == Self::Identity {
            return guess.decode_as_labelled(body, max);
        }
        match self.decode_as_labelled(body, max) {
            Err(EncodingError::Corrupt) if guess != self => guess.decode_as_labelled(body, max),
            result => result,
        }
    }

    fn decode_as_labelled(self, body: &[u8], max: usize) -> Result<Vec<u8>, EncodingError> {
        if self == Self::Identity {
            return Ok(body.to_vec());
        }
        let input = Input { body, left: Cell::new(body.len()) };
        let mut output = Output { input: &input, max, bytes: Vec::new(), bomb: None };
        for _ in 0..MAX_STREAMS {
            self.decode_stream(&input, &mut output)
                .map_err(|error| output.bomb.unwrap_or_else(|| blame(&error)))?;
            if input.left.get() == 0 {
                return Ok(output.bytes);
            }
        }
        Err(EncodingError::Corrupt)
    }

    fn decode_stream(self, mut input: &Input<'_>, output: &mut Output<'_>) -> io::Result<()> {
        match self {
            Self::Identity => copy(&mut input, output),
            Self::Gzip => copy(&mut GzDecoder::new(input), output),
            Self::Zlib => inflate(input, output),
            Self::Zstd => {
                let window = u64::try_from(MAX_WINDOW).unwrap_or(u64::MAX);
                let mut decoder =
                    StreamingDecoder::new_with_max_window_size(input, window).map_err(io::Error::other)?;
                copy(&mut decoder, output)?;
                let sum = decoder.decoder.get_checksum_from_data();
                if sum.is_some() && sum != decoder.decoder.get_calculated_checksum() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Ok(())
            }
            Self::Lzma => {
                let options = Options { memlimit: Some(MAX_WINDOW), ..Options::default() };
                lzma_rs::lzma_decompress_with_options(&mut input, output, &options).map_err(|error| {
                    match error {
                        lzma_rs::error::Error::IoError(error)
                        | lzma_rs::error::Error::HeaderTooShort(error) => error,
                        lzma_rs::error::Error::LzmaError(_) | lzma_rs::error::Error::XzError(_) => {
                            io::ErrorKind::InvalidData.into()
                        }
                    }
                })
            }
        }
    }
}

fn blame(error: &io::Error) -> EncodingError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    // Decoders wrap the end of input in errors of their own.
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
        {
            return EncodingError::Truncated;
        }
        cause = error.source();
    }
    EncodingError::Corrupt
}

/// The body; counts what is left even while a decoder holds it.
#[derive(Debug)]
struct Input<'a> {
    body: &'a [u8],
    left: Cell<usize>,
}

impl Read for &Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for &Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let start = self.body.len() - self.left.get();
        Ok(self.body.get(start..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.left.set(self.left.get().saturating_sub(amount));
    }
}

/// The output of all streams; fails when it grows too long for the input so far.
struct Output<'a> {
    input: &'a Input<'a>,
    max: usize,
    bytes: Vec<u8>,
    bomb: Option<EncodingError>,
}

impl Write for Output<'_> {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let output = self.bytes.len() + chunk.len();
        let input = self.input.body.len() - self.input.left.get();
        // MUST: no more than 25 times the input, beyond the first 5 MiB.
        if output > self.max || output > FREE_OUTPUT && output / MAX_FACTOR > input {
            self.bomb = Some(EncodingError::Bomb { input, output });
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn copy(decoder: &mut impl Read, output: &mut Output<'_>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = decoder.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        output.write_all(bytes)?;
    }
}

/// One zlib stream. (flate2's reader takes the end of input for the end of the stream, so that a cut body would pass.)
fn inflate(mut input: &Input<'_>, output: &mut Output<'_>) -> io::Result<()> {
    let mut decoder = Decompress::new(true);
    let mut chunk = vec![0; CHUNK];
    loop {
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let status = decoder
            .decompress(input.fill_buf()?, &mut chunk, FlushDecompress::None)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let length = |before: u64, after: u64| usize::try_from(after - before).unwrap_or(usize::MAX);
        let (read, written) =
            (length(before_in, decoder.total_in()), length(before_out, decoder.total_out()));
        input.consume(read);
        output.write_all(chunk.get(..written).unwrap_or_default())?;
        match status {
            Status::StreamEnd => return Ok(()),
            Status::Ok | Status::BufError if read == 0 && written == 0 => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

#[cfg(test)]
mod tests;
