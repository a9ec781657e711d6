//! Guards in the state file, in C Tor's form (guard-spec A.5), so that either program can go on with the other's:
//!
//! ```text
//! Guard in=default rsa_id=<40 hex> nickname=<name> sampled_on=<time> sampled_idx=0 listed=1 confirmed_on=<time> confirmed_idx=0
//! ```
//!
//! Times are `YYYY-MM-DDTHH:MM:SS`. Keys that we don't know are kept, and so are the guards of other selections;
//! other lines are not ours. What can't be read is put right where that is possible: to lose a guard is worse than
//! to lose its nickname.

use std::{fmt::Write, time::SystemTime};

use thiserror::Error;
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};
use tor_id::RsaId;
use tor_netdoc::Nickname;

use crate::{Guard, Guards};

/// `Guard` lines that are read, at the most: what is beyond is not the work of a Tor client.
const MAX_LINES: usize = 512;
/// Bytes of unknown keys that are kept with a guard.
const MAX_EXTRA: usize = 1024;

/// A `Guard` line of which not all can be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("guard line {line} of the state file: {what} can't be read")]
pub struct StateError {
    /// Counted from 1, among all lines.
    pub line: usize,
    /// The key that is missing or wrong.
    pub what: &'static str,
}

const TIME: &[time::format_description::BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

impl Guards {
    /// Reads the guards of a state file. What can't be read is told beside what can.
    ///
    /// ```
    /// let text = "Guard in=default rsa_id=0123456789ABCDEF0123456789ABCDEF01234567 sampled_on=2026-01-02T03:04:05";
    /// let (guards, errors) = tor_path::Guards::parse(text);
    /// assert_eq!((guards.iter().count(), errors.len()), (1, 0));
    /// assert_eq!(tor_path::Guards::parse(&guards.to_text()).0, guards);
    /// ```
    pub fn parse(text: &str) -> (Self, Vec<StateError>) {
        let mut read: Vec<(u32, Guard)> = Vec::new();
        let mut others = Vec::new();
        let mut errors = Vec::new();
        let lines =
            text.lines().enumerate().filter_map(|(at, line)| Some((at + 1, line.strip_prefix("Guard ")?)));
        for (count, (line, rest)) in lines.enumerate() {
            if count == MAX_LINES {
                errors.push(StateError { line, what: "more than 512 guards" });
                break;
            }
            let mut fields = Fields { line, errors: &mut errors, pairs: rest };
            match fields.value("in") {
                None => fields.wrong("in"),
                Some("default") => match fields.guard() {
                    Some((_, guard)) if read.iter().any(|(_, known)| known.rsa == guard.rsa) => {
                        fields.wrong("rsa_id, which came before,");
                    }
                    Some(guard) => read.push(guard),
                    None => {}
                },
                Some(_) => others.push(rest.trim_ascii().to_owned()),
            }
        }
        // A stable sort: guards without an index stay in the order of the file, at the end.
        read.sort_by_key(|(sampled_idx, _)| *sampled_idx);
        let guards = read.into_iter().map(|(_, guard)| guard).collect();
        (Self::recorded(guards, others), errors)
    }

    /// The `Guard` lines of a state file.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (index, guard) in self.guards.iter().enumerate() {
            // Writing to a String does not fail.
            let _infallible = write_guard(&mut text, index, self.confirmed_place(guard), guard);
        }
        for other in &self.others {
            let _infallible = writeln!(text, "Guard {other}");
        }
        text
    }

    /// The guard's place among those that are confirmed, counted without gaps.
    fn confirmed_place(&self, guard: &Guard) -> usize {
        let before =
            |other: &&Guard| other.confirmed_on.is_some() && other.confirmed_idx < guard.confirmed_idx;
        self.guards.iter().filter(before).count()
    }
}

fn write_guard(text: &mut String, index: usize, confirmed_idx: usize, guard: &Guard) -> std::fmt::Result {
    let id = guard.rsa.to_string();
    write!(text, "Guard in=default rsa_id={} nickname={}", id.trim_start_matches('$'), guard.nickname)?;
    write!(text, " sampled_on={} sampled_idx={index}", format(guard.sampled_on))?;
    match guard.unlisted_since {
        Some(since) => write!(text, " unlisted_since={} listed=0", format(since))?,
        None => write!(text, " listed=1")?,
    }
    if let Some(since) = guard.confirmed_on {
        write!(text, " confirmed_on={} confirmed_idx={confirmed_idx}", format(since))?;
    }
    if !guard.extra.is_empty() {
        write!(text, " {}", guard.extra)?;
    }
    writeln!(text)
}

const KNOWN: [&str; 10] = [
    "in",
    "rsa_id",
    "nickname",
    "sampled_on",
    "sampled_idx",
    "unlisted_since",
    "listed",
    "confirmed_on",
    "confirmed_idx",
    // Which Tor sampled it: not us, from now on.
    "sampled_by",
];

/// The key-value pairs of one line, and where to complain.
struct Fields<'a> {
    line: usize,
    pairs: &'a str,
    errors: &'a mut Vec<StateError>,
}

impl<'a> Fields<'a> {
    fn value(&self, key: &str) -> Option<&'a str> {
        let pairs = self.pairs.split_ascii_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    fn wrong(&mut self, what: &'static str) {
        self.errors.push(StateError { line: self.line, what });
    }

    /// The value of a key, `None` if it is absent or, which is noted, can't be read.
    fn read<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.value(key)?;
        let value = parse(text);
        if value.is_none() {
            self.wrong(key);
        }
        value
    }

    /// The guard and its index in the sample; `None` if there is no telling which guard it is, or since when.
    fn guard(&mut self) -> Option<(u32, Guard)> {
        let Some(rsa) = self.value("rsa_id").and_then(|id| RsaId::from_hex(id).ok()) else {
            self.wrong("rsa_id");
            return None;
        };
        let nickname = self.read("nickname", |name| Nickname::new(name).ok());
        let nickname = nickname.or_else(|| Nickname::new("Unnamed").ok())?;
        let index = |text: &str| text.parse::<u32>().ok().filter(|index| *index < u32::MAX);
        let confirmed_on = self.read("confirmed_on", parse);
        let confirmed_idx = self.read("confirmed_idx", index);
        let sampled_idx = self.read("sampled_idx", index);
        let Some(sampled_on) = self.value("sampled_on").and_then(parse).or(confirmed_on) else {
            self.wrong("sampled_on");
            return None;
        };
        let mut guard = Guard::new(rsa, nickname, sampled_on);
        guard.unlisted_since = self.read("unlisted_since", parse);
        guard.confirmed_on = confirmed_on;
        guard.confirmed_idx = confirmed_idx.filter(|_| confirmed_on.is_some()).unwrap_or(0);
        guard.extra = self.unknown();
        // Files of old have no order of sampling, only one of confirming.
        Some((sampled_idx.or(confirmed_idx).unwrap_or(u32::MAX), guard))
    }

    /// The words that mean nothing to us, as many as are kept.
    fn unknown(&self) -> String {
        let mut unknown = String::new();
        for word in self.pairs.split_ascii_whitespace() {
            let key = word.split_once('=').map_or(word, |(key, _)| key);
            if KNOWN.contains(&key) || unknown.len() + word.len() >= MAX_EXTRA {
                continue;
            }
            if !unknown.is_empty() {
                unknown.push(' ');
            }
            unknown.push_str(word);
        }
        unknown
    }
}

fn format(when: SystemTime) -> String {
    OffsetDateTime::from(when).format(TIME).unwrap_or_default()
}

/// A time from 1970 on.
fn parse(text: &str) -> Option<SystemTime> {
    let when = PrimitiveDateTime::parse(text, TIME).ok()?.assume_utc();
    (when.unix_timestamp() >= 0).then(|| when.into())
}

#[cfg(test)]
mod tests;
