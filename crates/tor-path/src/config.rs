//! What the configuration says about paths.

use std::{sync::Arc, time::Duration};

use tor_dir::{NetworkView, param};

use crate::{
    RelaySet,
    guards::{DAY, DIRECTORY_GUARDS_TO_USE},
};

/// What the configuration says about paths. In each `Option`, `None` is the consensus's value.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct PathConfig {
    /// No two relays of one /16 (IPv6: /32) in a circuit (`EnforceDistinctSubnets`).
    pub distinct_subnets: bool,
    /// No two relays of one of these sets in a circuit (`NodeFamily`).
    pub families: Arc<[RelaySet]>,
    /// Enter by guards; otherwise by any relay that could be one (`UseEntryGuards`).
    pub use_guards: bool,
    /// How many guards come before all others (`NumPrimaryGuards`).
    pub primary_guards: Option<u32>,
    /// How many of those carry traffic (`NumEntryGuards`).
    pub entry_guards: Option<u32>,
    /// How many of those are asked for directory documents (`NumDirectoryGuards`).
    pub directory_guards: Option<u32>,
    /// How long a guard is kept, at least a day (`GuardLifetime`).
    pub guard_lifetime: Option<Duration>,
    /// Which part of the likely paths must be buildable before any is built, 0.25 to 0.95
    /// (`PathsNeededToBuildCircuits`).
    pub paths_needed: Option<f64>,
    /// Guards may be reached by IPv4 (`ClientUseIPv4`).
    pub entry_by_ipv4: bool,
    /// Guards may be reached by IPv6 (`ClientUseIPv6`).
    pub entry_by_ipv6: bool,
}

impl Default for PathConfig {
    fn default() -> Self {
        Self {
            distinct_subnets: true,
            families: Arc::default(),
            use_guards: true,
            primary_guards: None,
            entry_guards: None,
            directory_guards: None,
            guard_lifetime: None,
            paths_needed: None,
            entry_by_ipv4: true,
            entry_by_ipv6: true,
        }
    }
}

impl PathConfig {
    pub(crate) fn primary(&self, view: &NetworkView) -> usize {
        count(self.primary_guards, view.param(&param::NUM_PRIMARY_GUARDS))
    }

    pub(crate) fn entry(&self, view: &NetworkView) -> usize {
        count(self.entry_guards, view.param(&param::NUM_PRIMARY_GUARDS_TO_USE))
    }

    pub(crate) fn directory(&self, view: &NetworkView) -> usize {
        count(self.directory_guards, view.param(&DIRECTORY_GUARDS_TO_USE))
    }

    /// How long a guard that was never used stays.
    pub(crate) fn lifetime(&self, view: &NetworkView) -> Duration {
        self.guard_lifetime.unwrap_or_else(|| days(view.param(&param::GUARD_LIFETIME_DAYS)))
    }

    /// How long a guard that was used stays.
    pub(crate) fn confirmed_lifetime(&self, view: &NetworkView) -> Duration {
        self.guard_lifetime.unwrap_or_else(|| days(view.param(&param::GUARD_CONFIRMED_MIN_LIFETIME_DAYS)))
    }

    pub(crate) fn knows_enough(&self, view: &NetworkView) -> bool {
        let needed = self.paths_needed.unwrap_or_else(|| view.needed_fraction());
        view.path_fraction().paths() >= needed
    }
}

pub(crate) fn days(count: i32) -> Duration {
    DAY * u32::try_from(count).unwrap_or(0)
}

fn count(configured: Option<u32>, voted: i32) -> usize {
    let count = configured.filter(|count| *count > 0).or_else(|| u32::try_from(voted).ok());
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
}
