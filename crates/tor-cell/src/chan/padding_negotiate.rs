//! PADDING_NEGOTIATE: a client asks its guard for more, less or no link padding.
//! <https://spec.torproject.org/padding-spec/connection-level-padding.html>

use bytes::BufMut;
use nom::{
    IResult,
    number::complete::{be_u8, be_u16},
};

use crate::{
    Body, ChanBody, TooLong,
    codec::{exactly, refuse},
    frame::ChanCmd,
};

/// PADDING_NEGOTIATE.
///
/// | bytes | field |
/// |---|---|
/// | 1 | version, 0 |
/// | 1 | command: 1 stop, 2 start |
/// | 2 | shortest idle time before padding, milliseconds |
/// | 2 | longest idle time before padding, milliseconds |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaddingNegotiate {
    /// Stop padding.
    Stop,
    /// Pad after a random idle time in this range. Both zero: as the consensus says.
    Start {
        /// Shortest idle time, milliseconds.
        low_ms: u16,
        /// Longest idle time, milliseconds.
        high_ms: u16,
    },
}

impl<'a> Body<'a> for PaddingNegotiate {
    const NAME: &'static str = "PADDING_NEGOTIATE";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, ()) = exactly(0)(input)?;
        let (rest, command) = be_u8(rest)?;
        let (rest, low_ms) = be_u16(rest)?;
        let (rest, high_ms) = be_u16(rest)?;
        match command {
            1 => Ok((rest, Self::Stop)),
            2 => Ok((rest, Self::Start { low_ms, high_ms })),
            _ => refuse(input),
        }
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        let (command, low_ms, high_ms) = match *self {
            Self::Stop => (1, 0, 0),
            Self::Start { low_ms, high_ms } => (2, low_ms, high_ms),
        };
        out.put_slice(&[0, command]);
        out.put_u16(low_ms);
        out.put_u16(high_ms);
        Ok(())
    }
}

impl ChanBody<'_> for PaddingNegotiate {
    const COMMAND: ChanCmd = ChanCmd::PADDING_NEGOTIATE;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_commands_and_versions_are_errors() {
        for (version, command, good) in
            [(0, 1, true), (0, 2, true), (0, 0, false), (0, 3, false), (1, 1, false)]
        {
            let body = [version, command, 0, 0, 0, 0];
            assert_eq!(PaddingNegotiate::decode(&body).is_ok(), good);
        }
    }
}
