//! What goes wrong at the edge.

use std::{io, sync::Arc};

use thiserror::Error;
use tor_cell::EndReason;
use tor_chan::{ChanError, LinkError};
use tor_id::Fault;

/// A channel that could not be opened, or that broke.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// TCP did not connect.
    #[error("connection failed: {0}")]
    Connect(Arc<io::Error>),
    /// TLS failed.
    #[error("TLS failed: {0}")]
    Tls(Arc<io::Error>),
    /// The connection broke.
    #[error("connection broke: {0}")]
    Io(Arc<io::Error>),
    /// The link handshake failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The relay broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ChanError),
    /// The channel is closed.
    #[error("channel is closed")]
    Closed,
    /// No address answered in time.
    #[error("timed out")]
    TimedOut,
    /// The relay has no address that we may use.
    #[error("relay has no usable address")]
    NoAddress,
    /// The network is switched off (`DisableNetwork`).
    #[error("the network is disabled")]
    NetworkOff,
}

impl ChannelError {
    pub(crate) fn connect(error: io::Error) -> Self {
        Self::Connect(Arc::new(error))
    }

    pub(crate) fn tls(error: io::Error) -> Self {
        Self::Tls(Arc::new(error))
    }

    /// Who must change.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Connect(_) | Self::Io(_) | Self::Closed | Self::TimedOut => Fault::Network,
            Self::Tls(_) => Fault::Peer,
            Self::Link(error) => error.fault(),
            Self::Protocol(error) => error.fault(),
            Self::NoAddress | Self::NetworkOff => Fault::Caller,
        }
    }
}

impl From<io::Error> for ChannelError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// In good order: the other end, or we, had said everything.
    Done,
    /// The exit ended it for this reason.
    Ended(EndReason),
    /// Its circuit closed.
    CircuitClosed,
}

impl StreamEnd {
    /// What a reader gets at the end: end-of-file, or an error.
    pub(crate) fn to_read_result(self) -> io::Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::Ended(reason) => {
                Err(io::Error::new(io::ErrorKind::ConnectionReset, format!("the stream ended: {reason}")))
            }
            Self::CircuitClosed => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the circuit closed"))
            }
        }
    }
}
