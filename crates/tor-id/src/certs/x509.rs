//! The RSA identity as a self-signed X.509 certificate: entry 2 of a CERTS cell.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html#CERTS-cells>
//!
//! Of X.509, only what that entry needs: the key, the validity, and that the key signed the certificate with
//! SHA-256. Names and extensions mean nothing here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use x509_cert::{
    TbsCertificate,
    der::{
        Decode, Reader, SliceReader,
        asn1::{BitStringRef, ObjectIdentifier},
    },
    spki::AlgorithmIdentifierOwned,
};

use super::CertError;
use crate::RsaPublicKey;

/// A well-formed X.509 certificate of an RSA key that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaIdCert {
    key: RsaPublicKey,
    not_before: SystemTime,
    not_after: SystemTime,
    digest: [u8; 32],
    signature: Vec<u8>,
}

impl RsaIdCert {
    /// How long after its end a certificate still counts as valid, as in C Tor: clients' clocks are wrong, and
    /// nobody steals an identity with it, since the Ed25519 certificates beside it are checked to the second.
    pub const PAST_SLOP: Duration = Duration::from_hours(2 * 24);
    /// How long before its beginning, as in C Tor. Relays date these certificates back at random.
    pub const FUTURE_SLOP: Duration = Duration::from_hours(30 * 24);

    /// Reads a certificate in DER that fills the input.
    ///
    /// # Errors
    /// If it is not one, certifies no RSA key, or is not signed with RSA and SHA-256.
    pub fn from_der(der: &[u8]) -> Result<Self, CertError> {
        const MALFORMED: CertError = CertError::Malformed { what: "X.509 certificate" };
        let (signed_part, algorithm, signature) = split(der).map_err(|_| MALFORMED)?;
        let tbs = TbsCertificate::from_der(signed_part).map_err(|_| MALFORMED)?;
        // RFC 5280 4.1.1.2: both fields name the same algorithm.
        if algorithm.oid != SHA256_WITH_RSA || tbs.signature != algorithm {
            return Err(CertError::Malformed { what: "X.509 signature algorithm: not RSA with SHA-256" });
        }
        let spki = &tbs.subject_public_key_info;
        if spki.algorithm.oid != RSA_ENCRYPTION {
            return Err(CertError::Malformed { what: "X.509 key: not RSA" });
        }
        let key = spki.subject_public_key.as_bytes().ok_or(MALFORMED)?;
        Ok(Self {
            key: RsaPublicKey::from_pkcs1_der(key)?,
            not_before: UNIX_EPOCH + tbs.validity.not_before.to_unix_duration(),
            not_after: UNIX_EPOCH + tbs.validity.not_after.to_unix_duration(),
            digest: Sha256::digest(signed_part).into(),
            signature: signature.to_vec(),
        })
    }

    /// Checks that the certificate is a relay's identity: a 1024-bit key that signed itself, within its
    /// validity (give or take [`RsaIdCert::PAST_SLOP`] and [`RsaIdCert::FUTURE_SLOP`]). The answer is the key.
    ///
    /// # Errors
    /// Which of these is not so.
    pub fn verify(self, wall: SystemTime) -> Result<RsaPublicKey, CertError> {
        // tor-spec 4.2: the certified key in the ID certificate is a 1024-bit RSA key.
        let bits = self.key.bits();
        if bits != RsaPublicKey::IDENTITY_BITS {
            return Err(CertError::Rsa(crate::RsaKeyError::Size { bits }));
        }
        // tor-spec 4.2: all X.509 certificates have dates, and none is expired.
        if wall > self.not_after + Self::PAST_SLOP {
            return Err(CertError::Expired);
        }
        if wall + Self::FUTURE_SLOP < self.not_before {
            return Err(CertError::NotYetValid);
        }
        // tor-spec 4.2: the RSA ID certificate is correctly self-signed.
        self.key.verify_sha256(&self.digest, &self.signature)?;
        Ok(self.key)
    }
}

pub(super) const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
pub(super) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature BIT STRING }`, the first as the
/// bytes that are signed.
fn split(der: &[u8]) -> x509_cert::der::Result<(&[u8], AlgorithmIdentifierOwned, &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let parts = reader.sequence(|inner| {
        let tbs = inner.tlv_bytes()?;
        let algorithm = AlgorithmIdentifierOwned::decode(inner)?;
        let signature = BitStringRef::decode(inner)?;
        Ok((tbs, algorithm, signature.raw_bytes()))
    })?;
    reader.finish(parts)
}

#[cfg(test)]
mod tests;
