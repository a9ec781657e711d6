//! Consensus diffs: an ed script from the consensus that we have to the one that we want.
//! <https://spec.torproject.org/dir-spec/consensus-diffs.html>
//!
//! ```text
//! network-status-diff-version 1
//! hash FROM TO              SHA3-256 of the old signed part, of the whole new text
//! 12,14c                    commands in descending order of lines: a, c with lines up to ".", d
//! ```

use sha3::{Digest, Sha3_256};
use thiserror::Error;
use tor_id::Fault;

use crate::lines::{decimal, hex};

const VERSION: &str = "network-status-diff-version 1";
/// Longest line that C Tor reads in a diff or its base.
const MAX_LINE: usize = 1 << 20;

/// Why a diff can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DiffError {
    /// The header is not that of a diff.
    #[error("malformed header of a consensus diff")]
    Header,
    /// The diff is not one of the consensus that it is applied to.
    #[error("consensus diff from another consensus than ours")]
    WrongBase,
    /// A command is malformed, out of order, or beyond the end.
    #[error("malformed command on line {line} of a consensus diff")]
    Command {
        /// The line in the diff, from 1.
        line: u32,
    },
    /// The result is not what the diff promises.
    #[error("consensus diff leads to another consensus than it says")]
    WrongResult,
}

impl DiffError {
    /// Whoever served the diff is to blame.
    pub const fn fault(&self) -> Fault {
        Fault::Peer
    }
}

/// True if a text is a diff rather than a consensus.
pub fn looks_like_diff(text: &str) -> bool {
    text.starts_with(VERSION)
}

/// Applies a diff. `base_sha3` is [`crate::Consensus::sha3_as_signed`] of the consensus whose text is `base`. The
/// digest of the result is checked; its signatures are not.
///
/// # Errors
/// If the diff is malformed, is for another base, or does not lead where it says.
pub fn apply(base: &str, base_sha3: &[u8; 32], diff: &str) -> Result<String, DiffError> {
    let (from, to, script) = parse_header(diff)?;
    if from != *base_sha3 {
        return Err(DiffError::WrongBase);
    }
    let result = apply_script(base, script)?;
    // MUST: the result is not used unless its digest is the announced one.
    let digest: [u8; 32] = Sha3_256::digest(&result).into();
    if digest == to { Ok(result) } else { Err(DiffError::WrongResult) }
}

fn parse_header(diff: &str) -> Result<([u8; 32], [u8; 32], &str), DiffError> {
    let (version, rest) = diff.split_once('\n').ok_or(DiffError::Header)?;
    let (hashes, script) = rest.split_once('\n').ok_or(DiffError::Header)?;
    let mut words = hashes.split(' ');
    let parsed = match (version, words.next(), words.next(), words.next(), words.next()) {
        (VERSION, Some("hash"), Some(from), Some(to), None) => hex(from).zip(hex(to)),
        _ => None,
    };
    let (from, to) = parsed.ok_or(DiffError::Header)?;
    Ok((from, to, script))
}

fn apply_script(base: &str, script: &str) -> Result<String, DiffError> {
    Ok(pieces(base, script)?.concat())
}

/// The result in pieces, found last one first, as the script goes backwards. Only the base, which was verified, is
/// held as lines: a script may consist of a hundred million of them, so each text that it adds stays one piece, and
/// there may be no more commands than places for them.
fn pieces<'a>(base: &'a str, script: &'a str) -> Result<Vec<&'a str>, DiffError> {
    let lines = split_lines(base).ok_or(DiffError::WrongBase)?;
    let mut script = Script { rest: script, line: 2 };
    let mut pieces: Vec<&str> = Vec::new();
    // Lines of the base up to this one are still to come.
    let mut pending = lines.len();
    // Each line may be replaced, and text be added behind it.
    let mut commands_left = 2 * (lines.len() + 1);
    while let Some(line) = script.next_line()? {
        let error = script.error();
        commands_left = commands_left.checked_sub(1).ok_or(error)?;
        let command = Command::parse(line.trim_end_matches('\n'), lines.len()).ok_or(error)?;
        if command.last > pending {
            return Err(error);
        }
        pieces.extend(lines.get(command.last..pending).ok_or(error)?.iter().rev());
        pending = if command.action == Action::Append { command.last } else { command.first - 1 };
        if command.action != Action::Delete {
            pieces.push(script.added_text().ok_or(error)??);
        }
    }
    pieces.extend(lines.get(..pending).unwrap_or_default().iter().rev());
    pieces.reverse();
    Ok(pieces)
}

/// What is left of a script.
struct Script<'a> {
    rest: &'a str,
    /// The number of the last line that was taken, from 1.
    line: u32,
}

impl<'a> Script<'a> {
    /// The next line with its newline, `None` at the end.
    fn next_line(&mut self) -> Result<Option<&'a str>, DiffError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.line = self.line.saturating_add(1);
        let error = self.error();
        let length = memchr::memchr(b'\n', self.rest.as_bytes()).ok_or(error)? + 1;
        if length > MAX_LINE {
            return Err(error);
        }
        let (line, rest) = self.rest.split_at_checked(length).ok_or(error)?;
        self.rest = rest;
        Ok(Some(line))
    }

    /// The lines up to the one that is only a dot, as one text; `None` if there are none, or no dot.
    fn added_text(&mut self) -> Option<Result<&'a str, DiffError>> {
        let text = self.rest;
        let mut length = 0;
        loop {
            match self.next_line() {
                Ok(Some(".\n")) => return text.get(..length).filter(|text| !text.is_empty()).map(Ok),
                Ok(Some(line)) => length += line.len(),
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    const fn error(&self) -> DiffError {
        DiffError::Command { line: self.line }
    }
}

/// Lines with their newlines; `None` if the last one has none or one is too long.
fn split_lines(text: &str) -> Option<Vec<&str>> {
    let legal = |line: &&str| line.ends_with('\n') && line.len() <= MAX_LINE;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.iter().all(legal).then_some(lines)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Append,
    Change,
    Delete,
}

/// One command: lines `first..=last` of the base, counted from 1. Only `0a` may name line 0.
#[derive(Clone, Copy, Debug)]
struct Command {
    first: usize,
    last: usize,
    action: Action,
}

impl Command {
    fn parse(line: &str, base_length: usize) -> Option<Self> {
        let (range, action) = line.split_at_checked(line.len().checked_sub(1)?)?;
        let action = match action {
            "a" => Action::Append,
            "c" => Action::Change,
            "d" => Action::Delete,
            _ => return None,
        };
        let (first, last) = match range.split_once(',') {
            // Text can't be added after a range.
            Some(_) if action == Action::Append => return None,
            Some((first, "$")) if action == Action::Delete => (decimal(first)?, base_length),
            Some((first, last)) => (decimal(first)?, decimal(last)?),
            None => (decimal(range)?, decimal(range)?),
        };
        let legal = first <= last && (first > 0 || action == Action::Append);
        legal.then_some(Self { first, last, action })
    }
}

#[cfg(test)]
mod tests;
