//! Streams that live well: opening, data both ways, closing, taking turns.

use std::{collections::BTreeSet, time::Duration};

use tor_cell::{
    EndReason, StreamId, TooLong,
    relay::{Begin, BeginFlags, RelayCmd},
};
use tor_stream::{BeginError, EarlyData, Phase, StreamEvent};

use super::Circuit;

#[test]
fn early_data_waits_for_begin_only() {
    let mut circuit = Circuit::new();
    let id = circuit.begin(EarlyData::Allowed, 0);
    assert_eq!(circuit.streams.credit(id), 0, "DATA would overtake BEGIN");
    circuit.drain();
    assert_eq!(circuit.streams.credit(id), 500);
    circuit.streams.sent_data(id, 500);
    assert_eq!(circuit.streams.credit(id), 0);
    // What went out early counts after CONNECTED too.
    circuit.peer(RelayCmd::CONNECTED, id, &[]).unwrap();
    assert_eq!(circuit.streams.credit(id), 0);
    circuit.peer(RelayCmd::SENDME, id, &[]).unwrap();
    assert_eq!(circuit.streams.credit(id), 50);
}

#[test]
fn held_data_waits_for_connected() {
    let mut circuit = Circuit::new();
    let id = circuit.connecting(EarlyData::Held, 0);
    assert_eq!(circuit.streams.credit(id), 0);
    circuit.peer(RelayCmd::CONNECTED, id, &[]).unwrap();
    assert_eq!((circuit.streams.credit(id), circuit.streams.phase(id)), (500, Some(Phase::Connected)));
}

#[test]
fn a_fast_reader_is_acknowledged_every_50_cells() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    for cell in 1..=1000 {
        circuit.peer(RelayCmd::DATA, id, &[0; 498]).unwrap();
        circuit.streams.consumed(id, 498);
        let due: &[_] = if cell % 50 == 0 { &[(RelayCmd::SENDME, id)] } else { &[] };
        assert_eq!(circuit.drain(), due, "after {cell} cells");
    }
}

#[test]
fn a_slow_reader_is_acknowledged_once_it_is_nearly_through() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    for _ in 0..120 {
        circuit.peer(RelayCmd::DATA, id, &[0; 498]).unwrap();
    }
    assert_eq!(circuit.drain(), []);
    circuit.streams.consumed(id, 120 * 498 - 5091);
    assert_eq!(circuit.drain(), [], "5,091 bytes are more than ten cell bodies");
    circuit.streams.consumed(id, 1);
    assert_eq!(circuit.drain(), [(RelayCmd::SENDME, id); 2]);
}

#[test]
fn the_owners_property_comes_along_and_comes_back() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(10);
    match circuit.peer(RelayCmd::DATA, id, b"hello").unwrap() {
        StreamEvent::Data { local, bytes, .. } => {
            assert_eq!((*local, bytes), (10, &b"hello"[..]));
            *local = 11;
        }
        other => panic!("{other:?}"),
    }
    match circuit.peer(RelayCmd::END, id, &[6]).unwrap() {
        StreamEvent::Ended { id: of, local, phase, end } => {
            assert_eq!((of, local, phase, end.reason), (id, 11, Phase::Connected, EndReason::DONE));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(circuit.streams.end(id), None);
    circuit.streams.consumed(id, 5);
    assert_eq!(circuit.drain(), []);
}

#[test]
fn an_end_takes_queued_messages_of_its_stream_along() {
    let mut circuit = Circuit::new();
    let (id, other) = (circuit.connected(0), circuit.connected(1));
    for id in [id, other] {
        for _ in 0..50 {
            circuit.peer(RelayCmd::DATA, id, &[0]).unwrap();
        }
    }
    circuit.peer(RelayCmd::END, id, &[6]).unwrap();
    assert_eq!(circuit.drain(), [(RelayCmd::SENDME, other)]);
}

#[test]
fn a_stream_ended_before_its_begin_was_sent_was_never_there() {
    let mut circuit = Circuit::new();
    let id = circuit.begin(EarlyData::Held, 3);
    assert_eq!(circuit.streams.end(id), Some(3));
    assert_eq!(circuit.drain(), []);
    assert!(circuit.streams.oldest_waiting().is_none());
}

#[test]
fn our_end_gives_no_reason_away() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    circuit.streams.end(id);
    let end = circuit.streams.poll_output().unwrap();
    assert_eq!((end.message().command, end.message().body), (RelayCmd::END, &[1][..]));
    assert!(circuit.streams.poll_output().is_none());
}

#[test]
fn the_oldest_unanswered_stream_is_known() {
    let mut circuit = Circuit::new();
    let start = circuit.now;
    let first = circuit.connecting(EarlyData::Held, 0);
    circuit.now += Duration::from_secs(1);
    let second = circuit.resolving();
    assert_eq!(circuit.streams.oldest_waiting(), Some((start, first)));
    circuit.peer(RelayCmd::CONNECTED, first, &[]).unwrap();
    assert_eq!(circuit.streams.oldest_waiting(), Some((circuit.now, second)));
    circuit.peer(RelayCmd::RESOLVED, second, &[]).unwrap();
    assert_eq!(circuit.streams.oldest_waiting(), None);
}

#[test]
fn ready_streams_take_turns() {
    let mut circuit = Circuit::new();
    let all: Vec<_> = (0..4).map(|n| circuit.connected(n)).collect();
    let held = circuit.connecting(EarlyData::Held, 4);
    let mut after = None;
    let mut served = Vec::new();
    for _ in 0..8 {
        // Number 2 has nothing to send, and `held` no credit.
        after = circuit.streams.next_ready(after, |_, &local| local != 2);
        served.push(after.unwrap());
    }
    served.iter().for_each(|id| assert_ne!(*id, held));
    let round: BTreeSet<_> = served[..3].iter().copied().collect();
    assert_eq!(round, [all[0], all[1], all[3]].into());
    assert_eq!(served[..3], served[3..6]);
    // One that uses its window up makes room for the rest, and one that ended is no anchor to lose.
    circuit.streams.sent_data(all[0], 500);
    circuit.peer(RelayCmd::END, all[1], &[6]).unwrap();
    assert_eq!(circuit.streams.next_ready(Some(all[1]), |_, &local| local != 2), Some(all[3]));
    assert_eq!(circuit.streams.next_ready(Some(all[3]), |_, &local| local != 2), Some(all[3]));
    assert_eq!(circuit.streams.next_ready(None, |_, _| false), None);
}

#[test]
fn ids_are_reused_only_when_the_peer_is_done_with_them() {
    let mut circuit = Circuit::new();
    let half_closed = circuit.half_closed();
    let freed = circuit.connected(0);
    circuit.peer(RelayCmd::END, freed, &[6]).unwrap();
    let ids: BTreeSet<StreamId> = (0..65_534).map(|_| circuit.begin(EarlyData::Held, 0)).collect();
    assert_eq!(ids.len(), 65_534);
    assert!(ids.contains(&freed) && !ids.contains(&half_closed));
    let now = circuit.now;
    assert_eq!(circuit.streams.begin_dir(now, EarlyData::Held, 0), Err(BeginError::NoIdLeft));
    circuit.drain();
    circuit.peer(RelayCmd::END, half_closed, &[6]).unwrap();
    assert_eq!(circuit.streams.begin_dir(now, EarlyData::Held, 0), Ok(half_closed));
    assert_eq!(circuit.streams.len(), 65_535);
}

#[test]
fn a_lost_circuit_gives_everything_back() {
    let mut circuit = Circuit::new();
    circuit.half_closed();
    circuit.connected(1);
    circuit.begin(EarlyData::Held, 2);
    let mut left: Vec<_> = circuit.streams.into_live().map(|(_, phase, local)| (local, phase)).collect();
    left.sort_by_key(|(local, _)| *local);
    assert_eq!(left, [(1, Phase::Connected), (2, Phase::New)]);
}

#[test]
fn a_target_fits_in_a_cell() {
    let mut circuit = Circuit::new();
    let name = "a".repeat(500);
    let begin = Begin::new(&name, 80, BeginFlags::NONE).unwrap();
    let begun = circuit.streams.begin(circuit.now, &begin, EarlyData::Held, 0);
    assert_eq!(begun, Err(BeginError::Target(TooLong { what: "target" })));
    assert!(circuit.streams.is_empty() && circuit.streams.poll_output().is_none());
}
