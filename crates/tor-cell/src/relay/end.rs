//! END closes a stream. <https://spec.torproject.org/tor-spec/closing-streams.html>

use std::net::IpAddr;

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map, number::complete::be_u8};

use super::{
    AddressTtl, RelayCmd,
    address_ttl::{put_ip, ttl},
};
use crate::{Body, EndReason, RelayBody, TooLong, codec::whole};

/// END.
///
/// | bytes | field |
/// |---|---|
/// | 1 | reason |
/// | 4 or 16 | for EXITPOLICY, if the exit wants to tell: the address that it must not connect to |
/// | 4 | its time to live in seconds, if the exit wants to tell |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// For EXITPOLICY only: what the name resolved to.
    pub address: Option<AddressTtl>,
}

impl From<EndReason> for End {
    fn from(reason: EndReason) -> Self {
        Self { reason, address: None }
    }
}

impl<'a> Body<'a> for End {
    const NAME: &'static str = "END";

    /// A body without a reason is an error, and closes the circuit, as it does in C Tor (TROVE-2026-011). After
    /// the reason, anything that can't be an address is ignored.
    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, reason) = map(be_u8, EndReason).parse(input)?;
        let (rest, tail) = whole(rest)?;
        let address = if reason == EndReason::EXITPOLICY { address(tail) } else { None };
        Ok((rest, Self { reason, address }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(self.reason.0);
        if let (EndReason::EXITPOLICY, Some(AddressTtl { address, ttl })) = (self.reason, self.address) {
            put_ip(address, out);
            if let Some(ttl) = ttl {
                out.put_u32(ttl);
            }
        }
        Ok(())
    }
}

impl RelayBody<'_> for End {
    const COMMAND: RelayCmd = RelayCmd::END;
}

fn address(tail: &[u8]) -> Option<AddressTtl> {
    let (ip, lifetime) = match tail.len() {
        4 | 16 => (tail, None),
        8 | 20 => tail.split_last_chunk().map(|(ip, raw)| (ip, ttl(u32::from_be_bytes(*raw))))?,
        _ => return None,
    };
    let v4 = <[u8; 4]>::try_from(ip).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(ip).map(IpAddr::from)).ok()?;
    Some(AddressTtl { address, ttl: lifetime })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exitpolicy_tells_an_address() {
        for reason in 0..=255 {
            let end = End::decode(&[reason, 127, 0, 0, 7]).unwrap();
            assert_eq!(end.address.is_some(), end.reason == EndReason::EXITPOLICY);
        }
    }

    #[test]
    fn a_tail_that_is_no_address_is_ignored() {
        for length in 0..30 {
            let body = vec![EndReason::EXITPOLICY.0; 1 + length];
            let address = End::decode(&body).unwrap().address;
            assert_eq!(address.is_some(), matches!(length, 4 | 8 | 16 | 20), "{length}");
            assert_eq!(address.is_some_and(|a| a.ttl.is_some()), matches!(length, 8 | 20), "{length}");
        }
        // As in CONNECTED, a lifetime above 2^31 - 1 means nothing.
        let end = End::decode(&[4, 1, 1, 1, 1, 0x80, 0, 0, 0]).unwrap();
        assert_eq!(end.address, Some(AddressTtl::new([1, 1, 1, 1].into())));
    }
}
