//! Have enough authorities signed?

use std::{collections::BTreeSet, time::SystemTime};

use sha1::Sha1;
use sha2::Sha256;
use sha3::Digest;
use thiserror::Error;
use tor_id::{Fault, RsaId};

use super::{Body, Consensus, Flavor, Lifetime};
use crate::AuthCert;

/// A consensus that was read, but whose signatures nobody has checked.
#[derive(Clone, Debug)]
pub struct UnverifiedConsensus {
    pub(super) body: Body,
    pub(super) signatures: Box<[Signature]>,
}

/// The digest that a `directory-signature` is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureDigest {
    /// `sha1`, also if no algorithm is named.
    Sha1,
    /// `sha256`.
    Sha256,
}

/// One `directory-signature`.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) digest: SignatureDigest,
    pub(super) v3_ident: RsaId,
    pub(super) signing_key: RsaId,
    pub(super) signature: Box<[u8]>,
}

/// Names an authority's certificate: who, and for which signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertId {
    /// SHA-1 of the authority's identity key.
    pub v3_ident: RsaId,
    /// SHA-1 of the signing key.
    pub signing_key: RsaId,
}

/// Why a consensus is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// With these certificates there might be enough good signatures.
    #[error("{good} of {needed} signatures verified; {} certificates are missing", missing.len())]
    NeedCerts {
        /// Authorities whose signature is good.
        good: usize,
        /// How many there must be.
        needed: usize,
        /// The certificates that would tell more, none of them twice.
        missing: Box<[CertId]>,
    },
    /// Whatever certificates come, there are too few good signatures.
    #[error(
        "only {good} of {needed} signatures verified, {bad} are bad, {unknown} by unrecognised authorities"
    )]
    TooFewSignatures {
        /// Authorities whose signature is good.
        good: usize,
        /// How many there must be.
        needed: usize,
        /// Recognised authorities that have only bad signatures.
        bad: usize,
        /// Signers that we don't recognise.
        unknown: usize,
    },
    /// Nobody can sign: the list of recognised authorities is empty.
    #[error("no directory authority is configured")]
    NoAuthorities,
}

impl VerifyError {
    /// Missing certificates are nobody's fault but have to be fetched; the rest is the server's.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NeedCerts { .. } => Fault::Network,
            Self::TooFewSignatures { .. } => Fault::Peer,
            Self::NoAuthorities => Fault::Caller,
        }
    }
}

impl UnverifiedConsensus {
    /// The flavour that it claims.
    pub const fn flavor(&self) -> Flavor {
        self.body.flavor
    }

    /// The lifetime that it claims.
    pub const fn lifetime(&self) -> Lifetime {
        self.body.lifetime
    }

    /// The certificates that its signatures name.
    pub fn cert_ids(&self) -> impl Iterator<Item = CertId> {
        self.signatures.iter().map(Signature::cert_id)
    }

    /// Checks the signatures: more than half of `authorities` (v3 identities) must each have made a good one,
    /// with a key whose certificate `cert` gives and has not expired at `wall`.
    ///
    /// # Errors
    /// [`VerifyError::NeedCerts`] gives the document back, to be verified again with more certificates.
    #[expect(clippy::result_large_err, reason = "the document comes back to be tried again")]
    pub fn verify<'c>(
        self,
        authorities: &[RsaId],
        cert: impl Fn(&CertId) -> Option<&'c AuthCert>,
        wall: SystemTime,
    ) -> Result<Consensus, (Self, VerifyError)> {
        let recognised: BTreeSet<&RsaId> = authorities.iter().collect();
        if recognised.is_empty() {
            return Err((self, VerifyError::NoAuthorities));
        }
        // MUST: signatures by more than half of the authorities that we recognise, not of those that voted.
        // https://spec.torproject.org/dir-spec/verifying-consensus.html
        let needed = recognised.len() / 2 + 1;
        let mut tally = Tally::default();
        let digests = Digests::of(&self);
        for signature in &self.signatures {
            let id = signature.cert_id();
            let verdict = if recognised.contains(&signature.v3_ident) {
                // MUST: a certificate that has expired verifies nothing.
                cert(&id)
                    .filter(|cert| cert.id() == id && cert.expires() >= wall)
                    .map(|cert| digests.check(signature, cert))
            } else {
                tally.unknown.insert(signature.v3_ident);
                continue;
            };
            match verdict {
                Some(true) => tally.good.insert(signature.v3_ident),
                Some(false) => tally.bad.insert(signature.v3_ident),
                None => tally.missing.insert(id),
            };
        }
        match tally.verdict(needed) {
            Ok(signers) => Ok(Consensus { body: self.body, signers }),
            Err(error) => Err((self, error)),
        }
    }
}

impl Signature {
    const fn cert_id(&self) -> CertId {
        CertId { v3_ident: self.v3_ident, signing_key: self.signing_key }
    }
}

/// Who signed how. Sets, so that an authority counts once however often it signs.
#[derive(Debug, Default)]
struct Tally {
    good: BTreeSet<RsaId>,
    bad: BTreeSet<RsaId>,
    unknown: BTreeSet<RsaId>,
    missing: BTreeSet<CertId>,
}

impl Tally {
    fn verdict(self, needed: usize) -> Result<Box<[RsaId]>, VerifyError> {
        let good = self.good.len();
        if good >= needed {
            return Ok(self.good.into_iter().collect());
        }
        let missing: Vec<CertId> =
            self.missing.into_iter().filter(|id| !self.good.contains(&id.v3_ident)).collect();
        let possible = missing.iter().map(|id| id.v3_ident).collect::<BTreeSet<_>>().len();
        if good + possible >= needed {
            return Err(VerifyError::NeedCerts { good, needed, missing: missing.into() });
        }
        let bad = self.bad.difference(&self.good).count();
        Err(VerifyError::TooFewSignatures { good, needed, bad, unknown: self.unknown.len() })
    }
}

/// The digests of the signed part, of those kinds that signatures use.
struct Digests {
    sha1: Option<[u8; 20]>,
    sha256: Option<[u8; 32]>,
}

impl Digests {
    fn of(consensus: &UnverifiedConsensus) -> Self {
        let signed = consensus.body.text.get(consensus.body.signed.clone()).unwrap_or_default();
        let used = |kind| consensus.signatures.iter().any(|signature| signature.digest == kind);
        Self {
            sha1: used(SignatureDigest::Sha1).then(|| Sha1::digest(signed).into()),
            sha256: used(SignatureDigest::Sha256).then(|| Sha256::digest(signed).into()),
        }
    }

    fn check(&self, signature: &Signature, cert: &AuthCert) -> bool {
        let digest = match signature.digest {
            SignatureDigest::Sha1 => self.sha1.as_ref().map(<[u8; 20]>::as_slice),
            SignatureDigest::Sha256 => self.sha256.as_ref().map(<[u8; 32]>::as_slice),
        };
        digest.is_some_and(|digest| cert.signing_key().verify_raw(digest, &signature.signature).is_ok())
    }
}
