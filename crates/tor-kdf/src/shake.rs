//! SHAKE-256: a stream of key bytes without end.
//! <https://spec.torproject.org/rend-spec/overview.html#cryptography>

use std::fmt;

use sha3::digest::{ExtendableOutput, Update, XofReader};
use zeroize::Zeroizing;

/// Takes in the parts of a secret; [`Shake256::stream`] then gives out keys.
#[derive(Clone, Default)]
pub struct Shake256(sha3::Shake256);

/// Key bytes, each given out once.
pub struct KeyStream(sha3::Shake256Reader);

impl Shake256 {
    /// Nothing taken in yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one part; where one ends and the next begins makes no difference.
    #[must_use]
    pub fn chain(mut self, part: &[u8]) -> Self {
        self.0.update(part);
        self
    }

    /// What follows from all that was taken in.
    pub fn stream(self) -> KeyStream {
        KeyStream(self.0.finalize_xof())
    }
}

impl KeyStream {
    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> Zeroizing<[u8; N]> {
        let mut out = Zeroizing::new([0; N]);
        self.0.read(&mut *out);
        out
    }
}

impl fmt::Debug for Shake256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shake256(..)")
    }
}

impl fmt::Debug for KeyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyStream(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{bytes, load};

    #[test]
    fn known_answers() {
        for case in load("shake256.json")["shake256"].as_array().unwrap() {
            let message = bytes(&case["message"]);
            let expected = bytes(&case["output"]);
            let whole = Shake256::new().chain(&message).stream().take::<300>();
            assert_eq!(whole[..], expected);

            let (head, tail) = message.split_at(message.len() / 3);
            let mut stream = Shake256::new().chain(head).chain(tail).stream();
            assert_eq!(stream.take::<7>()[..], expected[..7]);
            assert_eq!(stream.take::<200>()[..], expected[7..207]);
        }
    }

    #[test]
    fn no_secrets_in_debug() {
        let hasher = Shake256::new().chain(b"secret");
        assert_eq!(format!("{hasher:?} {:?}", hasher.clone().stream()), "Shake256(..) KeyStream(..)");
    }
}
