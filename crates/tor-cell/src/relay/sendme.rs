//! SENDME: the peer may send more. On a circuit it proves, since version 1, that its sender saw the cell
//! that it acknowledges. <https://spec.torproject.org/tor-spec/flow-control.html>

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::{map, verify},
    multi::length_data,
    number::complete::{be_u8, be_u16},
};

use super::RelayCmd;
use crate::{
    Body, RelayBody, TooLong,
    codec::{len_u16, refuse, whole},
};

/// The digest or tag of the cell that a SENDME acknowledges: 20 bytes with tor1, 16 with CGO.
pub type SendmeTag<'a> = &'a [u8];

/// SENDME.
///
/// | bytes | field |
/// |---|---|
/// | 1 | version: 0 (or no body at all) proves nothing, 1 carries a tag |
/// | 2 + n | data, length-prefixed; version 1: the tag, 16 or 20 bytes |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sendme<'a> {
    /// Version 0, and every stream-level SENDME. Sent without a body.
    Unauthenticated,
    /// Version 1.
    Tagged(SendmeTag<'a>),
}

impl<'a> Body<'a> for Sendme<'a> {
    const NAME: &'static str = "SENDME";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        if input.is_empty() {
            return Ok((input, Self::Unauthenticated));
        }
        let (rest, version) = be_u8(input)?;
        match version {
            // Whatever version 0 carries is to be ignored.
            0 => map(whole, |_| Self::Unauthenticated).parse(rest),
            1 => {
                let tag = verify(length_data(be_u16), |tag: &[u8]| matches!(tag.len(), 16 | 20));
                map(tag, Self::Tagged).parse(rest)
            }
            // A version that we can't check must not open the window.
            _ => refuse(input),
        }
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        match self {
            Self::Unauthenticated => {}
            Self::Tagged(tag) => {
                out.put_u8(1);
                out.put_u16(len_u16("SENDME tag", tag.len())?);
                out.put_slice(tag);
            }
        }
        Ok(())
    }
}

impl<'a> RelayBody<'a> for Sendme<'a> {
    const COMMAND: RelayCmd = RelayCmd::SENDME;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_one_of_two_lengths() {
        for length in 0u8..=40 {
            let mut body = vec![1, 0, length];
            body.resize(60, 7);
            assert_eq!(Sendme::decode(&body).is_ok(), matches!(length, 16 | 20), "{length}");
        }
    }

    #[test]
    fn version_0_needs_no_more() {
        assert_eq!(Sendme::decode(&[0]), Ok(Sendme::Unauthenticated));
        assert_eq!(Sendme::decode(&[0, 9, 9, 9]), Ok(Sendme::Unauthenticated));
    }
}
