//! How a relay message lies in the 509 bytes of its cell.
//! <https://spec.torproject.org/tor-spec/relay-cells.html>
//!
//! | v0 (tor1) | | v1 (CGO) | |
//! |---|---|---|---|
//! | 1 | command | 16 | tag |
//! | 2 | recognized, zero | 1 | command |
//! | 2 | stream id | 2 | length |
//! | 4 | digest | 2 | stream id, only for commands of streams |
//! | 2 | length | length | body |
//! | length | body | | padding |
//! | | padding | | |
//!
//! Padding is four zeros and then random bytes, as many as fit: so nobody can compute an authenticated SENDME
//! without having seen the cell (proposal 289).
//!
//! Both ways, a message names a stream if and only if its command is one of streams; in v0 a SENDME may do
//! either. In v1 a SENDME is the circuit's, since hops that speak v1 have no stream windows.

use thiserror::Error;

use super::RelayCmd;
use crate::{CellBody, DecodeError, RelayBody, StreamId, TooLong};

/// One message, borrowed from its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayMsg<'a> {
    /// The command.
    pub command: RelayCmd,
    /// The stream, `None` for the circuit itself.
    pub stream: Option<StreamId>,
    /// The body; one of the types of [`crate::relay`] reads it.
    pub body: &'a [u8],
}

/// Which of the two layouts a hop speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayFormat {
    /// With tor1 encryption.
    V0,
    /// With CGO encryption.
    V1,
}

/// A message that a format can't say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The body does not fit.
    #[error("{command} message of {length} bytes does not fit a cell")]
    TooLong {
        /// The message's command.
        command: RelayCmd,
        /// The length of its body.
        length: usize,
    },
    /// The stream is missing, or there is one where none may be.
    #[error("{command} message with a missing or stray stream id")]
    Stream {
        /// The message's command.
        command: RelayCmd,
    },
    /// The format has no place for commands that it does not know.
    #[error("unknown command {command}")]
    Unknown {
        /// The message's command.
        command: RelayCmd,
    },
}

impl<'a> RelayMsg<'a> {
    /// Writes `message` into `scratch`, from its start, and makes it a message for `stream`.
    ///
    /// # Errors
    /// If a part of the message is too long to be written; whether the whole fits a cell,
    /// [`RelayFormat::encode`] finds.
    pub fn new<'m>(
        stream: Option<StreamId>,
        message: &impl RelayBody<'m>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Self, TooLong> {
        scratch.clear();
        message.encode(scratch)?;
        Ok(Self { command: command_of(message), stream, body: scratch })
    }

    /// Reads the body as an `M`.
    ///
    /// # Errors
    /// If the command or the body is not `M`'s.
    pub fn decode<M: RelayBody<'a>>(&self) -> Result<M, DecodeError> {
        if self.command != M::COMMAND {
            return Err(DecodeError { what: M::NAME });
        }
        M::decode(self.body)
    }
}

impl RelayFormat {
    /// The longest body of a message with this command, in bytes.
    pub const fn max_body(self, command: RelayCmd) -> usize {
        match (self, command.is_of_stream()) {
            (Self::V0, _) => 498,
            (Self::V1, false) => 490,
            (Self::V1, true) => 488,
        }
    }

    /// Reads the message of a decrypted cell.
    ///
    /// # Errors
    /// If the length field is longer than the cell, if a stream id is missing or stray, or, in v1, if the
    /// command is unknown.
    pub fn decode(self, cell: &CellBody) -> Result<RelayMsg<'_>, DecodeError> {
        let error = DecodeError { what: "relay cell" };
        let (command, stream, length, rest): (_, _, _, &[u8]) = match self {
            Self::V0 => {
                let [command, _, _, s0, s1, _, _, _, _, l0, l1, rest @ ..] = cell;
                (RelayCmd(*command), [*s0, *s1], [*l0, *l1], rest)
            }
            Self::V1 => {
                let (_tag, rest) = cell.split_first_chunk::<16>().ok_or(error)?;
                let ([command, l0, l1], rest) = rest.split_first_chunk().ok_or(error)?;
                let command = RelayCmd(*command);
                if !command.is_known() {
                    return Err(error);
                }
                let length = [*l0, *l1];
                if command.is_of_stream() {
                    let (stream, rest) = rest.split_first_chunk().ok_or(error)?;
                    (command, *stream, length, rest)
                } else {
                    (command, [0, 0], length, rest)
                }
            }
        };
        let body = rest.get(..u16::from_be_bytes(length).into()).ok_or(error)?;
        let stream = StreamId::from_wire(u16::from_be_bytes(stream));
        if !stream_fits(command, stream) {
            return Err(error);
        }
        Ok(RelayMsg { command, stream, body })
    }

    /// Writes a message into a cell, with digest or tag still zero. `random` fills the padding with random
    /// bytes; it is not called where there is none.
    ///
    /// # Errors
    /// If the message does not fit this format. The cell is then unchanged.
    pub fn encode(
        self,
        msg: &RelayMsg<'_>,
        cell: &mut CellBody,
        random: impl FnOnce(&mut [u8]),
    ) -> Result<(), FormatError> {
        let command = msg.command;
        let too_long = FormatError::TooLong { command, length: msg.body.len() };
        if msg.body.len() > self.max_body(command) {
            return Err(too_long);
        }
        let length = u16::try_from(msg.body.len()).map_err(|_| too_long)?.to_be_bytes();
        if !stream_fits(command, msg.stream) {
            return Err(FormatError::Stream { command });
        }
        let stream = msg.stream.map_or(0, StreamId::to_wire).to_be_bytes();
        let rest: &mut [u8] = match self {
            Self::V0 => {
                let (header, rest) = cell.split_first_chunk_mut().ok_or(too_long)?;
                *header = [command.0, 0, 0, stream[0], stream[1], 0, 0, 0, 0, length[0], length[1]];
                rest
            }
            Self::V1 => {
                if !command.is_known() {
                    return Err(FormatError::Unknown { command });
                }
                if !command.is_of_stream() && msg.stream.is_some() {
                    return Err(FormatError::Stream { command });
                }
                let (tag, rest) = cell.split_first_chunk_mut::<16>().ok_or(too_long)?;
                *tag = [0; 16];
                let (header, rest) = rest.split_first_chunk_mut().ok_or(too_long)?;
                *header = [command.0, length[0], length[1]];
                if command.is_of_stream() {
                    let (id, rest) = rest.split_first_chunk_mut().ok_or(too_long)?;
                    *id = stream;
                    rest
                } else {
                    rest
                }
            }
        };
        let (body, padding) = rest.split_at_mut_checked(msg.body.len()).ok_or(too_long)?;
        body.copy_from_slice(msg.body);
        pad(padding, random);
        Ok(())
    }
}

const fn command_of<'m, M: RelayBody<'m>>(_: &M) -> RelayCmd {
    M::COMMAND
}

const fn stream_fits(command: RelayCmd, stream: Option<StreamId>) -> bool {
    match stream {
        Some(_) => command.is_of_stream() || command.0 == RelayCmd::SENDME.0 || !command.is_known(),
        None => !command.is_of_stream(),
    }
}

/// Four zeros first: a later version may give them a meaning.
fn pad(padding: &mut [u8], random: impl FnOnce(&mut [u8])) {
    match padding.split_first_chunk_mut::<4>() {
        None => padding.fill(0),
        Some((zeros, rest)) => {
            *zeros = [0; 4];
            if !rest.is_empty() {
                random(rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{CELL_BODY_LEN, relay::Sendme};

    fn encode(
        format: RelayFormat,
        command: RelayCmd,
        stream: u16,
        length: usize,
    ) -> Result<usize, FormatError> {
        let body = vec![1; length];
        let msg = RelayMsg { command, stream: StreamId::from_wire(stream), body: &body };
        let mut random = 0;
        format.encode(&msg, &mut [0; CELL_BODY_LEN], |padding| random = padding.len())?;
        Ok(random)
    }

    #[test]
    fn a_full_cell_needs_no_random_bytes() {
        for format in [RelayFormat::V0, RelayFormat::V1] {
            for command in [RelayCmd::DATA, RelayCmd::EXTEND2] {
                let (full, stream) = (format.max_body(command), command.is_of_stream().into());
                assert_eq!(encode(format, command, stream, full), Ok(0));
                assert_eq!(encode(format, command, stream, full - 4), Ok(0));
                assert_eq!(encode(format, command, stream, full - 5), Ok(1));
                let too_long = FormatError::TooLong { command, length: full + 1 };
                assert_eq!(encode(format, command, stream, full + 1), Err(too_long));
            }
        }
    }

    #[test]
    fn streams_are_named_where_they_must_be_and_only_there() {
        let (v0, v1) = (RelayFormat::V0, RelayFormat::V1);
        for number in 0..=255 {
            let command = RelayCmd(number);
            let (known, of_stream) = (command.is_known(), command.is_of_stream());
            let either = !known || command == RelayCmd::SENDME;
            assert_eq!(encode(v0, command, 0, 1).is_ok(), !of_stream, "{command}");
            assert_eq!(encode(v0, command, 1, 1).is_ok(), of_stream || either, "{command}");
            assert_eq!(encode(v1, command, 0, 1).is_ok(), known && !of_stream, "{command}");
            assert_eq!(encode(v1, command, 1, 1).is_ok(), known && of_stream, "{command}");

            for (id, good) in [(0, !of_stream), (1, of_stream || either)] {
                let mut cell = [0; CELL_BODY_LEN];
                (cell[0], cell[4]) = (number, id);
                assert_eq!(v0.decode(&cell).is_ok(), good, "{command} {id}");
            }
        }
    }

    #[test]
    fn a_message_is_read_as_what_it_is() {
        let mut scratch = vec![9, 9];
        let msg = RelayMsg::new(None, &Sendme::Unauthenticated, &mut scratch).unwrap();
        assert_eq!((msg.command, msg.body), (RelayCmd::SENDME, &[][..]));
        assert_eq!(msg.decode(), Ok(Sendme::Unauthenticated));
        assert!(msg.decode::<crate::relay::Data<'_>>().is_err());
    }
}
