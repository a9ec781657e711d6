//! CREATE2 makes a circuit, CREATED2 answers.
//! <https://spec.torproject.org/tor-spec/create-created-cells.html>

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::{map, verify},
    multi::length_data,
    number::complete::be_u16,
};

use crate::{Body, ChanBody, HandshakeType, MAX_HANDSHAKE_REPLY, TooLong, codec::len_u16, frame::ChanCmd};

/// CREATE2.
///
/// | bytes | field |
/// |---|---|
/// | 2 | handshake type |
/// | 2 + n | onionskin, length-prefixed; at most 505 bytes fit the cell |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Create2<'a> {
    /// The handshake of the onionskin.
    pub kind: HandshakeType,
    /// The client's half of the handshake.
    pub onionskin: &'a [u8],
}

/// CREATED2: length-prefixed (2 bytes), at most [`MAX_HANDSHAKE_REPLY`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created2<'a> {
    /// The relay's half of the handshake.
    pub reply: &'a [u8],
}

impl<'a> Body<'a> for Create2<'a> {
    const NAME: &'static str = "CREATE2";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let parts = (map(be_u16, HandshakeType), length_data(be_u16));
        map(parts, |(kind, onionskin)| Self { kind, onionskin }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u16(self.kind.0);
        out.put_u16(len_u16("onionskin", self.onionskin.len())?);
        out.put_slice(self.onionskin);
        Ok(())
    }
}

impl<'a> ChanBody<'a> for Create2<'a> {
    const COMMAND: ChanCmd = ChanCmd::CREATE2;
}

impl<'a> Body<'a> for Created2<'a> {
    const NAME: &'static str = "CREATED2";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        // 497 to 507 bytes would fit this cell, but not the EXTENDED2 that passes them on (TROVE-2026-003).
        let reply = verify(length_data(be_u16), |reply: &[u8]| reply.len() <= MAX_HANDSHAKE_REPLY);
        map(reply, |reply| Self { reply }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        if self.reply.len() > MAX_HANDSHAKE_REPLY {
            return Err(TooLong { what: "handshake reply" });
        }
        out.put_u16(len_u16("handshake reply", self.reply.len())?);
        out.put_slice(self.reply);
        Ok(())
    }
}

impl<'a> ChanBody<'a> for Created2<'a> {
    const COMMAND: ChanCmd = ChanCmd::CREATED2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reply_longer_than_extended2_holds() {
        for length in 0..=507 {
            let mut body = [0; crate::CELL_BODY_LEN];
            body[..2].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            assert_eq!(Created2::decode(&body).is_ok(), length <= 496, "{length}");
            let reply = &body[2..2 + length];
            assert_eq!(Created2 { reply }.encode(&mut Vec::new()).is_ok(), length <= 496, "{length}");
        }
    }
}
