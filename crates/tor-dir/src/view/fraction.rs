//! How much of the network is known, as C Tor computes it.
//!
//! For each position the weighted bandwidth of the relays whose microdescriptor is at hand, as a fraction of that of
//! all relays that could take it; the product is the fraction of likely paths that can be built.

use std::fmt;

use tor_netdoc::RelayFlags;

use super::{NetworkView, Relay};
use crate::Role;

/// Which part of the likely paths can be built. All fractions are 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PathFraction {
    /// Relays that a client would use.
    pub wanted: usize,
    /// Those of them whose microdescriptor is at hand.
    pub present: usize,
    /// Of guards.
    pub guards: f64,
    /// Of middle hops.
    pub middles: f64,
    /// Of exits; of middle hops if the network has no exits.
    pub exits: f64,
    /// True if some relay at hand has `Exit` and an exit policy that allows anything. Without one, only internal
    /// paths (onion services) can be built.
    pub has_exits: bool,
}

impl PathFraction {
    /// The part of paths that can be built.
    pub fn paths(&self) -> f64 {
        self.guards * self.middles * self.exits
    }

    pub(super) fn of(view: &NetworkView) -> Self {
        let wanted: Vec<Relay<'_>> = view.all_relays().filter(Relay::is_wanted).collect();
        let guards: Vec<Relay<'_>> =
            wanted.iter().filter(|relay| relay.has(RelayFlags::GUARD)).copied().collect();
        // An exit whose policy is known to refuse everything is none.
        let exits: Vec<Relay<'_>> = wanted
            .iter()
            .filter(|relay| relay.has(RelayFlags::EXIT))
            .filter(|relay| relay.microdesc.is_none_or(|microdesc| !microdesc.exits_nowhere()))
            .copied()
            .collect();
        let has_exits = exits.iter().any(|relay| relay.microdesc.is_some());
        let middles = known(view, &wanted, Role::Middle);
        let of_exits = known(view, &exits, Role::Exit);
        Self {
            wanted: wanted.len(),
            present: wanted.iter().filter(|relay| relay.microdesc.is_some()).count(),
            guards: known(view, &guards, Role::Guard),
            middles,
            exits: if !has_exits && of_exits <= 0.0 { middles } else { of_exits },
            has_exits,
        }
    }
}

/// As C Tor's log has it.
impl fmt::Display for PathFraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |fraction: f64| (fraction * 100.0).floor();
        write!(
            f,
            "{}% of guards bw, {}% of midpoint bw, and {}% of {} = {}% of path bw",
            percent(self.guards),
            percent(self.middles),
            percent(self.exits),
            if self.has_exits { "exit bw" } else { "end bw (no exits in consensus, using mid)" },
            percent(self.paths()),
        )
    }
}

/// The fraction of these relays that is known, by weight, or by number if all weights are 0.
fn known(view: &NetworkView, relays: &[Relay<'_>], role: Role) -> f64 {
    let weights = view.weights(role);
    let part = |weight: &dyn Fn(&Relay<'_>) -> f64| {
        let total: f64 = relays.iter().map(weight).sum();
        let present: f64 = relays.iter().filter(|relay| relay.microdesc.is_some()).map(weight).sum();
        (total > 0.0).then(|| present / total)
    };
    part(&|relay| weights.weight(relay.entry)).or_else(|| part(&|_| 1.0)).unwrap_or(0.0)
}
