//! Which relays a circuit goes through. <https://spec.torproject.org/path-spec/index.html>
//!
//! A path is chosen from its end: an exit that serves the target, weighted by bandwidth; then a guard, which is
//! one of the few relays that this client always enters by ([`Guards`]); then a middle. No two of them may be
//! the same relay, of one family, or in one subnet.
//!
//! ```
//! use tor_path::{ExitNeed, Family, Guards, PathConfig, Selector};
//! # use std::time::{Duration, Instant, SystemTime};
//! # use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
//! # use tor_dir::{DirConfig, DirFile, DirServer, DirState, DirStore, MemoryStore, Moment};
//! # let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tor-dir/testdata/private-network/");
//! # let file = |name: &str| std::fs::read(format!("{dir}{name}"));
//! # let authorities = String::from_utf8(file("authorities.txt")?)?;
//! # let authorities = authorities.lines().filter_map(|line| DirServer::parse_authority(line).ok()?.v3_ident());
//! # let mut store = MemoryStore::new();
//! # store.replace(DirFile::Certs, &file("certs.txt")?)?;
//! # store.replace(DirFile::Consensus, &file("consensus-1.txt")?)?;
//! # store.replace(DirFile::Microdescs, &file("cached-microdescs.txt")?)?;
//! # let mut rng = ChaCha8Rng::seed_from_u64(1);
//! # let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_404_360);
//! # #[expect(clippy::disallowed_methods, reason = "an example is an edge")]
//! # let at = Moment { now: Instant::now(), wall };
//! # let network = DirConfig::new(authorities.collect(), tor_netdoc::NetworkKind::Testing);
//! # let mut state = DirState::new(network, at.now);
//! # state.load(at, &mut store, &mut rng);
//! # let view = state.view(wall).ok_or("the network is known")?;
//! // A private network, whose relays share a subnet; the record of guards is empty.
//! let config = PathConfig { distinct_subnets: false, ..PathConfig::default() };
//! let mut guards = Guards::default();
//! let need = ExitNeed::connect(443, Family::Any);
//! let path = Selector::new(view, config).path(&need, &[], &mut guards, wall, &mut rng)?;
//! assert_eq!(path.hops().len(), 3);
//! assert!(path.serves(&need));
//!
//! // The guard is one of those that are kept from now on.
//! let guard = path.guard().ok_or("a path has a guard")?;
//! assert!(guards.to_text().contains(&format!("nickname={} ", guard.nickname)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Rules only: the caller brings the network view, the time and the dice, and keeps the guards' record on disk.

mod by_hand;
mod choose;
mod config;
mod guards;
mod need;
mod path;
mod set;
mod state;

#[cfg(test)]
mod testnet;

use tor_id::Fault;

pub use by_hand::{NameError, relay_named};
pub use choose::Selector;
pub use config::PathConfig;
pub use guards::{Guard, GuardChange, GuardNews, GuardStatus, GuardUse, Guards};
pub use need::{ExitNeed, Family};
pub use path::{Hop, Path};
pub use set::{RelayPattern, RelaySet};
pub use state::StateError;

/// No path can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// There is no view of the network yet, or too little of it is known.
    #[error("not enough is known of the network yet")]
    NoView,
    /// No relay that we know of exits to the target.
    #[error("no relay exits to the target")]
    NoExit,
    /// No guard can be used now.
    #[error("no guard can be used now")]
    NoGuard,
    /// No relay is left for the middle.
    #[error("no relay is left for the middle of the circuit")]
    NoMiddle,
}

impl PathError {
    /// True if it may be different in a moment: a stream can wait.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::NoView | Self::NoGuard => true,
            Self::NoExit | Self::NoMiddle => false,
        }
    }

    /// Who must change.
    pub const fn fault(self) -> Fault {
        Fault::Network
    }
}
