//! Client and onion service meet at a rendezvous point.
//! <https://spec.torproject.org/rend-spec/rendezvous-protocol.html>
//!
//! ```text
//! client ── ESTABLISH_RENDEZVOUS ───> point              the cookie
//! client <─ RENDEZVOUS_ESTABLISHED ── point
//!                                     point <── RENDEZVOUS1 ── service    the cookie, and the handshake
//! client <─ RENDEZVOUS2 ───────────── point              the handshake
//! ```

use std::fmt;

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::{map, value},
};

use super::RelayCmd;
use crate::{
    Body, RelayBody, TooLong,
    codec::{array, whole},
};

/// By this a rendezvous point joins two circuits: random, and known to client and service only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RendezvousCookie(pub [u8; 20]);

/// ESTABLISH_RENDEZVOUS: the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EstablishRendezvous {
    /// The cookie.
    pub cookie: RendezvousCookie,
}

/// RENDEZVOUS_ESTABLISHED: a body that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RendezvousEstablished;

/// RENDEZVOUS1: the cookie (20 bytes), and what goes on to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendezvous1<'a> {
    /// The cookie.
    pub cookie: RendezvousCookie,
    /// The body of RENDEZVOUS2: the handshake, and padding.
    pub handshake: &'a [u8],
}

/// RENDEZVOUS2: the service's half of the handshake, its key (32 bytes) and its proof (32 bytes). Padding may
/// follow, and is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendezvous2<'a> {
    /// The handshake.
    pub handshake: &'a [u8; 64],
}

impl RendezvousCookie {
    pub(super) fn parse(input: &[u8]) -> IResult<&[u8], Self> {
        map(array, |cookie| Self(*cookie)).parse(input)
    }
}

/// The cookie is a secret: whoever knows it can take the service's place.
impl fmt::Debug for RendezvousCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RendezvousCookie(..)")
    }
}

impl<'a> Body<'a> for EstablishRendezvous {
    const NAME: &'static str = "ESTABLISH_RENDEZVOUS";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(RendezvousCookie::parse, |cookie| Self { cookie }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(&self.cookie.0);
        Ok(())
    }
}

impl RelayBody<'_> for EstablishRendezvous {
    const COMMAND: RelayCmd = RelayCmd::ESTABLISH_RENDEZVOUS;
}

impl<'a> Body<'a> for RendezvousEstablished {
    const NAME: &'static str = "RENDEZVOUS_ESTABLISHED";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        value(Self, whole).parse(input)
    }

    fn encode(&self, _: &mut impl BufMut) -> Result<(), TooLong> {
        Ok(())
    }
}

impl RelayBody<'_> for RendezvousEstablished {
    const COMMAND: RelayCmd = RelayCmd::RENDEZVOUS_ESTABLISHED;
}

impl<'a> Body<'a> for Rendezvous1<'a> {
    const NAME: &'static str = "RENDEZVOUS1";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let parts = (RendezvousCookie::parse, whole);
        map(parts, |(cookie, handshake)| Self { cookie, handshake }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(&self.cookie.0);
        out.put_slice(self.handshake);
        Ok(())
    }
}

impl<'a> RelayBody<'a> for Rendezvous1<'a> {
    const COMMAND: RelayCmd = RelayCmd::RENDEZVOUS1;
}

impl<'a> Body<'a> for Rendezvous2<'a> {
    const NAME: &'static str = "RENDEZVOUS2";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(array, |handshake| Self { handshake }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(self.handshake);
        Ok(())
    }
}

impl<'a> RelayBody<'a> for Rendezvous2<'a> {
    const COMMAND: RelayCmd = RelayCmd::RENDEZVOUS2;
}
