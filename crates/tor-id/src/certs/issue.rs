//! The other end: makes the certificates that a relay has, for tests and for the relays that tests script.
//!
//! What it makes may be wrong on purpose: nothing here checks that a certificate makes sense.

use std::{
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use x509_cert::{
    TbsCertificate, Version,
    der::{
        Encode,
        asn1::{Any, BitString, GeneralizedTime, UtcTime},
    },
    name::Name,
    serial_number::SerialNumber,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
    time::{Time, Validity},
};

use super::{
    CertError, CertType, CertifiedKey, RsaCrosscert, RsaIdCert, crosscert, ed25519,
    x509::{RSA_ENCRYPTION, SHA256_WITH_RSA},
};
use crate::{Ed25519Id, RsaPrivateKey};

/// An Ed25519 certificate before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCert {
    /// What it is for.
    pub cert_type: CertType,
    /// Until when it is valid; rounded up to a whole hour.
    pub expires: SystemTime,
    /// What it vouches for.
    pub certified: CertifiedKey,
    /// Whether it includes the key that signs it.
    pub include_signer: bool,
    /// Further extensions, at most 254.
    pub extensions: Vec<CertExtension>,
}

/// An extension of an Ed25519 certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertExtension {
    /// Its type.
    pub kind: u8,
    /// Its flags; 1 says that it affects validation.
    pub flags: u8,
    /// Its body, at most 65535 bytes.
    pub data: Vec<u8>,
}

impl NewCert {
    /// A certificate as relays make them.
    pub const fn new(cert_type: CertType, certified: CertifiedKey, expires: SystemTime) -> Self {
        Self { cert_type, expires, certified, include_signer: false, extensions: Vec::new() }
    }

    /// The same, with the signing key inside.
    #[must_use]
    pub const fn including_signer(mut self) -> Self {
        self.include_signer = true;
        self
    }

    /// Signs the certificate.
    ///
    /// # Errors
    /// If a part does not fit its field.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, CertError> {
        let (key_type, body) = match &self.certified {
            CertifiedKey::Ed25519(id) => (1, id.as_bytes()),
            CertifiedKey::RsaSha256(digest) => (2, digest),
            CertifiedKey::X509Sha256(digest) => (3, digest),
            CertifiedKey::Other { kind, body } => (*kind, body),
        };
        let signer = self.include_signer.then(|| CertExtension {
            kind: ed25519::EXT_SIGNED_WITH,
            flags: 0,
            data: key.verifying_key().to_bytes().to_vec(),
        });
        let count = self.extensions.len() + usize::from(self.include_signer);

        let mut cert = vec![1, self.cert_type.0];
        cert.extend(hours(self.expires)?.to_be_bytes());
        cert.push(key_type);
        cert.extend(body);
        cert.push(u8::try_from(count).map_err(|_| TOO_LONG)?);
        for extension in signer.iter().chain(&self.extensions) {
            cert.extend(u16::try_from(extension.data.len()).map_err(|_| TOO_LONG)?.to_be_bytes());
            cert.extend([extension.kind, extension.flags]);
            cert.extend(&extension.data);
        }
        let signature = key.sign(&cert);
        cert.extend(signature.to_bytes());
        Ok(cert)
    }
}

/// What a relay's RSA identity certifies.
impl RsaPrivateKey {
    /// Certifies an Ed25519 identity until `expires`, rounded up to a whole hour; [`RsaCrosscert`] reads it.
    ///
    /// # Errors
    /// If the date does not fit, or the key is longer than 2040 bits.
    pub fn crosscert(&self, ed25519: &Ed25519Id, expires: SystemTime) -> Result<Vec<u8>, CertError> {
        let hours = hours(expires)?;
        let signature = self.sign_raw(&crosscert::signed_digest(ed25519, hours))?;
        let mut cert = ed25519.as_bytes().to_vec();
        cert.extend(hours.to_be_bytes());
        cert.push(u8::try_from(signature.len()).map_err(|_| TOO_LONG)?);
        cert.extend(signature);
        debug_assert!(RsaCrosscert::parse(&cert).is_ok());
        Ok(cert)
    }

    /// Certifies itself from `not_before` to `not_after`, in X.509; [`RsaIdCert`] reads it.
    ///
    /// # Errors
    /// If a date does not fit.
    pub fn identity_cert(&self, not_before: SystemTime, not_after: SystemTime) -> Result<Vec<u8>, CertError> {
        let signed_part =
            self.tbs(not_before, not_after).and_then(|tbs| tbs.to_der()).map_err(|_| TOO_LONG)?;
        let signature = self.sign_sha256(&Sha256::digest(&signed_part).into())?;
        let cert = x509_cert::Certificate {
            tbs_certificate: self.tbs(not_before, not_after).map_err(|_| TOO_LONG)?,
            signature_algorithm: algorithm(SHA256_WITH_RSA),
            signature: BitString::from_bytes(&signature).map_err(|_| TOO_LONG)?,
        };
        let der = cert.to_der().map_err(|_| TOO_LONG)?;
        debug_assert!(RsaIdCert::from_der(&der).is_ok());
        Ok(der)
    }

    fn tbs(&self, from: SystemTime, to: SystemTime) -> x509_cert::der::Result<TbsCertificate> {
        let name = Name::from_str("CN=www.example.net")?;
        Ok(TbsCertificate {
            version: Version::V3,
            serial_number: SerialNumber::from(1u32),
            signature: algorithm(SHA256_WITH_RSA),
            issuer: name.clone(),
            validity: Validity { not_before: time(from)?, not_after: time(to)? },
            subject: name,
            subject_public_key_info: SubjectPublicKeyInfoOwned {
                algorithm: algorithm(RSA_ENCRYPTION),
                subject_public_key: BitString::from_bytes(self.public().to_pkcs1_der())?,
            },
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: None,
        })
    }
}

const TOO_LONG: CertError = CertError::Malformed { what: "certificate to be: a part does not fit its field" };

fn algorithm(oid: x509_cert::der::asn1::ObjectIdentifier) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters: Some(Any::null()) }
}

/// UTCTime to 2049, GeneralizedTime after, as RFC 5280 4.1.2.5 wants it.
fn time(at: SystemTime) -> x509_cert::der::Result<Time> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_unix_duration(since)
        .map(Time::UtcTime)
        .or_else(|_| GeneralizedTime::from_unix_duration(since).map(Time::GeneralTime))
}

fn hours(at: SystemTime) -> Result<u32, CertError> {
    let since = at.duration_since(UNIX_EPOCH).map_err(|_| TOO_LONG)?;
    u32::try_from(since.as_secs().div_ceil(3600)).map_err(|_| TOO_LONG)
}

#[cfg(test)]
mod tests;
