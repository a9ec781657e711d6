//! X25519 keys, and the one rule about them: a shared secret of zeros ends the handshake.

use std::fmt;

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};

use crate::HandshakeError;

/// An X25519 public key: a relay's onion key (`ntor-onion-key` in documents), an onion service's encryption
/// key, or one that is used once. Any 32 bytes are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OnionKey([u8; Self::LEN]);

/// An X25519 key pair, of a relay or for one handshake.
pub struct KeyPair {
    secret: StaticSecret,
    public: OnionKey,
}

impl OnionKey {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A key from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl KeyPair {
    /// A new key pair.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::new(StaticSecret::random_from_rng(rng))
    }

    /// The key pair of a secret that was kept: 32 random bytes.
    pub fn from_secret(bytes: [u8; 32]) -> Self {
        Self::new(StaticSecret::from(bytes))
    }

    /// The public half.
    pub const fn public(&self) -> &OnionKey {
        &self.public
    }

    /// The secret half, to keep it.
    pub fn secret(&self) -> &[u8; 32] {
        self.secret.as_bytes()
    }

    /// The secret that this pair shares with the holder of another one.
    ///
    /// # Errors
    /// If the other key is of small order.
    pub(crate) fn agree(&self, other: &OnionKey) -> Result<SharedSecret, HandshakeError> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(other.0));
        // tor-spec 5.1.4: both parties check that none of the EXP() operations produced the point at infinity.
        if shared.was_contributory() { Ok(shared) } else { Err(HandshakeError::DegenerateKey) }
    }

    /// What a forger knows without any key: the secret that a point of small order "shares".
    #[cfg(test)]
    pub(crate) fn secret_of_zeros(&self) -> SharedSecret {
        self.secret.diffie_hellman(&PublicKey::from([0; 32]))
    }

    fn new(secret: StaticSecret) -> Self {
        let public = OnionKey(PublicKey::from(&secret).to_bytes());
        Self { secret, public }
    }
}

impl From<[u8; 32]> for OnionKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for OnionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("x25519:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::small_order;

    #[test]
    fn points_of_small_order_share_nothing() {
        let pair = KeyPair::from_secret([0x55; 32]);
        for point in small_order() {
            assert_eq!(pair.agree(&point).err(), Some(HandshakeError::DegenerateKey), "{point:?}");
        }
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        let pair = KeyPair::from_secret([0xab; 32]);
        assert!(!format!("{pair:?}").contains("abab"));
    }
}
