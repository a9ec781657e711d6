//! Relays that do not answer. The clock is stopped once they are silent, and so goes on from one timer to the
//! next.

use std::time::Duration;

use tokio::{
    runtime::{Builder, Runtime},
    time::pause,
};
use tor_chan::LinkError;
use tor_circ::{CircError, CircParams, HopIndex};
use tor_net::{ChannelError, CircuitHandle};
use tor_testnet::{Edit, Misbehave, Request, Seen};

use crate::{
    circ,
    support::{Client, address, channels, extend, hop, network, within},
};

/// Short, but a machine that is busy for so long only makes the test pass late.
const SOON: Duration = Duration::from_millis(50);

/// Dials a relay that is silent, from a runtime whose clock is stopped once the relay is.
fn silent(offence: Misbehave) -> ChannelError {
    // The relay's time goes on.
    let relays = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let relay = relays.block_on(network().start(0)).unwrap();
    relay.arm(offence);
    let channels = channels();
    let address = address(&relay);
    let error = client_runtime().block_on(async {
        let dialled = channels.get(&address);
        tokio::pin!(dialled);
        tokio::select! {
            channel = &mut dialled => panic!("the relay was silent, but: {channel:?}"),
            _ = relay.saw(|seen| *seen == Seen::Misbehaved) => {}
        }
        pause();
        dialled.await.unwrap_err()
    });
    client_runtime().block_on(async {
        let channel = within(channels.get(&address)).await.unwrap();
        Client { relay, channels, channel }.goes_on().await;
    });
    error
}

fn client_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn before_tls() {
    let error = silent(Misbehave::SilentTcp);
    assert!(matches!(error, ChannelError::TimedOut), "{error:?}");
}

#[test]
fn in_the_middle_of_the_link_handshake() {
    for (cells, bytes) in [(0, 0), (0, 4), (1, 0), (1, 400), (2, 0), (3, 513)] {
        let stall = Edit::new(move |all: &mut Vec<bytes::BytesMut>| {
            all.truncate(cells + 1);
            all[cells].truncate(bytes);
        });
        let error = silent(Misbehave::Handshake(stall));
        assert!(matches!(error, ChannelError::Link(LinkError::TimedOut)), "{error:?}");
    }
}

#[tokio::test]
async fn instead_of_created2() {
    let client = Client::new().await;
    client.relay.arm(Misbehave::Instead(Request::Create, vec![]));
    let circuit = within(CircuitHandle::new(&client.channel, CircParams::default())).await.unwrap();
    let error = within(circuit.add_hop(hop(0), SOON)).await.unwrap_err();
    assert_eq!(circ(error), CircError::TimedOut { hop: HopIndex(0) });
    within(client.relay.saw(|seen| matches!(seen, Seen::Destroy(..)))).await;
    client.goes_on().await;
}

#[tokio::test]
async fn instead_of_extended2() {
    let client = Client::new().await;
    for hops in [1, 2] {
        let circuit = client.circuit(hops).await;
        client.relay.arm(Misbehave::Instead(Request::Extend, vec![]));
        let error = within(circuit.add_hop(hop(hops), SOON)).await.unwrap_err();
        assert_eq!(circ(error), CircError::TimedOut { hop: HopIndex(hops.try_into().unwrap()) });
        assert!(extend(&circuit, hops).await.is_err(), "the circuit is gone");
    }
    within(client.relay.saw(|seen| matches!(seen, Seen::Destroy(..)))).await;
    client.goes_on().await;
}
