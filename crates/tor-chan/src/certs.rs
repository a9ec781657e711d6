//! Who is the relay at the other end? The answer is in its CERTS cell.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html#CERTS-cells>
//!
//! ```text
//! RSA identity ──self-signed── 2 ──▶ RSA key ── 7 ──┐ signs
//!                                                   ▼
//!                          Ed25519 identity ── 4 ──▶ signing key ── 5 ──▶ the TLS certificate of this link
//! ```
//!
//! All four are needed; types 1, 3 and 6 and unknown ones are ignored, whatever they hold. (C Tor still takes
//! a relay that has no Ed25519 identity. There is none left.)

use std::time::SystemTime;

use tor_cell::chan::{CertKind, Certs};
use tor_id::{
    RelayIds,
    certs::{CertError, CertType, Ed25519Cert, RsaCrosscert, RsaIdCert},
};

use crate::{Expected, LinkError};

/// Checks the whole chain at the time `wall`, down to the TLS certificate whose DER form has the digest
/// `tls_sha256`, and that the relay is the expected one. Gives both of its identities.
pub(crate) fn authenticate(
    certs: &Certs<'_>,
    tls_sha256: &[u8; 32],
    expected: &Expected,
    wall: SystemTime,
) -> Result<RelayIds, LinkError> {
    let rsa = check(certs, CertType::RSA_ID, |der| RsaIdCert::from_der(der)?.verify(wall))?;
    let signing = check(certs, CertType::ID_SIGNING, |bytes| {
        // MUST: "The identity key listed in the ID->Signing cert was used to sign the ID->Signing Cert."
        Ed25519Cert::parse(bytes)?.verify(CertType::ID_SIGNING, None, wall)
    })?;
    let link_sha256 = check(certs, CertType::SIGNING_LINK, |bytes| {
        // MUST: "The Signing->Link cert was signed with the Signing key listed in the ID->Signing cert."
        let key = signing.certified_ed25519()?;
        Ed25519Cert::parse(bytes)?.verify(CertType::SIGNING_LINK, Some(key), wall)?.certified_x509().copied()
    })?;
    // MUST: "The certified key in the Signing->Link certificate matches the SHA256 digest of the certificate
    // that was used to authenticate the TLS connection."
    if link_sha256 != *tls_sha256 {
        return Err(LinkError::TlsCertificate);
    }
    let ids = check(certs, CertType::RSA_ED_CROSSCERT, |bytes| {
        // MUST: "The RSA->Ed25519 cross-certificate certifies the Ed25519 identity, and is signed with the RSA
        // identity listed in the "ID" certificate."
        RsaCrosscert::parse(bytes)?.verify(signing.signing_key(), &rsa, wall)
    })?;
    expected.compare(ids.rsa, *signing.signing_key())?;
    Ok(ids)
}

/// What `verify` makes of the certificate of one type.
fn check<T>(
    certs: &Certs<'_>,
    kind: CertType,
    verify: impl FnOnce(&[u8]) -> Result<T, CertError>,
) -> Result<T, LinkError> {
    // MUST: "The CERTS cell contains exactly one CertType ..." 2, 4, 5 and 7. (Not two: the parser sees to it.)
    let body = certs.body(CertKind(kind.0)).ok_or(LinkError::MissingCert { kind })?;
    verify(body).map_err(|error| LinkError::BadCert { kind, error })
}
