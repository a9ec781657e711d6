//! The relay's end of a circuit: enough of it for tests and for relays that misbehave on purpose.
//!
//! ```text
//!              answer                forward: Some(message)      send
//! CREATE2 ───────────────> CREATED2    cell ────────> for us       message ────────> cell
//!                                      cell ────────> pass it on   cell    ────────> cell
//!                                            forward: None                 backward
//! ```
//!
//! Left out: the channels that cells pass on by, what messages mean, and windows.

use bytes::BytesMut;
use rand_core::CryptoRng;
use thiserror::Error;
use tor_cell::{
    CellBody, CircId, DecodeError, HandshakeType,
    chan::{Create2, CreateFast, Created2},
    codec::Body,
    frame::{self, ChanCmd},
    relay::{FormatError, RelayFormat, RelayMsg},
};
use tor_ntor::{FastRelay, HandshakeError, NtorKeys, NtorRelay, NtorV3Keys, NtorV3Relay, RelayHandshake};

use crate::{End, HopCipher, Tag, Tor1, circuit::append_cell, padding::Padding};

/// Who a relay is to the clients that make circuits.
#[derive(Debug)]
pub struct RelayKeys {
    /// For ntor.
    pub ntor: NtorKeys,
    /// For ntor-v3.
    pub ntor_v3: NtorV3Keys,
}

/// One circuit, as one of its relays sees it.
#[derive(Debug)]
pub struct RelayCircuit {
    id: CircId,
    cipher: Tor1,
    padding: Padding,
}

/// Why a relay makes no circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The cell can't be understood.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The cell makes no circuit, or by a handshake that we do not speak.
    #[error("neither CREATE_FAST nor a CREATE2 that we understand")]
    Unsupported,
}

impl RelayCircuit {
    /// Answers a CREATE_FAST or CREATE2 cell of circuit `id`: the answer is appended to `out`.
    ///
    /// # Errors
    /// If the cell makes no circuit.
    pub fn answer(
        id: CircId,
        command: ChanCmd,
        body: &CellBody,
        keys: &RelayKeys,
        rng: &mut impl CryptoRng,
        out: &mut BytesMut,
    ) -> Result<Self, AnswerError> {
        let (reply_command, reply, seed) = match command {
            ChanCmd::CREATE_FAST => {
                let CreateFast { onionskin } = CreateFast::decode(body)?;
                let (reply, seed) = FastRelay::answer(&(), onionskin, |()| Some(()), rng)?;
                (ChanCmd::CREATED_FAST, reply, seed)
            }
            ChanCmd::CREATE2 => {
                let Create2 { kind, onionskin } = Create2::decode(body)?;
                let (reply, seed) = match kind {
                    HandshakeType::NTOR => NtorRelay::answer(&keys.ntor, onionskin, |()| Some(()), rng)?,
                    HandshakeType::NTOR_V3 => {
                        NtorV3Relay::answer(&keys.ntor_v3, onionskin, |_| Some(Default::default()), rng)?
                    }
                    _ => return Err(AnswerError::Unsupported),
                };
                (ChanCmd::CREATED2, reply, seed)
            }
            _ => return Err(AnswerError::Unsupported),
        };
        let too_long = |_| HandshakeError::TooLong { what: "reply" };
        if reply_command == ChanCmd::CREATED2 {
            frame::put_message(Some(id), &Created2 { reply: &reply }, out).map_err(too_long)?;
        } else {
            frame::put_fixed(Some(id), reply_command, &reply, out).map_err(too_long)?;
        }
        let (keys, _kh) = seed.tor1();
        Ok(Self { id, cipher: Tor1::new(End::Relay, &keys), padding: Padding::new(rng) })
    }

    /// Removes our layer from a cell that comes from the client. `Some` if it is for us, `None` if it is to be
    /// passed on to the next relay.
    ///
    /// # Errors
    /// If it is for us and can't be understood.
    pub fn forward<'a>(
        &mut self,
        cell: &'a mut CellBody,
    ) -> Result<Option<(Tag, RelayMsg<'a>)>, DecodeError> {
        match self.cipher.peel(cell) {
            Some(tag) => Ok(Some((tag, RelayFormat::V0.decode(cell)?))),
            None => Ok(None),
        }
    }

    /// Adds our layer to a cell that comes from the next relay and goes to the client.
    pub fn backward(&mut self, cell: &mut CellBody) {
        self.cipher.wrap(cell);
    }

    /// Appends a message of ours to the client to `out`, as one sealed cell.
    ///
    /// # Errors
    /// If the message does not fit a cell. Nothing is appended then.
    pub fn send(&mut self, msg: &RelayMsg<'_>, out: &mut BytesMut) -> Result<Tag, FormatError> {
        let start = out.len();
        let cell = append_cell(self.id, ChanCmd::RELAY, out);
        match RelayFormat::V0.encode(msg, cell, |rest| self.padding.fill(rest)) {
            Ok(()) => Ok(self.seal(cell)),
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    /// Seals a cell as it is, for what no honest relay would write. Bytes 1 to 3 and 5 to 9 are the cipher's, and
    /// zero when they come.
    pub fn seal(&mut self, cell: &mut CellBody) -> Tag {
        self.cipher.seal(cell)
    }
}
