//! What goes wrong, sorted by who is to blame.

use thiserror::Error;
use tor_cell::{StreamId, relay::RelayCmd};
use tor_id::Fault;

use crate::Phase;

/// The peer broke the protocol: close the circuit.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StreamError {
    /// A message that belongs to a stream names none.
    #[error("relay command {} without a stream id", command.0)]
    NoStreamId {
        /// The command.
        command: RelayCmd,
    },
    /// We have no such stream, or the peer ended it.
    #[error("relay command {} on unknown stream {stream}", command.0)]
    UnknownStream {
        /// The command.
        command: RelayCmd,
        /// The stream that it names.
        stream: StreamId,
    },
    /// The command has no place in the stream's state (or none at all at a client).
    #[error("relay command {} on a stream that is {phase}", command.0)]
    Unexpected {
        /// The command.
        command: RelayCmd,
        /// The state.
        phase: Phase,
    },
    /// More than a stream that we ended could still get.
    #[error("relay command {} on half-closed stream {stream}", command.0)]
    HalfClosed {
        /// The command.
        command: RelayCmd,
        /// The stream.
        stream: StreamId,
    },
    /// A DATA cell for which we granted no window.
    #[error("DATA beyond the window of stream {stream}")]
    DataBeyondWindow {
        /// The stream.
        stream: StreamId,
    },
    /// A SENDME that acknowledges what we never sent.
    #[error("SENDME beyond what stream {stream} sent")]
    ExtraSendme {
        /// The stream.
        stream: StreamId,
    },
    /// A body that can't be read.
    #[error(transparent)]
    Malformed(#[from] tor_cell::DecodeError),
}

/// A stream that can't be opened.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BeginError {
    /// All 65,535 ids are live or half-closed: take another circuit.
    #[error("the circuit has no stream id left")]
    NoIdLeft,
    /// The target does not fit in a message.
    #[error(transparent)]
    Target(#[from] tor_cell::TooLong),
}

impl StreamError {
    /// Who must change: the peer, always.
    pub const fn fault(&self) -> Fault {
        Fault::Peer
    }
}

impl BeginError {
    /// Who must change: the caller, always.
    pub const fn fault(&self) -> Fault {
        Fault::Caller
    }
}
