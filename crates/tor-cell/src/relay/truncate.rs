//! TRUNCATE asks a hop to forget all hops behind it, TRUNCATED says that they are gone.
//! <https://spec.torproject.org/tor-spec/tearing-down-circuits.html>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map, number::complete::be_u8};

use super::RelayCmd;
use crate::{Body, DestroyReason, RelayBody, TooLong};

/// TRUNCATE: 1 byte, the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncate {
    /// Why.
    pub reason: DestroyReason,
}

/// TRUNCATED: 1 byte, the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// Why.
    pub reason: DestroyReason,
}

impl<'a> Body<'a> for Truncate {
    const NAME: &'static str = "TRUNCATE";

    /// A body without a reason is an error, and closes the circuit, as it does in C Tor (TROVE-2026-011).
    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(be_u8, |reason| Self { reason: DestroyReason(reason) }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(self.reason.0);
        Ok(())
    }
}

impl RelayBody<'_> for Truncate {
    const COMMAND: RelayCmd = RelayCmd::TRUNCATE;
}

impl<'a> Body<'a> for Truncated {
    const NAME: &'static str = "TRUNCATED";

    /// A body without a reason is an error, and closes the circuit, as it does in C Tor (TROVE-2026-011).
    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(be_u8, |reason| Self { reason: DestroyReason(reason) }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(self.reason.0);
        Ok(())
    }
}

impl RelayBody<'_> for Truncated {
    const COMMAND: RelayCmd = RelayCmd::TRUNCATED;
}
