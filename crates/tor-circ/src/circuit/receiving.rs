//! Cells in: which hop wrote it, whether a client accepts it, and what it changes.

use std::{mem, time::Instant};

use bytes::BytesMut;
use tor_cell::{
    CellBody, DecodeError,
    chan::{Created2, CreatedFast, Destroy},
    codec::Body,
    frame::ChanCmd,
    relay::{Extended2, RelayCmd, RelayFormat, RelayMsg, Sendme, Truncated},
};

use super::{Awaited, Circuit, Hop, State};
use crate::{CircError, Event, HopIndex, Tag};

impl Circuit {
    /// Takes one cell of this circuit: decrypts it in place, and says what it meant. What must be answered at
    /// once (a SENDME, a DESTROY) is appended to `out`. A cell for a closed circuit means nothing.
    ///
    /// # Errors
    /// If the cell is anything that may not come now. The circuit is then closed.
    pub fn on_cell<'a>(
        &mut self,
        now: Instant,
        command: ChanCmd,
        body: &'a mut CellBody,
        out: &mut BytesMut,
    ) -> Result<Event<'a>, CircError> {
        self.traffic.cells_read += 1;
        let result = match (&self.state, command) {
            (State::Closed, _) => Ok(Event::Nothing),
            (_, ChanCmd::DESTROY) => self.on_destroy(body),
            (State::Open | State::Extending(_), ChanCmd::RELAY) => self.on_relay(now, body, out),
            (State::Creating(awaited), _) if awaited.handshake.is_answered_by(command) => {
                self.on_created(now, command, body)
            }
            // Also RELAY_EARLY, which only goes away from the client: "clients must tear down".
            (state, _) => Err(CircError::UnexpectedCell { command, doing: state.doing() }),
        };
        result.map_err(|error| self.fail(error, out))
    }

    fn on_destroy<'a>(&mut self, body: &CellBody) -> Result<Event<'a>, CircError> {
        let Destroy { reason } = Destroy::decode(body).map_err(malformed_cell)?;
        tracing::trace!(circ = %self.id, %reason, "destroyed by the first hop");
        self.state = State::Closed;
        Ok(Event::Destroyed { reason })
    }

    fn on_created<'a>(
        &mut self,
        now: Instant,
        command: ChanCmd,
        body: &CellBody,
    ) -> Result<Event<'a>, CircError> {
        if command == ChanCmd::CREATED_FAST {
            self.on_reply(now, CreatedFast::decode(body).map_err(malformed_cell)?.reply)
        } else {
            self.on_reply(now, Created2::decode(body).map_err(malformed_cell)?.reply)
        }
    }

    /// The hop that we asked for has answered.
    fn on_reply<'a>(&mut self, now: Instant, reply: &[u8]) -> Result<Event<'a>, CircError> {
        let (Some(awaited), Ok(hop)) = (self.take_awaited(), u8::try_from(self.hops.len())) else {
            return Err(CircError::Internal { what: "no hop was asked for" });
        };
        let hop = HopIndex(hop);
        // After its deadline an answer is late even if the timer has not been heard of yet: what comes of it must
        // not depend on which of the two the driver looks at first.
        if awaited.until <= now {
            return Err(CircError::TimedOut { hop });
        }
        let keys = awaited.handshake.finish(reply).map_err(|error| CircError::Handshake { hop, error })?;
        self.hops.push(Hop::new(&keys, &mut self.padding));
        tracing::trace!(circ = %self.id, %hop, "extended");
        Ok(Event::Extended { hop })
    }

    /// What we wait for, if anything; from then on the circuit is open.
    fn take_awaited(&mut self) -> Option<Awaited> {
        match mem::replace(&mut self.state, State::Open) {
            State::Creating(awaited) | State::Extending(awaited) => Some(*awaited),
            State::Idle | State::Open | State::Closed => None,
        }
    }

    fn on_relay<'a>(
        &mut self,
        now: Instant,
        body: &'a mut CellBody,
        out: &mut BytesMut,
    ) -> Result<Event<'a>, CircError> {
        self.traffic.relay_cells_read += 1;
        let mut hops = (0..).map(HopIndex).zip(&mut self.hops);
        let (hop, tag) = hops
            .find_map(|(index, hop)| hop.cipher.peel(body).map(|tag| (index, tag)))
            .ok_or(CircError::BadRelayCell)?;
        let malformed = |error: DecodeError| CircError::MalformedMessage { hop, what: error.what };
        let msg = RelayFormat::V0.decode(body).map_err(malformed)?;
        tracing::trace!(circ = %self.id, %hop, command = %msg.command, "received");
        let event = match (msg.command, msg.stream) {
            (RelayCmd::DATA, Some(_)) => {
                self.on_data(hop, tag, out)?;
                Event::Message { hop, msg }
            }
            (RelayCmd::END | RelayCmd::CONNECTED | RelayCmd::RESOLVED | RelayCmd::SENDME, Some(_)) => {
                Event::Message { hop, msg }
            }
            (RelayCmd::SENDME, None) => self.on_sendme(hop, &msg.decode().map_err(malformed)?)?,
            (RelayCmd::EXTENDED2, None) => self.on_extended2(now, hop, msg.decode().map_err(malformed)?)?,
            (RelayCmd::TRUNCATED, None) => {
                let Truncated { reason } = msg.decode().map_err(malformed)?;
                self.destroy(out);
                Event::Truncated { hop, reason }
            }
            (RelayCmd::DROP, None) => Event::Nothing,
            // What only relays and services get (BEGIN, RESOLVE, EXTEND2, TRUNCATE, INTRODUCE2 …), answers to
            // what we never ask for (onion services, padding machines, conflux), XON and XOFF of a hop
            // that has no congestion control, and what nobody knows.
            (command, _) => return Err(CircError::UnexpectedMessage { hop, command }),
        };
        if msg.command != RelayCmd::DROP {
            self.traffic.messages_read += 1;
            self.traffic.delivered_read += u64::try_from(msg.body.len()).unwrap_or_default();
        }
        Ok(event)
    }

    /// Counts a DATA cell; each 100th is acknowledged at once, quoting its tag.
    fn on_data(&mut self, hop: HopIndex, tag: Tag, out: &mut BytesMut) -> Result<(), CircError> {
        let due = self.hops.get_mut(hop.as_usize()).is_some_and(|hop| hop.receive.received());
        if due {
            let mut body = Vec::with_capacity(Tag::LEN + 3);
            let sendme = Sendme::Tagged(tag.as_bytes());
            let sent =
                RelayMsg::new(None, &sendme, &mut body).is_ok_and(|msg| self.seal(hop, &msg, out).is_ok());
            if !sent {
                return Err(CircError::Internal { what: "SENDME does not fit its cell" });
            }
        }
        Ok(())
    }

    fn on_sendme<'a>(&mut self, hop: HopIndex, sendme: &Sendme<'_>) -> Result<Event<'a>, CircError> {
        let accept_min = self.params.sendme_accept_min;
        let Some(window) = self.hops.get_mut(hop.as_usize()).map(|hop| &mut hop.send) else {
            return Err(CircError::Internal { what: "hop without a window" });
        };
        window.on_sendme(sendme, accept_min).map_err(|error| CircError::Sendme { hop, error })?;
        Ok(Event::WindowOpened { hop })
    }

    fn on_extended2<'a>(
        &mut self,
        now: Instant,
        hop: HopIndex,
        extended: Extended2<'_>,
    ) -> Result<Event<'a>, CircError> {
        // Only the hop that was asked may answer, and only once.
        if !matches!(self.state, State::Extending(_)) || self.last_hop() != Some(hop) {
            return Err(CircError::UnexpectedMessage { hop, command: RelayCmd::EXTENDED2 });
        }
        self.on_reply(now, extended.reply)
    }
}

const fn malformed_cell(error: DecodeError) -> CircError {
    CircError::MalformedCell { what: error.what }
}
