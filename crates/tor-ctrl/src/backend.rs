//! What stands behind the control port: the client.

use std::{fmt, future::Future};

use crate::{Command, Reply};

/// One control connection, for as long as it lives. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ControllerId(pub u64);

impl fmt::Display for ControllerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Executes what controllers ask.
///
/// Everything that can be refused without knowing the client's state has been refused before: a [`Command`] is well
/// formed. What remains are questions like whether there is such a circuit, and [`Word`](crate::Word) and [`Reply`]
/// have C Tor's texts for those.
pub trait ControlBackend: Send + Sync + 'static {
    /// Executes one command. Commands of one connection come one after the other; events that a command causes are
    /// sent after its reply.
    ///
    /// A reply must come, and soon: the connection waits for it. Whatever ends the process (`SIGNAL SHUTDOWN`) must
    /// leave the driver the time to send it.
    fn execute(&self, from: ControllerId, command: Command) -> impl Future<Output = Reply> + Send;

    /// A controller has authenticated.
    fn opened(&self, from: ControllerId) {
        let _ = from;
    }

    /// A connection that had authenticated is over. If it had taken ownership, so is the client; onion services that
    /// it did not detach end with it.
    fn closed(&self, from: ControllerId);
}
