//! The one place that looks at clocks, throws dice and starts tasks.

use std::{
    future::Future,
    time::{Instant, SystemTime},
};

/// The monotonic time, for timers.
#[expect(clippy::disallowed_methods, reason = "the edge is where the clock is")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, for certificates and documents.
#[expect(clippy::disallowed_methods, reason = "the edge is where the clock is")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// By how many seconds this machine's local time is ahead of UTC at that time.
pub(crate) fn utc_offset(at: SystemTime) -> i32 {
    jiff::Timestamp::try_from(at).map_or(0, |at| jiff::tz::TimeZone::system().to_offset(at).seconds())
}

/// `2026-11-22 12:55:05`, in UTC.
pub(crate) fn iso_time(at: SystemTime) -> String {
    let zero = jiff::Timestamp::UNIX_EPOCH;
    jiff::Timestamp::try_from(at).unwrap_or(zero).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Dice for everything, keys included: a ChaCha12 generator seeded by the system. Not to be kept over an await.
pub fn rng() -> rand::rngs::ThreadRng {
    rand::rng()
}

/// Starts a task of the client. It ends by itself once nobody needs it.
#[expect(clippy::disallowed_methods, reason = "the edge is where tasks start")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}

/// Sleeps until `deadline`, or for ever if there is none.
pub(crate) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
