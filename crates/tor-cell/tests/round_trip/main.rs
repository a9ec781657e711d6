//! Whatever can be written is read back the same, and no bytes make a decoder panic.
#![expect(clippy::unwrap_used, reason = "tests")]

mod any_bytes;
mod chan;
mod relay;

use proptest::{collection::vec, prelude::*};

/// Up to so many bytes.
fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=longest)
}
