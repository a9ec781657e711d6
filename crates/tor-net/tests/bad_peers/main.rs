//! Relays that break the protocol, each in one way: the smallest thing closes, with an error that names the
//! offence, and the client goes on.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod build;
mod certs;
mod channel;
mod circuit;
mod handshake;
mod silence;
mod stream;
mod windows;

use tor_chan::LinkError;
use tor_circ::CircError;
use tor_net::{ChannelError, CircuitError, CircuitHandle};
use tor_stream::StreamError;
use tor_testnet::{Misbehave, Request, Seen, Step};

use support::{Client, address, channels, converse, network, open, within};

/// Dials a relay that commits the offence, and again once it is good.
async fn refused(offence: Misbehave) -> ChannelError {
    let relay = network().start(0).await.unwrap();
    relay.arm(offence);
    let channels = channels();
    let error = within(channels.get(&address(&relay))).await.unwrap_err();
    let channel = within(channels.get(&address(&relay))).await.unwrap();
    Client { relay, channels, channel }.goes_on().await;
    error
}

/// A client with a circuit that must not notice anything, and one to which things happen.
struct Scene {
    client: Client,
    neighbour: CircuitHandle,
    victim: CircuitHandle,
}

impl Scene {
    async fn new() -> Self {
        let client = Client::new().await;
        let (neighbour, victim) = (client.circuit(3).await, client.circuit(3).await);
        Self { client, neighbour, victim }
    }

    /// Opens a stream on the victim, for which the relay does this instead of answering; only the victim closes.
    async fn offend(steps: Vec<Step>) -> CircuitError {
        let scene = Self::new().await;
        let tells = !steps.iter().any(is_destroy);
        scene.client.relay.arm(Misbehave::Instead(Request::Begin, steps));
        let _opens_or_not = open(&scene.victim, "open").await;
        scene.only_the_victim_closes(tells).await
    }

    /// Waits for the victim to close, and looks around. We say DESTROY if that `tells` the relay anything.
    async fn only_the_victim_closes(self, tells: bool) -> CircuitError {
        let error = within(self.victim.closed()).await;
        if tells {
            within(self.client.relay.saw(|seen| matches!(seen, Seen::Destroy(..)))).await;
        }
        converse(&self.neighbour).await;
        self.client.goes_on().await;
        error
    }
}

fn is_destroy(step: &Step) -> bool {
    matches!(step, Step::Cell { command: tor_cell::frame::ChanCmd::DESTROY, .. })
}

/// The offence was one against the rules of the link handshake.
fn link(error: ChannelError) -> LinkError {
    let ChannelError::Link(error) = error else { panic!("not an offence of the link: {error:?}") };
    error
}

/// The offence was one against the circuit's rules.
fn circ(error: CircuitError) -> CircError {
    let CircuitError::Circuit(error) = error else { panic!("not an offence of the circuit: {error:?}") };
    error
}

/// The offence was one against the streams' rules.
fn stream(error: CircuitError) -> StreamError {
    let CircuitError::Stream(error) = error else { panic!("not an offence of a stream: {error:?}") };
    error
}
