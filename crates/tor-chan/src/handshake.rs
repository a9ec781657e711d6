//! The link handshake, from the end that dialled.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html>
//!
//! ```text
//!   we                                       relay
//!    │ ── VERSIONS 3 4 5 ────────────────────▶ │
//!    │ ◀─────────────────────────── VERSIONS ──│   AwaitVersions    circuit ids have 2 bytes until here
//!    │ ◀────────────────────────────── CERTS ──│   AwaitCerts       now we know who it is
//!    │ ── NETINFO ───────────────────────────▶ │
//!    │ ◀───────────────────── AUTH_CHALLENGE ──│   AwaitChallenge   clients do not answer it
//!    │ ◀──────────────────────────── NETINFO ──│   AwaitNetinfo
//!    ▼                                         │
//!   Link
//! ```
//!
//! VPADDING may come at any time, and so may AUTHORIZE; a further VERSIONS, and variable-length cells that we
//! do not know, are ignored, as in C Tor. Every other cell is an error if it is not the one that is awaited.
//!
//! Left out on purpose: TLS, which the caller has finished by now, with any certificate; what counts is that
//! it passes that certificate's digest in [`Target`].

use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use tor_cell::{
    CircId,
    chan::{AuthChallenge, Certs, LinkVersion, Netinfo, Versions},
    frame::{ChanCmd, CircIdWidth, Frame},
};
use tor_id::{Ed25519Id, RelayIds, RsaId, Sensitive};

use crate::{LinkError, certs::authenticate, put};

/// A handshake may take so long, from the end of TLS. (C Tor leaves it to `KeepalivePeriod`, 5 minutes; by
/// then every circuit that waited for the channel has been given up.)
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// A relay may send so many bytes until its NETINFO. C Tor's relays send about 3,000.
pub const MAX_HANDSHAKE_BYTES: usize = 1 << 17;

/// The versions that we offer are C Tor's, so that the cell does not give us away; 3 is never agreed on.
pub(crate) const OFFERED: [LinkVersion; 3] = [LinkVersion::V3, LinkVersion::V4, LinkVersion::V5];

/// Whom we have dialled, and over what.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who should answer.
    pub expected: Expected,
    /// SHA-256 of the certificate (in DER) by which the other end of the TLS connection was authenticated.
    pub tls_cert_sha256: [u8; 32],
    /// The relay's address, which NETINFO tells it.
    pub address: Sensitive<IpAddr>,
}

/// Who should answer. `None` means: whoever it is (a bridge line may name no identity).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The RSA identity.
    pub rsa: Option<RsaId>,
    /// The Ed25519 identity.
    pub ed25519: Option<Ed25519Id>,
}

/// A link whose other end is authenticated.
#[derive(Clone, Debug)]
pub struct Link {
    /// The protocol that both ends speak from now on, 4 or 5.
    pub version: LinkVersion,
    /// Who the relay is. Both identities are proved, so the Ed25519 one is never `None`.
    pub peer: RelayIds,
    /// Seconds by which our clock is ahead of the relay's, negative if it is behind. `None` if the relay did
    /// not say its time. A claim, not a proof: only a trusted relay's should be believed.
    pub clock_skew: Option<i64>,
    /// Where the relay says that we are. A claim.
    pub our_address: Option<Sensitive<IpAddr>>,
    /// True if the relay says that the address which we dialled is its own.
    pub canonical: bool,
}

/// What a cell has led to.
#[derive(Debug)]
pub enum Step {
    /// More cells are needed.
    Next(Handshake),
    /// The link is open. Bytes after this cell belong to the channel.
    Done(Link),
}

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake {
    state: Await,
    deadline: Instant,
    received: usize,
}

#[derive(Debug)]
enum Await {
    Versions(Target),
    Certs(AwaitCerts),
    Challenge(Authenticated),
    Netinfo(Authenticated),
}

#[derive(Debug)]
struct AwaitCerts {
    target: Target,
    version: LinkVersion,
}

#[derive(Debug)]
struct Authenticated {
    version: LinkVersion,
    peer: RelayIds,
    address: Sensitive<IpAddr>,
}

impl Handshake {
    /// Begins a handshake at `now`, when TLS is done: appends VERSIONS to `out`.
    pub fn start(target: Target, now: Instant, out: &mut BytesMut) -> Self {
        put(&Versions { offered: OFFERED.to_vec() }, out);
        Self { state: Await::Versions(target), deadline: now + HANDSHAKE_TIMEOUT, received: 0 }
    }

    /// The next cell of what has been received, or `None` until more bytes arrive. Of a cell that has no place
    /// here, the header is enough to be refused: a peer that speaks something else is not waited for.
    ///
    /// # Errors
    /// If the cell is not one that may come now.
    pub fn frame<'a>(&self, input: &'a [u8]) -> Result<Option<Frame<'a>>, LinkError> {
        if let Some((circ, command)) = header(input, self.width()) {
            self.state.admit(circ, command)?;
        }
        Ok(Frame::read(input, self.width()))
    }

    /// A cell has arrived. `wall` is the time of day. What we have to say is appended to `out`.
    ///
    /// # Errors
    /// What the relay has done wrong, or why it is not the one that was expected.
    pub fn on_frame(
        self,
        frame: &Frame<'_>,
        wall: SystemTime,
        out: &mut BytesMut,
    ) -> Result<Step, LinkError> {
        let received = self.received.saturating_add(frame.len);
        if received > MAX_HANDSHAKE_BYTES {
            return Err(LinkError::TooLong);
        }
        let awaited = self.state.admit(frame.circ, frame.command)?;
        let state = match self.state {
            state if !awaited => state,
            Await::Versions(target) => {
                let version = negotiate(&frame.decode()?)?;
                Await::Certs(AwaitCerts { target, version })
            }
            Await::Certs(state) => Await::Challenge(state.on_certs(&frame.decode()?, wall, out)?),
            Await::Challenge(state) => {
                frame.decode::<AuthChallenge<'_>>()?;
                Await::Netinfo(state)
            }
            Await::Netinfo(state) => {
                return Ok(Step::Done(state.on_netinfo(&frame.decode()?, wall)));
            }
        };
        Ok(Step::Next(Self { state, deadline: self.deadline, received }))
    }

    /// How wide the circuit ids of the cells are that arrive now.
    pub const fn width(&self) -> CircIdWidth {
        match self.state {
            // MUST: the first VERSIONS cell, and any before it, have 2 bytes (tor-spec 3).
            Await::Versions(_) => CircIdWidth::Two,
            Await::Certs(_) | Await::Challenge(_) | Await::Netinfo(_) => CircIdWidth::Four,
        }
    }

    /// When to give up, with [`LinkError::TimedOut`].
    pub const fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}

impl Await {
    const fn awaits(&self) -> ChanCmd {
        match self {
            Self::Versions(_) => ChanCmd::VERSIONS,
            Self::Certs(_) => ChanCmd::CERTS,
            Self::Challenge(_) => ChanCmd::AUTH_CHALLENGE,
            Self::Netinfo(_) => ChanCmd::NETINFO,
        }
    }

    /// True if this is the cell that we wait for, false if it is to be ignored.
    fn admit(&self, circ: Option<CircId>, command: ChanCmd) -> Result<bool, LinkError> {
        let awaiting = self.awaits();
        let ignored = match command {
            // MUST: "the first cell must be VERSIONS, VPADDING, or AUTHORIZE, and no other cell type is
            // allowed to intervene besides those specified, except for VPADDING cells." (tor-spec 4)
            ChanCmd::VPADDING | ChanCmd::AUTHORIZE => true,
            // MUST: "Any VERSIONS cells sent after the first VERSIONS cell MUST be ignored." (4.1)
            ChanCmd::VERSIONS => awaiting != ChanCmd::VERSIONS,
            // As C Tor does with what a later version may send.
            _ => awaiting != ChanCmd::VERSIONS && command.is_variable() && !command.is_known(),
        };
        if !ignored && command != awaiting {
            return Err(LinkError::Unexpected { awaiting, got: command });
        }
        if circ.is_some() {
            return Err(LinkError::CircuitId { command });
        }
        Ok(!ignored)
    }
}

/// MUST: "Both parties MUST select as the link protocol version the highest number contained both in the
/// VERSIONS cell they sent and in the versions cell they received." Of ours, 3 is there for looks.
pub(crate) fn negotiate(theirs: &Versions) -> Result<LinkVersion, LinkError> {
    theirs.best(&OFFERED).filter(|&best| best >= LinkVersion::V4).ok_or(LinkError::NoSharedVersion)
}

impl AwaitCerts {
    fn on_certs(
        self,
        certs: &Certs<'_>,
        wall: SystemTime,
        out: &mut BytesMut,
    ) -> Result<Authenticated, LinkError> {
        let Target { expected, tls_cert_sha256, address } = self.target;
        let peer = authenticate(certs, &tls_cert_sha256, &expected, wall)?;
        // MUST: "If it does not want to authenticate, it MUST send a NETINFO cell." Without time and address
        // of ours: both would tell clients apart.
        let receiver = Some(*address.reveal());
        put(&Netinfo { timestamp: 0, receiver, sender: Vec::new() }, out);
        Ok(Authenticated { version: self.version, peer, address })
    }
}

impl Authenticated {
    fn on_netinfo(self, netinfo: &Netinfo, wall: SystemTime) -> Link {
        let ours = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let ours = i64::try_from(ours).unwrap_or(i64::MAX);
        Link {
            version: self.version,
            peer: self.peer,
            clock_skew: (netinfo.timestamp != 0).then(|| ours.saturating_sub(netinfo.timestamp.into())),
            our_address: netinfo.receiver.map(Sensitive::new),
            canonical: netinfo.sender.contains(self.address.reveal()),
        }
    }
}

impl Expected {
    /// Compares with who the relay is: both its identities are proved.
    pub(crate) fn compare(&self, rsa: RsaId, ed25519: Ed25519Id) -> Result<(), LinkError> {
        if let Some(expected) = self.rsa.filter(|expected| *expected != rsa) {
            return Err(LinkError::WrongRsaId { expected, got: rsa });
        }
        if let Some(expected) = self.ed25519.filter(|expected| *expected != ed25519) {
            return Err(LinkError::WrongEd25519Id { expected, got: ed25519 });
        }
        Ok(())
    }
}

impl From<RelayIds> for Expected {
    fn from(ids: RelayIds) -> Self {
        Self { rsa: Some(ids.rsa), ed25519: ids.ed25519 }
    }
}

/// Circuit id and command at the front of `input`, as soon as they are there.
pub(crate) fn header(input: &[u8], width: CircIdWidth) -> Option<(Option<CircId>, ChanCmd)> {
    let (raw, rest) = match width {
        CircIdWidth::Two => {
            let (id, rest) = input.split_first_chunk()?;
            (u16::from_be_bytes(*id).into(), rest)
        }
        CircIdWidth::Four => {
            let (id, rest) = input.split_first_chunk()?;
            (u32::from_be_bytes(*id), rest)
        }
    };
    Some((CircId::from_wire(raw), ChanCmd(*rest.first()?)))
}
