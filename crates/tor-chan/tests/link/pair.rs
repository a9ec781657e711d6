//! Our end and the relay's, with nothing wrong between them.

use bytes::BytesMut;
use tor_cell::{
    Body,
    chan::{LinkVersion, Netinfo},
    frame::{ChanCmd, CircIdWidth, Frame},
};
use tor_chan::{
    Expected, HANDSHAKE_TIMEOUT, Handshake, Target,
    responder::{Credentials, Responder, ResponderStep},
};

use crate::support::*;

/// Runs a handshake with a relay that has `credentials`, the bytes coming in pieces of `piece`. Gives the
/// client and what it sent after VERSIONS.
fn run(credentials: Credentials, piece: usize) -> (Client, Vec<u8>) {
    let mut client = Client::new(Expected::default());
    let mut relay = Responder::new(credentials, client_address());
    assert_eq!(relay.width(), CircIdWidth::Two);

    let versions = client.out.split();
    let frame = Frame::read(&versions, relay.width()).unwrap();
    assert_eq!(frame.len, versions.len(), "nothing but VERSIONS before the relay's");
    let mut from_relay = BytesMut::new();
    relay = match relay.on_frame(&frame, &mut from_relay).unwrap() {
        ResponderStep::Next(relay) => relay,
        ResponderStep::Done(_) => panic!("without NETINFO"),
    };

    let mut received = Vec::new();
    for piece in from_relay.chunks(piece) {
        received.extend(piece);
        let rest = client.consume(&received).unwrap().len();
        received.drain(..received.len() - rest);
    }
    assert!(received.is_empty());

    let netinfo = client.out.split();
    let frame = Frame::read(&netinfo, relay.width()).unwrap();
    assert_eq!(frame.len, netinfo.len());
    match relay.on_frame(&frame, &mut from_relay).unwrap() {
        ResponderStep::Next(_) => panic!("NETINFO ends it"),
        ResponderStep::Done(version) => assert_eq!(version, client.link.as_ref().unwrap().version),
    }
    (client, netinfo.to_vec())
}

#[test]
fn both_ends_agree() {
    let relay = Relay::new();
    for piece in [1, 7, 514, 100_000] {
        let link = run(relay.credentials(), piece).0.link.unwrap();
        assert_eq!(link.version, LinkVersion::V5);
        assert_eq!(link.peer, relay.ids());
        assert_eq!(link.our_address.map(|address| *address.reveal()), Some(client_address()));
        assert!(link.canonical);
        assert_eq!(link.clock_skew, None);
    }
}

#[test]
fn our_netinfo_says_nothing_of_us() {
    let (_, netinfo) = run(Relay::new().credentials(), 1000);
    let frame = Frame::read(&netinfo, CircIdWidth::Four).unwrap();
    assert_eq!((frame.circ, frame.command), (None, ChanCmd::NETINFO));
    let netinfo = Netinfo::decode(frame.body).unwrap();
    assert_eq!(netinfo, Netinfo { timestamp: 0, receiver: Some(relay_address()), sender: vec![] });
}

#[test]
fn netinfo_is_sent_as_soon_as_the_relay_is_authenticated() {
    let mut client = Client::new(Expected::default());
    client.feed(&versions_cell(&[3, 4, 5])).unwrap();
    client.out.clear();
    client.feed(&certs_cell(&Relay::new().certs())).unwrap();
    assert_eq!(client.out.len(), 514);
}

#[test]
fn the_relays_clock_is_compared_with_ours() {
    let seconds = u32::try_from(wall().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    for (theirs, skew) in [
        (0, None),
        (seconds, Some(0)),
        (seconds - 7200, Some(7200)),
        (seconds + 1, Some(-1)),
        (u32::MAX, Some(i64::from(seconds) - i64::from(u32::MAX))),
    ] {
        let credentials = Credentials { time: theirs, ..Relay::new().credentials() };
        assert_eq!(run(credentials, 1000).0.link.unwrap().clock_skew, skew);
    }
}

#[test]
fn a_relay_at_another_address_is_not_canonical() {
    let credentials = Credentials { addresses: vec![client_address()], ..Relay::new().credentials() };
    assert!(!run(credentials, 1000).0.link.unwrap().canonical);
    let credentials = Credentials { addresses: vec![], ..Relay::new().credentials() };
    assert!(!run(credentials, 1000).0.link.unwrap().canonical);
}

#[test]
fn the_expected_relay_is_accepted_by_what_is_known_of_it() {
    let relay = Relay::new();
    let ids = relay.ids();
    for expected in [
        Expected::default(),
        Expected::from(ids),
        Expected { rsa: Some(ids.rsa), ed25519: None },
        Expected { rsa: None, ed25519: ids.ed25519 },
    ] {
        let mut client = Client::new(expected);
        client
            .feed_all(&[versions_cell(&[5]), certs_cell(&relay.certs()), challenge_cell(), netinfo_cell(0)])
            .unwrap();
        assert_eq!(client.link.unwrap().peer, ids);
    }
}

#[test]
fn the_highest_common_version_is_agreed_on() {
    for (theirs, agreed) in [
        (&[3, 4][..], LinkVersion::V4),
        (&[5, 4, 3], LinkVersion::V5),
        (&[1, 2, 4, 6, 65_535], LinkVersion::V4),
    ] {
        let mut client = Client::new(Expected::default());
        let certs = certs_cell(&Relay::new().certs());
        client.feed_all(&[versions_cell(theirs), certs, challenge_cell(), netinfo_cell(0)]).unwrap();
        assert_eq!(client.link.unwrap().version, agreed);
    }
}

#[test]
fn bytes_after_netinfo_are_left_for_the_channel() {
    let mut client = Client::new(Expected::default());
    client.feed_all(&[versions_cell(&[5]), certs_cell(&Relay::new().certs()), challenge_cell()]).unwrap();
    let mut last = netinfo_cell(0);
    last.extend_from_slice(&raw_cell(0x8000_0001, 3));
    assert_eq!(client.consume(&last).unwrap(), raw_cell(0x8000_0001, 3));
}

#[test]
fn a_handshake_has_a_deadline() {
    let target =
        Target { expected: Expected::default(), tls_cert_sha256: TLS, address: relay_address().into() };
    let handshake = Handshake::start(target, now(), &mut BytesMut::new());
    assert_eq!(handshake.deadline(), Some(now() + HANDSHAKE_TIMEOUT));
}
