//! Messages out: a cell is built, sealed and wrapped where it will leave from.

use bytes::{Buf, BytesMut};
use tor_cell::{
    CELL_BODY_LEN, CELL_LEN, CellBody, CircId, StreamId,
    frame::{self, ChanCmd},
    relay::{RelayCmd, RelayFormat, RelayMsg},
};

use super::{Circuit, State};
use crate::{HopIndex, SendError, Tag};

const DATA_ROOM: usize = RelayFormat::V0.max_body(RelayCmd::DATA);

impl Circuit {
    /// Appends `msg` to `out` as one sealed cell of 514 bytes for `hop`.
    ///
    /// # Errors
    /// If there is no such hop, the message does not fit a cell, or it is DATA and the window is empty. Nothing
    /// is appended then, and the circuit is as it was.
    pub fn send(&mut self, hop: HopIndex, msg: &RelayMsg<'_>, out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        if msg.command != RelayCmd::DATA {
            return self.seal(hop, msg, out).map(drop);
        }
        self.check_window(hop)?;
        let tag = self.seal(hop, msg, out)?;
        if let Some(hop) = self.hops.get_mut(hop.as_usize()) {
            hop.send.sent(tag);
            hop.unpredictability.sent(msg.body.len(), &mut self.padding);
        }
        Ok(())
    }

    /// Appends one DATA cell with as much of `data` as a cell may carry, and takes it from `data`. Returns how
    /// many bytes that were: up to 498, and once in a while 478, to leave room for unpredictable padding. Sends
    /// nothing if `data` is empty.
    ///
    /// # Errors
    /// As [`Self::send`]; `data` is then untouched.
    pub fn send_data(
        &mut self,
        hop: HopIndex,
        stream: StreamId,
        data: &mut impl Buf,
        out: &mut BytesMut,
    ) -> Result<usize, SendError> {
        self.check_open()?;
        self.check_window(hop)?;
        let room = self.hops.get(hop.as_usize()).map_or(0, |hop| hop.unpredictability.room());
        let length = room.min(data.remaining());
        if length == 0 {
            return Ok(0);
        }
        let data_msg = |body| RelayMsg { command: RelayCmd::DATA, stream: Some(stream), body };
        if data.chunk().len() < length {
            // The bytes lie in several pieces: rare, and worth a copy.
            let mut joined = [0; DATA_ROOM];
            let body = joined.get_mut(..length).unwrap_or_default();
            data.copy_to_slice(body);
            self.send(hop, &data_msg(body), out)?;
        } else {
            self.send(hop, &data_msg(data.chunk().get(..length).unwrap_or_default()), out)?;
            data.advance(length);
        }
        Ok(length)
    }

    /// Whether the hops that are there may be talked to.
    fn check_open(&self) -> Result<(), SendError> {
        match self.state {
            State::Open | State::Extending(_) => Ok(()),
            State::Idle | State::Creating(_) | State::Closed => Err(self.not_now()),
        }
    }

    fn check_window(&self, hop: HopIndex) -> Result<(), SendError> {
        match self.hops.get(hop.as_usize()).ok_or(SendError::NoSuchHop { hop })?.send.credit() {
            0 => Err(SendError::WindowEmpty { hop }),
            _ => Ok(()),
        }
    }

    /// Builds, seals and wraps one cell at the end of `out`.
    pub(super) fn seal(
        &mut self,
        hop: HopIndex,
        msg: &RelayMsg<'_>,
        out: &mut BytesMut,
    ) -> Result<Tag, SendError> {
        let no_hop = SendError::NoSuchHop { hop };
        let (near, rest) = self.hops.split_at_mut_checked(hop.as_usize()).ok_or(no_hop)?;
        let target = rest.first_mut().ok_or(no_hop)?;
        // As C Tor does it: RELAY_EARLY for every cell that the first hop passes on, not only for EXTEND2, as
        // long as there are any left, so that a relay can't tell the two apart.
        let early = self.early_left > 0 && (!near.is_empty() || msg.command == RelayCmd::EXTEND2);
        let command = if early { ChanCmd::RELAY_EARLY } else { ChanCmd::RELAY };

        let start = out.len();
        let cell = append_cell(self.id, command, out);
        if RelayFormat::V0.encode(msg, cell, |rest| self.padding.fill(rest)).is_err() {
            out.truncate(start);
            return Err(SendError::Unencodable { command: msg.command });
        }
        let tag = target.cipher.seal(cell);
        near.iter_mut().rev().for_each(|hop| hop.cipher.wrap(cell));

        self.early_left -= u8::from(early);
        self.traffic.cells_written += 1;
        self.traffic.relay_cells_written += 1;
        self.traffic.delivered_written += u64::try_from(msg.body.len()).unwrap_or_default();
        tracing::trace!(circ = %self.id, %hop, command = %msg.command, "sent");
        Ok(tag)
    }
}

/// Appends a cell whose body is still zero.
#[expect(clippy::expect_used, reason = "the bytes were appended one line above")]
pub(crate) fn append_cell(circ: CircId, command: ChanCmd, out: &mut BytesMut) -> &mut CellBody {
    out.reserve(CELL_LEN);
    frame::put_header(Some(circ), command, out);
    out.resize(out.len() + CELL_BODY_LEN, 0);
    out.last_chunk_mut().expect("a cell's body")
}
