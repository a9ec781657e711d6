//! Relays that misbehave: each offence closes the circuit with an error that names it.

use tor_cell::{
    DestroyReason,
    frame::ChanCmd,
    relay::{Extended2, RelayCmd, Truncated},
};
use tor_circ::{CircError, CircParams, HopHandshake, HopIndex};
use tor_id::Fault;
use tor_ntor::HandshakeError;

use crate::network::{Network, Seen, raw_message, stream};

/// A network whose client waits for hop `hops`, and the answer that would be right.
fn answered(hops: usize) -> (Network, ChanCmd, [u8; 509]) {
    let mut network = Network::with_hops(hops);
    network.ask(hops, Network::ntor);
    network.carry();
    let (command, body) = *network.inbound.last().unwrap();
    network.inbound.clear();
    (network, command, body)
}

#[test]
fn a_wrong_auth_ends_it() {
    for (at, error) in
        [(2, HandshakeError::BadAuth), (2 + 32, HandshakeError::BadAuth), (2 + 63, HandshakeError::BadAuth)]
    {
        let (mut network, command, mut body) = answered(0);
        body[at] ^= 1;
        network.inbound.push((command, body));
        let fatal = network.deliver_fatal();
        assert_eq!(fatal, CircError::Handshake { hop: HopIndex(0), error });
        assert_eq!((fatal.fault(), fatal.destroy_reason()), (Fault::Peer, DestroyReason::TORPROTOCOL));
    }
}

#[test]
fn a_wrong_auth_from_a_hop_behind_ends_it() {
    for hops in [1, 2] {
        let mut network = Network::with_hops(hops);
        network.ask(hops, Network::ntor);
        network.out.clear();
        network.say(hops - 1, &Extended2 { reply: &[3; 64] });
        let hop = HopIndex(hops.try_into().unwrap());
        assert_eq!(network.deliver_fatal(), CircError::Handshake { hop, error: HandshakeError::BadAuth });
    }
}

#[test]
fn created2_of_odd_lengths() {
    for length in [0u16, 1, 63, 65, 496, 497, 507, 508, 509, 65_535] {
        let (mut network, command, mut body) = answered(0);
        body[..2].copy_from_slice(&length.to_be_bytes());
        network.inbound.push((command, body));
        let fatal = network.deliver_fatal();
        let expected = if length <= 496 {
            matches!(fatal, CircError::Handshake { error: HandshakeError::Length { .. }, .. })
        } else {
            matches!(fatal, CircError::MalformedCell { what: "CREATED2" })
        };
        assert!(expected, "{length}: {fatal}");
    }
}

#[test]
fn extended2_of_odd_lengths() {
    for (claimed, sent) in
        [(0u16, 2u16), (63, 66), (65, 67), (64, 65), (497, 498), (65_535, 498), (0, 0), (0, 1)]
    {
        let mut network = Network::with_hops(1);
        network.ask(1, Network::ntor);
        network.out.clear();
        let mut body = raw_message(RelayCmd::EXTENDED2.0, 0, sent);
        body[11..13].copy_from_slice(&claimed.to_be_bytes());
        network.send_raw(0, body);
        let fatal = network.deliver_fatal();
        let expected = matches!(
            fatal,
            CircError::Handshake { hop: HopIndex(1), error: HandshakeError::Length { .. } }
                | CircError::MalformedMessage { hop: HopIndex(0), what: "EXTENDED2" }
        );
        assert!(expected, "{claimed} in {sent}: {fatal}");
    }
}

#[test]
fn an_answer_that_nobody_waits_for() {
    // A second one.
    let (mut network, command, body) = answered(0);
    assert_eq!(network.deliver((command, body)), Ok(Seen::Extended(0)));
    network.inbound.push((command, body));
    assert_eq!(network.deliver_fatal(), CircError::UnexpectedCell { command, doing: "open" });
    // One of the other kind.
    let (mut network, _, body) = answered(0);
    let command = ChanCmd::CREATED_FAST;
    network.inbound.push((command, body));
    assert_eq!(network.deliver_fatal(), CircError::UnexpectedCell { command, doing: "being created" });
    let mut network = Network::new(CircParams::default());
    network.ask(0, |_| HopHandshake::CreateFast);
    network.carry();
    let (_, body) = network.inbound.pop().unwrap();
    let command = ChanCmd::CREATED2;
    network.inbound.push((command, body));
    assert_eq!(network.deliver_fatal(), CircError::UnexpectedCell { command, doing: "being created" });
}

#[test]
fn extended2_that_nobody_asked_for() {
    let unexpected = |hop| CircError::UnexpectedMessage { hop: HopIndex(hop), command: RelayCmd::EXTENDED2 };
    let mut network = Network::with_hops(2);
    network.say(1, &Extended2 { reply: &[3; 64] });
    assert_eq!(network.deliver_fatal(), unexpected(1));
    // From a hop that was not asked.
    let mut network = Network::with_hops(2);
    network.ask(2, Network::ntor);
    network.out.clear();
    network.say(0, &Extended2 { reply: &[3; 64] });
    assert_eq!(network.deliver_fatal(), unexpected(0));
    // The right answer, twice.
    let mut network = Network::with_hops(1);
    network.ask(1, Network::ntor);
    network.carry();
    network.deliver_all().unwrap();
    network.say(0, &Extended2 { reply: &[3; 64] });
    assert_eq!(network.deliver_fatal(), unexpected(0));
}

#[test]
fn cells_of_the_wrong_kind_or_time() {
    for hops in 0..2 {
        // CREATE2 to a client, RELAY_EARLY towards it, link cells that strayed, unknown ones.
        for command in [0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 128, 129, 255].map(ChanCmd) {
            let mut network = Network::with_hops(hops);
            if hops == 0 {
                network.ask(0, Network::ntor);
                network.out.clear();
                if command == ChanCmd::CREATED2 {
                    continue;
                }
            }
            network.inbound.push((command, [0; 509]));
            let doing = if hops == 0 { "being created" } else { "open" };
            assert_eq!(network.deliver_fatal(), CircError::UnexpectedCell { command, doing });
        }
    }
    let mut network = Network::new(CircParams::default());
    network.ask(0, Network::ntor);
    network.out.clear();
    network.inbound.push((ChanCmd::RELAY, [0; 509]));
    let error = CircError::UnexpectedCell { command: ChanCmd::RELAY, doing: "being created" };
    assert_eq!(network.deliver_fatal(), error);
}

/// What our first hop should have sent as RELAY, and could tag circuits with.
#[test]
fn relay_early_towards_the_client() {
    let mut network = Network::with_hops(1);
    network.send(0, RelayCmd::DATA, stream(1), b"x");
    network.inbound[0].0 = ChanCmd::RELAY_EARLY;
    let error = CircError::UnexpectedCell { command: ChanCmd::RELAY_EARLY, doing: "open" };
    assert_eq!(network.deliver_fatal(), error);
}

#[test]
fn a_cell_that_was_tampered_with() {
    // Command, recognized, stream, digest, length, body, padding.
    for at in [0, 1, 2, 4, 5, 8, 10, 11, 300, 508] {
        for from in 0..3 {
            let mut network = Network::with_hops(3);
            network.send(from, RelayCmd::DATA, stream(1), &[1; 200]);
            network.inbound[0].1[at] ^= 0x10;
            assert_eq!(network.deliver_fatal(), CircError::BadRelayCell);
        }
    }
}

/// "recognized" must be zero, whatever the digest says.
#[test]
fn a_digest_alone_recognises_nothing() {
    for at in [1, 2] {
        let mut network = Network::with_hops(2);
        let mut body = raw_message(RelayCmd::DATA.0, 1, 3);
        body[at] = 1;
        network.send_raw(1, body);
        assert_eq!(network.deliver_fatal(), CircError::BadRelayCell);
    }
}

#[test]
fn a_cell_that_is_replayed_lost_or_overtaken() {
    let two = || {
        let mut network = Network::with_hops(3);
        network.send(2, RelayCmd::DATA, stream(1), b"one");
        network.send(2, RelayCmd::DATA, stream(1), b"two");
        network
    };
    let mut replayed = two();
    replayed.inbound[1] = replayed.inbound[0];
    let first = replayed.inbound.remove(0);
    replayed.deliver(first).unwrap();
    assert_eq!(replayed.deliver_fatal(), CircError::BadRelayCell);

    let mut lost = two();
    lost.inbound.remove(0);
    assert_eq!(lost.deliver_fatal(), CircError::BadRelayCell);

    let mut overtaken = two();
    overtaken.inbound.swap(0, 1);
    overtaken.inbound.pop();
    assert_eq!(overtaken.deliver_fatal(), CircError::BadRelayCell);
}

#[test]
fn a_length_beyond_the_cell() {
    for length in [499, 65_535] {
        let mut network = Network::with_hops(2);
        network.send_raw(1, raw_message(RelayCmd::DATA.0, 1, length));
        assert_eq!(
            network.deliver_fatal(),
            CircError::MalformedMessage { hop: HopIndex(1), what: "relay cell" }
        );
    }
}

#[test]
fn truncated_tells_why_and_closes() {
    for hop in 0..2 {
        let mut network = Network::with_hops(2);
        network.say(hop.into(), &Truncated { reason: DestroyReason::CONNECTFAILED });
        assert_eq!(network.deliver_all(), Ok(vec![Seen::Truncated(hop, 6)]));
        network.assert_destroyed();
    }
    // While the circuit is extended: how a relay says that the next can't be reached.
    let mut network = Network::with_hops(1);
    network.ask(1, Network::ntor);
    network.out.clear();
    network.say(0, &Truncated { reason: DestroyReason(200) });
    assert_eq!(network.deliver_all(), Ok(vec![Seen::Truncated(0, 200)]));
    network.assert_destroyed();
}

/// TROVE-2026-011.
#[test]
fn truncated_without_a_reason() {
    let mut network = Network::with_hops(2);
    network.send_raw(1, raw_message(RelayCmd::TRUNCATED.0, 0, 0));
    assert_eq!(network.deliver_fatal(), CircError::MalformedMessage { hop: HopIndex(1), what: "TRUNCATED" });
}

/// DESTROY has no length: an "empty" one is all zeros, and zero is a reason.
#[test]
fn destroy_ends_it_without_a_word_back() {
    for hops in 0..3 {
        for reason in [0, 1, 8, 255] {
            let mut network = Network::with_hops(hops);
            network.ask(hops, Network::ntor);
            network.out.clear();
            let mut body = [0; 509];
            body[0] = reason;
            assert_eq!(network.deliver((ChanCmd::DESTROY, body)), Ok(Seen::Destroyed(reason)));
            assert!(network.client.is_done() && network.out.is_empty());
            assert_eq!(network.client.deadline(), None);
            network.client.destroy(&mut network.out);
            assert!(network.out.is_empty());
        }
    }
}

/// Every command, with and without a stream, from a hop that may send none of the rest.
#[test]
fn what_no_client_accepts() {
    let accepted = |command, of_stream| match command {
        RelayCmd::DATA | RelayCmd::END | RelayCmd::CONNECTED | RelayCmd::RESOLVED => of_stream,
        RelayCmd::SENDME => true,
        RelayCmd::TRUNCATED | RelayCmd::DROP => !of_stream,
        _ => false,
    };
    for raw in 0..=255 {
        for number in [0, 1] {
            let command = RelayCmd(raw);
            if accepted(command, number != 0) {
                continue;
            }
            let mut network = Network::with_hops(2);
            network.send_raw(1, raw_message(raw, number, 70));
            let fatal = network.deliver_fatal();
            let named = match fatal {
                CircError::UnexpectedMessage { hop, command: named } => {
                    (hop, named) == (HopIndex(1), command)
                }
                // A stream where none may be, or none where one must be, is wrong in any state; and EXTENDED2
                // is looked into before it is refused.
                CircError::MalformedMessage { hop, what } => hop == HopIndex(1) && what == "relay cell",
                _ => false,
            };
            assert!(named, "{command} on stream {number}: {fatal}");
        }
    }
}
