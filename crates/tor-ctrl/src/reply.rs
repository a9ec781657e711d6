//! What a command is answered with, and its bytes.
//! Spec: <https://spec.torproject.org/control-spec/message-format.html#replies-from-tor-to-the-controller>
//!
//! ```text
//! 250-text CRLF                      a line that others follow
//! 250+text CRLF data CRLF . CRLF     a line with data; lines of the data that begin with a dot get a second one
//! 250 text CRLF                      the last line
//! ```
//!
//! A reply is built whole and encoded whole: nothing can come between its lines. No text can break out of its line
//! either, since line ends in it become spaces; what has several lines is data.

mod answers;

pub use answers::{ConfAnswer, InfoAnswer, InfoError, MapAnswer};

/// The reply to one command.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reply {
    lines: Vec<Line>,
}

/// One line, with the data that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    code: u16,
    text: Vec<u8>,
    data: Option<Vec<u8>>,
}

impl Reply {
    /// `250 OK`.
    pub fn ok() -> Self {
        Self::line(250, "OK")
    }

    /// A reply of one line.
    pub fn line(code: u16, text: impl Into<Vec<u8>>) -> Self {
        Self::default().with(code, text)
    }

    /// One more line.
    #[must_use]
    pub fn with(mut self, code: u16, text: impl Into<Vec<u8>>) -> Self {
        self.push(code, text);
        self
    }

    /// One more line with data under it, which may be of any length and have any line ends.
    #[must_use]
    pub fn with_data(mut self, code: u16, text: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>) -> Self {
        self.lines.push(Line { code, text: text.into(), data: Some(data.into()) });
        self
    }

    /// One more line.
    pub fn push(&mut self, code: u16, text: impl Into<Vec<u8>>) {
        self.lines.push(Line { code, text: text.into(), data: None });
    }

    /// `250-key=value`, or `250+key=` with the value as data if it has several lines.
    pub fn push_value(&mut self, code: u16, key: &str, value: &str) {
        if value.contains(['\r', '\n']) {
            self.lines.push(Line { code, text: format!("{key}=").into(), data: Some(value.into()) });
        } else {
            self.push(code, format!("{key}={value}"));
        }
    }

    /// The code of the last line: 2xx says that the command was done.
    pub fn code(&self) -> u16 {
        self.lines.last().map_or(250, |line| line.code)
    }

    /// The bytes on the wire. A reply without a last line of its own (none at all, or data at the end) gets `250 OK`:
    /// without one the controller would wait for ever.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let open = self.lines.last().is_none_or(|line| line.data.is_some());
        let last = if open { usize::MAX } else { self.lines.len() - 1 };
        for (index, line) in self.lines.iter().enumerate() {
            let separator = if line.data.is_some() {
                b'+'
            } else if index == last {
                b' '
            } else {
                b'-'
            };
            out.extend_from_slice(format!("{:03}", line.code).as_bytes());
            out.push(separator);
            out.extend(
                line.text.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }),
            );
            out.extend_from_slice(b"\r\n");
            if let Some(data) = &line.data {
                encode_data(data, &mut out);
            }
        }
        if open {
            out.extend_from_slice(b"250 OK\r\n");
        }
        out
    }
}

/// Data as lines that end in CRLF, dots doubled where a line begins with one, and a dot alone at the end.
fn encode_data(data: &[u8], out: &mut Vec<u8>) {
    out.reserve(data.len() + 8);
    let mut before = None;
    let mut line_starts = true;
    for &byte in data {
        match byte {
            b'\n' => {
                if before.is_some_and(|byte| byte != b'\r') {
                    out.push(b'\r');
                }
                line_starts = true;
            }
            b'.' if line_starts => {
                out.push(b'.');
                line_starts = false;
            }
            _ => line_starts = false,
        }
        out.push(byte);
        before = Some(byte);
    }
    if !data.ends_with(b"\n") || data == b"\n" {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
}

/// The data of a command: doubled dots undone, line ends made LF. The inverse of what a controller sends.
pub(crate) fn decode_data(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_prefix(b".").unwrap_or(line);
        match line.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}
