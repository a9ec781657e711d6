//! When builds fail in a row, the next one waits.

use std::time::Duration;

use tokio::time::Instant;

/// Failed builds in a row that cost no pause: those are bad luck.
pub(crate) const FREE_FAILURES: u32 = 3;
/// Each further one adds this to the pause before the next build, up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Builds that failed since one succeeded, and until when the next must wait for that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    pub(crate) const fn succeeded(&mut self) {
        *self = Self { failures: 0, not_before: None };
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let counted = self.failures.saturating_sub(FREE_FAILURES).min(1000);
        if counted > 0 {
            self.not_before = Some(now + (PAUSE * counted).min(MAX_PAUSE));
        }
    }

    /// The end of the pause, if there is one now.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|until| now < *until)
    }
}
