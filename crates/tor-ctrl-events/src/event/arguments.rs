//! `KEY=value` arguments that events carry as they come: the status events' and the pluggable transports'.

use serde::Serialize;

use crate::{
    ParseError,
    text::{Args, Text, put_quoted, put_word},
};

/// One `KEY=value` or `KEY="value"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Argument {
    /// The key.
    pub key: String,
    /// The value, without quotes and escapes. Bytes that aren't UTF-8 become `U+FFFD`.
    pub value: String,
    /// Whether quotes stand around it: C Tor has a fixed habit for each key.
    pub quoted: bool,
}

impl Argument {
    /// A value without quotes: a word.
    pub fn bare(key: impl Into<String>, value: impl ToString) -> Self {
        Self { key: key.into(), value: value.to_string(), quoted: false }
    }

    /// A value in quotes.
    pub fn quoted(key: impl Into<String>, value: impl ToString) -> Self {
        Self { key: key.into(), value: value.to_string(), quoted: true }
    }

    /// A value in quotes if it needs them, as C Tor writes what a pluggable transport says.
    pub fn if_needed(key: impl Into<String>, value: impl ToString) -> Self {
        let value = value.to_string();
        let quoted = value.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'\'' | b'"'));
        Self { key: key.into(), value, quoted }
    }

    /// Reads what is left of a line. Words without a `=` are left out.
    pub(super) fn parse_all(args: Args<'_>) -> Result<Vec<Self>, ParseError> {
        let parse = |pair: crate::text::Pair<'_>| {
            let value = pair.bytes("argument")?;
            let value = String::from_utf8(value)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
            Ok(Self { key: pair.key.to_owned(), value, quoted: pair.is_quoted() })
        };
        args.pairs().map(parse).collect()
    }
}

impl Text for Argument {
    fn put(&self, out: &mut Vec<u8>) {
        put_word(out, &self.key);
        out.push(b'=');
        match (self.quoted, self.value.as_str()) {
            (true, value) => put_quoted(out, value.as_bytes()),
            (false, "") => {}
            (false, value) => put_word(out, value),
        }
    }
}

impl std::fmt::Display for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Writes them with a blank before each.
pub(super) fn put_arguments(out: &mut Vec<u8>, arguments: &[Argument]) {
    for argument in arguments {
        out.push(b' ');
        argument.put(out);
    }
}
