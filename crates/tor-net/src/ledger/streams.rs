//! The streams: of applications, and of directory fetches.

use super::Ledger;

impl Ledger {
    /// What moved in the last second on each stream on which something did.
    #[expect(clippy::unused_self, reason = "there are no streams in it yet")]
    pub(super) const fn stream_bandwidth(&self) {}
}

/// The streams that are not over.
#[derive(Debug, Default)]
pub(super) struct Streams {}
