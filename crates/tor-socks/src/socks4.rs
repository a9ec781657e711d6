//! SOCKS4 and SOCKS4a requests.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | 4 |
//! | 1 | command |
//! | 2 | port |
//! | 4 | IPv4 address; 0.0.0.1 to 0.0.0.255 announce a hostname (SOCKS4a) |
//! | n + 1 | user id, ended by a zero byte |
//! | n + 1 | hostname, ended by a zero byte; SOCKS4a only |

use std::net::Ipv4Addr;

use nom::{
    IResult, Parser,
    bytes::streaming::{tag, take_till},
    combinator::{cond, map},
    number::streaming::{be_u8, be_u16, be_u32},
    sequence::terminated,
};

use crate::{Command, Credentials, Host, Request, SocksError, Version, hostname::parse_host};

/// A request must be over within this many bytes.
pub(crate) const MAX_LEN: usize = 512;

/// The bytes of a request, not judged yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    command: u8,
    port: u16,
    address: Ipv4Addr,
    user: &'a [u8],
    name: Option<&'a [u8]>,
}

pub(crate) fn parse(input: &[u8]) -> IResult<&[u8], Raw<'_>> {
    let (rest, _) = tag(&[4][..])(input)?;
    let (rest, (command, port, address)) = (be_u8, be_u16, map(be_u32, Ipv4Addr::from_bits)).parse(rest)?;
    let (rest, user) = zero_ended(rest)?;
    let announces_name = matches!(address.octets(), [0, 0, 0, mark] if mark != 0);
    let (rest, name) = cond(announces_name, zero_ended).parse(rest)?;
    Ok((rest, Raw { command, port, address, user, name }))
}

impl Raw<'_> {
    pub(crate) fn judge(self, extended_errors: bool) -> Result<Request, SocksError> {
        let command = match Command::from_wire(self.command) {
            Some(command @ (Command::Connect | Command::Resolve)) => command,
            Some(Command::ResolvePtr) | None => return Err(SocksError::Command(self.command)),
        };
        if self.port == 0 && command == Command::Connect {
            return Err(SocksError::ZeroPort);
        }
        if self.address.is_unspecified() {
            return Err(SocksError::ZeroAddress);
        }
        let (version, host) = match self.name {
            None => (Version::V4, Host::Ip(self.address.into())),
            // 255 bytes is what SOCKS5 and BEGIN can carry.
            Some(name) if name.len() > 255 => return Err(SocksError::TooLong),
            Some(name) => (Version::V4a, parse_host(name).ok_or(SocksError::Hostname)?),
        };
        let credentials = (!self.user.is_empty()).then(|| Credentials::new(self.user, &[]));
        let bare_address = version == Version::V4;
        Ok(Request { version, command, host, port: self.port, credentials, bare_address, extended_errors })
    }
}

fn zero_ended(input: &[u8]) -> IResult<&[u8], &[u8]> {
    terminated(take_till(|byte| byte == 0), tag(&[0][..])).parse(input)
}
