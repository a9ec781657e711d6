//! Which relays a circuit goes through. <https://spec.torproject.org/path-spec/index.html>
//!
//! A path is chosen from its end: an exit that serves the target, weighted by bandwidth; then a guard, which is
//! one of the few relays that this client always enters by ([`Guards`]); then a middle. No two of them may be
//! the same relay, of one family, or in one subnet.
//!
//! ```
//! use tor_path::{ExitNeed, Family};
//!
//! let need = ExitNeed::connect(443, Family::Any);
//! assert_eq!(need.predicts(), Some(ExitNeed::port(443)));
//! ```
//!
//! Rules only: the caller brings the network view, the time and the dice, and keeps the guards' record on disk.

mod choose;
mod config;
mod guards;
mod need;
mod path;
mod state;

#[cfg(test)]
mod testnet;

use tor_id::Fault;

pub use choose::Selector;
pub use config::PathConfig;
pub use guards::{Guard, GuardUse, Guards};
pub use need::{ExitNeed, Family};
pub use path::{Hop, Path};
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
