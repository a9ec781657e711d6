//! Messages both ways on a circuit that works.

use bytes::Buf;
use proptest::{collection::vec, prelude::*};
use tor_cell::relay::{RelayCmd, RelayMsg};
use tor_circ::{HopIndex, SendError};

use crate::network::{Network, Seen, stream};

#[test]
fn every_hop_hears_what_is_for_it_and_nothing_else() {
    let mut network = Network::with_hops(3);
    for round in 0..5u8 {
        for hop in [2, 0, 1] {
            let msg = RelayMsg { command: RelayCmd::BEGIN, stream: stream(9), body: &[round, hop] };
            network.client.send(HopIndex(hop), &msg, &mut network.out).unwrap();
        }
    }
    network.carry();
    let heard: Vec<_> =
        network.heard.iter().map(|heard| (heard.by, heard.stream, heard.body.clone())).collect();
    let expected: Vec<_> = (0..5)
        .flat_map(|round| [2, 0, 1].map(|hop| (usize::from(hop), stream(9), vec![round, hop])))
        .collect();
    assert_eq!(heard, expected);
}

#[test]
fn every_hop_is_heard_under_its_number() {
    let mut network = Network::with_hops(3);
    for (from, body) in [(2, b"c"), (0, b"a"), (1, b"b"), (2, b"d")] {
        network.send(from, RelayCmd::DATA, stream(1), body);
    }
    let seen = network.deliver_all().unwrap();
    let data = |hop, body: &[u8]| Seen::Message(hop, RelayCmd::DATA, body.to_vec());
    assert_eq!(seen, [data(2, b"c"), data(0, b"a"), data(1, b"b"), data(2, b"d")]);
}

#[test]
fn stream_messages_go_up_and_padding_does_not() {
    let mut network = Network::with_hops(2);
    let commands = [RelayCmd::CONNECTED, RelayCmd::DATA, RelayCmd::SENDME, RelayCmd::RESOLVED, RelayCmd::END];
    for command in commands {
        network.send(1, command, stream(4), &[6]);
        assert_eq!(network.deliver_all().unwrap(), [Seen::Message(1, command, vec![6])]);
    }
    let before = network.client.traffic();
    network.send(0, RelayCmd::DROP, None, &[0; 498]);
    assert_eq!(network.deliver_all().unwrap(), [Seen::Nothing]);
    assert_eq!(network.client.traffic().cells_read, before.cells_read + 1);
    assert_eq!(network.client.traffic().delivered_read, before.delivered_read);
}

#[test]
fn the_circuit_works_while_it_is_extended() {
    let mut network = Network::with_hops(1);
    network.ask(1, Network::ntor);
    network.client_data(0, 5).unwrap();
    network.send(0, RelayCmd::DATA, stream(1), b"hello");
    assert_eq!(network.deliver_all().unwrap(), [Seen::Message(0, RelayCmd::DATA, b"hello".to_vec())]);
    network.carry();
    assert_eq!(network.deliver_all().unwrap(), [Seen::Extended(1)]);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    let mut network = Network::with_hops(2);
    let before = network.client.traffic();
    assert!(matches!(network.client_data(1, 499), Err(SendError::Unencodable { .. })));
    let homeless = RelayMsg { command: RelayCmd::DATA, stream: None, body: &[] };
    let sent = network.client.send(HopIndex(1), &homeless, &mut network.out);
    assert_eq!(sent, Err(SendError::Unencodable { command: RelayCmd::DATA }));
    assert_eq!(network.client_data(2, 1), Err(SendError::NoSuchHop { hop: HopIndex(2) }));
    assert!(network.out.is_empty());
    assert_eq!((network.client.window(HopIndex(1)), network.client.traffic()), (1000, before));
    // The ciphers have not moved either.
    network.client_data(1, 498).unwrap();
    network.carry();
    assert_eq!(network.heard.len(), 1);
}

#[test]
fn traffic_counts_cells_and_bodies() {
    let mut network = Network::with_hops(1);
    let before = network.client.traffic();
    assert_eq!((before.cells_read, before.cells_written), (1, 1));
    network.client_data(0, 100).unwrap();
    network.send(0, RelayCmd::DATA, stream(1), &[0; 30]);
    network.deliver_all().unwrap();
    let after = network.client.traffic();
    assert_eq!((after.cells_read, after.cells_written), (2, 2));
    assert_eq!((after.delivered_read, after.delivered_written), (30, 100));
}

/// Whoever could predict a whole cell could acknowledge it unseen (proposal 289).
#[test]
fn a_bulk_sender_leaves_room_for_noise() {
    let mut network = Network::with_hops(1);
    let mut data = &vec![7; 498 * 400][..];
    let mut lengths = Vec::new();
    for _ in 0..400 {
        let id = stream(1).unwrap();
        lengths.push(network.client.send_data(HopIndex(0), id, &mut data, &mut network.out).unwrap());
    }
    assert!(lengths.iter().all(|&length| length == 498 || length == 478));
    assert!(lengths.chunks(100).all(|hundred| hundred.contains(&478)));
    assert!(lengths.iter().filter(|&&length| length == 478).count() <= 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn bytes_arrive_in_their_order_however_they_lie(pieces in vec(vec(any::<u8>(), 0..700), 0..6)) {
        let mut network = Network::with_hops(2);
        let nothing: Box<dyn Buf> = Box::new(&[][..]);
        let mut data = pieces.iter().fold(nothing, |all, piece| Box::new(all.chain(&piece[..])));
        let id = stream(1).unwrap();
        while data.has_remaining() {
            let before = data.remaining();
            let sent = network.client.send_data(HopIndex(1), id, &mut data, &mut network.out).unwrap();
            prop_assert_eq!(data.remaining() + sent, before);
        }
        prop_assert_eq!(network.client.send_data(HopIndex(1), id, &mut data, &mut network.out), Ok(0));
        network.carry();
        let arrived: Vec<u8> = network.heard.iter().flat_map(|heard| heard.body.clone()).collect();
        prop_assert_eq!(arrived, pieces.concat());
    }
}
