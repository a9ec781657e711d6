//! Authority certificates: which we have, which we want.

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use tor_id::RsaId;
use tor_netdoc::{AuthCert, CertId};

use super::{DirError, DirState, Moment, Output};
use crate::{DirFile, DirRequest, DirStore};

/// How long an expired certificate is kept: a clock that is somewhat wrong should not lose it.
const KEEP_EXPIRED: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// Most certificates that are kept of one authority.
const MAX_OF_ONE: usize = 8;
/// Most certificates of one answer, or of the store, that are looked at: each costs two RSA verifications.
const MAX_AT_ONCE: usize = 256;

impl DirState {
    pub(super) fn load_certs(&mut self, at: Moment, store: &impl DirStore) {
        match store.load(DirFile::Certs) {
            Ok(Some(content)) => {
                if let Ok(text) = String::from_utf8(content) {
                    self.add_certs(&text, at.wall);
                }
            }
            Ok(None) => {}
            Err(error) => self.save(DirFile::Certs, Err(error)),
        }
    }

    pub(super) fn on_certs(
        &mut self,
        at: Moment,
        text: &str,
        store: &mut impl DirStore,
        rng: &mut impl CryptoRng,
    ) -> Result<(), DirError> {
        if self.add_certs(text, at.wall) == 0 {
            return Err(DirError::NothingRequested);
        }
        let texts: String = self.certs.values().map(AuthCert::text).collect();
        let saved = store.replace(DirFile::Certs, texts.as_bytes());
        self.save(DirFile::Certs, saved);
        if let Some(waiting) = self.waiting.take() {
            self.verify_waiting(at, waiting, store, rng)?;
            self.still_waiting();
        }
        if self.wanted_certs(at.wall).is_some() {
            // Some are still missing: ask again, but not at once.
            self.cert_retry.advance(at.now, rng);
        } else {
            self.cert_retry.reset(at.now);
        }
        Ok(())
    }

    /// Takes the certificates of a text that are good, not yet known, and of authorities that we recognise.
    fn add_certs(&mut self, text: &str, wall: SystemTime) -> usize {
        let before = self.certs.len();
        for cert in AuthCert::parse_all(text).take(MAX_AT_ONCE).flatten() {
            let id = cert.id();
            let of_one = self.certs.keys().filter(|known| known.v3_ident == id.v3_ident).count();
            let recognised = self.config.authorities.contains(&id.v3_ident);
            if recognised && cert.expires() + KEEP_EXPIRED >= wall && of_one < MAX_OF_ONE {
                self.certs.insert(id, cert);
            }
        }
        let added = self.certs.len() - before;
        self.certs.retain(|_, cert| cert.expires() + KEEP_EXPIRED >= wall);
        added
    }

    /// The request for what is missing: those that the waiting consensus is signed with, of authorities that have
    /// changed their signing key, or else the current ones of authorities that we have none of.
    pub(super) fn wanted_certs(&self, wall: SystemTime) -> Option<DirRequest> {
        let has_current = |authority: &RsaId| {
            self.certs.values().any(|cert| cert.id().v3_ident == *authority && cert.expires() >= wall)
        };
        let missing = self.waiting.as_ref().map(|waiting| waiting.missing.as_ref()).unwrap_or_default();
        let exact: Vec<CertId> = missing.iter().filter(|id| has_current(&id.v3_ident)).copied().collect();
        if !exact.is_empty() {
            return Some(DirRequest::Certs { authorities: Vec::new(), exact });
        }
        let authorities: Vec<RsaId> =
            self.config.authorities.iter().filter(|id| !has_current(id)).copied().collect();
        (!authorities.is_empty()).then_some(DirRequest::Certs { authorities, exact: Vec::new() })
    }

    pub(super) fn plan_certs(&mut self, at: Moment) {
        let is_pending =
            self.fetches.values().any(|pending| matches!(pending.request, DirRequest::Certs { .. }));
        if is_pending || !self.cert_retry.is_due(at.now) {
            return;
        }
        if let Some(request) = self.wanted_certs(at.wall) {
            let prefer = self.waiting.as_ref().and_then(|waiting| waiting.from);
            let fetch = self.fetch(request, self.usual_source(at.wall), prefer, Vec::new());
            self.outputs.push_back(Output::Fetch(fetch));
        }
    }
}
