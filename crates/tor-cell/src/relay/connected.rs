//! CONNECTED: the stream is open. <https://spec.torproject.org/tor-spec/opening-streams.html>

use std::net::{IpAddr, Ipv4Addr};

use bytes::BufMut;
use nom::{IResult, number::complete::be_u32};

use super::{
    AddressTtl, RelayCmd,
    address_ttl::{put_ip, ttl},
};
use crate::{
    Body, RelayBody, TooLong,
    codec::{array, exactly},
};

/// CONNECTED. No body for directory and onion-service streams; else
///
/// | IPv4 | | IPv6 | |
/// |---|---|---|---|
/// | 4 | address, not zero | 4 | zero |
/// | 4 | time to live in seconds; may be missing | 1 | 6 |
/// | | | 16 | address |
/// | | | 4 | time to live in seconds |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Where the target is, if the exit told it. It has not been judged: an exit may lie, and name an address
    /// of a private network. 0.0.0.0 can't be written, and becomes `None`.
    pub address: Option<AddressTtl>,
}

impl<'a> Body<'a> for Connected {
    const NAME: &'static str = "CONNECTED";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        if input.is_empty() {
            return Ok((input, Self { address: None }));
        }
        let (rest, v4) = be_u32(input)?;
        let (rest, address, lifetime) = if v4 == 0 {
            let (rest, ()) = exactly(6)(rest)?;
            let (rest, v6) = array::<16>(rest)?;
            let (rest, raw) = be_u32(rest)?;
            (rest, IpAddr::from(*v6), ttl(raw))
        } else {
            let v4 = Ipv4Addr::from_bits(v4).into();
            match array(rest) {
                Ok((rest, raw)) => (rest, v4, ttl(u32::from_be_bytes(*raw))),
                Err(_) => (rest, v4, None),
            }
        };
        Ok((rest, Self { address: Some(AddressTtl { address, ttl: lifetime }) }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        match self.address {
            None => {}
            Some(AddressTtl { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), .. }) => {}
            Some(AddressTtl { address: address @ IpAddr::V4(_), ttl }) => {
                put_ip(address, out);
                if let Some(ttl) = ttl {
                    out.put_u32(ttl);
                }
            }
            Some(AddressTtl { address: address @ IpAddr::V6(_), ttl }) => {
                out.put_slice(&[0, 0, 0, 0, 6]);
                put_ip(address, out);
                out.put_u32(ttl.unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }
}

impl RelayBody<'_> for Connected {
    const COMMAND: RelayCmd = RelayCmd::CONNECTED;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_can_not_be_told() {
        let connected = Connected { address: Some(AddressTtl::new(Ipv4Addr::UNSPECIFIED.into())) };
        let mut wire = Vec::new();
        connected.encode(&mut wire).unwrap();
        assert_eq!(Connected::decode(&wire), Ok(Connected { address: None }));
    }
}
