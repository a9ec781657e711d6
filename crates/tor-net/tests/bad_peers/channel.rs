//! On a channel that is open: what no relay may send closes it, and with it all its circuits; what a later
//! version may send is ignored.

use std::io;

use tokio::io::AsyncReadExt;
use tor_cell::frame::ChanCmd;
use tor_chan::ChanError;
use tor_net::{ChannelError, CircuitError, StreamEnd};
use tor_testnet::{Misbehave, OnCircuit, Request, Step};

use crate::{
    Scene,
    support::{Client, address, converse, open, why_closed, within},
};

fn cell(circ: OnCircuit, command: ChanCmd, body: Vec<u8>) -> Step {
    Step::Cell { circ, command, body }
}

/// Opens a stream, for which the relay does this; the channel closes, and the next one is good.
async fn closes_the_channel(steps: Vec<Step>) -> ChannelError {
    let Scene { client, neighbour, victim } = Scene::new().await;
    let mut bystander = open(&neighbour, "open").await.unwrap();
    client.relay.arm(Misbehave::Instead(Request::Begin, steps));
    open(&victim, "open").await.unwrap_err();
    let error = why_closed(&client.channel).await;
    for circuit in [neighbour, victim] {
        let lost = within(circuit.closed()).await;
        assert!(matches!(lost, CircuitError::ChannelLost), "{lost:?}");
    }
    within(bystander.read_u8()).await.unwrap_err();
    assert_eq!(bystander.ended(), Some(StreamEnd::CircuitClosed));
    let channel = within(client.channels.get(&address(&client.relay))).await.unwrap();
    Client { channel, ..client }.goes_on().await;
    error
}

async fn chan(steps: Vec<Step>) -> ChanError {
    let error = closes_the_channel(steps).await;
    let ChannelError::Protocol(error) = error else { panic!("not an offence of the channel: {error:?}") };
    error
}

#[tokio::test]
async fn a_relay_creates_circuits_through_us() {
    for command in [ChanCmd::CREATE, ChanCmd::CREATE_FAST, ChanCmd::CREATE2] {
        assert_eq!(chan(vec![cell(OnCircuit::Id(5), command, vec![0, 2, 0, 84])]).await, ChanError::Create);
    }
}

#[tokio::test]
async fn cells_of_the_handshake_when_that_is_over() {
    for command in [ChanCmd::CERTS, ChanCmd::AUTH_CHALLENGE, ChanCmd::AUTHENTICATE, ChanCmd::NETINFO] {
        let error = chan(vec![cell(OnCircuit::Zero, command, vec![0; 10])]).await;
        assert_eq!(error, ChanError::HandshakeOver { command });
    }
}

#[tokio::test]
async fn a_relay_negotiates_padding() {
    let error = chan(vec![cell(OnCircuit::Zero, ChanCmd::PADDING_NEGOTIATE, vec![0, 2])]).await;
    assert_eq!(error, ChanError::PaddingNegotiate);
}

#[tokio::test]
async fn cells_of_a_circuit_that_name_none() {
    for command in [ChanCmd::RELAY, ChanCmd::RELAY_EARLY, ChanCmd::CREATED2, ChanCmd::DESTROY] {
        let error = chan(vec![cell(OnCircuit::Zero, command, vec![])]).await;
        assert_eq!(error, ChanError::NoCircuit { command });
    }
}

#[tokio::test]
async fn what_is_unknown_or_nobodys_is_ignored() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let before = within(client.channel.stats()).await.unwrap();
    let steps = vec![
        // Commands of the future, with and without a circuit.
        cell(OnCircuit::This, ChanCmd(99), vec![1; 509]),
        cell(OnCircuit::Zero, ChanCmd(13), vec![]),
        cell(OnCircuit::This, ChanCmd(255), vec![2; 3]),
        cell(OnCircuit::Zero, ChanCmd(133), vec![2; 30_000]),
        // VERSIONS once more, and padding.
        cell(OnCircuit::Zero, ChanCmd::VERSIONS, vec![0, 3]),
        cell(OnCircuit::Zero, ChanCmd::PADDING, vec![]),
        cell(OnCircuit::Zero, ChanCmd::VPADDING, vec![0; 700]),
        // Circuits that never were, of either end's choosing.
        cell(OnCircuit::Id(1), ChanCmd::RELAY, vec![3; 509]),
        cell(OnCircuit::Id(1 << 31), ChanCmd::CREATED2, vec![]),
        cell(OnCircuit::Id(77), ChanCmd::DESTROY, vec![]),
        Step::connected(),
    ];
    client.relay.arm(Misbehave::Instead(Request::Begin, steps));
    let _stream = open(&circuit, "open").await.unwrap();
    let stats = within(client.channel.stats()).await.unwrap();
    assert_eq!(stats.cells_in - before.cells_in, 11);
    assert_eq!((stats.stray_cells, stats.padding_in), (3, 2));
    converse(&circuit).await;
    client.goes_on().await;
}

/// The relay ends a circuit, and then goes on sending on it: that is late, and nobody's.
#[tokio::test]
async fn a_circuit_that_has_ended_is_not_there_for_the_relay_either() {
    let Scene { client, neighbour, victim } = Scene::new().await;
    let steps = vec![Step::destroy(), Step::FlippedBit, Step::FlippedBit];
    client.relay.arm(Misbehave::Instead(Request::Begin, steps));
    open(&victim, "open").await.unwrap_err();
    within(victim.closed()).await;
    converse(&neighbour).await;
    assert_eq!(within(client.channel.stats()).await.unwrap().late_cells, 2);
    client.goes_on().await;
}

#[tokio::test]
async fn closed_in_the_middle_of_a_cell() {
    for last in [Step::CloseTls, Step::CloseTcp] {
        for bytes in [vec![], vec![0], vec![0, 0, 0, 1, 3, 4], vec![0; 513]] {
            let error = closes_the_channel(vec![Step::Bytes(bytes), last.clone()]).await;
            assert!(
                matches!(&error, ChannelError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn garbage_below_tls() {
    for garbage in [vec![0x17, 3, 3, 0, 32], b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()] {
        let garbage = [garbage, vec![0x55; 64]].concat();
        let error = closes_the_channel(vec![Step::BelowTls(garbage)]).await;
        assert!(matches!(error, ChannelError::Io(_)), "{error:?}");
    }
}
