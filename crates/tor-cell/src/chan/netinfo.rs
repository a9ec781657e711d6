//! NETINFO ends the link handshake: the time, and who sees whom where.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html#NETINFO-cells>

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, SystemTime},
};

use bytes::BufMut;
use nom::{
    IResult, Parser,
    multi::{length_count, length_data},
    number::complete::{be_u8, be_u32},
};

use crate::{Body, ChanBody, TooLong, codec::len_u8, frame::ChanCmd};

/// NETINFO.
///
/// | bytes | field |
/// |---|---|
/// | 4 | the sender's time, seconds since 1970 |
/// | 2 + n | the address at which the sender sees the receiver: type (4 or 6), length, address |
/// | 1 | number of the sender's own addresses; each as above |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netinfo {
    /// The sender's time, seconds since 1970. Clients send 0, so that a skewed clock does not mark them.
    pub timestamp: u32,
    /// Where the sender sees the receiver. `None` if it can't say: 0.0.0.0 on the wire.
    pub receiver: Option<IpAddr>,
    /// The sender's own addresses; a client says none.
    pub sender: Vec<IpAddr>,
}

impl Netinfo {
    /// The sender's time, if it told it.
    pub fn time(&self) -> Option<SystemTime> {
        let since = Duration::from_secs(self.timestamp.into());
        if since.is_zero() { None } else { SystemTime::UNIX_EPOCH.checked_add(since) }
    }
}

impl<'a> Body<'a> for Netinfo {
    const NAME: &'static str = "NETINFO";

    /// An address of unknown type, or of a length that its type can't have, is none.
    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, timestamp) = be_u32(input)?;
        let (rest, receiver) = address(rest)?;
        let (rest, sender) = length_count(be_u8, address).parse(rest)?;
        let receiver = receiver.filter(|address| !address.is_unspecified());
        Ok((rest, Self { timestamp, receiver, sender: sender.into_iter().flatten().collect() }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u32(self.timestamp);
        put_address(self.receiver.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), out);
        out.put_u8(len_u8("own addresses", self.sender.len())?);
        for &address in &self.sender {
            put_address(address, out);
        }
        Ok(())
    }
}

impl ChanBody<'_> for Netinfo {
    const COMMAND: ChanCmd = ChanCmd::NETINFO;
}

fn address(input: &[u8]) -> IResult<&[u8], Option<IpAddr>> {
    let (rest, kind) = be_u8(input)?;
    let (rest, body) = length_data(be_u8).parse(rest)?;
    let address = match kind {
        4 => <[u8; 4]>::try_from(body).ok().map(IpAddr::from),
        6 => <[u8; 16]>::try_from(body).ok().map(IpAddr::from),
        // MUST ignore addresses of unrecognized types.
        _ => None,
    };
    Ok((rest, address))
}

fn put_address(address: IpAddr, out: &mut impl BufMut) {
    match address {
        IpAddr::V4(v4) => {
            out.put_slice(&[4, 4]);
            out.put_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.put_slice(&[6, 16]);
            out.put_slice(&v6.octets());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_can_not_be_are_skipped() {
        // Unknown types; IPv4 and IPv6 of wrong lengths; the last one is good.
        let body = [&[0; 4][..], &[9, 1, 0, 4], &[4, 3, 1, 2, 3, 6, 0, 0, 0, 4, 4, 1, 2, 3, 4]].concat();
        let netinfo = Netinfo::decode(&body).unwrap();
        assert_eq!((netinfo.receiver, netinfo.sender), (None, vec![[1, 2, 3, 4].into()]));
    }

    #[test]
    fn an_address_beyond_the_end_is_an_error() {
        let body = [&[0; 4][..], &[4, 4, 1, 2, 3, 4], &[1, 4, 4, 1, 2, 3]].concat();
        assert!(Netinfo::decode(&body).is_err());
    }
}
