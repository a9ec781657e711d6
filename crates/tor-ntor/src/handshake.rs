//! The two ends of a handshake, as traits.

use rand_core::CryptoRng;

use crate::{HandshakeError, KeySeed};

/// The client's end. `Self` is the pending state: [`start`](Self::start) makes it, and
/// [`finish`](Self::finish) spends it, so that no ephemeral key sees two replies.
pub trait ClientHandshake: Sized {
    /// What the client knows about the relay.
    type Relay;
    /// What it asks for.
    type Request;
    /// What it is granted.
    type Reply;

    /// Begins: the state to keep, and the onionskin to send.
    ///
    /// # Errors
    /// If the relay's public key is degenerate, or the request too long.
    fn start(
        relay: &Self::Relay,
        request: &Self::Request,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), HandshakeError>;

    /// Ends: checks the relay's reply, which must have exactly the handshake's length.
    ///
    /// # Errors
    /// If the reply was not made by the holder of the relay's private key, for this onionskin.
    fn finish(self, reply: &[u8]) -> Result<(Self::Reply, KeySeed), HandshakeError>;
}

/// The relay's end.
///
/// This crate's relays serve tests: they do not hide, by their timing, which onion keys they have.
pub trait RelayHandshake {
    /// Whom the relay is, and its private keys.
    type Keys;
    /// What a client asks for.
    type Request;
    /// What it is granted.
    type Reply;

    /// Answers an onionskin: the reply to send, and the keys. `choose` decides what is granted, or that the
    /// handshake is refused.
    ///
    /// # Errors
    /// If the onionskin is malformed, for another relay or key, degenerate, or refused.
    fn answer(
        keys: &Self::Keys,
        onionskin: &[u8],
        choose: impl FnOnce(&Self::Request) -> Option<Self::Reply>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, KeySeed), HandshakeError>;
}
