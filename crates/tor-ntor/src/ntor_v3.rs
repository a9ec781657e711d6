//! ntor-v3: ntor over SHA-3, with a message each way.
//! <https://spec.torproject.org/proposals/332-ntor-v3-with-extra-data.html>
//!
//! | onionskin | reply |
//! |---|---|
//! | NODEID: the relay's Ed25519 identity, 32 bytes | Y: the relay's fresh key, 32 bytes |
//! | KEYID: its onion key B, 32 bytes | AUTH, 32 bytes |
//! | X: the client's fresh key, 32 bytes | the relay's message, encrypted |
//! | the client's message, encrypted | |
//! | MAC over all of it, 32 bytes | |
//!
//! The messages are what a circuit negotiates: [`CircuitRequest`] and [`CircuitReply`]. The client's has no
//! forward secrecy.

use rand_core::CryptoRng;
use tor_id::Ed25519Id;

use crate::{ClientHandshake, HandshakeError, KeyPair, KeySeed, OnionKey, RelayHandshake};

mod exchange;
mod extension;

pub use extension::{CircuitReply, CircuitRequest, Subprotocol};

/// The relay that a client shakes hands with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtorV3Target {
    /// Its Ed25519 identity: NODEID.
    pub ed25519: Ed25519Id,
    /// Its onion key B, the same as for ntor.
    pub onion_key: OnionKey,
}

/// A client that has sent its onionskin.
#[derive(Debug)]
pub struct NtorV3Client {
    pending: exchange::Pending,
    request: CircuitRequest,
}

/// A relay that answers ntor-v3.
#[derive(Clone, Copy, Debug)]
pub struct NtorV3Relay;

/// What the relay knows of itself.
#[derive(Debug)]
pub struct NtorV3Keys {
    /// Its Ed25519 identity.
    pub ed25519: Ed25519Id,
    /// Its onion keys: the current one, and those that clients may still use.
    pub onion_keys: Vec<KeyPair>,
}

impl ClientHandshake for NtorV3Client {
    type Relay = NtorV3Target;
    type Request = CircuitRequest;
    type Reply = CircuitReply;

    fn start(
        relay: &NtorV3Target,
        request: &CircuitRequest,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let message = request.encode()?;
        let (pending, onionskin) = exchange::Pending::start(relay, VERIFICATION, &message, rng)?;
        Ok((Self { pending, request: request.clone() }, onionskin))
    }

    fn finish(self, reply: &[u8]) -> Result<(CircuitReply, KeySeed), HandshakeError> {
        let (message, seed) = self.pending.finish(reply)?;
        let reply = CircuitReply::decode(&message)?;
        if reply.sendme_inc.is_some() && !self.request.congestion_control {
            return Err(HandshakeError::Unsolicited { what: "congestion control" });
        }
        Ok((reply, seed))
    }
}

impl RelayHandshake for NtorV3Relay {
    type Keys = NtorV3Keys;
    type Request = CircuitRequest;
    type Reply = CircuitReply;

    fn answer(
        keys: &NtorV3Keys,
        onionskin: &[u8],
        choose: impl FnOnce(&CircuitRequest) -> Option<CircuitReply>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, KeySeed), HandshakeError> {
        let (received, message) = exchange::Received::read(keys, VERIFICATION, onionskin)?;
        let request = CircuitRequest::decode(&message)?;
        let reply = choose(&request).ok_or(HandshakeError::Refused)?;
        received.answer(&reply.encode(), rng)
    }
}

/// VER of every handshake that makes or extends a circuit.
const VERIFICATION: &[u8] = b"circuit extend";
