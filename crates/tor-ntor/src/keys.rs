//! What a handshake ends in, and the keys that a hop makes of it.
//! <https://spec.torproject.org/tor-spec/setting-circuit-keys.html>
//!
//! | bytes (tor1) | bytes (onion service) | key |
//! |---|---|---|
//! | 20 | 32 | Df, seeds the digest of what goes forward: from the client |
//! | 20 | 32 | Db, seeds the digest of what comes backward |
//! | 16 | 32 | Kf, encrypts forward |
//! | 16 | 32 | Kb, encrypts backward |
//! | 20 | – | KH, a nonce for ESTABLISH_INTRO |

use std::fmt;

use tor_kdf::{KeyStream, hkdf_sha256, kdf_tor};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Output of a finished handshake; spent by making keys of it once.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KeySeed([u8; Self::LEN]);

/// The keys of one hop, or of an onion service's end-to-end layer.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct HopKeys<const DIGEST: usize, const KEY: usize> {
    /// Df: seeds the running digest of what the client sends.
    pub forward_digest: [u8; DIGEST],
    /// Db: seeds the running digest of what the client receives.
    pub backward_digest: [u8; DIGEST],
    /// Kf: encrypts what the client sends.
    pub forward_key: [u8; KEY],
    /// Kb: encrypts what the client receives.
    pub backward_key: [u8; KEY],
}

/// Keys of a relay hop: SHA-1 and AES-128.
pub type Tor1Keys = HopKeys<20, 16>;

/// Keys between an onion service and its client: SHA3-256 and AES-256. "Forward" is away from the client.
pub type HsKeys = HopKeys<32, 32>;

/// "Derivative key data": ties an ESTABLISH_INTRO message to its circuit.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Kh([u8; Self::LEN]);

impl KeySeed {
    /// Key bytes that a seed has: more than any layout needs.
    pub const LEN: usize = 256;

    /// The first `N` key bytes, at most [`KeySeed::LEN`]: for layouts that have no method of their own.
    pub fn expand<const N: usize>(self) -> Zeroizing<[u8; N]> {
        const { assert!(N <= Self::LEN, "a seed has fewer bytes") };
        Zeroizing::new(Cut(&self.0).take())
    }

    /// Keys for a tor1 hop.
    pub fn tor1(self) -> (Tor1Keys, Kh) {
        let mut cut = Cut(&self.0);
        (cut.hop_keys(), Kh(cut.take()))
    }

    /// Keys for the layer between an onion service and its client.
    pub fn hs(self) -> HsKeys {
        Cut(&self.0).hop_keys()
    }

    /// After CREATE_FAST, with KH as the reply shows it. KH comes first out of KDF-TOR; here it goes behind
    /// the keys, where it is after every other handshake.
    pub(crate) fn from_kdf_tor(secret: &[u8]) -> (Self, Kh) {
        let mut seed = Self(*kdf_tor(secret));
        let kh = Kh(Cut(&seed.0).take());
        seed.0.split_at_mut(Kh::LEN + 2 * (20 + 16)).0.rotate_left(Kh::LEN);
        (seed, kh)
    }

    /// After ntor.
    pub(crate) fn from_hkdf(salt: &[u8], secret: &[u8], info: &[u8]) -> Self {
        Self(*hkdf_sha256(salt, secret, info))
    }

    /// After ntor-v3 and hs-ntor.
    pub(crate) fn from_stream(mut stream: KeyStream) -> Self {
        Self(*stream.take())
    }
}

impl Kh {
    /// Length in bytes.
    pub const LEN: usize = 20;

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySeed(..)")
    }
}

impl<const DIGEST: usize, const KEY: usize> fmt::Debug for HopKeys<DIGEST, KEY> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HopKeys(..)")
    }
}

impl fmt::Debug for Kh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kh(..)")
    }
}

/// Key material, cut up from its front. Every layout is shorter than a seed.
struct Cut<'a>(&'a [u8]);

impl Cut<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let (head, rest) = self.0.split_at(N);
        out.copy_from_slice(head);
        self.0 = rest;
        out
    }

    fn hop_keys<const DIGEST: usize, const KEY: usize>(&mut self) -> HopKeys<DIGEST, KEY> {
        HopKeys {
            forward_digest: self.take(),
            backward_digest: self.take(),
            forward_key: self.take(),
            backward_key: self.take(),
        }
    }
}
