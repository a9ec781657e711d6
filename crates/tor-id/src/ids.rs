//! The two identities of a relay. <https://spec.torproject.org/tor-spec/preliminaries.html>

use std::{fmt, str::FromStr};

use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

/// SHA-1 of a relay's RSA identity key in PKCS#1 DER: its "fingerprint", 20 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RsaId([u8; Self::LEN]);

/// A relay's Ed25519 master identity key, 32 bytes. Not necessarily a valid point.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ed25519Id([u8; Self::LEN]);

/// The identities by which a relay is known: always the RSA one, the Ed25519 one where it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayIds {
    /// The RSA identity.
    pub rsa: RsaId,
    /// The Ed25519 identity; `None` if nobody has told it (a `DirAuthority` line need not).
    pub ed25519: Option<Ed25519Id>,
}

/// A text or byte string that is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a relay identity: expected {expected}")]
pub struct IdError {
    /// What would have been right.
    pub expected: &'static str,
}

impl RsaId {
    /// Length in bytes.
    pub const LEN: usize = 20;

    /// An identity from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// An identity from a slice of the wire.
    ///
    /// # Errors
    /// If the slice is not exactly 20 bytes long.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        bytes.try_into().map(Self).map_err(|_| IdError { expected: "20 bytes" })
    }

    /// An identity from 40 hex digits in either case, with or without a leading `$`.
    ///
    /// # Errors
    /// If the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, IdError> {
        let mut id = [0; Self::LEN];
        hex::decode_to_slice(text.strip_prefix('$').unwrap_or(text), &mut id)
            .map_err(|_| IdError { expected: "40 hex digits" })?;
        Ok(Self(id))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl Ed25519Id {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// An identity from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// An identity from a slice of the wire.
    ///
    /// # Errors
    /// If the slice is not exactly 32 bytes long.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
        bytes.try_into().map(Self).map_err(|_| IdError { expected: "32 bytes" })
    }

    /// An identity from base64 without padding, as directory documents write it.
    ///
    /// # Errors
    /// If the text is not the base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, IdError> {
        use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
        let error = IdError { expected: "base64 of 32 bytes" };
        let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| error)?;
        Self::from_slice(&bytes).map_err(|_| error)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// True if every byte is zero, which is how some formats write "none".
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }
}

impl RelayIds {
    /// Both identities of one relay.
    pub const fn new(rsa: RsaId, ed25519: Option<Ed25519Id>) -> Self {
        Self { rsa, ed25519 }
    }
}

impl ConstantTimeEq for RsaId {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl ConstantTimeEq for Ed25519Id {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl FromStr for RsaId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::from_hex(text)
    }
}

/// `$` and 40 upper-case hex digits.
impl fmt::Display for RsaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", hex::encode_upper(self.0))
    }
}

impl fmt::Debug for RsaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Base64 without padding.
impl fmt::Display for Ed25519Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use base64::{display::Base64Display, engine::general_purpose::STANDARD_NO_PAD};
        fmt::Display::fmt(&Base64Display::new(&self.0, &STANDARD_NO_PAD), f)
    }
}

impl fmt::Debug for Ed25519Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{self}")
    }
}

/// The RSA identity alone: it is the one that every tool prints.
impl fmt::Display for RelayIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.rsa, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_in_either_form() {
        let text = "A0A1A2A3A4A5A6A7A8A9AAABACADAEAF00010203";
        let id = RsaId::from_hex(text).unwrap();
        assert_eq!(RsaId::from_hex(&format!("${}", text.to_lowercase())).unwrap(), id);
        assert_eq!(id.to_string(), format!("${text}"));
        for bad in
            ["", "$", "A0", &text[1..], &format!("{text}00"), &format!("$${text}"), &text.replace('A', "G")]
        {
            assert!(RsaId::from_hex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ed25519_ids_round_trip_as_base64() {
        let id = Ed25519Id::from_bytes([0xfb; 32]);
        assert_eq!(Ed25519Id::from_base64(&id.to_string()).unwrap(), id);
        assert!(Ed25519Id::from_base64("AAAA").is_err());
        assert!(Ed25519Id::from_base64("!").is_err());
    }
}
