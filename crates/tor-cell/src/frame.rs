//! Framing: where one channel cell ends and the next begins.
//! <https://spec.torproject.org/tor-spec/cell-packet-format.html>
//!
//! | bytes | field |
//! |---|---|
//! | 2 or 4 | circuit id: 2 bytes until a link version is agreed (VERSIONS itself), 4 from version 4 on |
//! | 1 | command |
//! | 2 | length, only for VERSIONS (7) and commands from 128 on |
//! | 509 or length | body |
//!
//! A fixed cell is a plain slice of the read buffer; nothing is copied here.

use bytes::BufMut;

use crate::{CELL_BODY_LEN, CellBody, CircId, DecodeError, TooLong, codec::len_u16};

/// A channel cell's command. Open: an unknown one survives, and the channel ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChanCmd(pub u8);

impl ChanCmd {
    /// Keeps a link busy; means nothing.
    pub const PADDING: Self = Self(0);
    /// Obsolete (TAP).
    pub const CREATE: Self = Self(1);
    /// Obsolete (TAP).
    pub const CREATED: Self = Self(2);
    /// A cell for, or through, a circuit.
    pub const RELAY: Self = Self(3);
    /// Ends a circuit.
    pub const DESTROY: Self = Self(4);
    /// Makes a circuit without public-key cryptography.
    pub const CREATE_FAST: Self = Self(5);
    /// Answers CREATE_FAST.
    pub const CREATED_FAST: Self = Self(6);
    /// The first cell of a link.
    pub const VERSIONS: Self = Self(7);
    /// Ends the link handshake.
    pub const NETINFO: Self = Self(8);
    /// RELAY that may carry EXTEND2.
    pub const RELAY_EARLY: Self = Self(9);
    /// Makes a circuit.
    pub const CREATE2: Self = Self(10);
    /// Answers CREATE2.
    pub const CREATED2: Self = Self(11);
    /// Asks for more, less or no link padding.
    pub const PADDING_NEGOTIATE: Self = Self(12);
    /// Padding of any length.
    pub const VPADDING: Self = Self(128);
    /// Proves who the responder is.
    pub const CERTS: Self = Self(129);
    /// Invites the initiator to prove who it is.
    pub const AUTH_CHALLENGE: Self = Self(130);
    /// Proves who the initiator is; clients never send it.
    pub const AUTHENTICATE: Self = Self(131);
    /// Reserved.
    pub const AUTHORIZE: Self = Self(132);

    /// True if a cell of this command says its own length.
    pub const fn is_variable(self) -> bool {
        self.0 == Self::VERSIONS.0 || self.0 >= 128
    }
}

/// How wide circuit ids are on this link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircIdWidth {
    /// Before a version is agreed: 2 bytes.
    Two,
    /// From link protocol 4 on: 4 bytes.
    Four,
}

impl CircIdWidth {
    const fn bytes(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// What the front of a buffer holds: one cell whose bytes are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The circuit, `None` where the id is zero.
    pub circ: Option<CircId>,
    /// The command.
    pub command: ChanCmd,
    /// The body: 509 bytes, or as many as a variable cell said.
    pub body: &'a [u8],
    /// Bytes of the whole cell: how far to advance for the next.
    pub len: usize,
}

impl<'a> Frame<'a> {
    /// The first cell in `input`, or `None` until more bytes arrive.
    pub fn read(input: &'a [u8], width: CircIdWidth) -> Option<Self> {
        let (id, rest) = input.split_at_checked(width.bytes())?;
        let raw = id.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        let (&command, rest) = rest.split_first()?;
        let command = ChanCmd(command);
        let (body_len, rest) = if command.is_variable() {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        } else {
            (CELL_BODY_LEN, rest)
        };
        let body = rest.get(..body_len)?;
        let len = input.len() - rest.len() + body_len;
        Some(Self { circ: CircId::from_wire(raw), command, body, len })
    }

    /// The body as that of a fixed cell.
    ///
    /// # Errors
    /// If this is a variable cell.
    pub fn fixed(&self) -> Result<&'a CellBody, DecodeError> {
        self.body.try_into().map_err(|_| DecodeError { what: "fixed-length cell" })
    }
}

/// Appends a fixed cell's header (4-byte circuit id): 509 bytes of body must follow.
pub fn put_header(circ: Option<CircId>, command: ChanCmd, out: &mut impl BufMut) {
    out.put_u32(circ.map_or(0, CircId::to_wire));
    out.put_u8(command.0);
}

/// Appends a fixed cell whose body is `body` and zeros.
///
/// # Errors
/// If `body` is longer than 509 bytes.
pub fn put_fixed(
    circ: Option<CircId>,
    command: ChanCmd,
    body: &[u8],
    out: &mut impl BufMut,
) -> Result<(), TooLong> {
    let padding = CELL_BODY_LEN.checked_sub(body.len()).ok_or(TooLong { what: "cell body" })?;
    put_header(circ, command, out);
    out.put_slice(body);
    out.put_bytes(0, padding);
    Ok(())
}

/// Appends a variable cell (circuit id 0; only VERSIONS, the first cell of a link, is narrow).
///
/// # Errors
/// If `body` is longer than 65,535 bytes.
pub fn put_variable(
    command: ChanCmd,
    body: &[u8],
    width: CircIdWidth,
    out: &mut impl BufMut,
) -> Result<(), TooLong> {
    let length = len_u16("cell body", body.len())?;
    out.put_bytes(0, width.bytes());
    out.put_u8(command.0);
    out.put_u16(length);
    out.put_slice(body);
    Ok(())
}
