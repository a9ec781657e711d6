//! PADDING_NEGOTIATE starts or stops a padding machine at a hop, PADDING_NEGOTIATED answers.
//! <https://spec.torproject.org/padding-spec/circuit-level-padding.html>

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::map_opt,
    number::complete::{be_u8, be_u32},
};

use super::RelayCmd;
use crate::{Body, RelayBody, TooLong, codec::exactly};

/// What a padding machine should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaddingCommand {
    /// 1: stop.
    Stop,
    /// 2: start.
    Start,
}

/// PADDING_NEGOTIATE.
///
/// | bytes | field |
/// |---|---|
/// | 1 | version, 0 |
/// | 1 | command |
/// | 1 | machine type |
/// | 1 | 1 if a DROP should come back at once, else 0 |
/// | 4 | machine counter |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddingNegotiate {
    /// What to do.
    pub command: PaddingCommand,
    /// Which machine.
    pub machine: u8,
    /// Asks for a DROP at once.
    pub echo: bool,
    /// Tells one run of the machine from the next. 0 means any.
    pub counter: u32,
}

/// PADDING_NEGOTIATED.
///
/// | bytes | field |
/// |---|---|
/// | 1 | version, 0 |
/// | 1 | command |
/// | 1 | response: 1 yes, 2 no |
/// | 1 | machine type |
/// | 4 | machine counter |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddingNegotiated {
    /// What was asked for.
    pub command: PaddingCommand,
    /// Whether the hop does it.
    pub accepted: bool,
    /// Which machine.
    pub machine: u8,
    /// The run that was asked for.
    pub counter: u32,
}

impl PaddingCommand {
    const fn from_wire(raw: u8) -> Option<Self> {
        match raw {
            1 => Some(Self::Stop),
            2 => Some(Self::Start),
            _ => None,
        }
    }

    const fn to_wire(self) -> u8 {
        match self {
            Self::Stop => 1,
            Self::Start => 2,
        }
    }
}

impl<'a> Body<'a> for PaddingNegotiate {
    const NAME: &'static str = "PADDING_NEGOTIATE";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, ()) = exactly(0)(input)?;
        let (rest, command) = map_opt(be_u8, PaddingCommand::from_wire).parse(rest)?;
        let (rest, machine) = be_u8(rest)?;
        let (rest, echo) = map_opt(be_u8, |raw| (raw < 2).then_some(raw == 1)).parse(rest)?;
        let (rest, counter) = be_u32(rest)?;
        Ok((rest, Self { command, machine, echo, counter }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(&[0, self.command.to_wire(), self.machine, self.echo.into()]);
        out.put_u32(self.counter);
        Ok(())
    }
}

impl RelayBody<'_> for PaddingNegotiate {
    const COMMAND: RelayCmd = RelayCmd::PADDING_NEGOTIATE;
}

impl<'a> Body<'a> for PaddingNegotiated {
    const NAME: &'static str = "PADDING_NEGOTIATED";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, ()) = exactly(0)(input)?;
        let (rest, command) = map_opt(be_u8, PaddingCommand::from_wire).parse(rest)?;
        let (rest, accepted) = map_opt(be_u8, |raw| matches!(raw, 1 | 2).then_some(raw == 1)).parse(rest)?;
        let (rest, machine) = be_u8(rest)?;
        let (rest, counter) = be_u32(rest)?;
        Ok((rest, Self { command, accepted, machine, counter }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        let response = if self.accepted { 1 } else { 2 };
        out.put_slice(&[0, self.command.to_wire(), response, self.machine]);
        out.put_u32(self.counter);
        Ok(())
    }
}

impl RelayBody<'_> for PaddingNegotiated {
    const COMMAND: RelayCmd = RelayCmd::PADDING_NEGOTIATED;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_out_of_range_are_errors() {
        let good = [0, 2, 5, 1, 0, 0, 0, 1];
        assert!(PaddingNegotiate::decode(&good).is_ok());
        assert!(PaddingNegotiate::decode(&good[..7]).is_err());
        for (at, value) in [(0, 1), (1, 0), (1, 3), (3, 2)] {
            let mut bad = good;
            bad[at] = value;
            assert!(PaddingNegotiate::decode(&bad).is_err());
        }
        let good = [0, 2, 2, 5, 0, 0, 0, 1];
        assert_eq!(PaddingNegotiated::decode(&good).map(|answer| answer.accepted), Ok(false));
        for (at, value) in [(0, 1), (1, 0), (1, 3), (2, 0), (2, 3)] {
            let mut bad = good;
            bad[at] = value;
            assert!(PaddingNegotiated::decode(&bad).is_err());
        }
    }
}
