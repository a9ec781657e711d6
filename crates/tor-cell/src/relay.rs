//! Relay messages: what travels inside RELAY and RELAY_EARLY cells.
//! <https://spec.torproject.org/tor-spec/relay-cells.html>
//!
//! A state decodes only the messages that are legal in it, by [`RelayMsg::decode`]; [`Message`] knows them all,
//! for logs and fuzzing.

mod address_ttl;
mod begin;
mod command;
mod conflux;
mod connected;
mod data;
mod drop;
mod end;
mod establish_intro;
mod extend2;
mod extension;
mod flow;
mod format;
mod introduce;
mod introduce_ack;
mod introduce_plaintext;
mod message;
mod padding;
mod rendezvous;
mod resolve;
mod resolved;
mod sendme;
mod truncate;

pub use address_ttl::AddressTtl;
pub use begin::{Begin, BeginDir, BeginFlags, UnwritableName};
pub use command::RelayCmd;
pub use conflux::{ConfluxLeg, ConfluxLink, ConfluxLinked, ConfluxLinkedAck, ConfluxSwitch, ConfluxUx};
pub use connected::Connected;
pub use data::Data;
pub use drop::Drop;
pub use end::End;
pub use establish_intro::{DosParam, DosParamKind, DosParams, EstablishIntro, IntroEstablished};
pub use extend2::{Extend2, Extended2};
pub use extension::{Extension, ExtensionKind};
pub use flow::{Xoff, Xon};
pub use format::{FormatError, RelayFormat, RelayMsg};
pub use introduce::{Introduce, Introduce1, Introduce2};
pub use introduce_ack::{IntroduceAck, IntroduceStatus};
pub use introduce_plaintext::{IntroducePlaintext, ProofOfWork};
pub use message::Message;
pub use padding::{PaddingCommand, PaddingNegotiate, PaddingNegotiated};
pub use rendezvous::{
    EstablishRendezvous, Rendezvous1, Rendezvous2, RendezvousCookie, RendezvousEstablished,
};
pub use resolve::{Resolve, reverse_name};
pub use resolved::{Answer, ResolveError, Resolved, ResolvedValue};
pub use sendme::{Sendme, SendmeTag};
pub use truncate::{Truncate, Truncated};

pub use crate::HandshakeType;
