//! Circuit windows and the SENDMEs that open them.

use bytes::BytesMut;
use tor_cell::{
    codec::Body,
    relay::{RelayCmd, Sendme},
};
use tor_circ::{CircError, CircParams, HopIndex, SendError, SendmeError};

use crate::network::{Network, Seen, stream};

fn sent(hundreds: usize) -> Network {
    let mut network = Network::with_hops(2);
    for _ in 0..hundreds * 100 {
        network.client_data(1, 1).unwrap();
    }
    network.carry();
    network
}

fn sendme_error(error: CircError) -> (HopIndex, SendmeError) {
    match error {
        CircError::Sendme { hop, error } => (hop, error),
        other => panic!("{other}"),
    }
}

#[test]
fn a_thousand_cells_and_no_more() {
    let mut network = sent(10);
    assert_eq!(network.client.window(HopIndex(1)), 0);
    assert_eq!(network.client_data(1, 1), Err(SendError::WindowEmpty { hop: HopIndex(1) }));
    let data = &mut &b"data"[..];
    let refused = network.client.send_data(HopIndex(1), stream(1).unwrap(), data, &mut network.out);
    assert_eq!(refused, Err(SendError::WindowEmpty { hop: HopIndex(1) }));
    assert_eq!(*data, b"data");
    assert!(network.out.is_empty());
    // The other hop's window, and what is not DATA, are not concerned.
    network.client_data(0, 1).unwrap();
    let begin = tor_cell::relay::RelayMsg { command: RelayCmd::BEGIN, stream: stream(2), body: b"x" };
    network.client.send(HopIndex(1), &begin, &mut network.out).unwrap();

    let tags = network.data_tags(1);
    for (number, tag) in (1..=10).zip(tags.chunks(100).map(|hundred| hundred[99])) {
        network.say(1, &Sendme::Tagged(tag.as_bytes()));
        assert_eq!(network.deliver_all().unwrap(), [Seen::WindowOpened(1)]);
        assert_eq!(network.client.window(HopIndex(1)), number * 100);
    }
}

#[test]
fn each_hundredth_data_cell_is_acknowledged_with_its_tag() {
    let mut network = Network::with_hops(3);
    network.carry();
    for number in 1..=350 {
        let tag = network.send(2, RelayCmd::DATA, stream(1), b"x");
        // Neither the other hops' cells nor what is not DATA counts.
        network.send(1, RelayCmd::DATA, stream(1), b"y");
        network.send(2, RelayCmd::CONNECTED, stream(1), b"");
        network.deliver_all().unwrap();
        network.carry();
        let heard: Vec<_> = network.heard.drain(..).filter(|heard| heard.by == 2).collect();
        if number % 100 == 0 {
            assert_eq!((heard[0].command, heard[0].stream, heard.len()), (RelayCmd::SENDME, None, 1));
            assert_eq!(Sendme::decode(&heard[0].body).unwrap(), Sendme::Tagged(tag.as_bytes()));
        } else {
            assert!(heard.is_empty());
        }
    }
}

#[test]
fn a_sendme_nobody_waits_for_closes() {
    let mut network = sent(1);
    let tag = network.data_tags(1)[99];
    network.say(1, &Sendme::Tagged(tag.as_bytes()));
    network.deliver_all().unwrap();
    network.say(1, &Sendme::Tagged(tag.as_bytes()));
    assert_eq!(sendme_error(network.deliver_fatal()), (HopIndex(1), SendmeError::Unexpected));
}

#[test]
fn a_sendme_before_its_time_closes() {
    let mut network = Network::with_hops(2);
    for _ in 0..99 {
        network.client_data(1, 1).unwrap();
    }
    network.carry();
    let tag = network.data_tags(1)[98];
    network.say(1, &Sendme::Tagged(tag.as_bytes()));
    assert_eq!(sendme_error(network.deliver_fatal()), (HopIndex(1), SendmeError::Unexpected));
}

#[test]
fn a_sendme_from_another_hop_closes() {
    let mut network = sent(1);
    let tag = network.data_tags(1)[99];
    network.say(0, &Sendme::Tagged(tag.as_bytes()));
    assert_eq!(sendme_error(network.deliver_fatal()), (HopIndex(0), SendmeError::Unexpected));
}

#[test]
fn a_forged_tag_closes() {
    for bit in [0, 77, 159] {
        let mut network = sent(2);
        let mut tag = *network.data_tags(1)[99].as_bytes();
        tag[bit / 8] ^= 1 << (bit % 8);
        network.say(1, &Sendme::Tagged(&tag));
        assert_eq!(sendme_error(network.deliver_fatal()), (HopIndex(1), SendmeError::WrongTag));
    }
}

/// The tag of another cell, even of the next that will be acknowledged, is as good as none: first in, first out.
#[test]
fn tags_are_acknowledged_in_their_order() {
    for index in [0, 98, 199] {
        let mut network = sent(2);
        let tag = network.data_tags(1)[index];
        network.say(1, &Sendme::Tagged(tag.as_bytes()));
        assert_eq!(sendme_error(network.deliver_fatal()), (HopIndex(1), SendmeError::WrongTag));
    }
}

/// tor1 tags have 20 bytes, CGO's have 16.
#[test]
fn a_prefix_of_the_tag_is_not_the_tag() {
    let mut network = sent(1);
    let tag = network.data_tags(1)[99];
    network.say(1, &Sendme::Tagged(&tag.as_bytes()[..16]));
    assert_eq!(sendme_error(network.deliver_fatal()), (HopIndex(1), SendmeError::WrongTag));
}

#[test]
fn an_unauthenticated_sendme_is_taken_while_the_consensus_allows_it() {
    let mut network = sent(2);
    for body in [&[][..], &[0, 0, 4, 1, 2, 3, 4]] {
        network.send(1, RelayCmd::SENDME, None, body);
        assert_eq!(network.deliver_all().unwrap(), [Seen::WindowOpened(1)]);
    }
    // It spent the tag all the same.
    network.send(1, RelayCmd::SENDME, None, &[]);
    assert_eq!(sendme_error(network.deliver_fatal()), (HopIndex(1), SendmeError::Unexpected));
}

#[test]
fn an_unauthenticated_sendme_closes_when_the_consensus_forbids_it() {
    for (accept_min, body, version) in
        [(1, &[][..], 0), (1, &[0], 0), (2, &[], 0), (2, &[&[1, 0, 20][..], &[0; 20]].concat(), 1)]
    {
        let mut network = Network::new(CircParams { sendme_accept_min: accept_min });
        network.build(1);
        for _ in 0..100 {
            network.client_data(0, 1).unwrap();
        }
        network.carry();
        network.send(0, RelayCmd::SENDME, None, body);
        assert_eq!(sendme_error(network.deliver_fatal()), (HopIndex(0), SendmeError::Version(version)));
    }
}

#[test]
fn a_malformed_sendme_closes() {
    let bodies: [&[u8]; 5] = [&[2], &[2, 0, 20], &[1], &[1, 0, 20, 1, 2, 3], &[1, 0, 0]];
    for body in bodies {
        let mut network = sent(1);
        network.send(1, RelayCmd::SENDME, None, body);
        assert!(
            matches!(network.deliver_fatal(), CircError::MalformedMessage { hop: HopIndex(1), .. }),
            "{body:?}"
        );
    }
}

#[test]
fn the_sendme_leaves_behind_what_was_written_before() {
    let mut network = Network::with_hops(1);
    let mut out = BytesMut::from(&b"other circuits' cells"[..]);
    for _ in 0..100 {
        network.send(0, RelayCmd::DATA, stream(1), b"x");
    }
    for (command, mut body) in std::mem::take(&mut network.inbound) {
        network.client.on_cell(network.now, command, &mut body, &mut out).unwrap();
    }
    assert_eq!(out.len(), b"other circuits' cells".len() + 514);
    assert!(out.starts_with(b"other circuits' cells"));
}
