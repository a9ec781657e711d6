//! A web server on loopback with content that is known byte by byte, and the requests to it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /N` | the first N bytes of the endless [`pattern`] |
//! | `PUT` or `POST /sha256` | SHA-256 of the body in hex |
//! | `PUT` or `POST /count` | how long the body was |

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::socks::{Socks, Target};

/// Starts a server on `address` that lasts as long as this process.
pub(crate) fn serve(address: IpAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind((address, 0)).with_context(|| format!("listening on {address}"))?;
    let here = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that fails is the client's to notice.
            thread::spawn(move || drop(converse(stream)));
        }
    });
    Ok(here)
}

/// SHA-256 of the first `length` bytes of the pattern, in hex.
pub(crate) fn pattern_hash(length: u64) -> String {
    let mut hash = Sha256::new();
    // Writing to a hash cannot fail.
    let _ = write_pattern(length, |bytes| {
        hash.update(bytes);
        Ok(())
    });
    hex(&hash.finalize())
}

/// Hands the first `length` bytes of the pattern to `write`, in pieces.
pub(crate) fn write_pattern(length: u64, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(pattern().len());
        let piece = pattern().get(..piece).unwrap_or_default();
        for chunk in piece.chunks(256 * 1024) {
            write(chunk)?;
        }
        left -= u64::try_from(piece.len()).unwrap_or(left);
    }
    Ok(())
}

/// Reads to the end, and returns how much came and its SHA-256.
pub(crate) fn read_hash(mut from: impl Read) -> Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        let length = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        total += u64::try_from(length)?;
    }
    Ok((total, hex(&hash.finalize())))
}

/// Opens a stream through the proxy, asks for `length` bytes and returns the stream at the answer's body.
pub(crate) fn get(
    socks: &Socks,
    target: Target<'_>,
    port: u16,
    length: u64,
    patience: Duration,
) -> Result<BufReader<TcpStream>> {
    let mut stream = socks.connect5(target, port, patience)?.open()?;
    write!(stream, "GET /{length} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut stream = BufReader::with_capacity(256 * 1024, stream);
    let mut status = String::new();
    stream.read_line(&mut status)?;
    ensure!(status.starts_with("HTTP/1.1 200"), "the web server's answer was {status:?}");
    read_headers(&mut stream)?;
    Ok(stream)
}

/// Fetches a page through the proxy until its first byte.
pub(crate) fn fetch_first_byte(
    socks: &Socks,
    target: Target<'_>,
    port: u16,
    patience: Duration,
) -> Result<()> {
    let mut first = [0];
    get(socks, target, port, 1, patience)?.read_exact(&mut first)?;
    ensure!(pattern().starts_with(&first), "the first byte is wrong");
    Ok(())
}

/// Uploads `length` bytes of the pattern through the proxy; returns when the server has counted them.
pub(crate) fn put(
    socks: &Socks,
    target: Target<'_>,
    port: u16,
    length: u64,
    patience: Duration,
) -> Result<()> {
    let mut stream = socks.connect5(target, port, patience)?.open()?;
    write!(
        stream,
        "PUT /count HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )?;
    write_pattern(length, |bytes| stream.write_all(bytes))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.ends_with(&format!("\r\n\r\n{length}")), "the web server counted {answer:?}");
    Ok(())
}

/// Bytes without a visible order, repeated for ever. The period is prime, so that no shift by whole cells or
/// records goes unnoticed.
fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = Vec::with_capacity(PERIOD + 8);
        while bytes.len() < PERIOD {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(PERIOD);
        bytes
    })
}

/// Answers requests on one connection until the client closes it.
fn converse(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut output = stream.try_clone()?;
    let mut input = BufReader::with_capacity(256 * 1024, stream);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        let headers = read_headers(&mut input)?;
        let header = |name: &str| {
            let mut found = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.as_str())
        };
        if header("expect").is_some() {
            output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body: u64 = header("content-length").unwrap_or("0").parse()?;
        match (method, path.trim_start_matches('/')) {
            ("GET", number) => {
                let length = number.parse()?;
                head(&mut output, length)?;
                write_pattern(length, |bytes| output.write_all(bytes))?;
            }
            ("PUT" | "POST", "sha256") => {
                let (_, hash) = read_hash((&mut input).take(body))?;
                answer(&mut output, &hash)?;
            }
            ("PUT" | "POST", "count") => {
                let count = io::copy(&mut (&mut input).take(body), &mut io::sink())?;
                answer(&mut output, &count.to_string())?;
            }
            _ => output.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
        if header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            return Ok(());
        }
    }
}

fn head(output: &mut impl Write, length: u64) -> io::Result<()> {
    write!(output, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
}

fn answer(output: &mut impl Write, body: &str) -> io::Result<()> {
    write!(output, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn read_headers(input: &mut impl BufRead) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        ensure!(input.read_line(&mut line)? > 0, "the headers end early");
        let Some((name, value)) = line.split_once(':') else { return Ok(headers) };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A prime just below 1 MiB.
const PERIOD: usize = 1_048_573;
