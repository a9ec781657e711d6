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
