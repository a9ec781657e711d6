//! Relay nicknames: labels for people, never identities.

use std::fmt;

use thiserror::Error;

/// A relay's nickname: 1 to 19 ASCII letters and digits, stored in place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nickname {
    length: u8,
    bytes: [u8; Self::MAX],
}

/// A text that is no nickname.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a nickname is 1 to 19 letters and digits")]
pub struct NicknameError;

impl Nickname {
    /// Longest nickname, in bytes.
    pub const MAX: usize = 19;

    /// A nickname from its text.
    ///
    /// # Errors
    /// If the text is empty, too long, or holds anything but ASCII letters and digits.
    pub fn new(text: &str) -> Result<Self, NicknameError> {
        let mut bytes = [0; Self::MAX];
        let room = bytes.get_mut(..text.len()).ok_or(NicknameError)?;
        room.copy_from_slice(text.as_bytes());
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NicknameError);
        }
        Ok(Self { length: u8::try_from(text.len()).map_err(|_| NicknameError)?, bytes })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..usize::from(self.length))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// The nickname in lower case, as families compare them.
    #[must_use]
    pub const fn to_lowercase(mut self) -> Self {
        self.bytes.make_ascii_lowercase();
        self
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(Nickname::new("moria1").unwrap().as_str(), "moria1");
        assert_eq!(Nickname::new(&"A".repeat(19)).unwrap().to_lowercase().as_str(), "a".repeat(19));
        for bad in ["", &"a".repeat(20), "a b", "a_b", "é"] {
            assert_eq!(Nickname::new(bad), Err(NicknameError), "{bad}");
        }
    }
}
