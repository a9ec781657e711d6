//! The handshake under way with the hop that is to be, of whichever kind.

use rand_core::CryptoRng;
use tor_cell::{HandshakeType, frame::ChanCmd};
use tor_ntor::{
    CircuitRequest, ClientHandshake, FastClient, HandshakeError, NtorClient, NtorTarget, NtorV3Client,
    NtorV3Target, Tor1Keys,
};

use crate::{HopHandshake, HopSpec, SendError};

/// Our half, ready to be sent.
pub(crate) struct Onionskin {
    /// `None` for CREATE_FAST, which has a cell of its own.
    pub(crate) kind: Option<HandshakeType>,
    /// What to send.
    pub(crate) bytes: Vec<u8>,
}

/// What we keep until the answer comes.
pub(crate) enum Pending {
    Fast(FastClient),
    Ntor(NtorClient),
    NtorV3(NtorV3Client),
}

impl Pending {
    pub(crate) fn start(relay: &HopSpec, rng: &mut impl CryptoRng) -> Result<(Self, Onionskin), SendError> {
        match relay.handshake {
            HopHandshake::CreateFast => {
                let (state, bytes) = FastClient::start(&(), &(), rng)?;
                Ok((Self::Fast(state), Onionskin { kind: None, bytes }))
            }
            HopHandshake::Ntor { onion_key } => {
                let target = NtorTarget { rsa: relay.ids.rsa, onion_key };
                let (state, bytes) = NtorClient::start(&target, &(), rng)?;
                Ok((Self::Ntor(state), Onionskin { kind: Some(HandshakeType::NTOR), bytes }))
            }
            HopHandshake::NtorV3 { onion_key } => {
                let ed25519 =
                    relay.ids.ed25519.ok_or(SendError::BadHop("its Ed25519 identity is unknown"))?;
                let target = NtorV3Target { ed25519, onion_key };
                let (state, bytes) = NtorV3Client::start(&target, &CircuitRequest::default(), rng)?;
                Ok((Self::NtorV3(state), Onionskin { kind: Some(HandshakeType::NTOR_V3), bytes }))
            }
        }
    }

    /// True if a cell of this command answers it.
    pub(crate) fn is_answered_by(&self, command: ChanCmd) -> bool {
        command
            == match self {
                Self::Fast(_) => ChanCmd::CREATED_FAST,
                Self::Ntor(_) | Self::NtorV3(_) => ChanCmd::CREATED2,
            }
    }

    /// The keys, if `reply` proves that the relay is who it should be.
    pub(crate) fn finish(self, reply: &[u8]) -> Result<Tor1Keys, HandshakeError> {
        let seed = match self {
            Self::Fast(state) => state.finish(reply)?.1,
            Self::Ntor(state) => state.finish(reply)?.1,
            Self::NtorV3(state) => state.finish(reply)?.1,
        };
        let (keys, _kh) = seed.tor1();
        Ok(keys)
    }
}
