//! EXTEND2 asks the last hop for one more, EXTENDED2 brings the new hop's answer.
//! <https://spec.torproject.org/tor-spec/create-created-cells.html#EXTEND>

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::{map, verify},
    multi::{length_count, length_data},
    number::complete::{be_u8, be_u16},
};
use tor_id::LinkSpec;

use super::RelayCmd;
use crate::{
    Body, HandshakeType, MAX_HANDSHAKE_REPLY, RelayBody, TooLong,
    codec::{len_u8, len_u16},
};

/// EXTEND2, sent to the last hop.
///
/// | bytes | field |
/// |---|---|
/// | 1 | number of link specifiers; each is kind(1), length(1), body |
/// | 2 | handshake type |
/// | 2 + n | onionskin, length-prefixed |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extend2<'a> {
    /// The relay to extend to, in the order in which they are written.
    pub target: Vec<LinkSpec>,
    /// The handshake of the onionskin.
    pub kind: HandshakeType,
    /// The client's half of the handshake.
    pub onionskin: &'a [u8],
}

/// EXTENDED2, the new hop's half of the handshake: length-prefixed (2 bytes), at most
/// [`MAX_HANDSHAKE_REPLY`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended2<'a> {
    /// The relay's half of the handshake.
    pub reply: &'a [u8],
}

impl<'a> Body<'a> for Extend2<'a> {
    const NAME: &'static str = "EXTEND2";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, target) = length_count(be_u8, LinkSpec::parse).parse(input)?;
        let (rest, kind) = map(be_u16, HandshakeType).parse(rest)?;
        let (rest, onionskin) = length_data(be_u16).parse(rest)?;
        Ok((rest, Self { target, kind, onionskin }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(len_u8("link specifiers", self.target.len())?);
        for spec in &self.target {
            spec.encode(out).map_err(|_| TooLong { what: "link specifier" })?;
        }
        out.put_u16(self.kind.0);
        out.put_u16(len_u16("onionskin", self.onionskin.len())?);
        out.put_slice(self.onionskin);
        Ok(())
    }
}

impl<'a> Body<'a> for Extended2<'a> {
    const NAME: &'static str = "EXTENDED2";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        // At most what a full v0 message holds, whatever buffer the body comes from (TROVE-2026-003).
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

impl<'a> RelayBody<'a> for Extend2<'a> {
    const COMMAND: RelayCmd = RelayCmd::EXTEND2;
}

impl<'a> RelayBody<'a> for Extended2<'a> {
    const COMMAND: RelayCmd = RelayCmd::EXTENDED2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reply_longer_than_a_message_holds() {
        for (length, good) in [(0u16, true), (496, true), (497, false), (507, false)] {
            let mut body = length.to_be_bytes().to_vec();
            body.resize(600, 0);
            assert_eq!(Extended2::decode(&body).is_ok(), good);
            let reply = &body[2..2 + usize::from(length)];
            assert_eq!(Extended2 { reply }.encode(&mut Vec::new()).is_ok(), good);
        }
    }
}
