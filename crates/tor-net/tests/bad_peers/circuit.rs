//! On a circuit that is open.

use tor_cell::{CELL_BODY_LEN, DestroyReason, frame::ChanCmd, relay::RelayCmd};
use tor_circ::{CircError, HopIndex};
use tor_net::CircuitError;
use tor_testnet::{Misbehave, OnStream, Request, Step};

use crate::{
    Scene, circ,
    support::{Client, converse, open, within},
};

const LAST: HopIndex = HopIndex(2);

fn unexpected(hop: HopIndex, command: RelayCmd) -> CircError {
    CircError::UnexpectedMessage { hop, command }
}

#[tokio::test]
async fn a_bit_flips_on_the_way() {
    assert_eq!(circ(Scene::offend(vec![Step::FlippedBit]).await), CircError::BadRelayCell);
}

#[tokio::test]
async fn a_relay_cell_that_nobody_has_sealed() {
    let junk = vec![Step::cell(ChanCmd::RELAY, vec![0x5a; CELL_BODY_LEN])];
    assert_eq!(circ(Scene::offend(junk).await), CircError::BadRelayCell);
}

#[tokio::test]
async fn relay_early_to_a_client() {
    let expected = CircError::UnexpectedCell { command: ChanCmd::RELAY_EARLY, doing: "open" };
    assert_eq!(circ(Scene::offend(vec![Step::RelayEarly]).await), expected);
}

#[tokio::test]
async fn created_a_second_time() {
    for command in [ChanCmd::CREATED2, ChanCmd::CREATED_FAST, ChanCmd::CREATED] {
        let error = Scene::offend(vec![Step::cell(command, vec![0, 64])]).await;
        assert_eq!(circ(error), CircError::UnexpectedCell { command, doing: "open" });
    }
}

#[tokio::test]
async fn extended2_that_nobody_asked_for() {
    let error = Scene::offend(vec![Step::control(RelayCmd::EXTENDED2, vec![0; 66])]).await;
    assert_eq!(circ(error), unexpected(LAST, RelayCmd::EXTENDED2));
}

/// Those that only relays get, those that answer what we never ask, and those that nobody knows.
#[tokio::test]
async fn messages_that_no_client_accepts() {
    let client = Client::new().await;
    let neighbour = client.circuit(3).await;
    let of_streams = [RelayCmd::BEGIN, RelayCmd::BEGIN_DIR, RelayCmd::RESOLVE, RelayCmd::XON, RelayCmd::XOFF];
    let of_circuits = [
        RelayCmd::EXTEND,
        RelayCmd::EXTENDED,
        RelayCmd::EXTEND2,
        RelayCmd::TRUNCATE,
        RelayCmd::CONFLUX_LINKED,
        RelayCmd::CONFLUX_SWITCH,
        RelayCmd::INTRODUCE2,
        RelayCmd::RENDEZVOUS2,
        RelayCmd::PADDING_NEGOTIATED,
        RelayCmd(99),
        RelayCmd(255),
    ];
    let steps = of_streams
        .map(|command| (command, Step::message(command, vec![0; 16])))
        .into_iter()
        .chain(of_circuits.map(|command| (command, Step::control(command, vec![0; 16]))));
    for (command, step) in steps {
        let victim = client.circuit(3).await;
        client.relay.arm(Misbehave::Instead(Request::Begin, vec![step]));
        open(&victim, "open").await.unwrap_err();
        assert_eq!(circ(within(victim.closed()).await), unexpected(LAST, command));
    }
    converse(&neighbour).await;
    client.goes_on().await;
}

/// It has the right key, but a hop in the middle has no streams.
#[tokio::test]
async fn a_hop_in_the_middle_speaks_of_streams() {
    for (hop, command) in
        [(0, RelayCmd::DATA), (1, RelayCmd::DATA), (1, RelayCmd::END), (1, RelayCmd::CONNECTED)]
    {
        let step = Step::Message { from: Some(hop), command, stream: OnStream::This, body: vec![6] };
        let error = Scene::offend(vec![step]).await;
        assert_eq!(circ(error), unexpected(HopIndex(hop.try_into().unwrap()), command));
    }
}

#[tokio::test]
async fn a_length_that_is_longer_than_the_cell() {
    let mut cell = Box::new([0; CELL_BODY_LEN]);
    cell[0] = RelayCmd::DROP.0;
    cell[9..11].copy_from_slice(&499_u16.to_be_bytes());
    let error = Scene::offend(vec![Step::Seal(cell)]).await;
    assert_eq!(circ(error), CircError::MalformedMessage { hop: LAST, what: "relay cell" });
}

#[tokio::test]
async fn a_stream_where_none_belongs_or_none_where_one_does() {
    for step in [
        Step::control(RelayCmd::DATA, vec![1, 2, 3]),
        Step::control(RelayCmd::END, vec![6]),
        Step::message(RelayCmd::TRUNCATED, vec![1]),
        Step::message(RelayCmd::DROP, vec![]),
    ] {
        let error = Scene::offend(vec![step]).await;
        assert_eq!(circ(error), CircError::MalformedMessage { hop: LAST, what: "relay cell" });
    }
}

#[tokio::test]
async fn truncated_without_a_reason() {
    let error = Scene::offend(vec![Step::control(RelayCmd::TRUNCATED, vec![])]).await;
    assert_eq!(circ(error), CircError::MalformedMessage { hop: LAST, what: "TRUNCATED" });
}

#[tokio::test]
async fn truncated_by_a_hop_in_the_middle() {
    let step =
        Step::Message { from: Some(1), command: RelayCmd::TRUNCATED, stream: OnStream::Zero, body: vec![8] };
    let error = Scene::offend(vec![step]).await;
    assert!(
        matches!(error, CircuitError::Destroyed { by: HopIndex(1), reason: DestroyReason(8) }),
        "{error:?}"
    );
}

/// A DESTROY is never empty: its cell is padded with zeros, and 0 is a reason.
#[tokio::test]
async fn destroy_without_a_reason() {
    let error = Scene::offend(vec![Step::destroy()]).await;
    assert!(
        matches!(error, CircuitError::Destroyed { by: HopIndex::FIRST, reason: DestroyReason::NONE }),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_comes_after_destroy_is_nobodys() {
    let after = vec![
        Step::destroy(),
        Step::FlippedBit,
        Step::control(RelayCmd::EXTENDED2, vec![]),
        Step::destroy(),
        Step::cell(ChanCmd::CREATED2, vec![]),
    ];
    let error = Scene::offend(after).await;
    assert!(matches!(error, CircuitError::Destroyed { .. }), "{error:?}");
}

#[tokio::test]
async fn drop_is_dropped() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let mut steps = vec![Step::connected()];
    steps.extend((0..3).map(|hop| Step::Message {
        from: Some(hop),
        command: RelayCmd::DROP,
        stream: OnStream::Zero,
        body: vec![4; 498],
    }));
    client.relay.arm(Misbehave::Instead(Request::Begin, steps));
    let _stream = open(&circuit, "open").await.unwrap();
    converse(&circuit).await;
    client.goes_on().await;
}
