//! Who vouches for a router descriptor: the RSA identity, the Ed25519 identity by way of a signing key, and the onion keys,
//! which show with cross-certificates that they belong to these identities.

use std::time::SystemTime;

use sha1::digest::Digest;
use sha2::Sha256;
use tor_id::{
    Ed25519Id, RsaId, RsaPublicKey,
    certs::{CertType, Ed25519Cert},
};

use super::{LAST, Lines};
use crate::{
    DocError,
    lines::{self, Item, need},
};

/// What is hashed before the text for the Ed25519 signature.
const ED25519_PREFIX: &str = "Tor router descriptor signature v1";
const ED25519_KEYWORD: &str = "router-sig-ed25519";

impl Lines<'_> {
    /// Checks all signatures, and says whose they are.
    pub(super) fn check_signatures(
        &self,
        text: &str,
        digest: &[u8; 20],
        wall: SystemTime,
    ) -> Result<(RsaId, Ed25519Id), DocError> {
        let key = need(&self.signing_key, "signing-key")?;
        let identity = rsa_key(key)?;
        let signature = need(&self.signature, LAST)?.object("SIGNATURE")?;
        identity.verify_raw(digest, &signature).map_err(|_| DocError::BadSignature { what: LAST })?;
        let ed25519 = self.check_ed25519(text, wall)?;
        self.check_ntor(&ed25519, wall)?;
        self.check_tap(&identity.id(), &ed25519)?;
        Ok((identity.id(), ed25519))
    }

    fn check_ed25519(&self, text: &str, wall: SystemTime) -> Result<Ed25519Id, DocError> {
        let item = need(&self.identity_cert, "identity-ed25519")?;
        let bad = |_| DocError::BadSignature { what: "identity-ed25519" };
        let cert = cert(item)?.verify(CertType::ID_SIGNING, None, wall).map_err(bad)?;
        let identity = *cert.signing_key();
        let signing_key = cert.certified_ed25519().map_err(bad)?;
        let master = need(&self.master_key, "master-key-ed25519")?;
        let [declared] = master.first("master-key-ed25519")?;
        if lines::base64(declared) != Some(*identity.as_bytes()) {
            return Err(DocError::Inconsistent { what: "master-key-ed25519 and identity-ed25519" });
        }
        let item = need(&self.ed25519_signature, ED25519_KEYWORD)?;
        let [signature] = item.first(ED25519_KEYWORD)?;
        let signature = lines::base64(signature).ok_or_else(|| item.malformed(ED25519_KEYWORD))?;
        // The signed part ends with the blank after the keyword, which starts its line.
        let signed = text
            .get(..item.span.start + ED25519_KEYWORD.len() + 1)
            .filter(|signed| signed.ends_with("\nrouter-sig-ed25519 "))
            .ok_or_else(|| item.malformed(ED25519_KEYWORD))?;
        let digest = Sha256::new().chain_update(ED25519_PREFIX).chain_update(signed).finalize();
        signing_key
            .verify(&digest, &signature)
            .map_err(|_| DocError::BadSignature { what: ED25519_KEYWORD })?;
        Ok(identity)
    }

    /// The ntor key, as an Ed25519 key, signs the identity.
    fn check_ntor(&self, identity: &Ed25519Id, wall: SystemTime) -> Result<(), DocError> {
        let key = need(&self.ntor_key, "ntor-onion-key")?;
        let [text] = key.first("ntor-onion-key")?;
        let ntor = lines::base64(text).ok_or_else(|| key.malformed("ntor-onion-key"))?;
        let item = need(&self.ntor_crosscert, "ntor-onion-key-crosscert")?;
        let sign = match item.first("ntor-onion-key-crosscert")? {
            ["0"] => false,
            ["1"] => true,
            [_] => return Err(item.malformed("ntor-onion-key-crosscert")),
        };
        let bad = DocError::BadSignature { what: "ntor-onion-key-crosscert" };
        let signer = Ed25519Id::from_x25519(&ntor, sign).ok_or(bad)?;
        let cert = cert(item)?.verify(CertType::NTOR_CROSSCERT, Some(&signer), wall).map_err(|_| bad)?;
        if cert.certified_ed25519() == Ok(identity) { Ok(()) } else { Err(bad) }
    }

    /// The obsolete TAP key, if there is one, signs both identities.
    fn check_tap(&self, rsa: &RsaId, ed25519: &Ed25519Id) -> Result<(), DocError> {
        match (&self.onion_key, &self.onion_crosscert) {
            (None, None) => Ok(()),
            (Some(key), Some(crosscert)) => {
                let signed = [rsa.as_bytes().as_slice(), ed25519.as_bytes().as_slice()].concat();
                rsa_key(key)?
                    .verify_raw(&signed, &crosscert.object("CROSSCERT")?)
                    .map_err(|_| DocError::BadSignature { what: "onion-key-crosscert" })
            }
            (Some(_), None) | (None, Some(_)) => {
                Err(DocError::Inconsistent { what: "onion-key and onion-key-crosscert" })
            }
        }
    }
}

fn rsa_key(item: &Item<'_>) -> Result<RsaPublicKey, DocError> {
    let der = item.object("RSA PUBLIC KEY")?;
    let key = RsaPublicKey::from_pkcs1_der(&der).map_err(|_| item.malformed("RSA key"))?;
    if key.bits() == 1024 && key.exponent() == 65_537 { Ok(key) } else { Err(item.malformed("RSA key")) }
}

fn cert(item: &Item<'_>) -> Result<Ed25519Cert, DocError> {
    Ed25519Cert::parse(&item.object("ED25519 CERT")?).map_err(|_| item.malformed("Ed25519 certificate"))
}
