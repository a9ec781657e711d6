//! A request that is all there, and the replies to it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bytes::BufMut;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Failure, Status};

/// What an application asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The protocol that it speaks.
    pub version: Version,
    /// What to do with the target.
    pub command: Command,
    /// Whom it wants.
    pub host: Host,
    /// The target's port: not 0 for CONNECT, and without meaning for the others.
    pub port: u16,
    /// The username and password, or the SOCKS4 user id, if any. Not checked against anything: they isolate.
    pub credentials: Option<Credentials>,
    /// The application gave an IP address where it could have given a name: it may have looked up the name itself,
    /// outside of Tor. Worth a warning, or a refusal with [`Status::NOT_ALLOWED`] under `SafeSocks`, unless the
    /// address is one that Tor itself made up for a name.
    pub bare_address: bool,
    pub(crate) extended_errors: bool,
}

/// Which SOCKS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// SOCKS4: IPv4 addresses only.
    V4,
    /// SOCKS4a: SOCKS4 with a hostname.
    V4a,
    /// SOCKS5.
    V5,
}

/// What to do with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Open a connection (1).
    Connect,
    /// Look the name up (0xF0, Tor's extension).
    Resolve,
    /// Look the address up in reverse (0xF1, Tor's extension); the host is [`Host::Ip`].
    ResolvePtr,
}

/// A hostname or an address. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A hostname in ASCII, at most 255 bytes; case and final dot are as the application wrote them.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

/// A username and password that label a stream for isolation. Never shown, and erased from memory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Zeroize, ZeroizeOnDrop)]
pub struct Credentials {
    username: Vec<u8>,
    password: Vec<u8>,
}

impl Request {
    /// Writes the reply to a request that worked. CONNECT needs no address; RESOLVE brings the address found,
    /// RESOLVE_PTR the name. (SOCKS4 can't carry any address but IPv4: there, any other is a failure.)
    pub fn succeed(&self, bound: Option<(&Host, u16)>, out: &mut impl BufMut) {
        self.reply(Status::SUCCEEDED, bound, out);
    }

    /// Writes the reply to a request that failed. The extended code is said if the port has `ExtendedErrors`, and only
    /// in SOCKS5.
    pub fn fail(&self, failure: impl Into<Failure>, out: &mut impl BufMut) {
        let failure = failure.into();
        let extended = failure.extended.filter(|_| self.extended_errors);
        self.reply(extended.unwrap_or(failure.status), None, out);
    }

    /// Writes a reply with any status and bound address.
    pub fn reply(&self, status: Status, bound: Option<(&Host, u16)>, out: &mut impl BufMut) {
        match self.version {
            Version::V4 | Version::V4a => put_socks4(status, bound, out),
            Version::V5 => {
                let unspecified = match self.host {
                    Host::Ip(IpAddr::V6(_)) => Host::Ip(Ipv6Addr::UNSPECIFIED.into()),
                    Host::Ip(IpAddr::V4(_)) | Host::Name(_) => Host::Ip(Ipv4Addr::UNSPECIFIED.into()),
                };
                put_socks5(status, bound.unwrap_or((&unspecified, 0)), out);
            }
        }
    }
}

/// | bytes | field |
/// |---|---|
/// | 1 | 0 |
/// | 1 | 0x5A granted, 0x5B rejected |
/// | 2 | port |
/// | 4 | IPv4 address |
pub(crate) fn put_socks4(status: Status, bound: Option<(&Host, u16)>, out: &mut impl BufMut) {
    let (status, address, port) = match bound {
        None => (status, Ipv4Addr::UNSPECIFIED, 0),
        Some((Host::Ip(IpAddr::V4(address)), port)) => (status, *address, port),
        Some((Host::Ip(IpAddr::V6(_)) | Host::Name(_), _)) => {
            (Status::GENERAL_FAILURE, Ipv4Addr::UNSPECIFIED, 0)
        }
    };
    out.put_slice(&[0, status.to_socks4()]);
    out.put_u16(port);
    out.put_slice(&address.octets());
}

/// | bytes | field |
/// |---|---|
/// | 1 | 5 |
/// | 1 | status |
/// | 1 | 0 |
/// | 1 | address type: 1 IPv4, 3 name, 4 IPv6 |
/// | 4, 1 + n or 16 | address; a name is length-prefixed |
/// | 2 | port |
pub(crate) fn put_socks5(status: Status, (host, port): (&Host, u16), out: &mut impl BufMut) {
    out.put_slice(&[5, status.0, 0]);
    match host {
        Host::Ip(IpAddr::V4(address)) => {
            out.put_u8(1);
            out.put_slice(&address.octets());
        }
        Host::Ip(IpAddr::V6(address)) => {
            out.put_u8(4);
            out.put_slice(&address.octets());
        }
        Host::Name(name) => {
            // A name that does not fit is cut rather than the reply broken; none from a relay is that long.
            let name = name.as_bytes();
            let name = name.get(..255).unwrap_or(name);
            out.put_slice(&[3, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
            out.put_slice(name);
        }
    }
    out.put_u16(port);
}

impl Command {
    pub(crate) const fn from_wire(raw: u8) -> Option<Self> {
        match raw {
            1 => Some(Self::Connect),
            0xf0 => Some(Self::Resolve),
            0xf1 => Some(Self::ResolvePtr),
            _ => None,
        }
    }
}

impl Credentials {
    /// A username and password, each possibly empty. A SOCKS4 user id is a username without a password.
    pub fn new(username: &[u8], password: &[u8]) -> Self {
        Self { username: username.to_vec(), password: password.to_vec() }
    }

    /// The username, for isolation and not for logs.
    pub fn username(&self) -> &[u8] {
        &self.username
    }

    /// The password, for isolation and not for logs.
    pub fn password(&self) -> &[u8] {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name(_) => "Name([scrubbed])",
            Self::Ip(_) => "Ip([scrubbed])",
        })
    }
}
