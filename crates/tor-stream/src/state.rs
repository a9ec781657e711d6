//! One stream's state.
//! <https://spec.torproject.org/tor-spec/opening-streams.html>
//!
//! ```text
//!  begin, begin_dir          resolve, resolve_ptr
//!        │                         │
//!        ▼                         ▼
//!       NEW  ── end ──> forgotten  NEW          the request waits in poll_output
//!        │ request sent            │
//!        ▼                         ▼
//!    CONNECTING                RESOLVING        DATA may go out early, if the caller said so
//!        │ CONNECTED   END         │ RESOLVED   END
//!        │              └─> FAILED └─> CLOSED    └─> FAILED
//!        ▼
//!    CONNECTED ── END ──> CLOSED
//!
//!  end, while CONNECTING, RESOLVING or CONNECTED: END is sent, and the id is HALF-CLOSED (half.rs)
//!  until the peer's END (or RESOLVED).
//! ```
//!
//! FAILED and CLOSED are not stored: the stream is gone, and its owner gets back what it put in.

use std::{fmt, time::Instant};

use crate::{
    flow::Flow,
    half::{Allowance, HalfClosed},
};

/// May DATA be sent before the peer says CONNECTED?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyData {
    /// Yes ("optimistic data"): saves a round trip where the application speaks first. An exit drops it if the
    /// connection fails, so the caller keeps a copy as long as it wants to try elsewhere.
    Allowed,
    /// No: there is no credit before CONNECTED.
    Held,
}

/// Where a stream is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The request has not been taken from [`crate::Streams::poll_output`].
    New,
    /// BEGIN or BEGIN_DIR was sent.
    Connecting,
    /// RESOLVE was sent.
    Resolving,
    /// CONNECTED came.
    Connected,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Resolving => "resolving",
            Self::Connected => "connected",
        })
    }
}

/// What a new stream will ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    Connect(EarlyData),
    Resolve,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    New(Request),
    Connecting { flow: Flow, early: EarlyData },
    Resolving,
    Connected(Flow),
}

/// One live stream, and what its owner keeps with it.
#[derive(Debug)]
pub(crate) struct Stream<T> {
    pub(crate) state: State,
    pub(crate) since: Instant,
    pub(crate) local: T,
}

impl State {
    pub(crate) const fn phase(&self) -> Phase {
        match self {
            Self::New(_) => Phase::New,
            Self::Connecting { .. } => Phase::Connecting,
            Self::Resolving => Phase::Resolving,
            Self::Connected(_) => Phase::Connected,
        }
    }

    /// The state once the request is on its way.
    pub(crate) const fn requested(self) -> Self {
        match self {
            Self::New(Request::Connect(early)) => Self::Connecting { flow: Flow::new(), early },
            Self::New(Request::Resolve) => Self::Resolving,
            Self::Connecting { .. } | Self::Resolving | Self::Connected(_) => self,
        }
    }

    /// DATA cells that may be sent.
    pub(crate) const fn credit(&self) -> u16 {
        match self {
            Self::Connected(flow) | Self::Connecting { flow, early: EarlyData::Allowed } => {
                flow.send().credit()
            }
            Self::New(_) | Self::Connecting { early: EarlyData::Held, .. } | Self::Resolving => 0,
        }
    }

    pub(crate) const fn flow_mut(&mut self) -> Option<&mut Flow> {
        match self {
            Self::Connecting { flow, .. } | Self::Connected(flow) => Some(flow),
            Self::New(_) | Self::Resolving => None,
        }
    }

    /// What the peer may still send once we said END, `None` if it never heard of the stream.
    pub(crate) const fn half_closed(&self) -> Option<HalfClosed> {
        match self {
            Self::New(_) => None,
            Self::Connecting { flow, .. } => Some(HalfClosed::Connecting(Allowance::of(flow))),
            Self::Resolving => Some(HalfClosed::Resolving),
            Self::Connected(flow) => Some(HalfClosed::Open(Allowance::of(flow))),
        }
    }
}
