//! Authority key certificates: an authority's long-term identity key vouches for the key that signs consensuses.
//! <https://spec.torproject.org/dir-spec/creating-key-certificates.html>

use std::{ops::Range, time::SystemTime};

use sha1::{Digest, Sha1};
use tor_id::{RsaId, RsaPublicKey};

use crate::{
    CertId, DocError, iso_time,
    lines::{self, Item, Items, need, once},
};

/// Longest certificate that C Tor reads.
const MAX_CERT: usize = 128 * 1024;
const FIRST: &str = "dir-key-certificate-version";
const LAST: &str = "dir-key-certification";

/// A certificate whose two signatures have been checked. Whether it has expired is the caller's question.
#[derive(Clone, Debug)]
pub struct AuthCert {
    id: CertId,
    signing_key: RsaPublicKey,
    published: SystemTime,
    expires: SystemTime,
    text: Box<str>,
}

impl AuthCert {
    /// Reads one certificate and checks both of its signatures: that of the identity key over the text and that of
    /// the signing key over the identity.
    ///
    /// # Errors
    /// If the text is malformed, the fingerprint is not that of the identity key, or a signature is wrong.
    pub fn parse(text: &str) -> Result<Self, DocError> {
        if text.len() > MAX_CERT {
            return Err(DocError::TooLong { what: "certificate" });
        }
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return Err(DocError::NotText);
        }
        let lines = Lines::collect(text)?;
        let fingerprint = need(&lines.fingerprint, "fingerprint")?;
        let [declared] = fingerprint.exactly("fingerprint")?;
        let declared = lines::hex(declared).ok_or_else(|| fingerprint.malformed("fingerprint"))?;
        let identity_key = key(need(&lines.identity_key, "dir-identity-key")?)?;
        let v3_ident = identity_key.id();
        if v3_ident != RsaId::from_bytes(declared) {
            return Err(DocError::Inconsistent { what: "fingerprint and dir-identity-key" });
        }
        let signing_key = key(need(&lines.signing_key, "dir-signing-key")?)?;
        lines.check_signatures(text, &identity_key, &signing_key)?;
        Ok(Self {
            id: CertId { v3_ident, signing_key: signing_key.id() },
            signing_key,
            published: iso_time::from_item(
                need(&lines.published, "dir-key-published")?,
                "dir-key-published",
            )?,
            expires: iso_time::from_item(need(&lines.expires, "dir-key-expires")?, "dir-key-expires")?,
            text: text.into(),
        })
    }

    /// Walks the certificates of a text. A malformed one does not spoil its neighbours.
    pub fn parse_all(text: &str) -> impl Iterator<Item = Result<Self, DocError>> {
        split(text).map(|span| Self::parse(text.get(span).unwrap_or_default()))
    }

    /// Whose certificate it is, and for which signing key.
    pub const fn id(&self) -> CertId {
        self.id
    }

    /// The key that signs consensuses.
    pub const fn signing_key(&self) -> &RsaPublicKey {
        &self.signing_key
    }

    /// When it was made.
    pub const fn published(&self) -> SystemTime {
        self.published
    }

    /// When it ceases to vouch for the signing key.
    pub const fn expires(&self) -> SystemTime {
        self.expires
    }

    /// The text, as a cache stores it.
    pub const fn text(&self) -> &str {
        &self.text
    }
}

/// The lines that matter; each may come once.
#[derive(Debug, Default)]
struct Lines<'a> {
    fingerprint: Option<Item<'a>>,
    identity_key: Option<Item<'a>>,
    signing_key: Option<Item<'a>>,
    published: Option<Item<'a>>,
    expires: Option<Item<'a>>,
    crosscert: Option<Item<'a>>,
    certification: Option<Item<'a>>,
}

impl<'a> Lines<'a> {
    fn collect(text: &'a str) -> Result<Self, DocError> {
        let mut found = Self::default();
        let mut address = None;
        for (index, item) in Items::new(text).enumerate() {
            let item = item?;
            if (index == 0) != (item.keyword == FIRST) || (index == 0) != (item.span.start == 0) {
                return Err(DocError::Misplaced { keyword: FIRST });
            }
            if found.certification.is_some() {
                return Err(DocError::Misplaced { keyword: LAST });
            }
            match item.keyword {
                FIRST => check_version(&item)?,
                "fingerprint" => once(&mut found.fingerprint, "fingerprint", item)?,
                "dir-identity-key" => once(&mut found.identity_key, "dir-identity-key", item)?,
                "dir-signing-key" => once(&mut found.signing_key, "dir-signing-key", item)?,
                "dir-key-published" => once(&mut found.published, "dir-key-published", item)?,
                "dir-key-expires" => once(&mut found.expires, "dir-key-expires", item)?,
                "dir-key-crosscert" => once(&mut found.crosscert, "dir-key-crosscert", item)?,
                "dir-address" => once(&mut address, "dir-address", item)?,
                LAST => once(&mut found.certification, LAST, item)?,
                _ => {}
            }
        }
        match address {
            Some(item) if item.rest.parse::<std::net::SocketAddrV4>().is_err() => {
                Err(item.malformed("dir-address"))
            }
            Some(_) | None => Ok(found),
        }
    }

    fn check_signatures(
        &self,
        text: &str,
        identity: &RsaPublicKey,
        signing: &RsaPublicKey,
    ) -> Result<(), DocError> {
        let certification = need(&self.certification, LAST)?;
        // The signed part ends with the newline of the last line's keyword, which starts its line.
        let signed = text
            .get(..certification.span.start + LAST.len() + 1)
            .filter(|signed| signed.strip_suffix("\ndir-key-certification\n").is_some())
            .ok_or_else(|| certification.malformed(LAST))?;
        let digest: [u8; 20] = Sha1::digest(signed).into();
        identity
            .verify_raw(&digest, &certification.object("SIGNATURE")?)
            .map_err(|_| DocError::BadSignature { what: LAST })?;
        let crosscert = need(&self.crosscert, "dir-key-crosscert")?;
        // Old software labelled the cross-certificate differently.
        let object = crosscert.object("ID SIGNATURE").or_else(|_| crosscert.object("SIGNATURE"))?;
        signing
            .verify_raw(identity.id().as_bytes(), &object)
            .map_err(|_| DocError::BadSignature { what: "dir-key-crosscert" })
    }
}

fn check_version(item: &Item<'_>) -> Result<(), DocError> {
    match item.first("dir-key-certificate-version")? {
        ["3"] => Ok(()),
        [_] => Err(DocError::Unsupported { what: FIRST }),
    }
}

fn key(item: &Item<'_>) -> Result<RsaPublicKey, DocError> {
    let der = item.object("RSA PUBLIC KEY")?;
    RsaPublicKey::from_pkcs1_der(&der).map_err(|_| item.malformed("RSA key"))
}

/// Where the certificates of a text lie: each begins with a version line.
fn split(text: &str) -> impl Iterator<Item = Range<usize>> {
    let finder = memchr::memmem::Finder::new(FIRST).into_owned();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + finder.find(text.as_bytes().get(at..)?)?;
        let mut end = start + FIRST.len();
        loop {
            match finder.find(text.as_bytes().get(end..)?) {
                None => end = text.len(),
                // Only at the start of a line does the keyword begin a certificate.
                Some(offset) if !text.get(..end + offset)?.ends_with('\n') => {
                    end += offset + FIRST.len();
                    continue;
                }
                Some(offset) => end += offset,
            }
            at = end;
            return Some(start..end);
        }
    })
}

#[cfg(test)]
mod tests;
