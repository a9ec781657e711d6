//! How a handshake fails.

use thiserror::Error;
use tor_id::Fault;

/// Why a handshake came to nothing. No keys exist then, at this end.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// A message of a length that the handshake doesn't have.
    #[error("{what} of {length} bytes")]
    Length {
        /// Which message.
        what: &'static str,
        /// The bytes that it had.
        length: usize,
    },
    /// A message that says something impossible.
    #[error("malformed {what}")]
    Malformed {
        /// Which message or part of it.
        what: &'static str,
    },
    /// The authenticator is wrong: whoever answered doesn't have the private key, or used another identity.
    #[error("handshake authentication failed")]
    BadAuth,
    /// A public key of small order: the shared secret would be zero, and known to everybody.
    #[error("degenerate public key")]
    DegenerateKey,
    /// The onionskin is for another relay, or for an onion key that this one doesn't have.
    #[error("onionskin for another key")]
    OtherKey,
    /// The relay doesn't want what the client asks for.
    #[error("handshake refused")]
    Refused,
    /// What is to be asked for or answered doesn't fit.
    #[error("{what} is too long for the handshake")]
    TooLong {
        /// The part that is too long.
        what: &'static str,
    },
    /// The relay grants what nobody asked for.
    #[error("relay grants {what}, which nobody asked for")]
    Unsolicited {
        /// What it is.
        what: &'static str,
    },
}

impl HandshakeError {
    /// Who must change.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::TooLong { .. } => Fault::Caller,
            Self::Length { .. }
            | Self::Malformed { .. }
            | Self::BadAuth
            | Self::DegenerateKey
            | Self::OtherKey
            | Self::Refused
            | Self::Unsolicited { .. } => Fault::Peer,
        }
    }
}
