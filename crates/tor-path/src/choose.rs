//! Weighted choice under the rules. <https://spec.torproject.org/path-spec/path-selection-constraints.html>

use std::time::SystemTime;

use rand_core::CryptoRng;
use tor_dir::{NetworkView, Relay, Role};
use tor_id::RsaId;
use tor_netdoc::RelayFlags;

use crate::{
    ExitNeed, Guards, Hop, Path, PathConfig, PathError,
    guards::{Usage, is_guard},
};

/// If no guard or middle goes with an exit, so many other exits are tried.
const MAX_EXITS: usize = 8;

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
        if !self.config.knows_enough(self.view) {
            return Err(PathError::NoView);
        }
        let mut avoid = avoid.to_vec();
        let mut first_error = None;
        // In a small network an exit may be of one family with all guards; another exit is not.
        for _ in 0..MAX_EXITS {
            let Some(exit) = self.exit(need, &avoid, rng) else { break };
            match self.to_exit(&exit, need, guards, wall, rng) {
                Ok(hops) => {
                    let policies = exit.microdesc().map(|microdesc| (&microdesc.policy, &microdesc.policy6));
                    let (v4, v6) = policies.map_or((None, None), |(v4, v6)| (v4.clone(), v6.clone()));
                    return Ok(Path::exiting(hops, v4, v6, need.is_long_lived()));
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                    avoid.push(*exit.rsa());
                }
            }
        }
        Err(first_error.unwrap_or(PathError::NoExit))
    }

    /// A path of three hops that ends at this relay, if it serves `need`.
    ///
    /// # Errors
    /// If it does not, or one of the other places can't be filled.
    pub fn path_by(
        &self,
        exit: &RsaId,
        need: &ExitNeed,
        guards: &mut Guards,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Path, PathError> {
        if !self.config.knows_enough(self.view) {
            return Err(PathError::NoView);
        }
        let exit = self.view.relay(exit).filter(|relay| need.allowed_by(relay)).ok_or(PathError::NoExit)?;
        let hops = self.to_exit(&exit, need, guards, wall, rng)?;
        let policies = exit.microdesc().map(|microdesc| (&microdesc.policy, &microdesc.policy6));
        let (v4, v6) = policies.map_or((None, None), |(v4, v6)| (v4.clone(), v6.clone()));
        Ok(Path::exiting(hops, v4, v6, need.is_long_lived()))
    }

    /// A relay to ask for directory documents, none of `avoid`: one of the guards, whose microdescriptor may be yet
    /// to come. `None` if none can be used now.
    pub fn directory(
        &self,
        avoid: &[RsaId],
        guards: &mut Guards,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Option<Relay<'a>> {
        if self.config.use_guards {
            guards.choose_for(Usage::Directory, self, wall, rng, |relay| !avoid.contains(relay.rsa()))
        } else {
            let serves = |relay: &Relay<'_>| {
                relay.has(RelayFlags::V2_DIR) && self.can_be_reached(relay) && !avoid.contains(relay.rsa())
            };
            self.weighted(Role::Directory, rng, self.view.relays().filter(serves))
        }
    }

    /// Guard, middle and this exit.
    fn to_exit(
        &self,
        exit: &Relay<'_>,
        need: &ExitNeed,
        guards: &mut Guards,
        wall: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<[Hop; 3], PathError> {
        let guard = if self.config.use_guards {
            guards.choose(self, exit, wall, rng)
        } else {
            let fits = |relay: &Relay<'_>| {
                is_guard(relay) && self.can_be_reached(relay) && !self.conflict(relay, exit)
            };
            self.weighted(Role::Guard, rng, self.view.relays().filter(fits))
        };
        let guard = guard.ok_or(PathError::NoGuard)?;
        let middle = self.middle(&guard, exit, need, rng).ok_or(PathError::NoMiddle)?;
        match [guard, middle, *exit].map(|relay| Hop::of(&relay)) {
            [Some(guard), Some(middle), Some(exit)] => Ok([guard, middle, exit]),
            [_, _, _] => Err(PathError::NoView),
        }
    }

    fn exit(&self, need: &ExitNeed, avoid: &[RsaId], rng: &mut impl CryptoRng) -> Option<Relay<'a>> {
        let serves = |relay: &Relay<'_>| {
            relay.has(RelayFlags::VALID)
                && !relay.has(RelayFlags::BAD_EXIT)
                && !relay.has(RelayFlags::MIDDLE_ONLY)
                && !avoid.contains(relay.rsa())
                && need.allowed_by(relay)
        };
        self.reliable_first(Role::Exit, need, rng, serves)
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
        self.reliable_first(Role::Middle, need, rng, fits)
    }

    /// One that is fast (and stable, for what lives long); better a slow or unsteady one than none.
    fn reliable_first(
        &self,
        role: Role,
        need: &ExitNeed,
        rng: &mut impl CryptoRng,
        fits: impl Fn(&Relay<'_>) -> bool,
    ) -> Option<Relay<'a>> {
        let fitting: Vec<_> = self.view.relays().filter(fits).collect();
        let reliable = fitting.iter().copied().filter(|relay| is_reliable(relay, need));
        self.weighted(role, rng, reliable).or_else(|| self.weighted(role, rng, fitting.iter().copied()))
    }

    /// True if the two must not be in one circuit: the same relay, one family (their own, or one that the
    /// user made of them), one subnet.
    pub(crate) fn conflict(&self, one: &Relay<'_>, other: &Relay<'_>) -> bool {
        one.rsa() == other.rsa()
            || (one.ed25519().is_some() && one.ed25519() == other.ed25519())
            || self.view.in_same_family(one, other)
            || self.config.distinct_subnets && one.in_same_subnet(other)
            || self.config.families.iter().any(|family| family.contains(other) && family.contains(one))
    }

    /// True if we may connect to one of the relay's addresses.
    pub(crate) fn can_be_reached(&self, relay: &Relay<'_>) -> bool {
        let PathConfig { entry_by_ipv4, entry_by_ipv6, .. } = self.config;
        relay.or_addresses().any(|address| if address.is_ipv4() { entry_by_ipv4 } else { entry_by_ipv6 })
    }

    pub(crate) const fn view(&self) -> &'a NetworkView {
        self.view
    }

    pub(crate) const fn config(&self) -> &PathConfig {
        &self.config
    }

    /// One of these by its weight for `role`; if all of them weigh nothing, any.
    pub(crate) fn weighted(
        &self,
        role: Role,
        rng: &mut impl CryptoRng,
        relays: impl Iterator<Item = Relay<'a>>,
    ) -> Option<Relay<'a>> {
        let weights = self.view.weights(role);
        let mut candidates: Vec<_> = relays.map(|relay| (relay, weights.weight(relay.entry()))).collect();
        if candidates.iter().all(|(_, weight)| *weight <= 0.0) {
            candidates.iter_mut().for_each(|(_, weight)| *weight = 1.0);
        }
        candidates.retain(|(_, weight)| *weight > 0.0);
        let total: f64 = candidates.iter().map(|(_, weight)| weight).sum();
        let mut left = unit(rng) * total;
        // Rounding may leave a crumb after the last: it is the last one's.
        let last = candidates.last().map(|(relay, _)| *relay);
        let found = candidates.into_iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        found.map(|(relay, _)| relay).or(last)
    }
}

fn is_reliable(relay: &Relay<'_>, need: &ExitNeed) -> bool {
    relay.has(RelayFlags::FAST) && (!need.is_long_lived() || relay.has(RelayFlags::STABLE))
}

/// A number from 0 to just below 1, with all the 53 bits that fit.
#[expect(clippy::as_conversions, reason = "53 bits fit an f64 exactly, and there is no From for it")]
fn unit(rng: &mut impl CryptoRng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
