//! Consensus parameters: names, defaults and limits. <https://spec.torproject.org/param-spec.html>
//!
//! A [`Param`] says everything about one parameter but its value, which [`crate::NetworkView::param`] reads from
//! the consensus. Numbers are those of C Tor 0.4.9. Parameters that only one crate needs are that crate's to
//! declare.

use tor_netdoc::NetParams;

/// One consensus parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "other crates declare parameters")]
pub struct Param {
    /// Its name in the consensus.
    pub name: &'static str,
    /// Its value where the consensus has none.
    pub default: i32,
    /// The least value; lower ones count as this.
    pub min: i32,
    /// The greatest value; higher ones count as this.
    pub max: i32,
}

impl Param {
    /// A parameter.
    pub const fn new(name: &'static str, default: i32, min: i32, max: i32) -> Self {
        Self { name, default, min, max }
    }

    /// The value in this consensus, within the limits.
    pub fn of(&self, params: &NetParams) -> i32 {
        params.clamped(self.name, self.default, self.min, self.max)
    }

    /// True if the value in this consensus is not 0.
    pub fn is_on(&self, params: &NetParams) -> bool {
        self.of(params) != 0
    }
}

/// The number that bandwidth weights are fractions of.
pub const BW_WEIGHT_SCALE: Param = Param::new("bwweightscale", 10_000, 1, i32::MAX);
/// Percentage of likely paths that must be buildable before any is built.
pub const MIN_PATHS_FOR_CIRCS_PCT: Param = Param::new("min_paths_for_circs_pct", 60, 25, 95);
/// Whether relays that list each other count as one family.
pub const USE_FAMILY_LISTS: Param = Param::new("use-family-lists", 1, 0, 1);
/// Whether relays that have proved a common family identity count as one family.
pub const USE_FAMILY_IDS: Param = Param::new("use-family-ids", 1, 0, 1);
/// Cells in a circuit's initial window.
pub const CIRC_WINDOW: Param = Param::new("circwindow", 1000, 100, 1000);
/// Whether introduction and rendezvous use proof of identity by Ed25519 in EXTEND2.
pub const EXTEND_BY_ED25519: Param = Param::new("ExtendByEd25519ID", 0, 0, 1);
/// Most entry guards that a client uses at a time.
pub const NUM_PRIMARY_GUARDS_TO_USE: Param = Param::new("guard-n-primary-guards-to-use", 1, 1, i32::MAX);
/// Length of the list of primary guards.
pub const NUM_PRIMARY_GUARDS: Param = Param::new("guard-n-primary-guards", 3, 1, i32::MAX);
/// Days that an unconfirmed guard stays in the sample.
pub const GUARD_LIFETIME_DAYS: Param = Param::new("guard-lifetime-days", 120, 1, 3650);
/// Days that a confirmed guard is kept at least.
pub const GUARD_CONFIRMED_MIN_LIFETIME_DAYS: Param =
    Param::new("guard-confirmed-min-lifetime-days", 60, 1, 3650);
/// Smallest version of SENDME that is sent.
pub const SENDME_EMIT_MIN_VERSION: Param = Param::new("sendme_emit_min_version", 1, 0, 255);
/// Smallest version of SENDME that is accepted.
pub const SENDME_ACCEPT_MIN_VERSION: Param = Param::new("sendme_accept_min_version", 0, 0, 255);
