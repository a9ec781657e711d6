//! How likely each relay is to be chosen for a role. <https://spec.torproject.org/path-spec/path-selection-constraints.html>
//!
//! The weight of a relay is its bandwidth times a fraction that depends on what else the relay is fit for, so that
//! scarce exits are not spent as guards.

use tor_netdoc::{Consensus, NetParams, RelayEntry, RelayFlags};

use crate::param;

/// What a relay is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// First hop.
    Guard,
    /// Neither first nor exit.
    Middle,
    /// The hop that connects to the outside.
    Exit,
    /// A one-hop circuit for directory requests.
    Directory,
    /// Anything, by bandwidth alone.
    Unweighted,
}

/// The fractions of one consensus for one role, ready to be applied to many relays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    guard: Pair,
    middle: Pair,
    exit: Pair,
    both: Pair,
}

/// The fraction for relays that answer directory requests, and for those that don't.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    plain: f64,
    directory: f64,
}

/// Bytes a second of a relay without a number; C Tor chose it arbitrarily.
const UNKNOWN_BANDWIDTH: f64 = 30_000.0;

impl Weights {
    /// The weights that a consensus gives for a role. If any that is needed is absent, all are 1.
    pub fn of(consensus: &Consensus, role: Role) -> Self {
        let scale = param::BW_WEIGHT_SCALE.of(consensus.params());
        Self::voted(consensus.bandwidth_weights(), role, scale).unwrap_or(Self::EVEN)
    }

    /// The relay's weight, in bytes a second.
    pub fn weight(&self, relay: &RelayEntry) -> f64 {
        let bandwidth = relay.bandwidth.map_or(UNKNOWN_BANDWIDTH, |kilobytes| f64::from(kilobytes) * 1000.0);
        let exit = relay.flags.contains(RelayFlags::EXIT) && !relay.flags.contains(RelayFlags::BAD_EXIT);
        let pair = match (relay.flags.contains(RelayFlags::GUARD), exit) {
            (true, true) => self.both,
            (true, false) => self.guard,
            (false, true) => self.exit,
            (false, false) => self.middle,
        };
        let is_directory = relay.flags.contains(RelayFlags::V2_DIR);
        bandwidth * if is_directory { pair.directory } else { pair.plain }
    }

    const EVEN: Self = Self { guard: Pair::ONE, middle: Pair::ONE, exit: Pair::ONE, both: Pair::ONE };

    fn voted(weights: &NetParams, role: Role, scale: i32) -> Option<Self> {
        let fraction = |name: &str| {
            let value = weights.get(name).filter(|value| *value >= 0)?;
            Some(f64::from(value.min(scale)) / f64::from(scale))
        };
        let pair = |plain: f64, directory: &str| {
            let directory = if role == Role::Directory { 1.0 } else { fraction(directory)? };
            Some(Pair { plain, directory: plain * directory })
        };
        // The letters are: role (g, m, e, b), then class of relay (g, m, e, d for guard and exit).
        let [guard, middle, exit, both] = match role {
            // A relay that is only fit as an exit is never a guard.
            Role::Guard => [fraction("Wgg")?, fraction("Wgm")?, 0.0, fraction("Wgd")?],
            Role::Middle => [fraction("Wmg")?, fraction("Wmm")?, fraction("Wme")?, fraction("Wmd")?],
            Role::Exit => [fraction("Weg")?, fraction("Wem")?, fraction("Wee")?, fraction("Wed")?],
            Role::Directory => [fraction("Wbg")?, fraction("Wbm")?, fraction("Wbe")?, fraction("Wbd")?],
            Role::Unweighted => return Some(Self::EVEN),
        };
        Some(Self {
            guard: pair(guard, "Wgb")?,
            middle: pair(middle, "Wmb")?,
            exit: pair(exit, "Web")?,
            both: pair(both, "Wdb")?,
        })
    }
}

impl Pair {
    const ONE: Self = Self { plain: 1.0, directory: 1.0 };
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testdata;

    fn relay(case: &Value) -> RelayEntry {
        let set = |name: &str, flag| if case[name].as_bool().unwrap() { flag } else { RelayFlags::NONE };
        let mut relay = testdata::mini_consensus().relays()[0].clone();
        relay.bandwidth = Some(u32::try_from(case["bandwidth_kb"].as_u64().unwrap()).unwrap());
        relay.flags = set("guard", RelayFlags::GUARD)
            | set("exit_not_badexit", RelayFlags::EXIT)
            | set("v2dir", RelayFlags::V2_DIR);
        relay
    }

    #[test]
    fn known_weights() {
        let vectors = testdata::load("bandwidth_weights");
        let line = vectors["client_weights_line"].as_str().unwrap();
        let weights = NetParams::from_pairs(line.split(' ').map(|word| {
            let (name, value) = word.split_once('=').unwrap();
            (name.into(), value.parse().unwrap())
        }));
        for case in vectors["client_node_weights"].as_array().unwrap() {
            let role = match case["role"].as_str().unwrap() {
                "guard" => Role::Guard,
                "middle" => Role::Middle,
                "exit" => Role::Exit,
                "begindir" => Role::Directory,
                other => panic!("{other}"),
            };
            let weight = Weights::voted(&weights, role, 10_000).unwrap().weight(&relay(case));
            let expected = case["weight"].as_f64().unwrap();
            assert!((weight - expected).abs() < 0.01, "{case}: {weight}");
        }
    }

    #[test]
    fn an_absent_weight_makes_all_even() {
        let some = NetParams::from_pairs([("Wgg".into(), 1), ("Wgm".into(), 1)]);
        assert_eq!(Weights::voted(&some, Role::Guard, 10_000), None);
        let mut relay = testdata::mini_consensus().relays()[0].clone();
        relay.bandwidth = None;
        assert!((Weights::EVEN.weight(&relay) - UNKNOWN_BANDWIDTH).abs() < 0.01);
        // A bad exit is no exit: only its flag differs from a middle's.
        relay.flags = RelayFlags::EXIT | RelayFlags::BAD_EXIT;
        let weights = Weights { middle: Pair { plain: 0.5, directory: 0.5 }, ..Weights::EVEN };
        assert!((weights.weight(&relay) - UNKNOWN_BANDWIDTH / 2.0).abs() < 0.01);
    }
}
