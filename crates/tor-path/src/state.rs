//! Guards in the state file, in C Tor's form:
//!
//! ```text
//! Guard in=default rsa_id=<40 hex> nickname=<name> sampled_on=<time> listed=1 confirmed_on=<time> confirmed_idx=0
//! ```
//!
//! Times are `YYYY-MM-DDTHH:MM:SS`. Unknown keys and other lines are left alone; a line that can't be read is an
//! error of that line, not of the file.

use std::{fmt::Write, time::SystemTime};

use thiserror::Error;
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};
use tor_id::RsaId;
use tor_netdoc::Nickname;

use crate::{Guard, Guards};

/// A `Guard` line that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("guard line {line} of the state file can't be read: {what}")]
pub struct StateError {
    /// Counted from 1, among all lines.
    pub line: usize,
    /// The key that is missing or wrong.
    pub what: &'static str,
}

const TIME: &[time::format_description::BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

impl Guards {
    /// Reads the guards of a state file. Lines that can't be read are returned beside those that can.
    pub fn parse(text: &str) -> (Self, Vec<StateError>) {
        let mut read: Vec<(Option<u32>, Guard)> = Vec::new();
        let mut errors = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some(rest) = line.strip_prefix("Guard ") else { continue };
            match parse_line(rest) {
                Ok(Some(guard)) if read.iter().any(|(_, known)| known.rsa == guard.1.rsa) => {}
                Ok(Some(guard)) => read.push(guard),
                Ok(None) => {}
                Err(what) => errors.push(StateError { line: index + 1, what }),
            }
        }
        // Confirmed ones first, by their index; a stable sort keeps the sampling order of the others.
        read.sort_by_key(|(confirmed, _)| confirmed.unwrap_or(u32::MAX));
        let guards = read.into_iter().map(|(_, guard)| guard).collect();
        (Self { guards, ..Self::default() }, errors)
    }

    /// The `Guard` lines of a state file.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut confirmed = 0;
        for guard in &self.guards {
            let _infallible = write!(
                text,
                "Guard in=default rsa_id={} nickname={} sampled_on={}",
                guard.rsa.to_string().trim_start_matches('$'),
                guard.nickname,
                format(guard.sampled_on)
            );
            let _infallible = match guard.unlisted_since {
                Some(since) => write!(text, " unlisted_since={} listed=0", format(since)),
                None => write!(text, " listed=1"),
            };
            if let Some(since) = guard.confirmed_on {
                let _infallible = write!(text, " confirmed_on={} confirmed_idx={confirmed}", format(since));
                confirmed += 1;
            }
            text.push('\n');
        }
        text
    }
}

/// `None` for a guard of another selection (bridges have their own).
fn parse_line(line: &str) -> Result<Option<(Option<u32>, Guard)>, &'static str> {
    let value = |key: &str| {
        line.split_ascii_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .find(|(k, _)| *k == key)
            .map(|(_, v)| v)
    };
    let when = |key: &'static str| value(key).map(|text| parse(text).ok_or(key)).transpose();
    if value("in").is_some_and(|selection| selection != "default") {
        return Ok(None);
    }
    let rsa = value("rsa_id").and_then(|id| RsaId::from_hex(id).ok()).ok_or("rsa_id")?;
    let nickname = Nickname::new(value("nickname").unwrap_or("Unnamed")).map_err(|_| "nickname")?;
    let mut guard = Guard::new(rsa, nickname, when("sampled_on")?.ok_or("sampled_on")?);
    guard.confirmed_on = when("confirmed_on")?;
    guard.unlisted_since = when("unlisted_since")?;
    let index = value("confirmed_idx").map(|text| text.parse().map_err(|_| "confirmed_idx")).transpose()?;
    Ok(Some((index.filter(|_| guard.confirmed_on.is_some()), guard)))
}

fn format(when: SystemTime) -> String {
    OffsetDateTime::from(when).format(TIME).unwrap_or_default()
}

fn parse(text: &str) -> Option<SystemTime> {
    Some(PrimitiveDateTime::parse(text, TIME).ok()?.assume_utc().into())
}
