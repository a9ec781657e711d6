//! Messages of a link: the bodies of channel cells other than RELAY and RELAY_EARLY.
//! <https://spec.torproject.org/tor-spec/channels.html>
//!
//! A state decodes only the messages that are legal in it, by [`Frame::decode`](crate::frame::Frame::decode);
//! [`Message`] knows them all, for logs and fuzzing.

mod auth_challenge;
mod authenticate;
mod certs;
mod create2;
mod create_fast;
mod destroy;
mod message;
mod netinfo;
mod padding;
mod padding_negotiate;
mod versions;

pub use auth_challenge::{AuthChallenge, AuthMethod};
pub use authenticate::Authenticate;
pub use certs::{CertEntry, CertKind, Certs};
pub use create_fast::{CreateFast, CreatedFast};
pub use create2::{Create2, Created2};
pub use destroy::Destroy;
pub use message::Message;
pub use netinfo::Netinfo;
pub use padding::{Padding, Vpadding};
pub use padding_negotiate::PaddingNegotiate;
pub use versions::{LinkVersion, Versions};
