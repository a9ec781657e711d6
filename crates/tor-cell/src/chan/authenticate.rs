//! AUTHENTICATE proves who the initiator of a link is. Clients never send it; the relay's end can tell what it
//! holds, and that is all that there is here.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html#AUTHENTICATE-cells>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map, multi::length_data, number::complete::be_u16};

use super::AuthMethod;
use crate::{Body, ChanBody, TooLong, codec::len_u16, frame::ChanCmd};

/// AUTHENTICATE.
///
/// | bytes | field |
/// |---|---|
/// | 2 | method |
/// | 2 + n | proof, length-prefixed |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authenticate<'a> {
    /// The method.
    pub method: AuthMethod,
    /// The proof, as the method defines it.
    pub proof: &'a [u8],
}

impl<'a> Body<'a> for Authenticate<'a> {
    const NAME: &'static str = "AUTHENTICATE";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let parts = (map(be_u16, AuthMethod), length_data(be_u16));
        map(parts, |(method, proof)| Self { method, proof }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u16(self.method.0);
        out.put_u16(len_u16("authentication", self.proof.len())?);
        out.put_slice(self.proof);
        Ok(())
    }
}

impl<'a> ChanBody<'a> for Authenticate<'a> {
    const COMMAND: ChanCmd = ChanCmd::AUTHENTICATE;
}
