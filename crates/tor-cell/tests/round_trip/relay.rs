//! Relay messages.

use std::net::{IpAddr, SocketAddr};

use proptest::{collection::vec, prelude::*};
use tor_cell::{Body, CELL_BODY_LEN, DestroyReason, EndReason, RelayBody, StreamId, relay::*};
use tor_id::{Ed25519Id, LinkSpec, RsaId};

use super::bytes;

/// Through the wire in a relay cell of each format that has room for it.
fn relayed<'a, M: RelayBody<'a>>(message: &M, check: impl Fn(&RelayMsg<'_>)) {
    let stream = if M::COMMAND.is_of_stream() { StreamId::from_wire(7) } else { None };
    let mut scratch = vec![0xff];
    let msg = RelayMsg::new(stream, message, &mut scratch).unwrap();
    for format in [RelayFormat::V0, RelayFormat::V1] {
        let mut cell = [0xff; CELL_BODY_LEN];
        let fits = msg.body.len() <= format.max_body(M::COMMAND);
        let result = format.encode(&msg, &mut cell, |padding| padding.fill(0xaa));
        assert_eq!(result.is_ok(), fits);
        if fits {
            let back = format.decode(&cell).unwrap();
            assert_eq!(back, msg);
            let generic = Message::decode(back.command, back.body).unwrap();
            assert_eq!(generic.command(), M::COMMAND);
            check(&back);
        }
    }
}

macro_rules! survives {
    ($message:expr, $type:ty) => {{
        let message: $type = $message;
        relayed(&message, |msg| assert_eq!(msg.decode::<$type>().unwrap(), message));
    }};
}

fn link_spec() -> impl Strategy<Value = LinkSpec> {
    prop_oneof![
        any::<SocketAddr>().prop_map(|a| LinkSpec::Address(SocketAddr::new(a.ip(), a.port()))),
        any::<[u8; 20]>().prop_map(|id| LinkSpec::Rsa(RsaId::from_bytes(id))),
        any::<[u8; 32]>().prop_map(|id| LinkSpec::Ed25519(Ed25519Id::from_bytes(id))),
        (4u8.., bytes(40)).prop_map(|(kind, body)| LinkSpec::Unknown { kind, body }),
    ]
}

fn address_ttl() -> impl Strategy<Value = Option<AddressTtl>> {
    let ttl = prop::option::of(0..=i32::MAX.unsigned_abs());
    let some = (any::<IpAddr>(), ttl).prop_map(|(address, ttl)| AddressTtl { address, ttl });
    prop::option::of(some.prop_filter("can't be written", |a| a.address != IpAddr::from([0; 4])))
}

fn own_extensions() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    vec((any::<u8>(), bytes(60)), 0..4)
}

fn extensions(own: &[(u8, Vec<u8>)]) -> Vec<Extension<'_>> {
    own.iter().map(|(kind, body)| Extension { kind: ExtensionKind(*kind), body }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_circuits(
        target in vec(link_spec(), 0..5), kind: u16, data in bytes(250), reason: u8, tag: [u8; 20],
        short: bool, seqno: std::num::NonZeroU32, numbers: (u64, u64), nonce: [u8; 32], ux in 0u8..5,
        machine: u8, counter: u32, yes: bool,
    ) {
        survives!(Extend2 { target, kind: HandshakeType(kind), onionskin: &data }, Extend2<'_>);
        survives!(Extended2 { reply: &data }, Extended2<'_>);
        survives!(Truncate { reason: DestroyReason(reason) }, Truncate);
        survives!(Truncated { reason: DestroyReason(reason) }, Truncated);
        survives!(Sendme::Tagged(if short { &tag[..16] } else { &tag }), Sendme<'_>);
        survives!(Sendme::Unauthenticated, Sendme<'_>);
        survives!(Drop, Drop);
        let leg = ConfluxLeg { nonce, last_sent: numbers.0, last_received: numbers.1, ux: ConfluxUx(ux) };
        survives!(ConfluxLink(leg), ConfluxLink);
        survives!(ConfluxLinked(leg), ConfluxLinked);
        survives!(ConfluxLinkedAck, ConfluxLinkedAck);
        survives!(ConfluxSwitch { relative_seqno: seqno }, ConfluxSwitch);
        let command = if short { PaddingCommand::Start } else { PaddingCommand::Stop };
        survives!(
            PaddingNegotiate { command, machine, echo: yes, counter },
            PaddingNegotiate
        );
        survives!(PaddingNegotiated { command, accepted: yes, machine, counter }, PaddingNegotiated);
    }

    #[test]
    fn of_streams(
        name in "[a-z0-9.-]{0,255}", v6: std::net::Ipv6Addr, port in 1u16.., flags: u32, data in bytes(498),
        reason: u8, address in address_ttl(), kbps: u32,
    ) {
        let v6 = format!("[{v6}]");
        for target in [&name, &v6] {
            survives!(Begin::new(target, port, BeginFlags(flags)).unwrap(), Begin<'_>);
        }
        survives!(BeginDir, BeginDir);
        survives!(Data { bytes: &data }, Data<'_>);
        survives!(End::from(EndReason(reason)), End);
        survives!(End { reason: EndReason::EXITPOLICY, address }, End);
        survives!(Connected { address }, Connected);
        survives!(Resolve::new(&name).unwrap(), Resolve<'_>);
        survives!(Xoff, Xoff);
        survives!(Xon { kbps }, Xon);
    }

    #[test]
    fn of_lookups(
        name in "[a-z0-9.-]{1,99}", address: IpAddr, ttl: u32, text in bytes(60), kind in 7u8..0xf0,
    ) {
        let values = [
            ResolvedValue::Address(address),
            ResolvedValue::Hostname(&name),
            ResolvedValue::Error(ResolveError::Transient, &text),
            ResolvedValue::Error(ResolveError::Permanent, &text),
            ResolvedValue::Unknown { kind, value: &text },
        ];
        let answers: Vec<_> = values.into_iter().map(|value| Answer { value, ttl }).collect();
        for n in 0..answers.len() {
            survives!(Resolved { answers: answers[n..].to_vec() }, Resolved<'_>);
        }
    }

    #[test]
    fn of_onion_services(
        key: [u8; 32], other: [u8; 32], cookie: [u8; 20], own in own_extensions(), data in bytes(200),
        status: u16, target in vec(link_spec(), 0..4),
    ) {
        let signature: [u8; 64] = [key, other].concat().try_into().unwrap();
        let (extensions, cookie) = (extensions(&own), RendezvousCookie(cookie));
        let intro = EstablishIntro {
            auth_key: &key, extensions: extensions.clone(), handshake_mac: &other, signature: &signature,
        };
        survives!(intro, EstablishIntro<'_>);
        survives!(IntroEstablished { extensions: extensions.clone() }, IntroEstablished<'_>);
        let ack = IntroduceAck { status: IntroduceStatus(status), extensions: extensions.clone() };
        survives!(ack, IntroduceAck<'_>);
        let introduce = Introduce { auth_key: &key, extensions: extensions.clone(), encrypted: &data };
        survives!(Introduce1(introduce.clone()), Introduce1<'_>);
        survives!(Introduce2(introduce), Introduce2<'_>);
        survives!(EstablishRendezvous { cookie }, EstablishRendezvous);
        survives!(RendezvousEstablished, RendezvousEstablished);
        survives!(Rendezvous1 { cookie, handshake: &data }, Rendezvous1<'_>);
        survives!(Rendezvous2 { handshake: &signature }, Rendezvous2<'_>);

        let plaintext = IntroducePlaintext { cookie, extensions, onion_key: &key, target, padding: &data };
        let mut wire = Vec::new();
        plaintext.encode(&mut wire).unwrap();
        prop_assert_eq!(IntroducePlaintext::decode(&wire).unwrap(), plaintext);
    }

    #[test]
    fn of_extensions(
        nonce: [u8; 16], effort: u32, seed_head: [u8; 4], solution: [u8; 16],
        params in vec((any::<u8>(), any::<u64>()), 0..5),
    ) {
        let work = ProofOfWork { nonce, effort, seed_head, solution };
        let param = |(kind, value)| DosParam { kind: DosParamKind(kind), value };
        let dos = DosParams { params: params.into_iter().map(param).collect() };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        work.encode(&mut first).unwrap();
        dos.encode(&mut second).unwrap();
        prop_assert_eq!(ProofOfWork::decode(&first).unwrap(), work);
        prop_assert_eq!(DosParams::decode(&second).unwrap(), dos);
    }
}
