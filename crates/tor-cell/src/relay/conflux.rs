//! Conflux joins circuits to one exit into a set of legs that carry the same streams.
//! <https://spec.torproject.org/proposals/329-traffic-splitting.html>
//!
//! ```text
//! client ── CONFLUX_LINK ────────> exit     on each leg, with the nonce of the set
//! client <─ CONFLUX_LINKED ─────── exit
//! client ── CONFLUX_LINKED_ACK ──> exit
//! either ── CONFLUX_SWITCH ──────> other    on the leg on which the sender goes on
//! ```

use std::num::NonZeroU32;

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::{map, map_opt, value, verify},
    number::complete::{be_u8, be_u32, be_u64},
};

use super::RelayCmd;
use crate::{
    Body, RelayBody, TooLong,
    code_point::code_points,
    codec::{array, exactly, whole},
};

code_points! {
    /// What the sender of CONFLUX_LINK would like its traffic to be. A closed set: an unknown one is malformed.
    pub struct ConfluxUx(u8);
    /// Anything.
    NO_OPINION = 0,
    /// Low latency.
    MIN_LATENCY = 1,
    /// Low latency, with little to reorder.
    LOW_MEM_LATENCY = 2,
    /// High throughput.
    HIGH_THROUGHPUT = 3,
    /// High throughput, with little to reorder.
    LOW_MEM_THROUGHPUT = 4,
}

/// The body of CONFLUX_LINK and CONFLUX_LINKED.
///
/// | bytes | field |
/// |---|---|
/// | 1 | version, 1 |
/// | 32 | nonce |
/// | 8 | last sequence number sent |
/// | 8 | last sequence number received |
/// | 1 | desired use |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfluxLeg {
    /// Names the set. All of it must match (TROVE-2026-004).
    pub nonce: [u8; 32],
    /// The last sequence number that the sender sent.
    pub last_sent: u64,
    /// The last sequence number that the sender received.
    pub last_received: u64,
    /// What the sender would like.
    pub ux: ConfluxUx,
}

/// CONFLUX_LINK asks to make this circuit a leg of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfluxLink(pub ConfluxLeg);

/// CONFLUX_LINKED agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfluxLinked(pub ConfluxLeg);

/// CONFLUX_LINKED_ACK ends the handshake: no body. The exit measures the round trip by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfluxLinkedAck;

/// CONFLUX_SWITCH: 4 bytes. Relays before 0.4.9.4 fill the body with zeros to its maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfluxSwitch {
    /// How far this leg's sequence numbers are behind, counted in messages. A switch after none is an offence.
    pub relative_seqno: NonZeroU32,
}

impl ConfluxLeg {
    fn parse(input: &[u8]) -> IResult<&[u8], Self> {
        let (rest, ()) = exactly(1)(input)?;
        let (rest, nonce) = array(rest)?;
        let (rest, (last_sent, last_received)) = (be_u64, be_u64).parse(rest)?;
        let (rest, ux) = verify(map(be_u8, ConfluxUx), |ux| ux.name().is_some()).parse(rest)?;
        Ok((rest, Self { nonce: *nonce, last_sent, last_received, ux }))
    }

    fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(1);
        out.put_slice(&self.nonce);
        out.put_u64(self.last_sent);
        out.put_u64(self.last_received);
        out.put_u8(self.ux.0);
    }
}

impl<'a> Body<'a> for ConfluxLink {
    const NAME: &'static str = "CONFLUX_LINK";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(ConfluxLeg::parse, Self).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        self.0.encode(out);
        Ok(())
    }
}

impl RelayBody<'_> for ConfluxLink {
    const COMMAND: RelayCmd = RelayCmd::CONFLUX_LINK;
}

impl<'a> Body<'a> for ConfluxLinked {
    const NAME: &'static str = "CONFLUX_LINKED";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(ConfluxLeg::parse, Self).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        self.0.encode(out);
        Ok(())
    }
}

impl RelayBody<'_> for ConfluxLinked {
    const COMMAND: RelayCmd = RelayCmd::CONFLUX_LINKED;
}

impl<'a> Body<'a> for ConfluxLinkedAck {
    const NAME: &'static str = "CONFLUX_LINKED_ACK";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        value(Self, whole).parse(input)
    }

    fn encode(&self, _: &mut impl BufMut) -> Result<(), TooLong> {
        Ok(())
    }
}

impl RelayBody<'_> for ConfluxLinkedAck {
    const COMMAND: RelayCmd = RelayCmd::CONFLUX_LINKED_ACK;
}

impl<'a> Body<'a> for ConfluxSwitch {
    const NAME: &'static str = "CONFLUX_SWITCH";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(map_opt(be_u32, NonZeroU32::new), |relative_seqno| Self { relative_seqno }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u32(self.relative_seqno.get());
        Ok(())
    }
}

impl RelayBody<'_> for ConfluxSwitch {
    const COMMAND: RelayCmd = RelayCmd::CONFLUX_SWITCH;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_use_is_an_error() {
        for ux in 0..=255 {
            let mut body = [0; 50];
            body[0] = 1;
            body[49] = ux;
            assert_eq!(ConfluxLink::decode(&body).is_ok(), ux <= 4);
            assert_eq!(ConfluxLinked::decode(&body).is_ok(), ux <= 4);
        }
    }

    #[test]
    fn a_switch_may_be_padded() {
        let mut body = [0; 498];
        body[3] = 9;
        assert_eq!(ConfluxSwitch::decode(&body).unwrap().relative_seqno.get(), 9);
    }
}
