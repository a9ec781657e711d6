//! The certificates by which a relay's keys vouch for each other. <https://spec.torproject.org/cert-spec>
//!
//! ```text
//! RSA identity ──X.509, self-signed─── RsaIdCert        2
//!      └─────────signs──────────────── RsaCrosscert     7 ──> Ed25519 identity
//! Ed25519 identity ──signs──────────── Ed25519Cert      4 ──> signing key
//!      signing key ──signs──────────── Ed25519Cert      5 ──> SHA-256 of the TLS certificate
//! ```
//!
//! Each type is what somebody claims until its `verify` spends it: what follows from a certificate can only be
//! had from there. `wall` is the time of day; expiry is checked against it and nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::{BadSignature, Fault, RsaKeyError};

mod crosscert;
mod ed25519;
#[cfg(feature = "sign")]
mod issue;
mod x509;

pub use crosscert::RsaCrosscert;
pub use ed25519::{CertType, CertifiedKey, Ed25519Cert, VerifiedCert};
#[cfg(feature = "sign")]
pub use issue::{CertExtension, NewCert};
pub use x509::RsaIdCert;

/// Why a certificate proves nothing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertError {
    /// The bytes are not a certificate of this kind.
    #[error("malformed {what}")]
    Malformed {
        /// The certificate, or the part of it that is wrong.
        what: &'static str,
    },
    /// An extension that we don't know and that says it affects whether the certificate is valid.
    #[error("certificate has an unknown critical extension of type {kind}")]
    CriticalExtension {
        /// Its type.
        kind: u8,
    },
    /// The certificate is for something else.
    #[error("certificate of type {got} where type {expected} belongs")]
    WrongType {
        /// The type that was needed.
        expected: CertType,
        /// The type that it has.
        got: CertType,
    },
    /// Nobody says which key signed the certificate.
    #[error("certificate does not include the key that signed it")]
    NoSigningKey,
    /// The certificate names another signer than the one it must have.
    #[error("certificate names another signing key")]
    OtherSigningKey,
    /// The certificate is about another key than the one it must be about.
    #[error("certificate certifies another key")]
    OtherCertifiedKey,
    /// The certificate is not valid any more.
    #[error("expired certificate")]
    Expired,
    /// The certificate is not valid yet.
    #[error("certificate is not valid yet")]
    NotYetValid,
    /// The signature is wrong.
    #[error("certificate has a bad signature")]
    BadSignature,
    /// The RSA key inside is none, or of the wrong size.
    #[error("certificate's key: {0}")]
    Rsa(#[from] RsaKeyError),
}

impl CertError {
    /// Whose fault it is. Always the peer's, as far as we can tell (an expired certificate may mean a wrong
    /// clock here).
    pub const fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl From<BadSignature> for CertError {
    fn from(_: BadSignature) -> Self {
        Self::BadSignature
    }
}

/// An expiry date: hours since the epoch, 32 bits. None is after the year 9999, where all other dates end: the last of
/// them would be in the year 491936, which not every platform has a time for (the addition would panic).
fn from_hours(hours: u32) -> SystemTime {
    const YEAR_9999: u64 = 253_402_300_799;
    UNIX_EPOCH + Duration::from_secs((u64::from(hours) * 3600).min(YEAR_9999))
}
