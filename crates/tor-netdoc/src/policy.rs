//! Exit policy summaries: the `p` and `p6` lines. <https://spec.torproject.org/dir-spec/consensus-formats.html>
//!
//! `accept 80,443` or `reject 1-1024`: which ports, to most addresses. A summary is a guess: the exit may
//! still refuse.

use std::fmt;

use thiserror::Error;

use crate::lines::decimal;

/// Which ports an exit allows for most addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortPolicy {
    accept: bool,
    ranges: Box<[(u16, u16)]>,
}

/// A summary that is no summary. C Tor then acts as if the line were absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed exit policy summary")]
pub struct PolicyError;

impl PortPolicy {
    /// Most ranges that a summary may have (C Tor: `MAX_EXITPOLICY_SUMMARY_LEN`).
    pub const MAX_RANGES: usize = 1000;

    /// `reject 1-65535`: what an absent line means.
    pub fn reject_all() -> Self {
        Self { accept: false, ranges: Box::new([(1, u16::MAX)]) }
    }

    /// A summary from ranges that are in order.
    pub(crate) fn from_ranges(accept: bool, ranges: Vec<(u16, u16)>) -> Self {
        Self { accept, ranges: ranges.into() }
    }

    /// Reads `accept` or `reject` and a list of ports and ranges. An entry that does not begin with a digit is
    /// skipped, as C Tor does; anything else malformed spoils the summary. Port 0 is never legal.
    ///
    /// # Errors
    /// If the summary is malformed, has no entry, or more than [`Self::MAX_RANGES`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let (accept, list) = match (text.strip_prefix("accept "), text.strip_prefix("reject ")) {
            (Some(list), _) => (true, list),
            (None, Some(list)) => (false, list),
            (None, None) => return Err(PolicyError),
        };
        let mut ranges = Vec::new();
        for entry in list.split(',').filter(|entry| entry.starts_with(|first: char| first.is_ascii_digit())) {
            let (low, high) = entry.split_once('-').unwrap_or((entry, entry));
            let range = (decimal(low).ok_or(PolicyError)?, decimal(high).ok_or(PolicyError)?);
            if range.0 == 0 || range.0 > range.1 || ranges.len() == Self::MAX_RANGES {
                return Err(PolicyError);
            }
            ranges.push(range);
        }
        if ranges.is_empty() { Err(PolicyError) } else { Ok(Self { accept, ranges: ranges.into() }) }
    }

    /// True if a connection to this port is probably allowed. Port 0 never is.
    pub fn allows(&self, port: u16) -> bool {
        port != 0 && self.accept == self.ranges.iter().any(|&(low, high)| (low..=high).contains(&port))
    }

    /// True if the summary refuses every port.
    pub fn rejects_all(&self) -> bool {
        !self.accept && *self.ranges == [(1, u16::MAX)]
    }
}

/// The form that [`PortPolicy::parse`] reads.
impl fmt::Display for PortPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.accept { "accept " } else { "reject " })?;
        for (index, (low, high)) in self.ranges.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if low == high { write!(f, "{comma}{low}")? } else { write!(f, "{comma}{low}-{high}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
