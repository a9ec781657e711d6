//! CREATE_FAST makes a circuit to a relay whose keys are unknown, on the strength of the link alone;
//! CREATED_FAST answers. <https://spec.torproject.org/tor-spec/create-created-cells.html#create-fast>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map};

use crate::{Body, ChanBody, TooLong, codec::array, frame::ChanCmd};

/// CREATE_FAST: 20 bytes of key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateFast<'a> {
    /// The client's half of the handshake.
    pub onionskin: &'a [u8; 20],
}

/// CREATED_FAST: 20 bytes of key material and a hash of 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreatedFast<'a> {
    /// The relay's half of the handshake.
    pub reply: &'a [u8; 40],
}

impl<'a> Body<'a> for CreateFast<'a> {
    const NAME: &'static str = "CREATE_FAST";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(array, |onionskin| Self { onionskin }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(self.onionskin);
        Ok(())
    }
}

impl<'a> ChanBody<'a> for CreateFast<'a> {
    const COMMAND: ChanCmd = ChanCmd::CREATE_FAST;
}

impl<'a> Body<'a> for CreatedFast<'a> {
    const NAME: &'static str = "CREATED_FAST";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(array, |reply| Self { reply }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(self.reply);
        Ok(())
    }
}

impl<'a> ChanBody<'a> for CreatedFast<'a> {
    const COMMAND: ChanCmd = ChanCmd::CREATED_FAST;
}
