//! DATA: bytes of a stream. <https://spec.torproject.org/tor-spec/opening-streams.html>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map};

use super::RelayCmd;
use crate::{Body, RelayBody, TooLong, codec::whole};

/// DATA: the body is the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> Body<'a> for Data<'a> {
    const NAME: &'static str = "DATA";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(whole, |bytes| Self { bytes }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(self.bytes);
        Ok(())
    }
}

impl<'a> RelayBody<'a> for Data<'a> {
    const COMMAND: RelayCmd = RelayCmd::DATA;
}
