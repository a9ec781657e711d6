//! Weighted choice under the rules. <https://spec.torproject.org/path-spec/path-selection-constraints.html>

use std::time::SystemTime;

use rand_core::CryptoRng;
use tor_dir::{NetworkView, Relay, Role};
use tor_id::RsaId;
use tor_netdoc::RelayFlags;

use crate::{ExitNeed, Guards, Hop, Path, PathError, need::ExitPolicies};

/// What the configuration says about paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathConfig {
    /// No two relays of one /16 (IPv6: /32) in a circuit (`EnforceDistinctSubnets`).
    pub distinct_subnets: bool,
    /// Enter by guards; otherwise by any relay that could be one (`UseEntryGuards`).
    pub use_guards: bool,
}

impl Default for PathConfig {
    fn default() -> Self {
        Self { distinct_subnets: true, use_guards: true }
    }
}

/// Chooses among the relays of one view.
#[derive(Debug)]
pub struct Selector<'a> {
    view: &'a NetworkView,
    config: PathConfig,
}

impl<'a> Selector<'a> {
    /// Chooses among these relays by these rules.
    pub const fn new(view: &'a NetworkView, config: PathConfig) -> Self {
        Self { view, config }
    }

    /// A path of three hops whose exit serves `need` and is none of `avoid`.
    ///
    /// # Errors
    /// If the view is too thin, or one of the three places can't be filled.
    pub fn path(
        &self,
        need: &ExitNeed,
        avoid: &[RsaId],
        guards: &mut Guards,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Path, PathError> {
        if !self.view.has_enough_info() {
            return Err(PathError::NoView);
        }
        let exit = self.exit(need, avoid, rng)?;
        let guard = if self.config.use_guards {
            guards.choose(self, &exit, wall, rng)
        } else {
            self.weighted(Role::Guard, rng, |relay| is_guard(relay) && !self.conflict(relay, &exit))
        };
        let guard = guard.ok_or(PathError::NoGuard)?;
        let middle = self.middle(&guard, &exit, need, rng).ok_or(PathError::NoMiddle)?;
        let hops = [guard, middle, exit].iter().map(Hop::of).collect::<Option<Vec<_>>>();
        let hops = hops.ok_or(PathError::NoView)?;
        Ok(Path::new(hops, ExitPolicies::of(&exit), need.is_long_lived()))
    }

    /// A relay to ask for directory documents: one of the guards, if one serves directories.
    pub fn directory(
        &self,
        guards: &mut Guards,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Option<Relay<'a>> {
        let serves = |relay: &Relay<'_>| relay.has(RelayFlags::V2_DIR);
        if self.config.use_guards {
            guards.choose_directory(self, wall, rng)
        } else {
            self.weighted(Role::Directory, rng, serves)
        }
    }

    fn exit(
        &self,
        need: &ExitNeed,
        avoid: &[RsaId],
        rng: &mut impl CryptoRng,
    ) -> Result<Relay<'a>, PathError> {
        let serves = |relay: &Relay<'_>| {
            relay.has(RelayFlags::VALID)
                && !relay.has(RelayFlags::BAD_EXIT)
                && !relay.has(RelayFlags::MIDDLE_ONLY)
                && !avoid.contains(relay.rsa())
                && need.allowed_by(relay)
        };
        self.weighted(Role::Exit, rng, |relay| serves(relay) && is_reliable(relay, need))
            // Better a slow or unsteady exit than none, as C Tor decides it.
            .or_else(|| self.weighted(Role::Exit, rng, serves))
            .ok_or(PathError::NoExit)
    }

    fn middle(
        &self,
        guard: &Relay<'_>,
        exit: &Relay<'_>,
        need: &ExitNeed,
        rng: &mut impl CryptoRng,
    ) -> Option<Relay<'a>> {
        let fits = |relay: &Relay<'_>| {
            relay.has(RelayFlags::VALID) && !self.conflict(relay, guard) && !self.conflict(relay, exit)
        };
        self.weighted(Role::Middle, rng, |relay| fits(relay) && is_reliable(relay, need))
            .or_else(|| self.weighted(Role::Middle, rng, fits))
    }

    /// True if the two must not be in one circuit: the same relay, one family, one subnet.
    pub(crate) fn conflict(&self, one: &Relay<'_>, other: &Relay<'_>) -> bool {
        one.rsa() == other.rsa()
            || (one.ed25519().is_some() && one.ed25519() == other.ed25519())
            || self.view.in_same_family(one, other)
            || self.config.distinct_subnets && one.in_same_subnet(other)
    }

    pub(crate) const fn view(&self) -> &'a NetworkView {
        self.view
    }

    /// One of the usable relays that `fits`, by its weight for `role`. If all that fit weigh nothing, any of them.
    pub(crate) fn weighted(
        &self,
        role: Role,
        rng: &mut impl CryptoRng,
        fits: impl Fn(&Relay<'_>) -> bool,
    ) -> Option<Relay<'a>> {
        let weights = self.view.weights(role);
        let candidates: Vec<_> = self.view.relays().filter(|relay| fits(relay)).collect();
        let total: f64 = candidates.iter().map(|relay| weights.weight(relay.entry())).sum();
        let even = total <= 0.0;
        let weight = |relay: &Relay<'_>| if even { 1.0 } else { weights.weight(relay.entry()) };
        let total = if even { candidates.iter().map(|_| 1.0).sum() } else { total };
        let mut left = unit(rng) * total;
        let mut last = None;
        for relay in candidates {
            let own = weight(&relay);
            if own > 0.0 {
                last = Some(relay);
                if left < own {
                    break;
                }
            }
            left -= own;
        }
        last
    }
}

/// Fit for the first hop: what C Tor asks of a guard.
pub(crate) const fn is_guard(relay: &Relay<'_>) -> bool {
    relay.has(RelayFlags::GUARD)
        && relay.has(RelayFlags::FAST)
        && relay.has(RelayFlags::STABLE)
        && relay.has(RelayFlags::VALID)
        && relay.has(RelayFlags::V2_DIR)
        && !relay.has(RelayFlags::MIDDLE_ONLY)
}

fn is_reliable(relay: &Relay<'_>, need: &ExitNeed) -> bool {
    relay.has(RelayFlags::FAST) && (!need.is_long_lived() || relay.has(RelayFlags::STABLE))
}

/// A number from 0 to just below 1, with all the 53 bits that fit.
#[expect(clippy::as_conversions, reason = "53 bits fit an f64 exactly, and there is no From for it")]
fn unit(rng: &mut impl CryptoRng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
