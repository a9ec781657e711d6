//! BEGIN opens a stream to an address and port; BEGIN_DIR opens one to the relay's own directory.
//! <https://spec.torproject.org/tor-spec/opening-streams.html>

use std::{num::NonZeroU16, ops::BitOr};

use bytes::BufMut;
use nom::{IResult, Parser, bytes::complete::take_until, combinator::value, number::complete::be_u32};
use thiserror::Error;

use super::RelayCmd;
use crate::{
    Body, RelayBody, TooLong,
    codec::{exactly, refuse, whole},
};

/// BEGIN.
///
/// | bytes | field |
/// |---|---|
/// | n | `address:port` in ASCII |
/// | 1 | zero |
/// | 4 | flags; none if they are not there |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin<'a> {
    address: &'a str,
    port: NonZeroU16,
    flags: BeginFlags,
}

/// BEGIN_DIR: no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeginDir;

/// Which kinds of address the client takes. They matter only for host names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BeginFlags(pub u32);

/// A name that the wire has no way to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a name that can be written")]
pub struct UnwritableName;

impl<'a> Begin<'a> {
    /// Asks for `address`: a host name, an IPv4 address, or an IPv6 address in brackets. Empty for the streams
    /// of an onion service.
    ///
    /// # Errors
    /// If the address holds a zero byte or, outside of brackets, a colon; or if the port is zero.
    pub fn new(address: &'a str, port: u16, flags: BeginFlags) -> Result<Self, UnwritableName> {
        let bracketed = address.starts_with('[') && address.ends_with(']');
        if address.contains('\0') || (address.contains(':') && !bracketed) {
            return Err(UnwritableName);
        }
        let port = NonZeroU16::new(port).ok_or(UnwritableName)?;
        Ok(Self { address, port, flags })
    }

    /// The address, as it was written; never with a zero byte.
    pub const fn address(&self) -> &'a str {
        self.address
    }

    /// The port, never zero.
    pub const fn port(&self) -> u16 {
        self.port.get()
    }

    /// The flags.
    pub const fn flags(&self) -> BeginFlags {
        self.flags
    }
}

impl BeginFlags {
    /// Nothing but IPv4.
    pub const NONE: Self = Self(0);
    /// IPv6 will do.
    pub const IPV6_OK: Self = Self(1);
    /// IPv4 will not do.
    pub const IPV4_NOT_OK: Self = Self(2);
    /// Rather IPv6 than IPv4.
    pub const IPV6_PREFERRED: Self = Self(4);

    /// True if all of `flags` are set here.
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for BeginFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl<'a> Body<'a> for Begin<'a> {
    const NAME: &'static str = "BEGIN";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        // The address ends at a zero byte, which must be there (TROVE-2026-007).
        let (rest, text) = take_until(&[0][..]).parse(input)?;
        let (rest, ()) = exactly(0)(rest)?;
        // Fewer than 4 bytes of flags are none.
        let (rest, flags) = be_u32::<_, nom::error::Error<_>>(rest).unwrap_or((rest, 0));
        let target = str::from_utf8(text).ok().and_then(|text| text.rsplit_once(':'));
        match target.and_then(|(address, port)| Self::new(address, decimal(port)?, BeginFlags(flags)).ok()) {
            Some(begin) => Ok((rest, begin)),
            None => refuse(input),
        }
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(self.address.as_bytes());
        out.put_u8(b':');
        out.put_slice(self.port.to_string().as_bytes());
        out.put_u8(0);
        if self.flags != BeginFlags::NONE {
            out.put_u32(self.flags.0);
        }
        Ok(())
    }
}

impl<'a> RelayBody<'a> for Begin<'a> {
    const COMMAND: RelayCmd = RelayCmd::BEGIN;
}

impl<'a> Body<'a> for BeginDir {
    const NAME: &'static str = "BEGIN_DIR";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        value(Self, whole).parse(input)
    }

    fn encode(&self, _: &mut impl BufMut) -> Result<(), TooLong> {
        Ok(())
    }
}

impl RelayBody<'_> for BeginDir {
    const COMMAND: RelayCmd = RelayCmd::BEGIN_DIR;
}

/// Digits only: the integer parser alone would take a sign too.
fn decimal(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_read_back_as_another() {
        let begin = |address| Begin::new(address, 80, BeginFlags::NONE);
        for good in ["", "example.com", "1.2.3.4", "[::1]", "[2001:db8::1]"] {
            assert!(begin(good).is_ok(), "{good}");
        }
        for bad in ["::1", "a:b", "[::1", "::1]", "a\0b"] {
            assert_eq!(begin(bad), Err(UnwritableName), "{bad}");
        }
        assert_eq!(Begin::new("a", 0, BeginFlags::NONE), Err(UnwritableName));
    }

    #[test]
    fn ports_are_digits() {
        for bad in
            ["a:0\0", "a:+80\0", "a:-1\0", "a: 80\0", "a:80 \0", "a:0x50\0", "a:65536\0", "2001:db8::1:22\0"]
        {
            assert!(Begin::decode(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(Begin::decode(b"a:0080\0").unwrap().port(), 80);
    }

    #[test]
    fn flags_are_all_there_or_none() {
        for (tail, flags) in [("", 0), ("\0", 0), ("\0\0\x01", 0), ("\0\0\0\x07", 7), ("\0\0\0\x07\x09", 7)] {
            let begin = Begin::decode(format!("a:1\0{tail}").as_bytes()).map(|begin| begin.flags());
            assert_eq!(begin, Ok(BeginFlags(flags)));
        }
        let both = BeginFlags::IPV6_OK | BeginFlags::IPV6_PREFERRED;
        assert!(both.contains(BeginFlags::IPV6_OK) && !both.contains(BeginFlags::IPV4_NOT_OK));
    }
}
