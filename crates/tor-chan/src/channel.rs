//! The channel after its handshake: which circuit is this cell for, when to pad, when to close.
//!
//! ```text
//!  frames ──▶ on_frame ──▶ Route::Circuit(id)   RELAY, RELAY_EARLY, CREATED*, DESTROY: to the circuit
//!                     ├──▶ Route::Ended         a circuit that has ended: dropped
//!                     ├──▶ Route::Handled       of the channel itself, or unknown: nothing to do
//!                     └──▶ Err(ChanError)       the peer broke the protocol: close the connection
//!
//!  timer  ──▶ on_timer ──▶ PADDING in `out`, or Action::Close: nobody needs it, or nothing moves
//! ```
//!
//! One input, then write `out`, then wait until [`Channel::deadline`] at most. The cells of circuits do not
//! pass through here on their way out: each circuit writes its own, whole, into the same `out`.
//!
//! <https://spec.torproject.org/tor-spec/cell-packet-format.html>. Where C Tor is more patient than the spec,
//! or ignores what no relay does, the channel closes; each such place says so.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use rand_core::CryptoRng;
use tor_cell::{
    CELL_LEN, CircId,
    chan::{self, LinkVersion, PaddingNegotiate},
    frame::{ChanCmd, Frame},
};

use crate::{
    ChanError, ConnectionPadding, Link, PaddingParams, Usage,
    circuits::{Circuits, Standing},
    padding::{Padding, below},
    put,
};

/// An open channel.
#[derive(Debug)]
pub struct Channel {
    circuits: Circuits,
    padding: Padding,
    stats: Stats,
    keepalive: Duration,
    /// The peer understands PADDING_NEGOTIATE.
    agreed: bool,
    /// The peer was told not to pad.
    peer_is_quiet: bool,
    /// How long the channel may be unused where nothing is reduced.
    idle: Duration,
    idle_timeout: Duration,
    /// Since when there have been no circuits.
    unused_since: Option<Instant>,
    last_write: Instant,
    /// When to look at all of the above next. Cells only ever move what it stands for to later times, and
    /// it does not follow them: a busy channel has no timer to re-arm.
    look: Instant,
}

/// What may be configured about a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// The torrc option of this name. Default `auto`.
    pub connection_padding: ConnectionPadding,
    /// The torrc option `ReducedConnectionPadding`: the relay does not pad, we do less, and an unused
    /// channel closes in half the time. Default false.
    pub reduced_connection_padding: bool,
    /// The torrc option of this name: after so much time without a write, a padding cell keeps the
    /// connection alive; after ten times as much without being able to write, it closes. Default 5 minutes.
    pub keepalive_period: Duration,
    /// From the consensus.
    pub padding: PaddingParams,
}

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To this circuit: RELAY, RELAY_EARLY (which no client should get: the circuit closes), CREATED,
    /// CREATED_FAST, CREATED2 or DESTROY. After DESTROY the circuit gets no more, and its owner calls
    /// [`Channel::release`].
    Circuit(CircId),
    /// To a circuit that has ended (or that never was): drop it.
    Ended(CircId),
    /// The channel has dealt with it.
    Handled,
}

/// What a timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// There have been no circuits for long enough: close the connection. No fault of anybody.
    CloseIdle,
    /// Bytes have waited to be written for ten keepalive periods: close the connection and tell the circuits.
    CloseStuck,
}

/// What has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Cells received, of every kind.
    pub cells_in: u64,
    /// Bytes of those cells.
    pub bytes_in: u64,
    /// Bytes written to the transport.
    pub bytes_out: u64,
    /// Cells received for circuits that had ended.
    pub late_cells: u64,
    /// Cells received for circuits that never were.
    pub stray_cells: u64,
    /// PADDING and VPADDING cells received.
    pub padding_in: u64,
    /// PADDING cells that the timer sent.
    pub padding_out: u64,
}

/// An unused channel closes after this and a random part of up to half as much.
const IDLE_TIMEOUT: Duration = Duration::from_secs(180);
/// Keepalive periods without a successful write until the connection is given up.
const STUCK_PERIODS: u32 = 10;
/// How soon to look again whether bytes that wait have moved.
const STUCK_LOOK: Duration = Duration::from_secs(1);

impl Channel {
    /// Opens the channel that `link`'s handshake has made, at `now`. Where padding is to be less than the
    /// relay would do by itself, the cell that says so is appended to `out`.
    pub fn open(
        link: &Link,
        config: &ChannelConfig,
        now: Instant,
        rng: &mut impl CryptoRng,
        out: &mut BytesMut,
    ) -> Self {
        let agreed = link.version >= LinkVersion::V5;
        let spread = u32::try_from(IDLE_TIMEOUT.as_secs() / 2).unwrap_or(0);
        let idle = IDLE_TIMEOUT + Duration::from_secs(below(spread, rng).into());
        let mut channel = Self {
            circuits: Circuits::default(),
            padding: Padding::new(now, false, false, config.padding),
            stats: Stats::default(),
            keepalive: config.keepalive_period,
            agreed,
            peer_is_quiet: false,
            idle,
            idle_timeout: idle,
            unused_since: Some(now),
            last_write: now,
            look: now,
        };
        channel.set_config(now, config, out);
        channel.look = channel.next_look();
        channel
    }

    /// Other things are configured from now on. Where the relay was told to pad otherwise than it should now, the cell
    /// that says so is appended to `out`.
    pub fn set_config(&mut self, now: Instant, config: &ChannelConfig, out: &mut BytesMut) {
        let (on, reduced) = match config.connection_padding {
            ConnectionPadding::Off => (false, false),
            ConnectionPadding::Auto => (self.agreed, config.reduced_connection_padding),
            ConnectionPadding::Always => (true, config.reduced_connection_padding),
        };
        let quiet = !on || reduced;
        if self.agreed && quiet != self.peer_is_quiet {
            self.peer_is_quiet = quiet;
            // Zeros: as the consensus says.
            let start = PaddingNegotiate::Start { low_ms: 0, high_ms: 0 };
            put(if quiet { &PaddingNegotiate::Stop } else { &start }, out);
        }
        self.padding.set_mode(on, reduced);
        self.padding.set_params(config.padding);
        self.keepalive = config.keepalive_period;
        self.idle_timeout = if config.reduced_connection_padding { self.idle / 2 } else { self.idle };
        self.look_at(self.next_look().max(now));
    }

    /// A circuit id for a new circuit: random, and one that means nothing else to the peer.
    ///
    /// # Errors
    /// If the channel has [`MAX_CIRCUITS`](crate::MAX_CIRCUITS) circuits already.
    pub fn allocate(&mut self, now: Instant, rng: &mut impl CryptoRng) -> Result<CircId, ChanError> {
        let id = self.circuits.allocate(now, rng).ok_or(ChanError::Full)?;
        self.unused_since = None;
        Ok(id)
    }

    /// A circuit has ended here: its owner has written DESTROY, or has got one. Its id stays reserved until
    /// the peer can't mean the old circuit by it any more.
    pub fn release(&mut self, now: Instant, id: CircId) {
        if self.circuits.release(now, id) && self.circuits.len() == 0 {
            self.unused_since = Some(now);
            self.look_at(now + self.idle_timeout);
        }
    }

    /// A cell has arrived at `now` (one time for a whole batch will do).
    ///
    /// # Errors
    /// If the peer has broken the protocol: close the connection.
    pub fn on_frame(&mut self, now: Instant, frame: &Frame<'_>) -> Result<Route, ChanError> {
        self.stats.cells_in += 1;
        self.stats.bytes_in += u64::try_from(frame.len).unwrap_or(0);
        self.on_cell(now);
        match frame.command {
            ChanCmd::RELAY
            | ChanCmd::RELAY_EARLY
            | ChanCmd::CREATED
            | ChanCmd::CREATED_FAST
            | ChanCmd::CREATED2 => {
                let id = Self::circuit(frame)?;
                let standing = self.circuits.standing(id);
                Ok(self.route(id, standing))
            }
            ChanCmd::DESTROY => {
                let id = Self::circuit(frame)?;
                let standing = self.circuits.on_destroy(id);
                Ok(self.route(id, standing))
            }
            ChanCmd::PADDING | ChanCmd::VPADDING => {
                self.stats.padding_in += 1;
                Ok(Route::Handled)
            }
            // MUST: "Clients and bridges MUST reject padding negotiation messages from relays, and close the
            // channel if they receive one." (padding-spec 2.5; C Tor warns and ignores it)
            ChanCmd::PADDING_NEGOTIATE => Err(ChanError::PaddingNegotiate),
            // C Tor answers each with DESTROY; no relay does this to a client.
            ChanCmd::CREATE | ChanCmd::CREATE_FAST | ChanCmd::CREATE2 => Err(ChanError::Create),
            // TROVE-2026-006. (C Tor ignores a late NETINFO; no relay sends one.)
            ChanCmd::CERTS | ChanCmd::AUTH_CHALLENGE | ChanCmd::AUTHENTICATE | ChanCmd::NETINFO => {
                Err(ChanError::HandshakeOver { command: frame.command })
            }
            // MUST: "Any VERSIONS cells sent after the first VERSIONS cell MUST be ignored." (tor-spec 4.1)
            // MUST: "Upon receiving any other value for the command field, an OR must drop the cell." (3)
            _ => Ok(Route::Handled),
        }
    }

    /// So many bytes have been written to the transport at `now`, whoever put them in `out`.
    pub fn on_written(&mut self, now: Instant, bytes: usize) {
        self.stats.bytes_out += u64::try_from(bytes).unwrap_or(0);
        self.last_write = now;
        self.on_cell(now);
    }

    /// The channel is about to be used like this. To be told when the first CREATE of a circuit of several
    /// hops is sent, and when the first RELAY (not RELAY_EARLY) is.
    pub fn on_usage(&mut self, now: Instant, usage: Usage) {
        self.padding.on_usage(usage);
        self.look_at(self.padding.deadline().unwrap_or(self.look).max(now));
    }

    /// A new consensus has other parameters.
    pub fn set_padding_params(&mut self, now: Instant, params: PaddingParams) {
        self.padding.set_params(params);
        self.look_at(self.padding.deadline().unwrap_or(self.look).max(now));
    }

    /// When to call [`Channel::on_timer`] next, at the latest. It moves only when the timer has fired, when
    /// the last circuit is released, at the first cell after a silence, and with the usage or the parameters.
    pub fn deadline(&self) -> Option<Instant> {
        Some(self.look)
    }

    /// The time of the deadline has come, or any time has. `out` holds what still waits to be written: the
    /// channel pads only if that is nothing, and then appends the padding cell.
    pub fn on_timer(&mut self, now: Instant, rng: &mut impl CryptoRng, out: &mut BytesMut) -> Option<Action> {
        let idle = out.is_empty();
        if self.unused_since.is_some_and(|since| since + self.idle_timeout <= now) {
            return Some(Action::CloseIdle);
        }
        if !idle && self.last_write + self.keepalive * STUCK_PERIODS <= now {
            return Some(Action::CloseStuck);
        }
        let keepalive = idle && self.last_write + self.keepalive <= now;
        if self.padding.is_due(now, idle, rng) || keepalive {
            put(&chan::Padding, out);
            self.stats.padding_out += 1;
            self.padding.on_cell(now);
            self.last_write = now;
        }
        self.look = self.next_look();
        if self.look <= now {
            // Bytes wait since before the keepalive period ended.
            self.look = now + STUCK_LOOK.min(self.keepalive);
        }
        None
    }

    /// Circuits that use the channel.
    pub fn circuits(&self) -> usize {
        self.circuits.len()
    }

    /// What has passed so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn circuit(frame: &Frame<'_>) -> Result<CircId, ChanError> {
        // C Tor drops it, as a cell for an unknown circuit.
        frame.circ.ok_or(ChanError::NoCircuit { command: frame.command })
    }

    fn route(&mut self, id: CircId, standing: Standing) -> Route {
        match standing {
            Standing::Live => Route::Circuit(id),
            Standing::Ended => {
                self.stats.late_cells += 1;
                Route::Ended(id)
            }
            Standing::Unknown => {
                self.stats.stray_cells += 1;
                tracing::debug!(%id, "cell for an unknown circuit");
                Route::Ended(id)
            }
        }
    }

    fn on_cell(&mut self, now: Instant) {
        if self.padding.on_cell(now) {
            self.look_at(self.padding.deadline().unwrap_or(self.look));
        }
    }

    fn look_at(&mut self, when: Instant) {
        self.look = self.look.min(when);
    }

    fn next_look(&self) -> Instant {
        let keepalive = self.last_write + self.keepalive;
        let idle = self.unused_since.map(|since| since + self.idle_timeout);
        [idle, self.padding.deadline()].into_iter().flatten().fold(keepalive, Instant::min)
    }
}

impl Stats {
    /// Cells written to the transport: all that we send after the handshake have one length.
    pub fn cells_out(&self) -> u64 {
        self.bytes_out / u64::try_from(CELL_LEN).unwrap_or(u64::MAX)
    }
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            connection_padding: ConnectionPadding::default(),
            reduced_connection_padding: false,
            keepalive_period: Duration::from_secs(300),
            padding: PaddingParams::default(),
        }
    }
}

#[cfg(test)]
mod tests;
