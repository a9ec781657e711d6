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

use bytes::{BufMut, BytesMut};

use crate::{
    CELL_BODY_LEN, CellBody, ChanBody, CircId, DecodeError, TooLong, code_point::code_points, codec::len_u16,
};

code_points! {
    /// A channel cell's command. Open: an unknown one survives, and the channel ignores it.
    pub struct ChanCmd(u8);
    /// Keeps a link busy; means nothing.
    PADDING = 0,
    /// Obsolete (TAP).
    CREATE = 1,
    /// Obsolete (TAP).
    CREATED = 2,
    /// A cell for, or through, a circuit.
    RELAY = 3,
    /// Ends a circuit.
    DESTROY = 4,
    /// Makes a circuit without public-key cryptography.
    CREATE_FAST = 5,
    /// Answers CREATE_FAST.
    CREATED_FAST = 6,
    /// The first cell of a link.
    VERSIONS = 7,
    /// Ends the link handshake.
    NETINFO = 8,
    /// RELAY that may carry EXTEND2.
    RELAY_EARLY = 9,
    /// Makes a circuit.
    CREATE2 = 10,
    /// Answers CREATE2.
    CREATED2 = 11,
    /// Asks for more, less or no link padding.
    PADDING_NEGOTIATE = 12,
    /// Padding of any length.
    VPADDING = 128,
    /// Proves who the responder is.
    CERTS = 129,
    /// Invites the initiator to prove who it is.
    AUTH_CHALLENGE = 130,
    /// Proves who the initiator is; clients never send it.
    AUTHENTICATE = 131,
    /// Reserved.
    AUTHORIZE = 132,
}

impl ChanCmd {
    /// True if a cell of this command says its own length.
    pub const fn is_variable(self) -> bool {
        self.0 == Self::VERSIONS.0 || self.0 >= 128
    }

    /// True if a cell of this command belongs to a circuit, and so must name one; every other known command
    /// is the channel's own, and must not.
    pub const fn is_of_circuit(self) -> bool {
        matches!(self.0, 1..=6 | 9..=11)
    }

    /// True for the commands named here.
    pub const fn is_known(self) -> bool {
        self.name().is_some()
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
        let (raw, rest) = match width {
            CircIdWidth::Four => {
                let (id, rest) = input.split_first_chunk()?;
                (u32::from_be_bytes(*id), rest)
            }
            CircIdWidth::Two => {
                let (id, rest) = input.split_first_chunk()?;
                (u16::from_be_bytes(*id).into(), rest)
            }
        };
        let (&command, rest) = rest.split_first()?;
        let command = ChanCmd(command);
        let (body_len, rest) = if command.is_variable() {
            let (length, rest) = rest.split_first_chunk()?;
            (u16::from_be_bytes(*length).into(), rest)
        } else {
            (CELL_BODY_LEN, rest)
        };
        let body = rest.get(..body_len)?;
        let len = input.len() - rest.len() + body_len;
        Some(Self { circ: CircId::from_wire(raw), command, body, len })
    }

    /// The command of the first cell in `input`, which need not be complete: who sends HTTP where VERSIONS
    /// should be can be told so at once.
    pub fn peek_command(input: &[u8], width: CircIdWidth) -> Option<ChanCmd> {
        input.get(width.bytes()).copied().map(ChanCmd)
    }

    /// True if the cell names a circuit where its command demands one, and none where it forbids one. An
    /// unknown command may do either.
    pub const fn is_addressed(&self) -> bool {
        !self.command.is_known() || self.command.is_of_circuit() == self.circ.is_some()
    }

    /// Reads the body as an `M`.
    ///
    /// # Errors
    /// If the command or the body is not `M`'s.
    pub fn decode<M: ChanBody<'a>>(&self) -> Result<M, DecodeError> {
        if self.command != M::COMMAND {
            return Err(DecodeError { what: M::NAME });
        }
        M::decode(self.body)
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

/// Appends a whole cell that carries `message`, padded with zeros if its length is fixed. VERSIONS, the first
/// cell of a link, gets a 2-byte circuit id, every other a 4-byte one.
///
/// # Errors
/// If the message does not fit its cell. Nothing is appended then.
pub fn put_message<'m, M: ChanBody<'m>>(
    circ: Option<CircId>,
    message: &M,
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    let start = out.len();
    let result = try_put_message(circ, message, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn try_put_message<'m, M: ChanBody<'m>>(
    circ: Option<CircId>,
    message: &M,
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    let error = TooLong { what: M::NAME };
    if M::COMMAND.is_variable() {
        let width = if M::COMMAND == ChanCmd::VERSIONS { CircIdWidth::Two } else { CircIdWidth::Four };
        let header = out.len();
        put_variable(M::COMMAND, &[], width, out)?;
        let body = out.len();
        message.encode(out)?;
        let length = len_u16(M::NAME, out.len() - body)?;
        let place = out.get_mut(header..body).and_then(<[u8]>::last_chunk_mut).ok_or(error)?;
        *place = length.to_be_bytes();
    } else {
        put_header(circ, M::COMMAND, out);
        let body = out.len();
        message.encode(out)?;
        let padding = CELL_BODY_LEN.checked_sub(out.len() - body).ok_or(error)?;
        out.put_bytes(0, padding);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::chan::{Create2, Versions, Vpadding};

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let mut out = BytesMut::from(&b"before"[..]);
        let long = [0; 65_536];
        let create = Create2 { kind: crate::HandshakeType::NTOR, onionskin: &long[..506] };
        assert!(put_message(CircId::from_wire(1), &create, &mut out).is_err());
        assert!(put_message(None, &Vpadding { bytes: &long }, &mut out).is_err());
        assert!(put_fixed(None, ChanCmd::PADDING, &long[..510], &mut out).is_err());
        assert!(put_variable(ChanCmd::VPADDING, &long, CircIdWidth::Four, &mut out).is_err());
        assert_eq!(&out[..], b"before");
    }

    #[test]
    fn only_versions_is_narrow() {
        let mut out = BytesMut::new();
        put_message(None, &Versions { offered: vec![] }, &mut out).unwrap();
        put_message(None, &Vpadding { bytes: &[1] }, &mut out).unwrap();
        assert_eq!(&out[..], [0, 0, 7, 0, 0, 0, 0, 0, 0, 128, 0, 1, 1]);
    }

    #[test]
    fn circuit_ids_are_where_they_must_be() {
        for number in 0..=255 {
            let frame =
                |id| Frame { circ: CircId::from_wire(id), command: ChanCmd(number), body: &[], len: 0 };
            let of_circuit = matches!(number, 1..=6 | 9..=11);
            let of_channel = matches!(number, 0 | 7 | 8 | 12 | 128..=132);
            assert_eq!(frame(0).is_addressed(), !of_circuit, "{number}");
            assert_eq!(frame(1).is_addressed(), !of_channel, "{number}");
        }
    }
}
