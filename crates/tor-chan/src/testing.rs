//! What several tests need.

use std::{sync::LazyLock, time::Instant};

/// The instant at which tests begin.
pub(crate) fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "some instant is needed to count from")]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}
