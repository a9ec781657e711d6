//! The schedules of downloads, for those who want to know how they stand.

use tor_id::RsaId;
use tor_netdoc::Flavor;

use super::DirState;
use crate::backoff::Backoff;

/// Which of the two schedules of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BootstrapSource {
    /// Fallbacks, or the authorities if there are no fallbacks.
    Any,
    /// The authorities.
    Authority,
}

/// The schedule for a consensus outside of a start.
pub(crate) fn consensus(state: &DirState, flavor: Flavor) -> Option<&Backoff> {
    Some(match flavor {
        Flavor::Ns => state.ns_backoff(),
        Flavor::Microdesc => &state.consensus_retry,
    })
}

/// True while a start is under way.
pub(crate) const fn is_bootstrapping(state: &DirState) -> bool {
    state.bootstrap.is_some()
}

/// A schedule of the start that is under way.
pub(crate) fn bootstrap(state: &DirState, source: BootstrapSource) -> Option<&Backoff> {
    let bootstrap = state.bootstrap.as_ref()?;
    Some(match source {
        BootstrapSource::Any if state.config.has_fallbacks => &bootstrap.fallbacks,
        BootstrapSource::Any | BootstrapSource::Authority => &bootstrap.authorities,
    })
}

/// How many attempts of the start that is under way have failed.
pub(crate) fn bootstrap_failures(state: &DirState, source: BootstrapSource) -> u32 {
    let attempts = bootstrap(state, source).map_or(0, |backoff| backoff.position().0);
    let running = state.fetches.values().filter(|pending| super::consensus::is_for_client(&pending.request));
    attempts.saturating_sub(u32::try_from(running.count()).unwrap_or(u32::MAX))
}

/// The schedule for certificates.
pub(crate) const fn certs(state: &DirState) -> &Backoff {
    &state.cert_retry
}

/// The authorities that are recognised.
pub(crate) fn authorities(state: &DirState) -> &[RsaId] {
    &state.config.authorities
}

/// The signing keys of an authority whose certificates a consensus waits for.
pub(crate) fn wanted_signing_keys(state: &DirState, authority: &RsaId) -> Vec<RsaId> {
    let missing = state.waiting.as_ref().map(|waiting| waiting.missing.as_ref()).unwrap_or_default();
    missing.iter().filter(|id| id.v3_ident == *authority).map(|id| id.signing_key).collect()
}
