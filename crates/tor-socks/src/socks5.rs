//! SOCKS5 messages: RFC 1928, and RFC 1929 for username and password.
//!
//! | methods | | password | | request | |
//! |---|---|---|---|---|---|
//! | 1 | 5 | 1 | 1 | 1 | 5 |
//! | 1 + n | methods | 1 + n | username | 1 | command |
//! | | | 1 + n | password | 1 | 0 |
//! | | | | | 1 | address type: 1 IPv4, 3 name, 4 IPv6 |
//! | | | | | 4, 1 + n or 16 | address |
//! | | | | | 2 | port |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nom::{
    IResult, Parser,
    bytes::streaming::tag,
    combinator::{map, success},
    multi::length_data,
    number::streaming::{be_u8, be_u16, be_u32, be_u128},
    sequence::{preceded, separated_pair},
};

use crate::{Command, Credentials, Host, Request, SocksError, Version, hostname::parse_host};

/// No authentication required.
pub(crate) const NO_AUTH: u8 = 0;
/// Username and password.
pub(crate) const PASSWORD: u8 = 2;
/// None of the client's methods will do.
pub(crate) const NO_METHOD: u8 = 0xff;

/// The bytes of a request, not judged yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    command: u8,
    address: Address<'a>,
    port: u16,
}

#[derive(Clone, Copy, Debug)]
enum Address<'a> {
    Ip(IpAddr),
    Name(&'a [u8]),
    Unknown(u8),
}

pub(crate) fn methods(input: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(tag(&[5][..]), length_data(be_u8)).parse(input)
}

pub(crate) fn password(input: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    preceded(tag(&[1][..]), (length_data(be_u8), length_data(be_u8))).parse(input)
}

pub(crate) fn request(input: &[u8]) -> IResult<&[u8], Raw<'_>> {
    let (rest, (command, kind)) =
        preceded(tag(&[5][..]), separated_pair(be_u8, tag(&[0][..]), be_u8)).parse(input)?;
    let (rest, address) = match kind {
        1 => map(be_u32, |bits| Address::Ip(Ipv4Addr::from_bits(bits).into())).parse(rest)?,
        3 => map(length_data(be_u8), Address::Name).parse(rest)?,
        4 => map(be_u128, |bits| Address::Ip(Ipv6Addr::from_bits(bits).into())).parse(rest)?,
        // Nobody knows where such a request ends: judge what is there.
        _ => {
            return map(success(()), |()| Raw { command, address: Address::Unknown(kind), port: 0 })
                .parse(rest);
        }
    };
    map(be_u16, |port| Raw { command, address, port }).parse(rest)
}

/// Picks a method among those that the client offers: password if there is one, since it isolates, unless the port
/// prefers none.
pub(crate) fn choose(offered: &[u8], prefer_no_auth: bool) -> Option<u8> {
    let preference = if prefer_no_auth { [NO_AUTH, PASSWORD] } else { [PASSWORD, NO_AUTH] };
    preference.into_iter().find(|method| offered.contains(method))
}

/// Takes any username and password, but for the one kind of username that means something.
pub(crate) fn credentials(username: &[u8], password: &[u8]) -> Result<Credentials, SocksError> {
    // Proposal 351: a username that starts so asks for extended parameters. Format 0 without an object id is plain
    // isolation by password; every other format MUST be refused rather than taken for a name.
    if username.starts_with(b"<torS0X>") && username != b"<torS0X>0" {
        return Err(SocksError::ExtendedParameters);
    }
    Ok(Credentials::new(username, password))
}

impl Raw<'_> {
    pub(crate) fn judge(
        self,
        credentials: Option<Credentials>,
        extended_errors: bool,
    ) -> Result<Request, SocksError> {
        if let Address::Unknown(kind) = self.address {
            return Err(SocksError::AddressType(kind));
        }
        let command = Command::from_wire(self.command).ok_or(SocksError::Command(self.command))?;
        let (host, given_as_address) = match self.address {
            Address::Ip(ip) => (Some(Host::Ip(ip)), true),
            Address::Name(name) => (parse_host(name), false),
            Address::Unknown(_) => (None, false),
        };
        let host = match (command, host) {
            (Command::ResolvePtr, Some(Host::Name(_)) | None) => return Err(SocksError::NotAnAddress),
            (Command::Connect | Command::Resolve, None) => return Err(SocksError::Hostname),
            (Command::Connect | Command::Resolve | Command::ResolvePtr, Some(host)) => host,
        };
        if self.port == 0 && command == Command::Connect {
            return Err(SocksError::ZeroPort);
        }
        let bare_address = given_as_address && command != Command::ResolvePtr;
        let version = Version::V5;
        Ok(Request { version, command, host, port: self.port, credentials, bare_address, extended_errors })
    }
}
