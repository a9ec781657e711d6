//! RSA, as far as Tor still needs it: to check signatures by relays' and authorities' identity keys.
//! <https://spec.torproject.org/tor-spec/preliminaries.html>
//!
//! Tor signs a bare digest: PKCS#1 v1.5 padding without the DigestInfo that names the hash function. This is
//! the only module that uses the `rsa` crate. It deals in digests, so that `rsa`'s own older generation of
//! hash traits never shows.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::{Pkcs1v15Sign, pkcs1::DecodeRsaPublicKey, traits::PublicKeyParts};
use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::{BadSignature, RsaId};

#[cfg(feature = "oaep")]
mod oaep;
#[cfg(feature = "sign")]
mod private;

#[cfg(feature = "oaep")]
pub use oaep::OaepError;
#[cfg(feature = "sign")]
pub use private::RsaPrivateKey;

/// An RSA public key of a size that Tor uses, with the DER form that its identity is a digest of.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    key: rsa::RsaPublicKey,
    der: Vec<u8>,
}

/// Bytes that are no RSA public key for Tor.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RsaKeyError {
    /// The bytes are not the PKCS#1 DER form (or PEM of it) of a public key with a usable modulus and exponent.
    #[error("not an RSA public key in PKCS#1 form")]
    Malformed,
    /// A modulus outside [`RsaPublicKey::MIN_BITS`]..=[`RsaPublicKey::MAX_BITS`].
    #[error("RSA key of {bits} bits")]
    Size {
        /// Length of the modulus.
        bits: usize,
    },
}

impl RsaPublicKey {
    /// Length of a relay's identity key.
    pub const IDENTITY_BITS: usize = 1024;
    /// The shortest key that is accepted anywhere.
    pub const MIN_BITS: usize = 1024;
    /// The longest; authorities' identity keys have 3072.
    pub const MAX_BITS: usize = 4096;

    /// Reads the PKCS#1 `RSAPublicKey` in DER, which must fill the input.
    ///
    /// # Errors
    /// If the bytes are anything else, or the key's size is out of bounds.
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, RsaKeyError> {
        let key = rsa::RsaPublicKey::from_pkcs1_der(der).map_err(|_| RsaKeyError::Malformed)?;
        let bits = key.n().bits();
        if !(Self::MIN_BITS..=Self::MAX_BITS).contains(&bits) {
            return Err(RsaKeyError::Size { bits });
        }
        Ok(Self { key, der: der.to_vec() })
    }

    /// Reads a PEM block labelled `RSA PUBLIC KEY`, as directory documents carry it; the whole text must be
    /// that block, up to white space around it and lines of any length.
    ///
    /// # Errors
    /// As [`RsaPublicKey::from_pkcs1_der`].
    pub fn from_pem(pem: &str) -> Result<Self, RsaKeyError> {
        let body = pem
            .trim()
            .strip_prefix("-----BEGIN RSA PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END RSA PUBLIC KEY-----"))
            .ok_or(RsaKeyError::Malformed)?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| RsaKeyError::Malformed)?;
        Self::from_pkcs1_der(&der)
    }

    /// The PKCS#1 form in DER.
    pub fn to_pkcs1_der(&self) -> &[u8] {
        &self.der
    }

    /// The identity of whoever holds this key: SHA-1 of its PKCS#1 DER form.
    pub fn id(&self) -> RsaId {
        RsaId::from_bytes(Sha1::digest(&self.der).into())
    }

    /// Length of the modulus in bits, [`RsaPublicKey::MIN_BITS`] to [`RsaPublicKey::MAX_BITS`].
    pub fn bits(&self) -> usize {
        self.key.n().bits()
    }

    /// The public exponent as a number, which is odd and fits 33 bits. Tor's own keys have 65537.
    pub fn exponent(&self) -> u64 {
        self.key.e().to_bytes_be().iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
    }

    /// Checks a PKCS#1 v1.5 signature over `digest` itself, with no DigestInfo around it: Tor's own way.
    ///
    /// The signed value must be exactly `digest`, of whatever length that is.
    ///
    /// # Errors
    /// If it is not, or the signature is not as long as the modulus.
    pub fn verify_raw(&self, digest: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.key.verify(Pkcs1v15Sign::new_unprefixed(), digest, signature).map_err(|_| BadSignature)
    }

    /// Checks a PKCS#1 v1.5 signature over a SHA-256 digest in its DigestInfo, as X.509 has it.
    pub(crate) fn verify_sha256(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify_raw(&sha256_digest_info(digest), signature)
    }
}

/// The hex of the identity: what a log may want to see of a key.
impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits, {})", self.bits(), self.id())
    }
}

/// RFC 8017 9.2, note 1: the DER of a DigestInfo for SHA-256.
fn sha256_digest_info(digest: &[u8; 32]) -> Vec<u8> {
    const PREFIX: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    [&PREFIX[..], digest].concat()
}

#[cfg(test)]
mod tests;
