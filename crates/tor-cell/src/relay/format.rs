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

use crate::{CellBody, DecodeError, StreamId, TooLong};

/// A relay message's command. Open: an unknown one survives, and closes the circuit where it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayCmd(pub u8);

impl RelayCmd {
    /// Opens a stream.
    pub const BEGIN: Self = Self(1);
    /// Bytes of a stream.
    pub const DATA: Self = Self(2);
    /// Closes a stream.
    pub const END: Self = Self(3);
    /// Answers BEGIN.
    pub const CONNECTED: Self = Self(4);
    /// Grants more of the window.
    pub const SENDME: Self = Self(5);
    /// Obsolete (TAP).
    pub const EXTEND: Self = Self(6);
    /// Obsolete (TAP).
    pub const EXTENDED: Self = Self(7);
    /// Asks to forget all hops behind the receiver.
    pub const TRUNCATE: Self = Self(8);
    /// The hops behind the sender are gone.
    pub const TRUNCATED: Self = Self(9);
    /// Long-range padding.
    pub const DROP: Self = Self(10);
    /// Asks for a name to be resolved.
    pub const RESOLVE: Self = Self(11);
    /// Answers RESOLVE.
    pub const RESOLVED: Self = Self(12);
    /// Opens a stream to the relay's own directory.
    pub const BEGIN_DIR: Self = Self(13);
    /// Asks for one more hop.
    pub const EXTEND2: Self = Self(14);
    /// Answers EXTEND2.
    pub const EXTENDED2: Self = Self(15);

    /// True if a message of this command belongs to a stream, and so must name one.
    pub const fn is_of_stream(self) -> bool {
        matches!(self.0, 1..=4 | 11 | 12 | 13 | 43 | 44)
    }
}

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

impl RelayFormat {
    /// Reads the message of a decrypted cell.
    ///
    /// # Errors
    /// If the length field is longer than the cell (or, in v1, if a stream id is missing where it must be).
    pub fn decode(self, cell: &CellBody) -> Result<RelayMsg<'_>, DecodeError> {
        let error = DecodeError { what: "relay cell" };
        match self {
            Self::V0 => {
                let [command, _, _, s0, s1, _, _, _, _, l0, l1, rest @ ..] = cell;
                let body = rest.get(..u16::from_be_bytes([*l0, *l1]).into()).ok_or(error)?;
                let stream = StreamId::from_wire(u16::from_be_bytes([*s0, *s1]));
                Ok(RelayMsg { command: RelayCmd(*command), stream, body })
            }
            Self::V1 => Err(error),
        }
    }

    /// Writes a message into a cell, with digest or tag still zero, and pads it with zeros.
    ///
    /// # Errors
    /// If the body does not fit.
    pub fn encode(self, msg: &RelayMsg<'_>, cell: &mut CellBody) -> Result<(), TooLong> {
        let error = TooLong { what: "relay message" };
        match self {
            Self::V0 => {
                let (header, rest) = cell.split_at_mut_checked(11).ok_or(error)?;
                let length = u16::try_from(msg.body.len()).map_err(|_| error)?.to_be_bytes();
                let stream = msg.stream.map_or(0, StreamId::to_wire).to_be_bytes();
                header.copy_from_slice(&[
                    msg.command.0,
                    0,
                    0,
                    stream[0],
                    stream[1],
                    0,
                    0,
                    0,
                    0,
                    length[0],
                    length[1],
                ]);
                let (body, padding) = rest.split_at_mut_checked(msg.body.len()).ok_or(error)?;
                body.copy_from_slice(msg.body);
                padding.fill(0);
                Ok(())
            }
            Self::V1 => Err(error),
        }
    }
}
