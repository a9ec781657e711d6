//! The engine of one circuit. <https://spec.torproject.org/tor-spec/circuit-management.html>
//!
//! ```text
//!         create              CREATED2, CREATED_FAST        extend
//!  Idle ──────────> Creating ──────────────────────> Open ──────────> Extending
//!   │                  │                              │ ^                │  │
//!   │                  │                              │ └────────────────┘  │
//!   │                  │                              │     EXTENDED2       │
//!   │ destroy          │ destroy, too late,           │                     │
//!   v                  v DESTROY, anything wrong      v                     v
//! Closed <──────────────────────────────────────────────────────────────────┘
//! ```
//!
//! While Extending, the hops that are there work as in Open. Anything that a client does not expect closes the
//! circuit (C Tor drops some of it; a relay that probes so learns nothing from us).
//!
//! Invariants: [`Circuit::on_cell`] is called for each cell in its order, and what it and the other methods
//! append to `out` leaves in its order: both ends count. An error from `on_cell` or `on_timer` is the last thing
//! that a circuit says: it is closed, with its DESTROY in `out`. Nothing is queued but tags of outstanding SENDMEs,
//! at most 10 for each of at most 9 hops.

mod receiving;
mod sending;

pub(crate) use self::sending::append_cell;

use std::{fmt, time::Instant};

use bytes::BytesMut;
use rand_core::CryptoRng;
use tor_cell::{
    CircId, DestroyReason,
    chan::{Create2, Destroy},
    frame::{self, ChanCmd},
    relay::{Extend2, RelayMsg},
};
use tor_ntor::Tor1Keys;

use crate::{
    CircError, HopIndex, HopSpec, SendError, Traffic,
    handshake::Pending,
    onion::{End, HopCipher, Tor1},
    padding::{Padding, Unpredictability},
    window::{ReceiveWindow, SendWindow},
};

/// RELAY_EARLY cells in the life of a circuit at most: relays close it for more.
const MAX_RELAY_EARLY: u8 = 8;

/// What the consensus says about circuits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircParams {
    /// `sendme_accept_min_version`: the lowest version of a SENDME that a hop may send, 0 by default.
    pub sendme_accept_min: u8,
}

/// One circuit, as its client sees it.
pub struct Circuit {
    id: CircId,
    params: CircParams,
    state: State,
    hops: Vec<Hop>,
    early_left: u8,
    padding: Padding,
    traffic: Traffic,
}

/// Boxed, so that the state of an open circuit is small.
enum State {
    Idle,
    Creating(Box<Awaited>),
    Open,
    Extending(Box<Awaited>),
    Closed,
}

/// The answer that we wait for.
struct Awaited {
    handshake: Pending,
    until: Instant,
}

struct Hop {
    cipher: Box<dyn HopCipher>,
    send: SendWindow,
    receive: ReceiveWindow,
    unpredictability: Unpredictability,
}

impl Circuit {
    /// A circuit of no hops yet, on a channel that gave it this id. `rng` seeds the padding of its cells.
    pub fn new(id: CircId, params: CircParams, rng: &mut impl CryptoRng) -> Self {
        let mut padding = Padding::new(rng);
        Self {
            id,
            params,
            state: State::Idle,
            hops: Vec::with_capacity(3),
            // As C Tor does it, so that the number tells less about who extends.
            early_left: MAX_RELAY_EARLY - padding.below(2),
            padding,
            traffic: Traffic::default(),
        }
    }

    /// Asks the relay at the other end of the channel to be the first hop. Its answer must come before `until`.
    ///
    /// # Errors
    /// If the circuit is not new, or the relay can't be asked like this.
    pub fn create(
        &mut self,
        relay: &HopSpec,
        until: Instant,
        rng: &mut impl CryptoRng,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        if !matches!(self.state, State::Idle) {
            return Err(self.not_now());
        }
        let (handshake, onionskin) = Pending::start(relay, rng)?;
        match onionskin.kind {
            Some(kind) => {
                frame::put_message(Some(self.id), &Create2 { kind, onionskin: &onionskin.bytes }, out)
            }
            None => frame::put_fixed(Some(self.id), ChanCmd::CREATE_FAST, &onionskin.bytes, out),
        }
        .map_err(|error| SendError::BadHop(error.what))?;
        self.traffic.cells_written += 1;
        self.state = State::Creating(Box::new(Awaited { handshake, until }));
        Ok(())
    }

    /// Asks the last hop to extend the circuit to `relay`. The answer must come before `until`.
    ///
    /// # Errors
    /// If the circuit is not open, is being extended already, has no RELAY_EARLY cell left, or the relay can't
    /// be asked like this.
    pub fn extend(
        &mut self,
        relay: &HopSpec,
        until: Instant,
        rng: &mut impl CryptoRng,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let (State::Open, Some(last)) = (&self.state, self.last_hop()) else { return Err(self.not_now()) };
        // "An EXTEND2 must travel in a RELAY_EARLY cell"; relays drop it otherwise.
        if self.early_left == 0 {
            return Err(SendError::TooLong);
        }
        let target = relay.link_specs().ok_or(SendError::BadHop("it has no address"))?;
        let (handshake, onionskin) = Pending::start(relay, rng)?;
        let kind = onionskin.kind.ok_or(SendError::BadHop("CREATE_FAST is for the first hop"))?;
        let extend2 = Extend2 { target, kind, onionskin: &onionskin.bytes };
        let mut body = Vec::new();
        let msg = RelayMsg::new(None, &extend2, &mut body).map_err(|error| SendError::BadHop(error.what))?;
        self.seal(last, &msg, out)?;
        self.state = State::Extending(Box::new(Awaited { handshake, until }));
        Ok(())
    }

    /// Ends the circuit. Writes the DESTROY, unless there is nobody to tell: never created, or ended already.
    /// Like every client's it gives no reason.
    pub fn destroy(&mut self, out: &mut BytesMut) {
        let there = match self.state {
            State::Idle | State::Closed => false,
            State::Creating(_) | State::Open | State::Extending(_) => true,
        };
        self.state = State::Closed;
        if there {
            let destroy = Destroy { reason: DestroyReason::NONE };
            let written = frame::put_message(Some(self.id), &destroy, out);
            debug_assert!(written.is_ok(), "one byte fits a cell");
            self.traffic.cells_written += 1;
        }
    }

    /// When [`Self::on_timer`] must be called at the latest: the answer to `create` or `extend` is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Creating(awaited) | State::Extending(awaited) => Some(awaited.until),
            State::Idle | State::Open | State::Closed => None,
        }
    }

    /// Looks at the clock.
    ///
    /// # Errors
    /// If the hop that was asked for did not answer in time. The circuit is then closed.
    pub fn on_timer(&mut self, now: Instant, out: &mut BytesMut) -> Result<(), CircError> {
        match (self.deadline(), u8::try_from(self.hops.len())) {
            (Some(until), Ok(hop)) if until <= now => {
                Err(self.fail(CircError::TimedOut { hop: HopIndex(hop) }, out))
            }
            _ => Ok(()),
        }
    }

    /// The circuit's id on its channel.
    pub const fn id(&self) -> CircId {
        self.id
    }

    /// True once the circuit is closed: nothing more will come of it.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The last hop there is.
    pub fn last_hop(&self) -> Option<HopIndex> {
        u8::try_from(self.hops.len()).ok()?.checked_sub(1).map(HopIndex)
    }

    /// DATA cells that may be sent to `hop` now, 0 to 1000; 0 for a hop that is not there.
    pub fn window(&self, hop: HopIndex) -> u16 {
        self.hops.get(hop.as_usize()).map_or(0, |hop| hop.send.credit())
    }

    /// Cells and bytes so far.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The only place that turns an error into a DESTROY.
    fn fail(&mut self, error: CircError, out: &mut BytesMut) -> CircError {
        tracing::debug!(circ = %self.id, %error, "circuit closed");
        self.destroy(out);
        error
    }

    const fn not_now(&self) -> SendError {
        SendError::NotNow { doing: self.state.doing() }
    }
}

impl State {
    const fn doing(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Creating(_) => "being created",
            Self::Open => "open",
            Self::Extending(_) => "being extended",
            Self::Closed => "closed",
        }
    }
}

impl Hop {
    fn new(keys: &Tor1Keys, padding: &mut Padding) -> Self {
        Self {
            cipher: Box::new(Tor1::new(End::Client, keys)),
            send: SendWindow::new(),
            receive: ReceiveWindow::default(),
            unpredictability: Unpredictability::new(padding),
        }
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, hops) = (self.state.doing(), self.hops.len());
        f.debug_struct("Circuit").field("id", &self.id).field("state", &state).field("hops", &hops).finish()
    }
}
