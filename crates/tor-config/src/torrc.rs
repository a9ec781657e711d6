//! The text of a torrc: bytes → lines. `doc/torrc_format.txt` in C Tor's source describes the format.
//!
//! ```text
//! Key value            # comment
//! +Key value           adds to a list           /Key   clears it
//! Key "quoted\n"       C escapes
//! Key several \        continued; from here on a comment
//!   # does not end     does not end the entry, even without a backslash of its own
//!   lines
//! ```
//!
//! This module knows no options and no files: `%include` comes out as a line like any other.

use std::iter::FusedIterator;

use thiserror::Error;

use crate::quote::{BadQuote, unquote};
use crate::{Line, Mark, Origin};

/// One entry of a torrc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without its mark; case as written.
    pub key: String,
    /// The value, decoded; empty if there is none, or if the mark is [`Mark::Clear`].
    pub value: String,
    /// `+`, `/` or nothing.
    pub mark: Mark,
    /// The line on which the entry begins, counted from 1.
    pub line: u32,
}

impl Entry {
    /// The assignment that this entry is, if it stands there.
    pub fn at(self, origin: Origin) -> Line {
        Line { key: self.key, value: self.value, mark: self.mark, origin }
    }
}

/// Text that is no torrc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// A quoted value is not one.
    #[error(transparent)]
    Quote(#[from] BadQuote),
    /// Something other than a comment follows a quoted value.
    #[error("excess data after a quoted string")]
    AfterQuote,
    /// A name or value is not UTF-8, or contains a NUL byte.
    #[error("not UTF-8 text")]
    NotText,
}

/// Reads the entries of a torrc, in order; ends after the first error, which comes with its line.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    line: u32,
}

impl<'a> Entries<'a> {
    /// Reads this text from its beginning.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 1 }
    }

    /// Takes `length` bytes, counting the lines that end in them.
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        let lines = taken.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.rest = rest;
        taken
    }

    /// Takes bytes as long as they are of a sort.
    fn take_while(&mut self, sort: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|byte| !sort(*byte)).unwrap_or(self.rest.len());
        self.take(length)
    }

    fn skip_to_key(&mut self) {
        loop {
            self.take_while(is_space);
            if self.rest.first() != Some(&b'#') {
                return;
            }
            self.take_while(|byte| byte != b'\n');
        }
    }

    fn key(&mut self) -> &'a [u8] {
        let mut length = 0_usize;
        for (at, byte) in self.rest.iter().enumerate() {
            let continued = *byte == b'\\' && self.rest.get(at.saturating_add(1)) == Some(&b'\n');
            if is_space(*byte) || *byte == b'#' || continued {
                break;
            }
            length = at.saturating_add(1);
        }
        self.take(length)
    }

    fn quoted(&mut self) -> Result<Vec<u8>, SyntaxError> {
        let (value, length) = unquote(self.rest)?;
        self.take(length);
        self.take_while(|byte| byte == b' ' || byte == b'\t');
        if self.rest.first() == Some(&b'\r') {
            self.take(1);
        }
        match self.rest.first() {
            None | Some(b'\n' | b'#') => Ok(value),
            Some(_) => Err(SyntaxError::AfterQuote),
        }
    }

    /// A value without quotes. C Tor trims the raw text before it removes continuations, which shows where a
    /// value ends in one; so do we.
    fn plain(&mut self) -> Vec<u8> {
        let text = self.rest;
        let mut end = 0_usize;
        let mut continued = false;
        while let Some(&byte) = text.get(end) {
            let next = text.get(end.saturating_add(1));
            match byte {
                b'\n' => break,
                b'#' if !continued => break,
                b'#' => end = after_comment(text, end),
                b'\\' if next == Some(&b'\n') => {
                    continued = true;
                    end = end.saturating_add(2).min(text.len());
                }
                _ => end = end.saturating_add(1),
            }
        }
        let mut raw = self.take(end);
        while let [head @ .., last] = raw {
            if !is_space(*last) {
                break;
            }
            raw = head;
        }
        if continued { join(raw) } else { raw.to_vec() }
    }

    fn entry(&mut self) -> Result<Entry, SyntaxError> {
        let line = self.line;
        let key = text(self.key().to_vec())?;
        self.take_while(|byte| byte == b' ' || byte == b'\t');
        let value = if self.rest.first() == Some(&b'"') { self.quoted()? } else { self.plain() };
        let value = text(value)?;
        Ok(match (key.strip_prefix('+'), key.strip_prefix('/')) {
            (Some(name), _) => Entry { key: name.to_owned(), value, mark: Mark::Append, line },
            (None, Some(name)) => {
                Entry { key: name.to_owned(), value: String::new(), mark: Mark::Clear, line }
            }
            (None, None) => Entry { key, value, mark: Mark::Set, line },
        })
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, (u32, SyntaxError)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_to_key();
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let entry = self.entry();
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry.map_err(|error| (line, error)))
    }
}

impl FusedIterator for Entries<'_> {}

/// Removes the backslashes and line breaks of a continued value, and its comments with their line breaks.
fn join(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0_usize;
    while let Some(&byte) = raw.get(at) {
        if byte == b'#' {
            at = after_comment(raw, at);
        } else if byte == b'\\' && raw.get(at.saturating_add(1)) == Some(&b'\n') {
            at = at.saturating_add(2);
        } else {
            out.push(byte);
            at = at.saturating_add(1);
        }
    }
    out
}

/// The place after the line break that ends a comment.
fn after_comment(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end.saturating_add(1));
    at.saturating_add(length)
}

fn text(bytes: Vec<u8>) -> Result<String, SyntaxError> {
    let text = String::from_utf8(bytes).map_err(|_| SyntaxError::NotText)?;
    // C Tor reads up to the NUL and silently drops what follows.
    if text.contains('\0') { Err(SyntaxError::NotText) } else { Ok(text) }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests;
