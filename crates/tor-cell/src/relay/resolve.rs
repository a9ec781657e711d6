//! RESOLVE asks the exit to resolve a name, or to find the name of an address.
//! <https://spec.torproject.org/tor-spec/remote-hostname-lookup.html>

use std::{fmt::Write, net::IpAddr};

use bytes::BufMut;
use nom::{IResult, Parser, bytes::complete::take_until};

use super::{RelayCmd, UnwritableName};
use crate::{
    Body, RelayBody, TooLong,
    codec::{exactly, refuse},
};

/// RESOLVE: the name, and a zero byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolve<'a> {
    name: &'a str,
}

impl<'a> Resolve<'a> {
    /// Asks for the addresses of a host name, or for the name behind a [`reverse_name`].
    ///
    /// # Errors
    /// If the name holds a zero byte.
    pub fn new(name: &'a str) -> Result<Self, UnwritableName> {
        if name.contains('\0') { Err(UnwritableName) } else { Ok(Self { name }) }
    }

    /// The name; never with a zero byte.
    pub const fn name(&self) -> &'a str {
        self.name
    }
}

/// The name under which the DNS keeps the name of an address: in `in-addr.arpa` or `ip6.arpa`.
pub fn reverse_name(address: IpAddr) -> String {
    let mut name = String::with_capacity(72);
    match address {
        IpAddr::V4(v4) => {
            for octet in v4.octets().iter().rev() {
                let _ = write!(name, "{octet}.");
            }
            name.push_str("in-addr.arpa");
        }
        IpAddr::V6(v6) => {
            for octet in v6.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
            }
            name.push_str("ip6.arpa");
        }
    }
    name
}

impl<'a> Body<'a> for Resolve<'a> {
    const NAME: &'static str = "RESOLVE";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, text) = take_until(&[0][..]).parse(input)?;
        let (rest, ()) = exactly(0)(rest)?;
        match str::from_utf8(text) {
            Ok(name) => Ok((rest, Self { name })),
            Err(_) => refuse(input),
        }
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(self.name.as_bytes());
        out.put_u8(0);
        Ok(())
    }
}

impl<'a> RelayBody<'a> for Resolve<'a> {
    const COMMAND: RelayCmd = RelayCmd::RESOLVE;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_a_zero_byte() {
        assert_eq!(Resolve::decode(b"a.b\0junk").unwrap().name(), "a.b");
        assert!(Resolve::decode(b"a.b").is_err());
        assert_eq!(Resolve::new("a\0b"), Err(UnwritableName));
    }
}
