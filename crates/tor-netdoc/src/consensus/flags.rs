//! The flags of an `s` line as a bit set.

use std::{fmt, ops::BitOr};

/// What the authorities say of a relay.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RelayFlags(u16);

impl RelayFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// A directory authority.
    pub const AUTHORITY: Self = Self(1);
    /// Must not be used as an exit.
    pub const BAD_EXIT: Self = Self(1 << 1);
    /// Allows exits to the usual ports.
    pub const EXIT: Self = Self(1 << 2);
    /// Fit for circuits that need bandwidth.
    pub const FAST: Self = Self(1 << 3);
    /// Fit as a guard.
    pub const GUARD: Self = Self(1 << 4);
    /// Keeps onion service descriptors.
    pub const HS_DIR: Self = Self(1 << 5);
    /// Fit for middle positions only.
    pub const MIDDLE_ONLY: Self = Self(1 << 6);
    /// Reachable. Every relay of a consensus is.
    pub const RUNNING: Self = Self(1 << 7);
    /// Fit for long-lived circuits.
    pub const STABLE: Self = Self(1 << 8);
    /// Its descriptor is old.
    pub const STALE_DESC: Self = Self(1 << 9);
    /// Answers directory requests.
    pub const V2_DIR: Self = Self(1 << 10);
    /// Not known to be broken. Every relay of a consensus is.
    pub const VALID: Self = Self(1 << 11);
    /// Suspected to be one of many that are one.
    pub const SYBIL: Self = Self(1 << 12);
    /// Its Ed25519 identity had no consensus among the authorities.
    pub const NO_ED_CONSENSUS: Self = Self(1 << 13);

    const NAMES: [(&'static str, Self); 14] = [
        ("Authority", Self::AUTHORITY),
        ("BadExit", Self::BAD_EXIT),
        ("Exit", Self::EXIT),
        ("Fast", Self::FAST),
        ("Guard", Self::GUARD),
        ("HSDir", Self::HS_DIR),
        ("MiddleOnly", Self::MIDDLE_ONLY),
        ("NoEdConsensus", Self::NO_ED_CONSENSUS),
        ("Running", Self::RUNNING),
        ("Stable", Self::STABLE),
        ("StaleDesc", Self::STALE_DESC),
        ("Sybil", Self::SYBIL),
        ("V2Dir", Self::V2_DIR),
        ("Valid", Self::VALID),
    ];

    /// The flag of this name; unknown names are [`RelayFlags::NONE`].
    pub fn named(name: &str) -> Self {
        Self::NAMES.iter().find(|(own, _)| *own == name).map_or(Self::NONE, |(_, flag)| *flag)
    }

    /// True if all of `flags` are set.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The names of the flags, in the order of the alphabet.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(_, flag)| self.contains(*flag)).map(|(name, _)| name)
    }
}

impl BitOr for RelayFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The names, as an `s` line has them.
impl fmt::Display for RelayFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            write!(f, "{}{name}", if index > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for RelayFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits() {
        let flags = RelayFlags::EXIT | RelayFlags::named("Valid") | RelayFlags::named("Muffins");
        assert_eq!(flags.to_string(), "Exit Valid");
        assert!(flags.contains(RelayFlags::EXIT | RelayFlags::VALID));
        assert!(!flags.contains(RelayFlags::EXIT | RelayFlags::GUARD));
        for (index, (name, flag)) in RelayFlags::NAMES.iter().enumerate() {
            assert_eq!(flag.to_string(), *name);
            assert!(RelayFlags::NAMES.iter().skip(index + 1).all(|(_, other)| other != flag));
        }
    }
}
