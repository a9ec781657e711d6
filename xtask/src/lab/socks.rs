//! The application's end of SOCKS, blocking and small.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::client::connect;

/// A SOCKS port on loopback.
#[derive(Clone, Debug)]
pub(crate) struct Socks {
    pub(crate) port: u16,
}

/// Where to connect to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    Name(&'a str),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// What the proxy said.
#[derive(Debug)]
pub(crate) enum Reply {
    Open(TcpStream),
    /// The reply code of SOCKS5 or SOCKS4.
    Refused(u8),
}

impl Socks {
    pub(crate) const fn at(port: u16) -> Self {
        Self { port }
    }

    /// For `--socks5-hostname`.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// CONNECT by SOCKS5 without authentication; `patience` bounds every wait.
    pub(crate) fn connect5(&self, target: Target<'_>, port: u16, patience: Duration) -> Result<Reply> {
        let mut stream = connect(self.address(), patience)?;
        stream.write_all(&[5, 1, 0])?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen)?;
        ensure!(chosen == [5, 0], "the proxy chose {chosen:02x?} where no authentication was offered");
        let mut request = vec![5, 1, 0];
        match target {
            Target::V4(address) => {
                request.push(1);
                request.extend(address.octets());
            }
            Target::Name(name) => {
                request.push(3);
                request.push(u8::try_from(name.len())?);
                request.extend(name.bytes());
            }
            Target::V6(address) => {
                request.push(4);
                request.extend(address.octets());
            }
        }
        request.extend(port.to_be_bytes());
        stream.write_all(&request)?;
        let mut head = [0; 4];
        stream.read_exact(&mut head)?;
        let [version, code, reserved, kind] = head;
        ensure!(version == 5 && reserved == 0, "odd SOCKS5 reply {head:02x?}");
        if code != 0 {
            return Ok(Reply::Refused(code));
        }
        let rest = match kind {
            1 => 6,
            4 => 18,
            kind => bail!("address type {kind} in a SOCKS5 reply"),
        };
        stream.read_exact(vec![0; rest].as_mut_slice())?;
        Ok(Reply::Open(stream))
    }

    /// CONNECT by SOCKS4a.
    pub(crate) fn connect4a(&self, name: &str, port: u16, patience: Duration) -> Result<Reply> {
        let mut stream = connect(self.address(), patience)?;
        let mut request = vec![4, 1];
        request.extend(port.to_be_bytes());
        request.extend([0, 0, 0, 1, 0]);
        request.extend(name.bytes());
        request.push(0);
        stream.write_all(&request)?;
        let mut reply = [0; 8];
        stream.read_exact(&mut reply)?;
        let [version, code, ..] = reply;
        ensure!(version == 0, "odd SOCKS4 reply {reply:02x?}");
        Ok(if code == 0x5a { Reply::Open(stream) } else { Reply::Refused(code) })
    }
}

impl Reply {
    /// The connection.
    pub(crate) fn open(self) -> Result<TcpStream> {
        match self {
            Self::Open(stream) => Ok(stream),
            Self::Refused(code) => bail!("the proxy refused with code {code}"),
        }
    }

    /// The code of a refusal.
    pub(crate) fn refused(self) -> Result<u8> {
        match self {
            Self::Open(_) => bail!("the proxy connected where it could not"),
            Self::Refused(code) => Ok(code),
        }
    }
}
