//! Circuits that come about, and what is refused on the way.

use std::time::Duration;

use tor_cell::{
    chan::Create2,
    codec::Body,
    frame::ChanCmd,
    relay::{Extend2, HandshakeType, RelayCmd},
};
use tor_circ::{CircError, CircParams, HopHandshake, HopIndex, SendError};
use tor_id::{Fault, LinkSpec};
use tor_ntor::OnionKey;

use crate::network::{Network, Seen};

#[test]
fn three_hops_by_three_handshakes() {
    let mut network = Network::new(CircParams::default());
    let handshakes = [|_: &_| HopHandshake::CreateFast, Network::ntor, Network::ntor_v3];
    for (hop, handshake) in (0u8..).zip(handshakes) {
        assert_eq!(network.client.last_hop(), hop.checked_sub(1).map(HopIndex));
        network.ask(hop.into(), handshake);
        assert_eq!(network.client.deadline(), Some(network.until()));
        network.carry();
        assert_eq!(network.deliver_all().unwrap(), [Seen::Extended(hop)]);
        assert_eq!(network.client.deadline(), None);
    }
    assert_eq!(network.client.window(HopIndex(2)), 1000);
    assert_eq!(network.client.window(HopIndex(3)), 0);
}

#[test]
fn any_handshake_makes_a_first_hop() {
    let cases: [(fn(&_) -> _, _); 3] = [
        (Network::ntor, ChanCmd::CREATE2),
        (Network::ntor_v3, ChanCmd::CREATE2),
        (|_| HopHandshake::CreateFast, ChanCmd::CREATE_FAST),
    ];
    for (handshake, command) in cases {
        let mut network = Network::new(CircParams::default());
        network.ask(0, handshake);
        assert_eq!(network.written()[0].0, command);
        network.carry();
        assert_eq!(network.deliver_all().unwrap(), [Seen::Extended(0)]);
    }
}

#[test]
fn ntor_goes_by_its_number() {
    let mut network = Network::new(CircParams::default());
    network.ask(0, Network::ntor);
    let (_, body) = network.written()[0];
    let Create2 { kind, onionskin } = Create2::decode(&body).unwrap();
    assert_eq!((kind, onionskin.len()), (HandshakeType::NTOR, 84));
}

#[test]
fn extend2_travels_early_and_names_the_relay_in_c_tors_order() {
    let mut network = Network::with_hops(1);
    network.ask(1, Network::ntor);
    network.carry();
    let heard = network.heard.pop().unwrap();
    assert_eq!((heard.by, heard.early, heard.command, heard.stream), (0, true, RelayCmd::EXTEND2, None));
    let kinds = Extend2::decode(&heard.body).unwrap().target.into_iter().map(|spec| match spec {
        LinkSpec::Address(addr) if addr.is_ipv4() => "IPv4",
        LinkSpec::Address(_) => "IPv6",
        LinkSpec::Rsa(_) => "RSA",
        LinkSpec::Ed25519(_) => "Ed25519",
        LinkSpec::Unknown { .. } => "unknown",
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["IPv4", "RSA", "Ed25519", "IPv6"]);
}

/// As many as C Tor sends: 7 or 8, spent on whatever the first hop passes on.
#[test]
fn a_circuit_sends_eight_relay_early_cells_at_most() {
    let mut network = Network::with_hops(3);
    for _ in 0..20 {
        network.client_data(0, 1).unwrap();
        network.client_data(2, 1).unwrap();
    }
    network.carry();
    let early = |by| network.heard.iter().filter(|heard| heard.by == by && heard.early).count();
    // The first of the two EXTEND2 came out of `with_hops`, which forgets what was heard.
    assert!((5..=6).contains(&early(2)), "{} early", early(2));
    assert_eq!(early(0), 0, "what the first hop keeps to itself is never early");
    let spec = network.spec(2, Network::ntor(&network.relays[2]));
    assert_eq!(network.try_extend(&spec), Err(SendError::TooLong));
}

#[test]
fn what_can_not_be_asked_for_changes_nothing() {
    let mut network = Network::new(CircParams::default());
    let good = network.spec(0, Network::ntor(&network.relays[0]));
    assert_eq!(network.try_extend(&good), Err(SendError::NotNow { doing: "idle" }));
    let mut anonymous = network.spec(0, Network::ntor_v3(&network.relays[0]));
    anonymous.ids.ed25519 = None;
    assert!(matches!(network.try_create(&anonymous), Err(SendError::BadHop(_))));
    network.try_create(&good).unwrap();
    assert_eq!(network.try_create(&good), Err(SendError::NotNow { doing: "being created" }));
    assert_eq!(network.client_data(0, 1), Err(SendError::NotNow { doing: "being created" }));
    network.carry();
    network.deliver_all().unwrap();

    let mut nowhere = good.clone();
    nowhere.addrs.clear();
    assert!(matches!(network.try_extend(&nowhere), Err(SendError::BadHop(_))));
    let mut fast = good.clone();
    fast.handshake = HopHandshake::CreateFast;
    assert!(matches!(network.try_extend(&fast), Err(SendError::BadHop(_))));
    assert!(network.out.is_empty());
    assert_eq!(network.client.deadline(), None);
    network.try_extend(&good).unwrap();
    assert_eq!(network.try_extend(&good), Err(SendError::NotNow { doing: "being extended" }));
}

#[test]
fn a_hop_that_does_not_answer_in_time_ends_the_circuit() {
    for hops in 0..3 {
        let mut network = Network::with_hops(hops);
        network.ask(hops, Network::ntor);
        network.out.clear();
        let until = network.client.deadline().unwrap();
        network.client.on_timer(until - Duration::from_nanos(1), &mut network.out).unwrap();
        let error = network.client.on_timer(until, &mut network.out).unwrap_err();
        assert_eq!(error, CircError::TimedOut { hop: HopIndex(hops.try_into().unwrap()) });
        assert_eq!(error.fault(), Fault::Network);
        network.assert_destroyed();
        network.client.on_timer(until, &mut network.out).unwrap();
    }
}

/// Whether the timer or the cell is seen first must not matter.
#[test]
fn an_answer_after_the_deadline_is_too_late() {
    for hops in 0..3 {
        let mut network = Network::with_hops(hops);
        network.ask(hops, Network::ntor);
        network.carry();
        network.now = network.until();
        assert!(matches!(network.deliver_fatal(), CircError::TimedOut { .. }));
    }
}

#[test]
fn an_open_circuit_has_all_the_time_in_the_world() {
    let mut network = Network::with_hops(3);
    network.now += Duration::from_secs(1_000_000);
    network.client.on_timer(network.now, &mut network.out).unwrap();
    network.client_data(2, 10).unwrap();
}

#[test]
fn nobody_is_told_of_the_end_of_a_circuit_that_never_was() {
    let mut network = Network::new(CircParams::default());
    network.client.destroy(&mut network.out);
    assert!(network.client.is_done() && network.out.is_empty());
}

#[test]
fn our_own_end_is_told_without_a_reason() {
    for hops in 1..3 {
        let mut network = Network::with_hops(hops);
        network.client.destroy(&mut network.out);
        network.assert_destroyed();
        assert_eq!(network.client_data(0, 1), Err(SendError::NotNow { doing: "closed" }));
    }
}

#[test]
fn a_degenerate_onion_key_is_never_used() {
    let mut network = Network::new(CircParams::default());
    let spec = network.spec(0, HopHandshake::Ntor { onion_key: OnionKey::from_bytes([0; 32]) });
    // Whether it is found when we ask or when the answer comes is the handshake's choice; found it is.
    if network.try_create(&spec).is_ok() {
        let reply = [9; 64];
        let mut body = [0; 509];
        body[1] = 64;
        body[2..66].copy_from_slice(&reply);
        network.out.clear();
        network.inbound.push((ChanCmd::CREATED2, body));
        assert!(matches!(network.deliver_fatal(), CircError::Handshake { .. }));
    }
}
