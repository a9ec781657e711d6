//! Which circuit a stream gets.
//!
//! A stream asks for a target and brings an [`IsolationKey`]; [`CircMgr`] gives it a circuit whose exit serves
//! the target and which no stream of another key has used, building one where none is ready, and takes it to
//! another circuit where the exit refuses for policy or can't resolve. Clean circuits for the ports that were
//! asked for lately are built before they are asked for. <https://spec.torproject.org/path-spec/index.html>
//!
//! The crate chooses; it opens no socket and starts no task. [`CircuitFactory`] is its way to the network, and
//! whoever owns the tasks drives [`CircMgr::run`].
//!
//! ```
//! use tor_circmgr::{BuiltCircuit, CircMgr, CircuitFactory, ConnectError, IsolationKey};
//! use tor_path::ExitNeed;
//!
//! /// A stream to port 443 that shares its circuit with streams of the same SOCKS user only.
//! async fn open<F: CircuitFactory>(
//!     circuits: &CircMgr<F>,
//!     request: &<F::Circuit as BuiltCircuit>::Request,
//!     user: &str,
//! ) -> Result<<F::Circuit as BuiltCircuit>::Stream, ConnectError> {
//!     let socks_auth = Some((user.as_bytes().to_vec(), Vec::new()));
//!     let key = IsolationKey { socks_auth, ..IsolationKey::default() };
//!     circuits.open(request, &ExitNeed::port(443), &key, false).await
//! }
//!
//! let key = |user: &str| IsolationKey {
//!     socks_auth: Some((user.as_bytes().to_vec(), Vec::new())),
//!     ..IsolationKey::default()
//! };
//! assert_ne!(key("alice"), key("bob")); // so they never share a circuit
//! ```

pub mod address_map;
mod backoff;
mod by_hand;
mod isolation;
mod manager;
mod open;
mod pool;
mod refusals;
pub mod target;

#[cfg(test)]
mod testnet;
#[cfg(test)]
mod tests;

use std::future::Future;

use tor_id::RsaId;
use tor_path::{ExitNeed, Path, PathError};

pub use isolation::IsolationKey;
pub use manager::{CircMgr, Timing};
pub use open::{ConnectError, Detached, Opening, Setback};
pub use refusals::Target;

/// The way to the network: chooses relays and builds circuits. Implemented by the crate with the sockets.
pub trait CircuitFactory: Send + Sync + 'static {
    /// What a built circuit is.
    type Circuit: BuiltCircuit;

    /// A circuit that is to be built.
    type Launch: Send;

    /// Chooses the relays of a circuit, none of `avoid` as its exit.
    ///
    /// # Errors
    /// If the network as it is known now has no such path.
    fn choose_path(&self, need: &ExitNeed, avoid: &[RsaId]) -> Result<Path, PathError>;

    /// Chooses the relays of a circuit with that exit.
    ///
    /// # Errors
    /// If it does not serve the need, or the network as it is known now has no such path.
    fn choose_path_by(&self, exit: &RsaId, need: &ExitNeed) -> Result<Path, PathError> {
        let _none_can = (exit, need);
        Err(PathError::NoExit)
    }

    /// Begins a circuit: it has its number from now on. `key`: whose streams wait for it.
    fn launch(
        &self,
        path: Path,
        purpose: Purpose,
        key: Option<&IsolationKey>,
    ) -> (CircuitNumber, Self::Launch);

    /// Builds it, and tells the guard's record how that went.
    fn build(&self, launch: Self::Launch) -> impl Future<Output = Result<Self::Circuit, BuildError>> + Send;
}

/// A circuit that is built. Clones share it.
pub trait BuiltCircuit: Clone + Send + Sync + 'static {
    /// What an open stream is.
    type Stream: Send;
    /// What the caller asks for: a connection or a look-up.
    type Request: Sync;

    /// Opens a stream. Dropping the future gives the stream up.
    fn open(
        &self,
        request: &Self::Request,
    ) -> impl Future<Output = Result<Self::Stream, StreamRefusal>> + Send;

    /// Where the request leads, to know again what an exit refused. The same for two requests that an exit can't
    /// treat differently.
    fn target(request: &Self::Request) -> Target;

    /// False once the circuit is closed or takes no more streams.
    fn is_open(&self) -> bool;

    /// Streams that live on it now.
    fn streams(&self) -> usize;

    /// Closes it: it is not needed any more.
    fn close(&self);

    /// Whose streams use it from now on; `None`: nobody's, anybody's may.
    fn used_by(&self, key: Option<&IsolationKey>);
}

/// The number of a circuit, which no other ever has. The control port names it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CircuitNumber(pub u64);

/// What a circuit is for. (Onion services bring others.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Streams, whichever.
    #[default]
    General,
    /// Those streams only that a controller puts on it.
    Controller,
}

/// A circuit could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit could not be built: {what}")]
pub struct BuildError {
    /// What went wrong, for the log.
    pub what: String,
}

/// Why a stream did not open on a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamRefusal {
    /// The exit said END (or answered a look-up with an error), with this reason.
    #[error("refused by the exit: {0}")]
    Ended(tor_cell::EndReason),
    /// The exit says that the name does not exist, or that it failed for now.
    #[error("the name did not resolve")]
    Unresolved {
        /// True if asking again may help.
        transient: bool,
    },
    /// The circuit closed before the exit answered.
    #[error("the circuit closed")]
    CircuitClosed,
}
