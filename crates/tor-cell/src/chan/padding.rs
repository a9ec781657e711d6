//! PADDING and VPADDING mean nothing. <https://spec.torproject.org/padding-spec/connection-level-padding.html>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map, combinator::value};

use crate::{Body, ChanBody, TooLong, codec::whole, frame::ChanCmd};

/// PADDING: a fixed cell whose body means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding;

/// VPADDING: a cell of any length whose body means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vpadding<'a> {
    /// The padding.
    pub bytes: &'a [u8],
}

impl<'a> Body<'a> for Padding {
    const NAME: &'static str = "PADDING";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        value(Self, whole).parse(input)
    }

    fn encode(&self, _: &mut impl BufMut) -> Result<(), TooLong> {
        Ok(())
    }
}

impl ChanBody<'_> for Padding {
    const COMMAND: ChanCmd = ChanCmd::PADDING;
}

impl<'a> Body<'a> for Vpadding<'a> {
    const NAME: &'static str = "VPADDING";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(whole, |bytes| Self { bytes }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(self.bytes);
        Ok(())
    }
}

impl<'a> ChanBody<'a> for Vpadding<'a> {
    const COMMAND: ChanCmd = ChanCmd::VPADDING;
}
