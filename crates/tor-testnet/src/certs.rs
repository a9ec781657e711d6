//! What a relay's CERTS cell proves, or fails to.

use std::time::{Duration, SystemTime};

use ed25519_dalek::SigningKey;
use tor_id::certs::{CertError, CertType, CertifiedKey, NewCert};

use crate::{Identity, identity::ed25519_id};

const DAY: Duration = Duration::from_hours(24);

/// What the certificates are to say: as it is made, the truth.
#[derive(Clone, Debug)]
pub struct CertPlan {
    /// SHA-256 of the TLS certificate that is vouched for.
    pub tls: [u8; 32],
    /// Until when the identity vouches for the signing key.
    pub signing_until: SystemTime,
    /// Until when the signing key vouches for the TLS certificate.
    pub link_until: SystemTime,
    /// Until when the RSA identity vouches for the Ed25519 identity.
    pub crosscert_until: SystemTime,
    /// Until when the RSA identity's own certificate is valid.
    pub rsa_until: SystemTime,
    /// Who signs for the Ed25519 identity, in its name or in another's.
    pub identity: SigningKey,
    /// The Ed25519 identity that the RSA identity vouches for.
    pub crosscert_of: SigningKey,
    /// Certificates that are left out.
    pub missing: Vec<CertType>,
}

impl CertPlan {
    pub(crate) fn new(identity: &Identity, tls: [u8; 32], wall: SystemTime) -> Self {
        let later = wall + 30 * DAY;
        Self {
            tls,
            signing_until: later,
            link_until: wall + DAY,
            crosscert_until: later,
            rsa_until: later,
            identity: identity.ed25519.clone(),
            crosscert_of: identity.ed25519.clone(),
            missing: Vec::new(),
        }
    }

    /// The entries of CERTS, in C Tor's order.
    pub(crate) fn make(&self, identity: &Identity) -> Result<Vec<(CertType, Vec<u8>)>, CertError> {
        let signing = CertifiedKey::Ed25519(ed25519_id(&identity.signing));
        let id_signing = NewCert::new(CertType::ID_SIGNING, signing, self.signing_until).including_signer();
        let link = CertifiedKey::X509Sha256(self.tls);
        let link = NewCert::new(CertType::SIGNING_LINK, link, self.link_until);
        let rsa_from = self.rsa_until.checked_sub(365 * DAY).unwrap_or(self.rsa_until);
        let mut certs = vec![
            (CertType::RSA_ID, identity.rsa.identity_cert(rsa_from, self.rsa_until)?),
            (CertType::ID_SIGNING, id_signing.sign(&self.identity)?),
            (CertType::SIGNING_LINK, link.sign(&identity.signing)?),
            (
                CertType::RSA_ED_CROSSCERT,
                identity.rsa.crosscert(&ed25519_id(&self.crosscert_of), self.crosscert_until)?,
            ),
        ];
        certs.retain(|(kind, _)| !self.missing.contains(kind));
        Ok(certs)
    }
}
