//! The control protocol of Tor, as the controlled side speaks it: one [`Session`] for each connection.
//! Spec: <https://spec.torproject.org/control-spec/>
//!
//! ```text
//!  bytes ──► frame ──► command ──► Session ──► Output::Execute(Command) ──► ControlBackend
//!            lines,    name and       │ authentication,                          │
//!            data      arguments      │ PROTOCOLINFO, refusals                   │
//!  bytes ◄── Output::Send ◄───────────┴──────────── Input::Reply(Reply) ◄────────┘
//! ```
//!
//! What can be answered without the client is answered here: authentication, syntax errors, unknown names. The rest
//! becomes a typed [`Command`] for a [`ControlBackend`], which answers with a [`Reply`]. This crate has no sockets, no
//! clock and no tasks; a driver owns those and one [`Session`] for each connection.
//!
//! The measure is C Tor 0.4.9.11: the same bytes wherever a controller could notice. Where we differ on purpose, the
//! code says so; `docs/control.md` has the list.

mod auth;
mod backend;
mod command;
mod foreign;
mod frame;
mod number;
mod onion_address;
mod quote;
mod reply;
mod session;

pub use auth::{AuthConfig, AuthFailure, BadPasswordHash, COOKIE_LEN, Cookie, HashedPassword, hash_password};
pub use backend::{ControlBackend, ControllerId};
pub use command::{
    AddOnion, Assignment, CircuitPurpose, ClientAuth, Command, DescriptorPurpose, EventLog, Mapping,
    OnionKey, OnionPort, OnionTarget, SecretKey, Signal, Subscription, Word,
};
pub use frame::MAX_COMMAND_LENGTH;
pub use onion_address::OnionAddress;
pub use quote::escape;
pub use reply::{ConfAnswer, InfoAnswer, InfoError, MapAnswer, Reply};
pub use session::{Input, Notice, Output, Session};
