//! DESTROY ends a circuit. <https://spec.torproject.org/tor-spec/tearing-down-circuits.html>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map, number::complete::be_u8};

use crate::{Body, ChanBody, DestroyReason, TooLong, frame::ChanCmd};

/// DESTROY: 1 byte, the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destroy {
    /// Why. A client says [`DestroyReason::NONE`].
    pub reason: DestroyReason,
}

impl<'a> Body<'a> for Destroy {
    const NAME: &'static str = "DESTROY";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(be_u8, |reason| Self { reason: DestroyReason(reason) }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(self.reason.0);
        Ok(())
    }
}

impl ChanBody<'_> for Destroy {
    const COMMAND: ChanCmd = ChanCmd::DESTROY;
}
