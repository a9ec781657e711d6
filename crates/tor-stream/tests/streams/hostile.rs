//! Each rule that a peer can break, broken.

use tor_cell::{
    DecodeError, StreamId,
    relay::{RelayCmd, RelayMsg},
};
use tor_id::Fault;
use tor_stream::{EarlyData, Phase, StreamError, StreamEvent};

use super::Circuit;

const OPENERS: [RelayCmd; 3] = [RelayCmd::BEGIN, RelayCmd::BEGIN_DIR, RelayCmd::RESOLVE];
const ANSWERS: [RelayCmd; 5] =
    [RelayCmd::DATA, RelayCmd::CONNECTED, RelayCmd::SENDME, RelayCmd::END, RelayCmd::RESOLVED];
/// Flow control of congestion control, which was not negotiated.
const XON_XOFF: [RelayCmd; 2] = [RelayCmd(43), RelayCmd(44)];

#[track_caller]
fn unexpected(circuit: &mut Circuit, command: RelayCmd, id: StreamId, phase: Phase) {
    let error = circuit.peer(command, id, &[0; 8]).unwrap_err();
    assert_eq!(error, StreamError::Unexpected { command, phase });
    assert_eq!(error.fault(), Fault::Peer);
}

#[test]
fn nothing_may_arrive_on_an_unknown_stream() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    let unknown = StreamId::from_wire(id.to_wire() ^ 1).unwrap();
    for command in OPENERS.into_iter().chain(ANSWERS).chain(XON_XOFF) {
        assert_eq!(
            circuit.peer(command, unknown, &[1, 0, 0, 0]),
            Err(StreamError::UnknownStream { command, stream: unknown })
        );
    }
}

#[test]
fn nothing_may_arrive_on_a_stream_that_the_peer_has_not_heard_of() {
    let mut circuit = Circuit::new();
    let id = circuit.begin(EarlyData::Allowed, 0);
    for command in ANSWERS {
        assert_eq!(
            circuit.peer(command, id, &[1, 0, 0, 0]),
            Err(StreamError::UnknownStream { command, stream: id })
        );
    }
}

#[test]
fn nothing_may_arrive_behind_the_peers_end() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    circuit.peer(RelayCmd::END, id, &[6]).unwrap();
    for command in ANSWERS {
        assert_eq!(
            circuit.peer(command, id, &[1, 0, 0, 0]),
            Err(StreamError::UnknownStream { command, stream: id })
        );
    }
}

#[test]
fn a_message_of_a_stream_names_one() {
    let mut circuit = Circuit::new();
    for command in ANSWERS {
        let msg = RelayMsg { command, stream: None, body: &[1] };
        assert_eq!(circuit.streams.on_message(&msg), Err(StreamError::NoStreamId { command }));
    }
}

#[test]
fn data_before_connected() {
    let mut circuit = Circuit::new();
    let id = circuit.connecting(EarlyData::Allowed, 0);
    unexpected(&mut circuit, RelayCmd::DATA, id, Phase::Connecting);
}

#[test]
fn a_second_connected() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    unexpected(&mut circuit, RelayCmd::CONNECTED, id, Phase::Connected);
}

#[test]
fn resolved_on_a_stream_of_data() {
    let mut circuit = Circuit::new();
    let id = circuit.connecting(EarlyData::Held, 0);
    unexpected(&mut circuit, RelayCmd::RESOLVED, id, Phase::Connecting);
    let id = circuit.connected(0);
    unexpected(&mut circuit, RelayCmd::RESOLVED, id, Phase::Connected);
}

#[test]
fn anything_but_an_answer_on_a_resolving_stream() {
    let mut circuit = Circuit::new();
    let id = circuit.resolving();
    for command in [RelayCmd::DATA, RelayCmd::CONNECTED, RelayCmd::SENDME] {
        unexpected(&mut circuit, command, id, Phase::Resolving);
    }
}

#[test]
fn what_only_a_client_sends_or_what_was_not_negotiated() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    for command in OPENERS.into_iter().chain(XON_XOFF).chain([RelayCmd(99)]) {
        unexpected(&mut circuit, command, id, Phase::Connected);
    }
}

#[test]
fn an_end_without_a_reason() {
    let mut circuit = Circuit::new();
    let malformed = Err(StreamError::Malformed(DecodeError { what: "END" }));
    let id = circuit.connecting(EarlyData::Held, 0);
    assert_eq!(circuit.peer(RelayCmd::END, id, &[]), malformed);
    let id = circuit.connected(0);
    assert_eq!(circuit.peer(RelayCmd::END, id, &[]), malformed);
    let id = circuit.half_closed();
    assert_eq!(circuit.peer(RelayCmd::END, id, &[]), malformed);
}

#[test]
fn a_malformed_connected_or_resolved() {
    let mut circuit = Circuit::new();
    let id = circuit.connecting(EarlyData::Held, 0);
    assert!(matches!(circuit.peer(RelayCmd::CONNECTED, id, &[1, 2, 3]), Err(StreamError::Malformed(_))));
    let id = circuit.resolving();
    assert!(matches!(circuit.peer(RelayCmd::RESOLVED, id, &[4, 4, 1]), Err(StreamError::Malformed(_))));
}

#[test]
fn data_beyond_the_window() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    // The application reads nothing: all that the peer may send is the window it began with, and the increments
    // that it got while less than ten cells were unread.
    let body = [0; 498];
    for _ in 0..500 {
        assert!(matches!(circuit.peer(RelayCmd::DATA, id, &body), Ok(StreamEvent::Data { .. })));
    }
    assert_eq!(circuit.drain(), []);
    assert_eq!(
        circuit.peer(RelayCmd::DATA, id, &[0]),
        Err(StreamError::DataBeyondWindow { stream: id }),
        "one byte costs a cell too"
    );
}

#[test]
fn a_sendme_for_what_was_never_sent() {
    let mut circuit = Circuit::new();
    let extra = |id| Err(StreamError::ExtraSendme { stream: id });
    let id = circuit.connected(0);
    assert_eq!(circuit.peer(RelayCmd::SENDME, id, &[]), extra(id));
    circuit.streams.sent_data(id, 99);
    assert!(matches!(circuit.peer(RelayCmd::SENDME, id, &[]), Ok(StreamEvent::WindowOpened { .. })));
    assert_eq!(circuit.peer(RelayCmd::SENDME, id, &[]), extra(id));
    let id = circuit.connecting(EarlyData::Held, 0);
    assert_eq!(circuit.peer(RelayCmd::SENDME, id, &[]), extra(id));
}

#[test]
fn a_half_closed_stream_may_still_get_what_its_windows_allowed() {
    let mut circuit = Circuit::new();
    let id = circuit.connected(0);
    circuit.streams.sent_data(id, 149);
    for _ in 0..20 {
        circuit.peer(RelayCmd::DATA, id, &[0; 498]).unwrap();
    }
    circuit.streams.end(id);
    assert_eq!(circuit.drain(), [(RelayCmd::END, id)]);

    for _ in 0..480 {
        assert_eq!(circuit.peer(RelayCmd::DATA, id, &[0; 498]), Ok(StreamEvent::Nothing));
    }
    assert_eq!(circuit.drain(), [], "a half-closed window is not replenished");
    for _ in 0..2 {
        assert_eq!(circuit.peer(RelayCmd::SENDME, id, &[]), Ok(StreamEvent::Nothing));
    }
    for command in [RelayCmd::DATA, RelayCmd::SENDME, RelayCmd::CONNECTED, RelayCmd::RESOLVED, XON_XOFF[0]] {
        assert_eq!(circuit.peer(command, id, &[0; 4]), Err(StreamError::HalfClosed { command, stream: id }));
    }
    assert_eq!(circuit.peer(RelayCmd::END, id, &[1]), Ok(StreamEvent::Nothing));
    assert_eq!(
        circuit.peer(RelayCmd::END, id, &[1]),
        Err(StreamError::UnknownStream { command: RelayCmd::END, stream: id })
    );
}

#[test]
fn a_stream_half_closed_before_its_answer_may_get_one() {
    let mut circuit = Circuit::new();
    let id = circuit.connecting(EarlyData::Held, 7);
    assert_eq!(circuit.streams.end(id), Some(7));
    circuit.drain();
    let refused = |command| Err(StreamError::HalfClosed { command, stream: id });
    assert_eq!(circuit.peer(RelayCmd::DATA, id, &[0]), refused(RelayCmd::DATA));
    assert_eq!(circuit.peer(RelayCmd::CONNECTED, id, &[]), Ok(StreamEvent::Nothing));
    assert_eq!(circuit.peer(RelayCmd::CONNECTED, id, &[]), refused(RelayCmd::CONNECTED));
    assert_eq!(circuit.peer(RelayCmd::DATA, id, &[0]), Ok(StreamEvent::Nothing));
}

#[test]
fn a_half_closed_resolve_may_get_its_answer_and_nothing_else() {
    let mut circuit = Circuit::new();
    let id = circuit.resolving();
    circuit.streams.end(id);
    circuit.drain();
    for command in [RelayCmd::DATA, RelayCmd::CONNECTED, RelayCmd::SENDME] {
        assert_eq!(circuit.peer(command, id, &[0]), Err(StreamError::HalfClosed { command, stream: id }));
    }
    assert_eq!(circuit.peer(RelayCmd::RESOLVED, id, &[]), Ok(StreamEvent::Nothing));
    assert!(matches!(circuit.peer(RelayCmd::RESOLVED, id, &[]), Err(StreamError::UnknownStream { .. })));
}
