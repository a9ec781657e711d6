//! Who a Tor relay is: identities, the link specifiers that name it on the wire, and the certificates
//! that prove it.
//!
//! A relay has two long-term identities: an RSA key, known by the SHA-1 of its DER form ([`RsaId`]), and an
//! Ed25519 key ([`Ed25519Id`]). [`RelayIds`] holds both. How to reach a relay is a list of [`LinkSpec`]s.
//!
//! ```
//! use tor_id::{Ed25519Id, RelayIds, RsaId};
//!
//! let rsa = RsaId::from_hex("$000102030405060708090A0B0C0D0E0F10111213").unwrap();
//! let ids = RelayIds::new(rsa, Some(Ed25519Id::from_bytes([7; 32])));
//! assert_eq!(ids.to_string(), "$000102030405060708090A0B0C0D0E0F10111213");
//! ```
//!
//! What proves them is in [`certs`]: the Ed25519 certificates, the RSA identity's self-signed certificate, and
//! the cross-certificate between the two. [`RsaPublicKey`] and [`Ed25519Id::verify`] check signatures on
//! anything else, such as directory documents.
//!
//! Left out on purpose: how a relay's keys come to be trusted (documents do that: `tor-netdoc`), and every
//! private key. Tests need some, and certificates made with them: the feature `sign` has those.

pub mod certs;
mod ed25519;
mod fault;
mod ids;
mod link_spec;
mod rsa;
mod sensitive;
#[cfg(test)]
mod testdata;

pub use ed25519::BadSignature;
pub use fault::Fault;
pub use ids::{Ed25519Id, IdError, RelayIds, RsaId};
pub use link_spec::{LinkSpec, LinkSpecError};
#[cfg(feature = "oaep")]
pub use rsa::OaepError;
#[cfg(feature = "sign")]
pub use rsa::RsaPrivateKey;
pub use rsa::{RsaKeyError, RsaPublicKey};
pub use sensitive::Sensitive;
