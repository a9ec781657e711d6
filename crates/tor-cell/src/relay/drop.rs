//! DROP: padding that the addressed hop throws away.
//! <https://spec.torproject.org/tor-spec/relay-keepalives.html>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::value};

use super::RelayCmd;
use crate::{Body, RelayBody, TooLong, codec::whole};

/// DROP: a body that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop;

impl<'a> Body<'a> for Drop {
    const NAME: &'static str = "DROP";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        value(Self, whole).parse(input)
    }

    fn encode(&self, _: &mut impl BufMut) -> Result<(), TooLong> {
        Ok(())
    }
}

impl RelayBody<'_> for Drop {
    const COMMAND: RelayCmd = RelayCmd::DROP;
}
