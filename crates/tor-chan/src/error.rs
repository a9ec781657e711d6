//! What can go wrong before and after a channel is open, and whose fault it is.

use thiserror::Error;
use tor_cell::{DecodeError, frame::ChanCmd};
use tor_id::{
    Ed25519Id, Fault, RsaId,
    certs::{CertError, CertType},
};

/// Why a link handshake failed. The connection closes; nothing is sent about it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// A cell before its time, for the second time, or of a kind that has no place in a handshake.
    #[error("{got} cell while waiting for {awaiting}")]
    Unexpected {
        /// The cell that the handshake had come to.
        awaiting: ChanCmd,
        /// The cell that came.
        got: ChanCmd,
    },
    /// A cell that names a circuit, when there are none yet.
    #[error("{command} cell names a circuit before the link is open")]
    CircuitId {
        /// The cell.
        command: ChanCmd,
    },
    /// A cell that can't be understood.
    #[error("link handshake: {0}")]
    Malformed(#[from] DecodeError),
    /// More bytes than any handshake needs.
    #[error("link handshake longer than {} bytes", crate::MAX_HANDSHAKE_BYTES)]
    TooLong,
    /// Neither link protocol 4 nor 5 is in the peer's VERSIONS.
    #[error("no link protocol version in common")]
    NoSharedVersion,
    /// CERTS lacks a certificate without which nobody is authenticated.
    #[error("CERTS without a certificate of type {kind}")]
    MissingCert {
        /// The type.
        kind: CertType,
    },
    /// A certificate is malformed, expired, badly signed, or does not fit the others.
    #[error("certificate of type {kind}: {error}")]
    BadCert {
        /// The type of the entry in CERTS.
        kind: CertType,
        /// What is wrong with it.
        error: CertError,
    },
    /// The certificates are for another TLS certificate than the one that this connection has.
    #[error("certificates belong to another TLS certificate")]
    TlsCertificate,
    /// The relay has proved another RSA identity than was expected.
    #[error("expected the relay with RSA identity {expected}, but this one is {got}")]
    WrongRsaId {
        /// Who was expected.
        expected: RsaId,
        /// Who it is.
        got: RsaId,
    },
    /// The relay has proved another Ed25519 identity than was expected.
    #[error("expected the relay with Ed25519 identity {expected}, but this one is {got}")]
    WrongEd25519Id {
        /// Who was expected.
        expected: Ed25519Id,
        /// Who it is.
        got: Ed25519Id,
    },
    /// The driver's word for a deadline that has passed.
    #[error("link handshake timed out")]
    TimedOut,
}

/// Why an open channel has to close, or could not do what it was asked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChanError {
    /// A cell that belongs to a circuit, and names none.
    #[error("{command} cell without a circuit id")]
    NoCircuit {
        /// The cell.
        command: ChanCmd,
    },
    /// A cell of the handshake, when that is over.
    #[error("{command} cell on an open channel")]
    HandshakeOver {
        /// The cell.
        command: ChanCmd,
    },
    /// A relay tried to make a circuit through us.
    #[error("relay tried to create a circuit towards a client")]
    Create,
    /// A relay tried to tell us how to pad.
    #[error("PADDING_NEGOTIATE from a relay")]
    PaddingNegotiate,
    /// As many circuits as a channel can have. The channel goes on.
    #[error("channel has {} circuits already", crate::MAX_CIRCUITS)]
    Full,
}

impl LinkError {
    /// Who must change for the error to go away.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Unexpected { .. }
            | Self::CircuitId { .. }
            | Self::Malformed(_)
            | Self::TooLong
            | Self::NoSharedVersion
            | Self::MissingCert { .. }
            | Self::TlsCertificate
            | Self::WrongRsaId { .. }
            | Self::WrongEd25519Id { .. } => Fault::Peer,
            Self::BadCert { error, .. } => error.fault(),
            Self::TimedOut => Fault::Network,
        }
    }
}

impl ChanError {
    /// Who must change for the error to go away.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NoCircuit { .. } | Self::HandshakeOver { .. } | Self::Create | Self::PaddingNegotiate => {
                Fault::Peer
            }
            Self::Full => Fault::Caller,
        }
    }
}
