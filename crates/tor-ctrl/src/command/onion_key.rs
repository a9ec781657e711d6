//! Private keys in arguments: `NEW:BEST`, `ED25519-V3:…`, `x25519:…`.

use std::fmt;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Reply, quote::is_space};

/// A private key, which no log shows.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretKey<const N: usize>([u8; N]);

/// The key of a service to be.
#[derive(Debug, PartialEq, Eq)]
pub enum OnionKey {
    /// Make one.
    New,
    /// This one: an expanded Ed25519 key, scalar and prefix.
    Expanded(SecretKey<64>),
}

impl<const N: usize> SecretKey<N> {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// From base 64 with or without padding.
    fn decode(text: &[u8]) -> Option<Self> {
        let bytes = decode_base64(text)?;
        bytes.as_slice().try_into().ok().map(Self)
    }
}

impl<const N: usize> PartialEq for SecretKey<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> Eq for SecretKey<N> {}

impl<const N: usize> fmt::Debug for SecretKey<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl OnionKey {
    /// The first argument of ADD_ONION.
    ///
    /// # Errors
    ///
    /// The refusal, which repeats nothing of the key.
    pub(super) fn parse(word: &[u8]) -> Result<Self, Reply> {
        let (kind, blob) = halves(word)?;
        if kind.eq_ignore_ascii_case(b"ED25519-V3") {
            let key = SecretKey::decode(blob).map(Self::Expanded);
            key.ok_or_else(|| Reply::line(512, "Failed to decode ED25519-V3 key"))
        } else if kind.eq_ignore_ascii_case(b"NEW")
            && (blob.eq_ignore_ascii_case(b"BEST") || blob.eq_ignore_ascii_case(b"ED25519-V3"))
        {
            Ok(Self::New)
        } else {
            Err(Reply::line(513, "Invalid key type"))
        }
    }
}

impl SecretKey<32> {
    /// The second argument of ONION_CLIENT_AUTH_ADD.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub(super) fn parse_x25519(word: &[u8]) -> Result<Self, Reply> {
        let (kind, blob) = halves(word)?;
        if !kind.eq_ignore_ascii_case(b"x25519") {
            return Err(Reply::line(552, [b"Unrecognized key type \"", kind, b"\""].concat()));
        }
        let key =
            Self::decode(blob).ok_or_else(|| Reply::line(512, "Failed to decode x25519 private key"))?;
        if bool::from(key.0.ct_eq(&[0; 32])) {
            return Err(Reply::line(553, [b"Invalid private key \"", blob, b"\""].concat()));
        }
        Ok(key)
    }
}

/// `type:blob`. Empty pieces between colons don't count.
fn halves(word: &[u8]) -> Result<(&[u8], &[u8]), Reply> {
    let mut pieces = word.split(|byte| *byte == b':').filter(|piece| !piece.is_empty());
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(kind), Some(blob), None) => Ok((kind, blob)),
        _ => Err(Reply::line(512, "Invalid key type/blob")),
    }
}

/// Base 64 as C Tor reads it: white space is skipped, the first `=` ends it, loose bits don't matter.
pub(crate) fn decode_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let digits = text.iter().copied().take_while(|byte| *byte != b'=').filter(|byte| !is_space(*byte));
    LENIENT.decode(Zeroizing::new(digits.collect::<Vec<_>>())).ok().map(Zeroizing::new)
}
