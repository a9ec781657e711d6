//! Messages of a link.

use std::net::IpAddr;

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use tor_cell::{ChanBody, CircId, DestroyReason, HandshakeType, chan::*, frame::*};

use super::bytes;

/// Through the wire as a cell of its own.
fn cell<'a, M: ChanBody<'a>>(circ: Option<CircId>, message: &M, check: impl FnOnce(&Frame<'_>)) {
    let mut wire = BytesMut::new();
    put_message(circ, message, &mut wire).unwrap();
    let narrow = M::COMMAND == ChanCmd::VERSIONS;
    let frame = Frame::read(&wire, if narrow { CircIdWidth::Two } else { CircIdWidth::Four }).unwrap();
    assert_eq!((frame.circ, frame.command, frame.len), (circ, M::COMMAND, wire.len()));
    assert!(frame.is_addressed());
    let generic = Message::decode(frame.command, frame.body).unwrap();
    assert_eq!(generic.command(), M::COMMAND);
    check(&frame);
}

macro_rules! survives {
    ($message:expr, $type:ty, $circ:expr) => {{
        let message: $type = $message;
        cell($circ, &message, |frame| assert_eq!(frame.decode::<$type>().unwrap(), message));
    }};
}

fn circ() -> impl Strategy<Value = Option<CircId>> {
    (1..=u32::MAX).prop_map(CircId::from_wire)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_the_link(
        offered in vec(any::<u16>(), 0..9), methods in vec(any::<u16>(), 0..9), challenge: [u8; 32],
        certs in prop::collection::btree_map(any::<u8>(), bytes(700), 0..9), proof in bytes(700),
        timestamp: u32, receiver: Option<IpAddr>, sender in vec(any::<IpAddr>(), 0..9),
    ) {
        survives!(Versions { offered: offered.into_iter().map(LinkVersion).collect() }, Versions, None);
        let methods: Vec<_> = methods.into_iter().map(AuthMethod).collect();
        survives!(AuthChallenge { challenge: &challenge, methods }, AuthChallenge<'_>, None);
        let certs = certs.iter().map(|(&kind, body)| CertEntry { kind: CertKind(kind), body });
        survives!(Certs { certs: certs.collect() }, Certs<'_>, None);
        survives!(Authenticate { method: AuthMethod(3), proof: &proof }, Authenticate<'_>, None);
        survives!(Vpadding { bytes: &proof }, Vpadding<'_>, None);
        survives!(Padding, Padding, None);
        let receiver = receiver.filter(|address| !address.is_unspecified());
        survives!(Netinfo { timestamp, receiver, sender }, Netinfo, None);
    }

    #[test]
    fn of_circuits_on_the_link(
        circ in circ(), x: [u8; 20], y: [u8; 20], kind: u16, onionskin in bytes(505), reply in bytes(496),
        reason: u8, low_ms: u16, high_ms: u16,
    ) {
        survives!(CreateFast { onionskin: &x }, CreateFast<'_>, circ);
        let both: [u8; 40] = [x, y].concat().try_into().unwrap();
        survives!(CreatedFast { reply: &both }, CreatedFast<'_>, circ);
        survives!(Create2 { kind: HandshakeType(kind), onionskin: &onionskin }, Create2<'_>, circ);
        survives!(Created2 { reply: &reply }, Created2<'_>, circ);
        survives!(Destroy { reason: DestroyReason(reason) }, Destroy, circ);
        let start = PaddingNegotiate::Start { low_ms, high_ms };
        survives!(start, PaddingNegotiate, None);
        survives!(PaddingNegotiate::Stop, PaddingNegotiate, None);
    }
}
