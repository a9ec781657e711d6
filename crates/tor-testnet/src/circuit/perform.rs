//! What no good relay does.

use bytes::BufMut;
use tor_cell::{CELL_BODY_LEN, frame::ChanCmd, relay::RelayCmd};

use super::{Circuit, Complaint, Output, Then, plain};
use crate::{OnCircuit, OnStream, Step, stream::DATA};

impl Circuit {
    /// Does what a test wants done, on behalf of the circuit and the stream `this`.
    pub(super) fn perform(&mut self, step: Step, this: u16, out: &mut Output) -> Result<(), Complaint> {
        let plain_out = &mut out.plain;
        match step {
            Step::Cell { circ, command, body } => {
                let circ = match circ {
                    OnCircuit::This => self.id.to_wire(),
                    OnCircuit::Zero => 0,
                    OnCircuit::Id(id) => id,
                };
                plain_out.put_u32(circ);
                plain_out.put_u8(command.0);
                if command.is_variable() {
                    plain_out.put_u16(u16::try_from(body.len()).map_err(|_| "a cell that is too long")?);
                    plain_out.put_slice(&body);
                } else {
                    let end = plain_out.len() + CELL_BODY_LEN;
                    plain_out.put_slice(&body);
                    plain_out.resize(end, 0);
                }
            }
            Step::Message { from, command, stream, body } => {
                let stream = match stream {
                    OnStream::This => this,
                    OnStream::Zero => 0,
                    OnStream::Off(by) => this.wrapping_add(by),
                };
                self.say(from, command, stream, &body, plain_out)?;
            }
            Step::Seal(body) => {
                let cell = self.seal(None, body)?;
                self.put(ChanCmd::RELAY, &cell, plain_out);
            }
            Step::FlippedBit => {
                let mut cell = self.seal(None, plain(RelayCmd::DROP, 0, &[])?)?;
                if let Some(byte) = cell.last_mut() {
                    *byte ^= 1;
                }
                self.put(ChanCmd::RELAY, &cell, plain_out);
            }
            Step::RelayEarly => {
                let cell = self.seal(None, plain(RelayCmd::DROP, 0, &[])?)?;
                self.put(ChanCmd::RELAY_EARLY, &cell, plain_out);
            }
            Step::Flood(cells) => {
                for _ in 0..cells {
                    self.say(None, RelayCmd::DATA, this, &[0; DATA], plain_out)?;
                }
            }
            Step::Bytes(bytes) => plain_out.put_slice(&bytes),
            Step::BelowTls(bytes) => out.then = Some(Then::BelowTls(bytes)),
            Step::CloseTls => out.then = Some(Then::CloseTls),
            Step::CloseTcp => out.then = Some(Then::CloseTcp),
        }
        Ok(())
    }
}
