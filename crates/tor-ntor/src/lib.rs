//! Tor's circuit handshakes: a client that knows a relay's public keys and a relay that knows the private ones
//! come to share keys that nobody else has. Both ends are here, so that each tests the other.
//!
//! ```text
//!            client                                     relay
//!  ClientHandshake::start ── onionskin in CREATE2, EXTEND2 … ──> RelayHandshake::answer
//!  (the pending state)                                                │
//!  ClientHandshake::finish <── reply in CREATED2, EXTENDED2 … ────────┤
//!        │                                                            │
//!     KeySeed ────────────────── the same keys ─────────────────── KeySeed
//! ```
//!
//! | handshake | types | for | spec |
//! |---|---|---|---|
//! | CREATE_FAST | [`FastClient`], [`FastRelay`] | a first hop whose onion key is unknown; rests on TLS alone | tor-spec 5.1.5 |
//! | ntor (2) | [`NtorClient`], [`NtorRelay`] | any hop | tor-spec 5.1.4 |
//! | ntor-v3 (3) | [`NtorV3Client`], [`NtorV3Relay`] | hops with which something is negotiated | proposal 332 |
//! | hs-ntor | [`HsNtorClient`], [`HsNtorService`] | introduction and rendezvous | rend-spec-v3 3.3.2 |
//!
//! ```
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use tor_id::RsaId;
//! use tor_ntor::{ClientHandshake, KeyPair, NtorClient, NtorKeys, NtorRelay, NtorTarget, RelayHandshake};
//!
//! # fn main() -> Result<(), tor_ntor::HandshakeError> {
//! # let mut rng = ChaCha20Rng::seed_from_u64(1);
//! let rsa = RsaId::from_bytes([1; 20]);
//! let keys = NtorKeys { rsa, onion_keys: vec![KeyPair::generate(&mut rng)] };
//! let target = NtorTarget { rsa, onion_key: *keys.onion_keys[0].public() };
//!
//! let (pending, onionskin) = NtorClient::start(&target, &(), &mut rng)?;
//! let (reply, theirs) = NtorRelay::answer(&keys, &onionskin, |()| Some(()), &mut rng)?;
//! let ((), ours) = pending.finish(&reply)?;
//!
//! let ((ours, _), (theirs, _)) = (ours.tor1(), theirs.tor1());
//! assert_eq!(ours.forward_key, theirs.forward_key);
//! # Ok(())
//! # }
//! ```
//!
//! Shared secrets that are all zero (from points of small order) end a handshake, authenticators are compared
//! in constant time, and whatever is secret is wiped when it is dropped.
//!
//! The feature `tap`, off unless asked for, adds the oldest handshake (`TapClient`, `TapRelay`), which no relay
//! answers any more.
//!
//! Left out on purpose: which handshake to use with whom, and what the keys then do (`tor-circ`).

mod error;
mod fast;
mod handshake;
mod hs_ntor;
mod keys;
mod ntor;
mod ntor_v3;
#[cfg(feature = "tap")]
mod tap;
#[cfg(test)]
mod testdata;
mod x25519;

pub use error::HandshakeError;
pub use fast::{FastClient, FastRelay};
pub use handshake::{ClientHandshake, RelayHandshake};
pub use hs_ntor::{HsIntroPoint, HsIntroduction, HsNtorClient, HsNtorService, HsServiceKeys, Subcredential};
pub use keys::{HopKeys, HsKeys, KeySeed, Kh, Tor1Keys};
pub use ntor::{NtorClient, NtorKeys, NtorRelay, NtorTarget};
pub use ntor_v3::{
    CircuitReply, CircuitRequest, NtorV3Client, NtorV3Keys, NtorV3Relay, NtorV3Target, Subprotocol,
};
#[cfg(feature = "tap")]
pub use tap::{TapClient, TapRelay};
pub use x25519::{KeyPair, OnionKey};
