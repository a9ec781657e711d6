//! Fixed circuit windows: how many DATA cells may be under way to and from one hop.
//! <https://spec.torproject.org/tor-spec/flow-control.html>
//!
//! ```text
//!           send                             each 100th cell's tag is kept, at most 10 of them
//! 1000 ────────────> 999 … 900 … 0 (stop)    each SENDME must quote the oldest: + 100
//! ```
//!
//! Only DATA counts. The number of tags kept and the window are two views of one number, so a SENDME too many
//! finds no tag and the window can't pass 1000. Left out: windows of streams (`tor-stream`) and congestion
//! control, which replaces these.

use std::collections::VecDeque;

use tor_cell::relay::Sendme;

use crate::{SendmeError, Tag};

/// Cells under way at most, and where each window starts.
const START: u16 = 1000;
/// Cells that one SENDME acknowledges.
const INCREMENT: u16 = 100;

/// How much we may send to a hop.
#[derive(Debug)]
pub(crate) struct SendWindow {
    credit: u16,
    /// Tags of the cells whose SENDMEs are outstanding, oldest first; at most `START / INCREMENT`.
    expected: VecDeque<Tag>,
}

/// How much a hop has sent since our last SENDME.
#[derive(Debug, Default)]
pub(crate) struct ReceiveWindow {
    unacknowledged: u16,
}

impl SendWindow {
    pub(crate) const fn new() -> Self {
        Self { credit: START, expected: VecDeque::new() }
    }

    /// DATA cells that may be sent now, 0 to 1000.
    pub(crate) const fn credit(&self) -> u16 {
        self.credit
    }

    /// Counts a DATA cell that was sent; the caller has looked at [`Self::credit`].
    pub(crate) fn sent(&mut self, tag: Tag) {
        debug_assert!(self.credit > 0, "sent beyond the window");
        self.credit = self.credit.saturating_sub(1);
        if self.credit.is_multiple_of(INCREMENT) {
            self.expected.push_back(tag);
        }
    }

    /// Opens the window by what `sendme` proves.
    pub(crate) fn on_sendme(&mut self, sendme: &Sendme<'_>, accept_min: u8) -> Result<(), SendmeError> {
        let (version, quoted) = match *sendme {
            Sendme::Unauthenticated => (0, None),
            Sendme::Tagged(tag) => (1, Some(tag)),
        };
        // "If a node receives a SENDME with a version lower than sendme_accept_min_version, it MUST close the
        // circuit" (tor-spec, flow control, SENDME cell format).
        if version < accept_min {
            return Err(SendmeError::Version(version));
        }
        // A version 0 SENDME spends a tag as well, so that the next one is compared with the right cell.
        let tag = self.expected.pop_front().ok_or(SendmeError::Unexpected)?;
        // The digest in the SENDME must be that of the cell which it acknowledges, else the circuit closes.
        if quoted.is_some_and(|quoted| !tag.matches(quoted)) {
            return Err(SendmeError::WrongTag);
        }
        self.credit = self.credit.saturating_add(INCREMENT);
        Ok(())
    }
}

impl ReceiveWindow {
    /// Counts a DATA cell that came; true if it is the one that a SENDME must now acknowledge.
    pub(crate) const fn received(&mut self) -> bool {
        self.unacknowledged += 1;
        let due = self.unacknowledged == INCREMENT;
        if due {
            self.unacknowledged = 0;
        }
        due
    }
}
