//! Ed25519 certificates: an Ed25519 key vouches for another key, or for the digest of something.
//! <https://spec.torproject.org/cert-spec#ed-certs>
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version: 1 |
//! | 1 | certificate type, [`CertType`] |
//! | 4 | expiry, hours since the epoch |
//! | 1 | type of the certified key, [`CertifiedKey`] |
//! | 32 | the certified key |
//! | 1 | number of extensions; each is length(2), type(1), flags(1), data |
//! | 64 | signature over everything before it |
//!
//! The one extension that is defined, type 4, holds the signing key.

use std::{fmt, time::SystemTime};

use nom::{
    IResult, Parser,
    bytes::complete::{tag, take},
    multi::length_count,
    number::complete::{be_u8, be_u16, be_u32},
};

use super::{CertError, from_hours};
use crate::Ed25519Id;

/// What a certificate is for: the CERT_TYPE field, and the type of an entry of a CERTS cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertType(pub u8);

/// The thing that a certificate vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertifiedKey {
    /// Key type 1: an Ed25519 key.
    Ed25519(Ed25519Id),
    /// Key type 2: SHA-256 of an RSA key. Not in use.
    RsaSha256([u8; 32]),
    /// Key type 3, and anything in a certificate of type 5: SHA-256 of an X.509 certificate in DER.
    X509Sha256([u8; 32]),
    /// A key type that we don't know.
    Other {
        /// The key type.
        kind: u8,
        /// The certified bytes.
        body: [u8; 32],
    },
}

/// A well-formed certificate that nobody has checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Ed25519Cert {
    cert_type: CertType,
    expiry_hours: u32,
    certified: CertifiedKey,
    signed_with: Option<Ed25519Id>,
    signed_part: Vec<u8>,
    signature: [u8; 64],
}

/// What a checked certificate says. Only [`Ed25519Cert::verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedCert {
    cert_type: CertType,
    certified: CertifiedKey,
    signing_key: Ed25519Id,
    expires: SystemTime,
}

impl CertType {
    /// X.509: the RSA identity certifies a TLS link key. Obsolete.
    pub const RSA_LINK: Self = Self(1);
    /// X.509: the RSA identity, self-signed.
    pub const RSA_ID: Self = Self(2);
    /// X.509: the RSA identity certifies an AUTHENTICATE key. Obsolete.
    pub const RSA_AUTH: Self = Self(3);
    /// The Ed25519 identity certifies a signing key.
    pub const ID_SIGNING: Self = Self(4);
    /// The signing key certifies the TLS certificate of a link.
    pub const SIGNING_LINK: Self = Self(5);
    /// The signing key certifies a key for AUTHENTICATE.
    pub const SIGNING_AUTH: Self = Self(6);
    /// The RSA identity certifies the Ed25519 identity ([`RsaCrosscert`](super::RsaCrosscert)).
    pub const RSA_ED_CROSSCERT: Self = Self(7);
    /// Onion services: the blinded key certifies the descriptor signing key.
    pub const HS_DESC_SIGNING: Self = Self(8);
    /// Onion services: the descriptor signing key certifies an introduction point's authentication key.
    pub const HS_INTRO_AUTH: Self = Self(9);
    /// The ntor onion key certifies the Ed25519 identity.
    pub const NTOR_CROSSCERT: Self = Self(0x0a);
    /// Onion services: the descriptor signing key certifies an introduction point's encryption key.
    pub const HS_INTRO_ENC: Self = Self(0x0b);
    /// A family key certifies a member's Ed25519 identity (proposal 321).
    pub const FAMILY: Self = Self(0x0c);
}

impl Ed25519Cert {
    /// Reads a certificate that fills the input.
    ///
    /// # Errors
    /// If the bytes are no certificate, have a version other than 1, two signing keys, or a critical extension
    /// that we don't know.
    pub fn parse(bytes: &[u8]) -> Result<Self, CertError> {
        let (signed_part, signature) =
            bytes.split_last_chunk().ok_or(CertError::Malformed { what: "Ed25519 certificate" })?;
        let (rest, (_, cert_type, expiry_hours, key_type, certified, extensions)) =
            (tag(&[1u8][..]), be_u8, be_u32, be_u8, bytes32, length_count(be_u8, extension))
                .parse(signed_part)
                .map_err(|_| CertError::Malformed { what: "Ed25519 certificate" })?;
        // Nothing stands between the last extension and the signature.
        if !rest.is_empty() {
            return Err(CertError::Malformed { what: "Ed25519 certificate" });
        }
        let cert_type = CertType(cert_type);
        Ok(Self {
            cert_type,
            expiry_hours,
            certified: CertifiedKey::new(cert_type, key_type, certified),
            signed_with: signing_key(&extensions)?,
            signed_part: signed_part.to_vec(),
            signature: *signature,
        })
    }

    /// What the certificate claims to be for.
    pub const fn cert_type(&self) -> CertType {
        self.cert_type
    }

    /// The key that the certificate claims to be signed with, if it includes it.
    pub const fn claimed_signing_key(&self) -> Option<&Ed25519Id> {
        self.signed_with.as_ref()
    }

    /// Checks that this is a certificate of type `expected`, signed by `signing_key`, that has not expired.
    ///
    /// With `None` for the key, the certificate must include it, and the caller compares
    /// [`VerifiedCert::signing_key`] with whoever was expected, or learns it from there.
    ///
    /// # Errors
    /// Which of these it is not.
    pub fn verify(
        &self,
        expected: CertType,
        signing_key: Option<&Ed25519Id>,
        wall: SystemTime,
    ) -> Result<VerifiedCert, CertError> {
        if self.cert_type != expected {
            return Err(CertError::WrongType { expected, got: self.cert_type });
        }
        let signing_key = match (signing_key, &self.signed_with) {
            // cert-spec 2.2.1: when the extension is present, it MUST match the key used to sign.
            (Some(given), Some(included)) if given != included => return Err(CertError::OtherSigningKey),
            (Some(key), _) | (None, Some(key)) => *key,
            (None, None) => return Err(CertError::NoSigningKey),
        };
        let expires = from_hours(self.expiry_hours);
        // cert-spec 2.1: after that date, this certificate isn't valid.
        if wall > expires {
            return Err(CertError::Expired);
        }
        signing_key.verify(&self.signed_part, &self.signature)?;
        Ok(VerifiedCert { cert_type: self.cert_type, certified: self.certified, signing_key, expires })
    }
}

impl VerifiedCert {
    /// What the certificate is for.
    pub const fn cert_type(&self) -> CertType {
        self.cert_type
    }

    /// What it vouches for.
    pub const fn certified(&self) -> &CertifiedKey {
        &self.certified
    }

    /// The Ed25519 key that it vouches for.
    ///
    /// # Errors
    /// If it vouches for something else.
    pub const fn certified_ed25519(&self) -> Result<&Ed25519Id, CertError> {
        match &self.certified {
            CertifiedKey::Ed25519(key) => Ok(key),
            CertifiedKey::RsaSha256(_) | CertifiedKey::X509Sha256(_) | CertifiedKey::Other { .. } => {
                Err(CertError::Malformed { what: "certified key: not an Ed25519 key" })
            }
        }
    }

    /// SHA-256 of the X.509 certificate that it vouches for.
    ///
    /// # Errors
    /// If it vouches for something else.
    pub const fn certified_x509(&self) -> Result<&[u8; 32], CertError> {
        match &self.certified {
            CertifiedKey::X509Sha256(digest) => Ok(digest),
            CertifiedKey::RsaSha256(_) | CertifiedKey::Ed25519(_) | CertifiedKey::Other { .. } => {
                Err(CertError::Malformed { what: "certified key: not an X.509 digest" })
            }
        }
    }

    /// The key that signed it.
    pub const fn signing_key(&self) -> &Ed25519Id {
        &self.signing_key
    }

    /// The last instant at which it is valid.
    pub const fn expires(&self) -> SystemTime {
        self.expires
    }
}

impl CertifiedKey {
    fn new(cert_type: CertType, key_type: u8, body: [u8; 32]) -> Self {
        match (cert_type, key_type) {
            // cert-spec A.4: old Tors wrote 1 for every type, so that a link certificate's key type is inferred.
            (CertType::SIGNING_LINK, 1) | (_, 3) => Self::X509Sha256(body),
            (_, 1) => Self::Ed25519(Ed25519Id::from_bytes(body)),
            (_, 2) => Self::RsaSha256(body),
            (_, kind) => Self::Other { kind, body },
        }
    }
}

/// The number.
impl fmt::Display for CertType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Ed25519Cert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Cert")
            .field("cert_type", &self.cert_type)
            .field("expiry_hours", &self.expiry_hours)
            .field("certified", &self.certified)
            .field("signed_with", &self.signed_with)
            .finish_non_exhaustive()
    }
}

pub(super) const EXT_SIGNED_WITH: u8 = 4;
pub(super) const FLAG_AFFECTS_VALIDATION: u8 = 1;

struct Extension<'a> {
    kind: u8,
    flags: u8,
    data: &'a [u8],
}

fn extension(input: &[u8]) -> IResult<&[u8], Extension<'_>> {
    let (rest, length) = be_u16(input)?;
    let (rest, (kind, flags)) = (be_u8, be_u8).parse(rest)?;
    let (rest, data) = take(length).parse(rest)?;
    Ok((rest, Extension { kind, flags, data }))
}

fn signing_key(extensions: &[Extension<'_>]) -> Result<Option<Ed25519Id>, CertError> {
    let mut found = None;
    for extension in extensions {
        if extension.kind == EXT_SIGNED_WITH {
            let key = Ed25519Id::from_slice(extension.data)
                .map_err(|_| CertError::Malformed { what: "signed-with-ed25519-key extension" })?;
            if found.replace(key).is_some() {
                return Err(CertError::Malformed { what: "second signed-with-ed25519-key extension" });
            }
        } else if extension.flags & FLAG_AFFECTS_VALIDATION != 0 {
            // cert-spec 2.1: clients must not accept the certificate as valid unless they understand it.
            return Err(CertError::CriticalExtension { kind: extension.kind });
        }
    }
    Ok(found)
}

fn bytes32(input: &[u8]) -> IResult<&[u8], [u8; 32]> {
    let (rest, bytes) = take(32usize)(input)?;
    let mut array = [0; 32];
    array.copy_from_slice(bytes);
    Ok((rest, array))
}

#[cfg(test)]
mod tests;
