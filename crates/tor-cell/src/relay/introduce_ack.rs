//! INTRODUCE_ACK: whether the introduction point passed INTRODUCE1 on.
//! <https://spec.torproject.org/rend-spec/introduction-protocol.html>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map, number::complete::be_u16};

use super::{
    Extension, RelayCmd,
    extension::{extensions, put_extensions},
};
use crate::{Body, RelayBody, TooLong, code_point::code_points};

code_points! {
    /// What became of INTRODUCE1.
    pub struct IntroduceStatus(u16);
    /// It was passed on.
    SUCCESS = 0,
    /// No service has this key here.
    UNKNOWN_ID = 1,
    /// It is malformed.
    BAD_FORMAT = 2,
    /// It could not be passed on.
    CANT_RELAY = 3,
}

/// INTRODUCE_ACK.
///
/// | bytes | field |
/// |---|---|
/// | 2 | status |
/// | | extensions |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntroduceAck<'a> {
    /// What became of INTRODUCE1.
    pub status: IntroduceStatus,
    /// Extensions.
    pub extensions: Vec<Extension<'a>>,
}

impl<'a> Body<'a> for IntroduceAck<'a> {
    const NAME: &'static str = "INTRODUCE_ACK";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let parts = (map(be_u16, IntroduceStatus), extensions);
        map(parts, |(status, extensions)| Self { status, extensions }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u16(self.status.0);
        put_extensions(&self.extensions, out)
    }
}

impl<'a> RelayBody<'a> for IntroduceAck<'a> {
    const COMMAND: RelayCmd = RelayCmd::INTRODUCE_ACK;
}
