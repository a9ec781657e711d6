//! Why a circuit is over, in the words of C Tor (`circuit_end_reason_to_control_string`).

use tor_cell::DestroyReason;
use tor_chan::ChanError;
use tor_ctrl_events::CircReason;

use crate::{ChannelError, CircuitError};

/// Why a circuit is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitEnd {
    /// It was not needed any more.
    Finished,
    /// A controller closed it.
    Requested,
    /// It took too long to build.
    TimedOut,
    /// Its guard is not the one that is preferred, and that one may be up.
    BetterGuard,
    /// A relay closed it, for this reason.
    Destroyed(DestroyReason),
    /// We closed it, for this reason.
    Ours(DestroyReason),
}

impl CircuitEnd {
    /// Why a circuit is over that ended so.
    pub(crate) const fn of(error: &CircuitError) -> Self {
        match error {
            CircuitError::Channel(error) => Self::of_channel(error),
            CircuitError::Circuit(error) => Self::Ours(error.destroy_reason()),
            CircuitError::Stream(_) => Self::Ours(DestroyReason::TORPROTOCOL),
            CircuitError::Refused(_) => Self::Ours(DestroyReason::INTERNAL),
            CircuitError::Destroyed { reason, .. } => Self::Destroyed(*reason),
            CircuitError::ChannelLost => Self::Ours(DestroyReason::CHANNEL_CLOSED),
            CircuitError::Closed => Self::Finished,
        }
    }

    /// Why a circuit is over whose channel can't be had.
    pub(crate) const fn of_channel(error: &ChannelError) -> Self {
        Self::Ours(match error {
            ChannelError::NoAddress => DestroyReason::CONNECTFAILED,
            ChannelError::Protocol(ChanError::Full) => DestroyReason::RESOURCELIMIT,
            // C Tor says so whatever went wrong on the way to an open channel.
            ChannelError::Connect(_)
            | ChannelError::Tls(_)
            | ChannelError::Io(_)
            | ChannelError::Link(_)
            | ChannelError::Protocol(_)
            | ChannelError::Closed
            | ChannelError::TimedOut
            | ChannelError::NetworkOff => DestroyReason::CHANNEL_CLOSED,
        })
    }

    /// `REASON` and `REMOTE_REASON`.
    pub(super) fn words(self) -> (Option<CircReason>, Option<CircReason>) {
        let ours = |reason| (Some(reason), None);
        match self {
            Self::Finished => ours(CircReason::Finished),
            Self::Requested => ours(CircReason::Requested),
            Self::TimedOut => ours(CircReason::Timeout),
            Self::BetterGuard => ours(CircReason::None),
            Self::Ours(reason) => ours(word_of(reason, 0)),
            Self::Destroyed(reason) => (Some(CircReason::Destroyed), Some(word_of(reason, REMOTE))),
        }
    }

    /// True if it took too long.
    pub(super) fn is_timeout(self) -> bool {
        self == Self::TimedOut || self == Self::Ours(DestroyReason::TIMEOUT)
    }
}

/// C Tor adds this to the number of a reason that a relay gave.
const REMOTE: u16 = 512;

fn word_of(reason: DestroyReason, flag: u16) -> CircReason {
    match reason {
        DestroyReason::NONE => CircReason::None,
        DestroyReason::TORPROTOCOL => CircReason::TorProtocol,
        DestroyReason::INTERNAL => CircReason::Internal,
        DestroyReason::REQUESTED => CircReason::Requested,
        DestroyReason::HIBERNATING => CircReason::Hibernating,
        DestroyReason::RESOURCELIMIT => CircReason::ResourceLimit,
        DestroyReason::CONNECTFAILED => CircReason::ConnectFailed,
        DestroyReason::OR_IDENTITY => CircReason::OrIdentity,
        DestroyReason::CHANNEL_CLOSED => CircReason::ChannelClosed,
        DestroyReason::FINISHED => CircReason::Finished,
        DestroyReason::TIMEOUT => CircReason::Timeout,
        DestroyReason::DESTROYED => CircReason::Destroyed,
        DestroyReason::NOSUCHSERVICE => CircReason::NoSuchService,
        DestroyReason(unknown) => CircReason::Other(format!("UNKNOWN_{}", u16::from(unknown) | flag)),
    }
}
