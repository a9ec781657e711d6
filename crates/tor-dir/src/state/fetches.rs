//! Giving fetches out, and when to look again.

use std::time::{Duration, Instant, SystemTime};

use rand_core::CryptoRng;
use tor_id::RsaId;

use super::{DirState, Fetch, FetchId, Moment, Output, Pending, Source};
use crate::DirRequest;

/// Longest wait for a moment of the wall clock: that clock may be set.
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);

impl Moment {
    /// The instant at which the wall clock will probably show `wall`; now, if it has passed.
    pub(super) fn until(&self, wall: SystemTime) -> Instant {
        self.now + wall.duration_since(self.wall).unwrap_or_default().min(MAX_WAIT)
    }
}

impl DirState {
    /// When to give the state an [`crate::Input::Timer`], if no answer comes first.
    pub fn deadline(&self, at: Moment) -> Option<Instant> {
        if self.obsolete.is_some() || !self.network {
            return None;
        }
        let certs_pending =
            self.fetches.values().any(|pending| matches!(pending.request, DirRequest::Certs { .. }));
        let certs = (!certs_pending && self.wanted_certs(at.wall).is_some()).then(|| self.cert_retry.next());
        [self.consensus_deadline(at), certs, self.microdesc_deadline(at), self.useless_deadline(at)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Gives out what is due.
    pub(super) fn plan(&mut self, at: Moment, rng: &mut impl CryptoRng) {
        if self.obsolete.is_some() || !self.network {
            return self.cancel(|_| true);
        }
        self.plan_consensus(at, rng);
        self.plan_certs(at);
        self.plan_microdescs(at);
        self.plan_useless(at);
    }

    pub(super) fn fetch(
        &mut self,
        request: DirRequest,
        source: Source,
        prefer: Option<RsaId>,
        avoid: Vec<RsaId>,
    ) -> Fetch {
        let id = FetchId(self.next_id);
        self.next_id += 1;
        self.fetches.insert(id, Pending { request: request.clone(), answering: false });
        Fetch { id, request, source, prefer, avoid }
    }

    /// Gives up the fetches that `which` chooses.
    pub(super) fn cancel(&mut self, which: impl Fn(&DirRequest) -> bool) {
        let outputs = &mut self.outputs;
        self.fetches.retain(|id, pending| {
            let keep = !which(&pending.request);
            if !keep {
                outputs.push_back(Output::Cancel(*id));
            }
            keep
        });
    }

    /// Caches of the network, if there is a view of it.
    pub(super) fn usual_source(&self, wall: SystemTime) -> Source {
        if self.view(wall).is_some_and(|view| view.has_enough_info()) {
            Source::Cache
        } else {
            Source::Fallback
        }
    }
}
