//! The link handshake from the end that was dialled, as a relay has it with a client: for tests, and for the
//! relays of a network made for tests. <https://spec.torproject.org/tor-spec/negotiating-channels.html>
//!
//! ```text
//!   AwaitVersions ── VERSIONS ──▶ AwaitNetinfo ── NETINFO ──▶ Done
//!                     │
//!                     └─▶ VERSIONS, CERTS, AUTH_CHALLENGE, NETINFO
//! ```
//!
//! Left out on purpose: initiators that authenticate, which clients never do.

use std::net::IpAddr;

use bytes::BytesMut;
use tor_cell::{
    chan::{AuthChallenge, AuthMethod, CertEntry, CertKind, Certs, LinkVersion, Netinfo, Versions},
    frame::{ChanCmd, CircIdWidth, Frame},
};
use tor_id::certs::CertType;

use crate::{
    LinkError,
    handshake::{OFFERED, negotiate},
    put,
};

/// What a relay shows of itself.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The entries of CERTS, in order.
    pub certs: Vec<(CertType, Vec<u8>)>,
    /// The challenge of AUTH_CHALLENGE.
    pub challenge: [u8; 32],
    /// The time of NETINFO, seconds since the epoch; 0 says nothing.
    pub time: u32,
    /// The relay's addresses, for NETINFO.
    pub addresses: Vec<IpAddr>,
}

/// A relay's end of a handshake under way.
#[derive(Debug)]
pub struct Responder {
    state: Await,
}

/// What a cell has led to.
#[derive(Debug)]
pub enum ResponderStep {
    /// More cells are needed.
    Next(Responder),
    /// The link is open; the initiator has not said who it is.
    Done(LinkVersion),
}

#[derive(Debug)]
enum Await {
    Versions { credentials: Credentials, initiator: IpAddr },
    Netinfo(LinkVersion),
}

impl Responder {
    /// Waits for the initiator, which is at `initiator`.
    pub fn new(credentials: Credentials, initiator: IpAddr) -> Self {
        Self { state: Await::Versions { credentials, initiator } }
    }

    /// How wide the circuit ids of the cells are that arrive now.
    pub const fn width(&self) -> CircIdWidth {
        match self.state {
            Await::Versions { .. } => CircIdWidth::Two,
            Await::Netinfo(_) => CircIdWidth::Four,
        }
    }

    /// A cell has arrived. The answer is appended to `out`.
    ///
    /// # Errors
    /// What the initiator has done wrong.
    pub fn on_frame(self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<ResponderStep, LinkError> {
        if frame.command == ChanCmd::VPADDING {
            return Ok(ResponderStep::Next(self));
        }
        match self.state {
            Await::Versions { credentials, initiator } => {
                expect(ChanCmd::VERSIONS, frame)?;
                let version = negotiate(&frame.decode()?)?;
                credentials.send(initiator, out);
                Ok(ResponderStep::Next(Self { state: Await::Netinfo(version) }))
            }
            Await::Netinfo(version) => {
                expect(ChanCmd::NETINFO, frame)?;
                frame.decode::<Netinfo>()?;
                Ok(ResponderStep::Done(version))
            }
        }
    }
}

impl Credentials {
    fn send(self, initiator: IpAddr, out: &mut BytesMut) {
        put(&Versions { offered: OFFERED.to_vec() }, out);
        let certs =
            self.certs.iter().map(|(kind, body)| CertEntry { kind: CertKind(kind.0), body }).collect();
        put(&Certs { certs }, out);
        let methods = vec![AuthMethod::ED25519_SHA256_RFC5705];
        put(&AuthChallenge { challenge: &self.challenge, methods }, out);
        put(&Netinfo { timestamp: self.time, receiver: Some(initiator), sender: self.addresses }, out);
    }
}

fn expect(awaiting: ChanCmd, frame: &Frame<'_>) -> Result<(), LinkError> {
    if frame.command != awaiting {
        return Err(LinkError::Unexpected { awaiting, got: frame.command });
    }
    if frame.circ.is_some() {
        return Err(LinkError::CircuitId { command: frame.command });
    }
    Ok(())
}
