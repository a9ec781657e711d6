//! What can go wrong on a circuit: what ends it, and what is merely refused.

use thiserror::Error;
use tor_cell::{DestroyReason, frame::ChanCmd, relay::RelayCmd};
use tor_id::Fault;
use tor_ntor::HandshakeError;

use crate::HopIndex;

/// Why a circuit ended. It is closed by then, and the DESTROY is written.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CircError {
    /// A cell that may not come now: a second CREATED2, a RELAY before the first.
    #[error("unexpected {command} cell while {doing}")]
    UnexpectedCell {
        /// The cell's command.
        command: ChanCmd,
        /// What the circuit was doing.
        doing: &'static str,
    },
    /// A CREATED2 or CREATED_FAST that can't be understood.
    #[error("malformed {what}")]
    MalformedCell {
        /// The message.
        what: &'static str,
    },
    /// No hop's key fits: forged, replayed, lost, out of order, or a bit flipped on the way.
    #[error("relay cell that no hop has written")]
    BadRelayCell,
    /// A hop wrote a message that can't be understood.
    #[error("{hop} sent a malformed {what}")]
    MalformedMessage {
        /// The hop.
        hop: HopIndex,
        /// The message or the part that is wrong.
        what: &'static str,
    },
    /// A hop wrote a message that no client accepts, or not now, or not from that hop.
    #[error("{hop} sent an unexpected {command}")]
    UnexpectedMessage {
        /// The hop.
        hop: HopIndex,
        /// The message.
        command: RelayCmd,
    },
    /// A hop's handshake failed: it could not prove that it has the relay's key.
    #[error("handshake with {hop} failed: {error}")]
    Handshake {
        /// The hop that was to be.
        hop: HopIndex,
        /// What failed.
        error: HandshakeError,
    },
    /// A circuit-level SENDME that proves nothing.
    #[error("{hop} sent a bad SENDME: {error}")]
    Sendme {
        /// The hop.
        hop: HopIndex,
        /// What is wrong with it.
        error: SendmeError,
    },
    /// The hop that was asked for did not answer in time.
    #[error("{hop} did not answer in time")]
    TimedOut {
        /// The hop.
        hop: HopIndex,
    },
    /// One of our own invariants broke.
    #[error("internal error: {what}")]
    Internal {
        /// Which.
        what: &'static str,
    },
}

/// What is wrong with a circuit-level SENDME.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendmeError {
    /// It acknowledges a cell that was never sent, or was acknowledged already.
    #[error("nothing to acknowledge")]
    Unexpected,
    /// It does not quote the tag of the cell that it should acknowledge.
    #[error("wrong tag")]
    WrongTag,
    /// Its version is lower than the consensus wants.
    #[error("version {0} is too low")]
    Version(u8),
}

/// Why something was not sent. The circuit is as it was.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// Not in this state: the circuit is being built, or closed, or has a first hop already.
    #[error("not while the circuit is {doing}")]
    NotNow {
        /// What the circuit is doing.
        doing: &'static str,
    },
    /// The circuit has no such hop.
    #[error("circuit has no {hop}")]
    NoSuchHop {
        /// The hop that was named.
        hop: HopIndex,
    },
    /// DATA must wait for a SENDME from that hop.
    #[error("window of {hop} is empty")]
    WindowEmpty {
        /// The hop.
        hop: HopIndex,
    },
    /// The message does not fit a cell, or names a stream wrongly.
    #[error("{command} does not fit a relay cell")]
    Unencodable {
        /// The message.
        command: RelayCmd,
    },
    /// Only RELAY_EARLY cells may extend, and all 8 are spent.
    #[error("no RELAY_EARLY cells left to extend the circuit")]
    TooLong,
    /// The relay can't be asked for like this.
    #[error("relay can't be a hop: {0}")]
    BadHop(&'static str),
    /// The relay's onion key is none.
    #[error("relay can't be a hop: {0}")]
    Handshake(#[from] HandshakeError),
}

impl CircError {
    /// Who must change.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::UnexpectedCell { .. }
            | Self::MalformedCell { .. }
            | Self::BadRelayCell
            | Self::MalformedMessage { .. }
            | Self::UnexpectedMessage { .. }
            | Self::Handshake { .. }
            | Self::Sendme { .. } => Fault::Peer,
            Self::TimedOut { .. } => Fault::Network,
            Self::Internal { .. } => Fault::Us,
        }
    }

    /// The reason as events report it. No relay is told: a client's DESTROY never gives one.
    pub const fn destroy_reason(&self) -> DestroyReason {
        match self {
            Self::UnexpectedCell { .. }
            | Self::MalformedCell { .. }
            | Self::BadRelayCell
            | Self::MalformedMessage { .. }
            | Self::UnexpectedMessage { .. }
            | Self::Handshake { .. }
            | Self::Sendme { .. } => DestroyReason::TORPROTOCOL,
            Self::TimedOut { .. } => DestroyReason::TIMEOUT,
            Self::Internal { .. } => DestroyReason::INTERNAL,
        }
    }
}

impl SendError {
    /// Who must change: always the caller.
    pub const fn fault(&self) -> Fault {
        Fault::Caller
    }
}
