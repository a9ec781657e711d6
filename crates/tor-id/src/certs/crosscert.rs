//! The RSA identity's word for the Ed25519 identity. <https://spec.torproject.org/cert-spec#rsa-cross-cert>
//!
//! | bytes | field |
//! |---|---|
//! | 32 | the Ed25519 identity |
//! | 4 | expiry, hours since the epoch |
//! | 1 | n |
//! | n | RSA signature over SHA-256("Tor TLS RSA/Ed25519 cross-certificate", the 36 bytes above) |

use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::{CertError, from_hours};
use crate::{Ed25519Id, RelayIds, RsaPublicKey};

/// A well-formed cross-certificate that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaCrosscert {
    ed25519: Ed25519Id,
    expiry_hours: u32,
    signature: Vec<u8>,
}

impl RsaCrosscert {
    /// Reads a cross-certificate that fills the input.
    ///
    /// # Errors
    /// If the bytes are not one.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertError> {
        let read = || {
            let (ed25519, rest) = bytes.split_first_chunk()?;
            let (expiry, rest) = rest.split_first_chunk()?;
            let (&length, signature) = rest.split_first()?;
            (signature.len() == usize::from(length)).then(|| Self {
                ed25519: Ed25519Id::from_bytes(*ed25519),
                expiry_hours: u32::from_be_bytes(*expiry),
                signature: signature.to_vec(),
            })
        };
        read().ok_or(CertError::Malformed { what: "RSA to Ed25519 cross-certificate" })
    }

    /// Checks that `rsa` signed this certificate for `ed25519`, and that it has not expired. The answer is the
    /// pair of identities that it binds.
    ///
    /// # Errors
    /// Which of these is not so.
    pub fn verify(
        &self,
        ed25519: &Ed25519Id,
        rsa: &RsaPublicKey,
        wall: SystemTime,
    ) -> Result<RelayIds, CertError> {
        // tor-spec 4.2: it certifies the Ed25519 identity, and is signed with the RSA identity.
        if self.ed25519 != *ed25519 {
            return Err(CertError::OtherCertifiedKey);
        }
        if wall > from_hours(self.expiry_hours) {
            return Err(CertError::Expired);
        }
        rsa.verify_raw(&signed_digest(&self.ed25519, self.expiry_hours), &self.signature)?;
        Ok(RelayIds::new(rsa.id(), Some(self.ed25519)))
    }
}

/// What the RSA identity signs.
pub(super) fn signed_digest(ed25519: &Ed25519Id, expiry_hours: u32) -> [u8; 32] {
    Sha256::new()
        .chain_update("Tor TLS RSA/Ed25519 cross-certificate")
        .chain_update(ed25519.as_bytes())
        .chain_update(expiry_hours.to_be_bytes())
        .finalize()
        .into()
}

#[cfg(test)]
mod tests;
