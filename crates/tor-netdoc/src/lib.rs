//! Tor's signed directory documents: what the network consists of, and who says so.
//!
//! Directory authorities sign a [`Consensus`] every hour. An [`AuthCert`] says which key an authority signs
//! with. The consensus names, for each relay, a [`Microdesc`] by its digest. [`diff`] turns yesterday's consensus
//! into today's.
//!
//! ```text
//! text ── UnverifiedConsensus::parse ──> verify(authorities, certs, now) ──> Consensus ── relays: RelayEntry
//! text ── AuthCert::parse (checks its signatures)                                             │ SHA-256
//! text ── router::split, RouterDesc::parse ──> RouterDesc, which an ns consensus names by SHA-1
//! text ── microdesc::split ──> Piece { digest, Microdesc } <─────────────────────────────────┘
//! ```
//!
//! Everything here is a function from text to values: no clock, no network, no files. Parsers accept what
//! C Tor 0.4.9 accepts.
//!
//! ```
//! use tor_netdoc::{PortPolicy, Protocol, Protocols};
//!
//! let protocols = Protocols::parse("Link=3-5 Relay=2,4-6").unwrap();
//! assert!(protocols.supports(Protocol::RELAY, 5));
//! assert!(!protocols.supports(Protocol::RELAY, 3));
//! assert!(PortPolicy::parse("accept 80,443").unwrap().allows(443));
//! ```

mod authcert;
mod consensus;
pub mod diff;
mod error;
mod family;
mod iso_time;
mod lines;
pub mod microdesc;
mod nickname;
mod params;
mod policy;
mod protover;
pub mod router;
#[cfg(test)]
mod testdata;

pub use authcert::AuthCert;
pub use consensus::{
    CertId, Consensus, DescriptorDigest, Flavor, Lifetime, NetworkKind, ProtocolLists, RelayEntry,
    RelayFlags, SharedRandom, SignatureDigest, UnverifiedConsensus, VerifyError, Voter,
};
pub use error::DocError;
pub use family::{Family, FamilyIds};
pub use microdesc::{MdDigest, Microdesc};
pub use nickname::{Nickname, NicknameError};
pub use params::NetParams;
pub use policy::{PolicyError, PortPolicy};
pub use protover::{Protocol, Protocols, ProtocolsError};
pub use router::RouterDesc;
