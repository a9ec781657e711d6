//! XOFF and XON pause a stream and let it go on, where congestion control has replaced stream windows.
//! <https://spec.torproject.org/proposals/324-rtt-congestion-control.html> (sections 4.1 and 9)

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map, number::complete::be_u32};

use super::RelayCmd;
use crate::{Body, RelayBody, TooLong, codec::exactly};

/// XOFF: 1 byte, version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xoff;

/// XON.
///
/// | bytes | field |
/// |---|---|
/// | 1 | version, 0 |
/// | 4 | how fast the sender's reader is, thousands of bytes a second; 0: no limit |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xon {
    /// How fast the sender's reader is, thousands of bytes a second. 0: no limit.
    pub kbps: u32,
}

impl Xon {
    /// The limit in bytes a second. `None`: no limit, which C Tor takes more than [`i32::MAX`] for too.
    pub fn bytes_per_second(self) -> Option<u32> {
        let rate = self.kbps.checked_mul(1000)?;
        (rate != 0 && i32::try_from(rate).is_ok()).then_some(rate)
    }
}

impl<'a> Body<'a> for Xoff {
    const NAME: &'static str = "XOFF";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(exactly(0), |()| Self).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(0);
        Ok(())
    }
}

impl RelayBody<'_> for Xoff {
    const COMMAND: RelayCmd = RelayCmd::XOFF;
}

impl<'a> Body<'a> for Xon {
    const NAME: &'static str = "XON";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map((exactly(0), be_u32), |((), kbps)| Self { kbps }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(0);
        out.put_u32(self.kbps);
        Ok(())
    }
}

impl RelayBody<'_> for Xon {
    const COMMAND: RelayCmd = RelayCmd::XON;
}
