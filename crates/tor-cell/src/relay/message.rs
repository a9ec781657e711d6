//! Any relay message, for what must know them all: logs and fuzzing.

use super::{
    Begin, BeginDir, ConfluxLink, ConfluxLinked, ConfluxLinkedAck, ConfluxSwitch, Connected, Data, Drop, End,
    EstablishIntro, EstablishRendezvous, Extend2, Extended2, IntroEstablished, Introduce1, Introduce2,
    IntroduceAck, PaddingNegotiate, PaddingNegotiated, RelayCmd, Rendezvous1, Rendezvous2,
    RendezvousEstablished, Resolve, Resolved, Sendme, Truncate, Truncated, Xoff, Xon,
};
use crate::codec::any_message;

any_message! {
    /// A relay message, by its command.
    pub enum Message(RelayCmd);
    BEGIN => Begin(Begin<'a>),
    DATA => Data(Data<'a>),
    END => End(End),
    CONNECTED => Connected(Connected),
    SENDME => Sendme(Sendme<'a>),
    TRUNCATE => Truncate(Truncate),
    TRUNCATED => Truncated(Truncated),
    DROP => Drop(Drop),
    RESOLVE => Resolve(Resolve<'a>),
    RESOLVED => Resolved(Resolved<'a>),
    BEGIN_DIR => BeginDir(BeginDir),
    EXTEND2 => Extend2(Extend2<'a>),
    EXTENDED2 => Extended2(Extended2<'a>),
    CONFLUX_LINK => ConfluxLink(ConfluxLink),
    CONFLUX_LINKED => ConfluxLinked(ConfluxLinked),
    CONFLUX_LINKED_ACK => ConfluxLinkedAck(ConfluxLinkedAck),
    CONFLUX_SWITCH => ConfluxSwitch(ConfluxSwitch),
    ESTABLISH_INTRO => EstablishIntro(EstablishIntro<'a>),
    ESTABLISH_RENDEZVOUS => EstablishRendezvous(EstablishRendezvous),
    INTRODUCE1 => Introduce1(Introduce1<'a>),
    INTRODUCE2 => Introduce2(Introduce2<'a>),
    RENDEZVOUS1 => Rendezvous1(Rendezvous1<'a>),
    RENDEZVOUS2 => Rendezvous2(Rendezvous2<'a>),
    INTRO_ESTABLISHED => IntroEstablished(IntroEstablished<'a>),
    RENDEZVOUS_ESTABLISHED => RendezvousEstablished(RendezvousEstablished),
    INTRODUCE_ACK => IntroduceAck(IntroduceAck<'a>),
    PADDING_NEGOTIATE => PaddingNegotiate(PaddingNegotiate),
    PADDING_NEGOTIATED => PaddingNegotiated(PaddingNegotiated),
    XOFF => Xoff(Xoff),
    XON => Xon(Xon),
}
