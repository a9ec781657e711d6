//! The answer of a directory server: an HTTP/1.0 head, then the body until the stream ends.
//!
//! Bytes go in as they come ([`ResponseReader::push`]); the end of the stream makes the [`Response`]. Head and body
//! have limits, so that nobody can make us store more.

use std::time::SystemTime;

use httparse::EMPTY_HEADER;
use thiserror::Error;
use tor_id::Fault;

use crate::{Encoding, EncodingError, dates};

/// Longest head, in bytes.
const MAX_HEAD: usize = 50_000;
/// Most header lines.
const MAX_HEADERS: usize = 64;

/// Collects an answer.
#[derive(Debug)]
pub struct ResponseReader {
    max_body: usize,
    bytes: Vec<u8>,
    head: Option<Head>,
}

/// A whole answer, with its body decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status: 200, 304, 404, 503 …
    pub status: u16,
    /// When the server says that it answered; its distance from our clock is a hint that one of them is wrong.
    pub date: Option<SystemTime>,
    /// The decoded body.
    pub body: Vec<u8>,
    /// Bytes that came over the wire, with the head.
    pub received: usize,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The head is not HTTP.
    #[error("malformed HTTP head")]
    Head,
    /// The head or the body is longer than any honest answer to the request.
    #[error("answer is too long")]
    TooLong,
    /// The stream ended before the answer did.
    #[error("answer was cut short")]
    Truncated,
    /// The body can't be decoded.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
}

impl ResponseError {
    /// A cut answer may be the network's fault; the rest is the server's.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Truncated => Fault::Network,
            Self::Head | Self::TooLong | Self::Encoding(_) => Fault::Peer,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Head {
    length: usize,
    status: u16,
    date: Option<SystemTime>,
    /// `None` if the name is unknown, so that the body has to tell.
    encoding: Option<Encoding>,
    content_length: Option<usize>,
}

impl ResponseReader {
    /// An answer of which nothing has come yet, and whose body is no longer than this, as it comes over the wire and
    /// decoded: see [`crate::DirRequest::max_answer`].
    pub const fn new(max_body: usize) -> Self {
        Self { max_body, bytes: Vec::new(), head: None }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// If the head is malformed or a limit is exceeded. The stream is then of no more use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ResponseError> {
        if self.bytes.len() + bytes.len() > MAX_HEAD + self.max_body {
            return Err(ResponseError::TooLong);
        }
        // The head is read once it is all there: read anew for each byte that comes, it would cost the square of its length.
        let tail = self.bytes.len().saturating_sub(2);
        self.bytes.extend_from_slice(bytes);
        if self.head.is_none() && has_empty_line(self.bytes.get(tail..).unwrap_or_default()) {
            self.head = Some(parse_head(&self.bytes)?);
        }
        match &self.head {
            None if self.bytes.len() > MAX_HEAD => Err(ResponseError::TooLong),
            Some(head) if head.length > MAX_HEAD || self.bytes.len() - head.length > self.max_body => {
                Err(ResponseError::TooLong)
            }
            Some(head) if head.content_length.is_some_and(|length| length > self.max_body) => {
                Err(ResponseError::TooLong)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The status, as soon as it is known.
    pub fn status(&self) -> Option<u16> {
        self.head.map(|head| head.status)
    }

    /// True once the body is as long as the head says, if it says.
    pub fn is_complete(&self) -> bool {
        self.head.is_some_and(|head| {
            head.content_length.is_some_and(|length| self.bytes.len() - head.length >= length)
        })
    }

    /// The answer, after the end of the stream.
    ///
    /// # Errors
    /// If the answer is cut short or its body can't be decoded.
    pub fn finish(self) -> Result<Response, ResponseError> {
        let head = self.head.ok_or(ResponseError::Truncated)?;
        let mut body = self.bytes.get(head.length..).unwrap_or_default();
        if let Some(length) = head.content_length {
            body = body.get(..length).ok_or(ResponseError::Truncated)?;
        }
        let encoding = head.encoding.unwrap_or_else(|| Encoding::guess(body));
        // An error page may be labelled with an encoding that an empty body does not have.
        let body = if body.is_empty() { Vec::new() } else { encoding.decode(body, self.max_body)? };
        Ok(Response { status: head.status, date: head.date, body, received: self.bytes.len() })
    }
}

/// True if a line ends here and an empty one follows.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Reads a head. One with its empty line in the wrong place is malformed.
fn parse_head(bytes: &[u8]) -> Result<Head, ResponseError> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes).map_err(|_| ResponseError::Head)? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Err(ResponseError::Head),
    };
    let mut head = Head {
        length,
        status: response.code.ok_or(ResponseError::Head)?,
        date: None,
        encoding: Some(Encoding::Identity),
        content_length: None,
    };
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| ResponseError::Head)?.trim();
        if header.name.eq_ignore_ascii_case("content-encoding") {
            head.encoding = Encoding::named(value);
        } else if header.name.eq_ignore_ascii_case("content-length") {
            head.content_length = Some(value.parse().map_err(|_| ResponseError::Head)?);
        } else if header.name.eq_ignore_ascii_case("date") {
            head.date = dates::parse_http(value);
        }
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const MAX_BODY: usize = 1 << 20;

    fn read(bytes: &[u8]) -> Result<Response, ResponseError> {
        let mut reader = ResponseReader::new(MAX_BODY);
        for byte in bytes {
            reader.push(&[*byte])?;
        }
        reader.finish()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn answers_byte_by_byte() {
        let head = "HTTP/1.0 200 OK\r\nDate: Fri, 07 Aug 2020 12:42:50 GMT\r\nContent-Type: text/plain\r\nContent-Encoding: deflate\r\n\r\n";
        let answer = read(&[head.as_bytes(), &zlib(b"some text")].concat()).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"some text"[..]));
        assert_eq!(answer.date, Some(crate::testdata::mini_time()));
        let answer = read(b"HTTP/1.0 404 Not found\r\n\r\n").unwrap();
        assert_eq!((answer.status, answer.body.len()), (404, 0));
        assert_eq!(read(b"HTTP/1.0 304 Not modified\r\nContent-Encoding: gzip\r\n\r\n").unwrap().status, 304);
        // An encoding that we did not ask for: look at the body.
        let head = "HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\n";
        assert_eq!(read(&[head.as_bytes(), &zlib(b"text")].concat()).unwrap().body, b"text");
    }

    #[test]
    fn length_and_end() {
        let answer = |length: usize| {
            read(format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n12345").as_bytes())
        };
        assert_eq!(answer(5).unwrap().body, b"12345");
        assert_eq!(answer(3).unwrap().body, b"123");
        assert_eq!(answer(6), Err(ResponseError::Truncated));
        assert_eq!(answer(MAX_BODY + 1), Err(ResponseError::TooLong));
        assert_eq!(read(b"HTTP/1.0 200 OK\r\nConte"), Err(ResponseError::Truncated));
        assert_eq!(read(b""), Err(ResponseError::Truncated));
        let mut reader = ResponseReader::new(MAX_BODY);
        reader.push(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n1").unwrap();
        assert_eq!((reader.status(), reader.is_complete()), (Some(200), false));
        reader.push(b"2").unwrap();
        assert!(reader.is_complete());
    }

    #[test]
    fn limits() {
        let mut reader = ResponseReader::new(MAX_BODY);
        reader.push(b"HTTP/1.0 200 OK\r\nX: ").unwrap();
        assert_eq!(reader.push(&[b'a'; MAX_HEAD]), Err(ResponseError::TooLong));
        // One that is all there at once is no better.
        let long = format!("HTTP/1.0 200 OK\r\nX: {}\r\n\r\n", "a".repeat(MAX_HEAD));
        assert_eq!(ResponseReader::new(MAX_BODY).push(long.as_bytes()), Err(ResponseError::TooLong));
        let mut reader = ResponseReader::new(MAX_BODY);
        reader.push(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
        reader.push(&vec![0; MAX_BODY]).unwrap();
        assert_eq!(reader.push(&[0]), Err(ResponseError::TooLong));
        assert_eq!(read(b"SSH-2.0-OpenSSH\r\n\r\n"), Err(ResponseError::Head));
        assert_eq!(read(b"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n"), Err(ResponseError::Head));
    }

    /// A server that sent its head byte by byte had all of it parsed anew for each of them: 50,000 bytes of it kept us
    /// busy for seconds, and so did as many empty lines before it.
    #[test]
    fn a_slow_head_is_parsed_once() {
        let mut reader = ResponseReader::new(MAX_BODY);
        for byte in b"HTTP/1.0 200 OK\r\nX: y\r\n\r" {
            reader.push(&[*byte]).unwrap();
            assert!(reader.head.is_none());
        }
        reader.push(b"\n").unwrap();
        assert_eq!(reader.status(), Some(200));
        for early in [&b"\r\n\r\n"[..], b"\n\n", b"x\n\r\n"] {
            assert_eq!(ResponseReader::new(MAX_BODY).push(early), Err(ResponseError::Head));
        }
        let unix = read(b"HTTP/1.0 200 OK\nX: y\n\nbody").unwrap();
        assert_eq!(unix.body, b"body");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in "(HTTP/1.0 200 OK\r\n)?([a-zA-Z]{1,3}: [a-z0-9]{0,4}\r\n|Content-Length: [0-9]{0,3}\r\n|\r\n|.){0,12}") {
            let _ = read(text.as_bytes());
        }
    }
}
