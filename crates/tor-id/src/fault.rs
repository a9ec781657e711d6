//! Who must change for an error to go away.

/// Who is to blame for an error, and so who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The other end broke the protocol.
    Peer,
    /// The network failed: a timeout, a closed connection, a relay that is overloaded.
    Network,
    /// The caller asked for something impossible.
    Caller,
    /// A broken invariant of our own.
    Us,
}
