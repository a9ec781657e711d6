//! While a circuit is being built.

use tor_cell::{DestroyReason, frame::ChanCmd, relay::RelayCmd};
use tor_circ::{CircError, CircParams, HopHandshake, HopIndex, HopSpec};
use tor_net::{CircuitError, CircuitHandle};
use tor_ntor::HandshakeError;
use tor_testnet::{Edit, Misbehave, OnStream, Reply, Request, Step};

use crate::{
    circ,
    support::{Client, converse, hop, network, within},
};

/// As [`hop`], by ntor.
fn ntor_hop(index: usize) -> HopSpec {
    let onion_key = network().identity(index).onion_key();
    HopSpec { handshake: HopHandshake::Ntor { onion_key }, ..hop(index) }
}

fn fast_hop() -> HopSpec {
    HopSpec { handshake: HopHandshake::CreateFast, ..hop(0) }
}

/// Builds circuits whose last hop is made by a relay that misbehaves.
struct Builder {
    client: Client,
    neighbour: CircuitHandle,
}

impl Builder {
    async fn new() -> Self {
        let client = Client::new().await;
        let neighbour = client.circuit(3).await;
        Self { client, neighbour }
    }

    /// The error that comes of adding `last` to a circuit of `hops` good ones.
    async fn fails(&self, hops: usize, last: HopSpec, offence: Misbehave) -> CircuitError {
        let circuit = within(CircuitHandle::new(&self.client.channel, CircParams::default())).await.unwrap();
        for index in 0..hops {
            within(circuit.add_hop(hop(index), PATIENCE)).await.unwrap();
        }
        self.client.relay.arm(offence);
        let error = within(circuit.add_hop(last, PATIENCE)).await.unwrap_err();
        let why = within(circuit.closed()).await;
        assert_eq!(why.to_string(), error.to_string());
        assert!(self.client.channel.is_open());
        error
    }

    async fn done(self) {
        converse(&self.neighbour).await;
        self.client.goes_on().await;
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

fn edit(reply: Reply, edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Misbehave {
    Misbehave::Edit(reply, Edit::new(edit))
}

fn handshake(hop: u8, error: HandshakeError) -> CircError {
    CircError::Handshake { hop: HopIndex(hop), error }
}

#[tokio::test]
async fn a_relay_without_the_onion_key() {
    let builder = Builder::new().await;
    // Length, the relay's ephemeral key, AUTH: one bit of the last byte of either handshake's.
    let forged = || edit(Reply::Created, |body| body[2 + 63] ^= 1);
    let error = builder.fails(0, ntor_hop(0), forged()).await;
    assert_eq!(circ(error), handshake(0, HandshakeError::BadAuth));
    let error = builder.fails(0, hop(0), forged()).await;
    assert_eq!(circ(error), handshake(0, HandshakeError::BadAuth));
    let error = builder.fails(0, fast_hop(), edit(Reply::Created, |body| body[39] ^= 1)).await;
    assert_eq!(circ(error), handshake(0, HandshakeError::BadAuth));
    for hops in [1, 2] {
        let forged = edit(Reply::Extended, |body| body[2 + 63] ^= 1);
        let error = builder.fails(hops, ntor_hop(hops), forged).await;
        assert_eq!(circ(error), handshake(hops.try_into().unwrap(), HandshakeError::BadAuth));
    }
    builder.done().await;
}

#[tokio::test]
async fn an_ephemeral_key_of_low_order() {
    let builder = Builder::new().await;
    let zero = || edit(Reply::Created, |body| body[2..34].fill(0));
    let error = builder.fails(0, ntor_hop(0), zero()).await;
    assert!(
        matches!(
            circ(error),
            CircError::Handshake { error: HandshakeError::DegenerateKey | HandshakeError::BadAuth, .. }
        ),
        "a shared secret that everybody knows"
    );
    builder.done().await;
}

/// CREATED2 says how long its reply is. (497 to 507: TROVE-2026-003.)
#[tokio::test]
async fn created2_of_odd_lengths() {
    let builder = Builder::new().await;
    let length =
        |length: u16| edit(Reply::Created, move |body| body[..2].copy_from_slice(&length.to_be_bytes()));
    for odd in [0, 1, 63, 65, 148, 495, 496] {
        let error = builder.fails(0, ntor_hop(0), length(odd)).await;
        assert!(
            matches!(circ(error), CircError::Handshake { error: HandshakeError::Length { length, .. }, .. }
                if length == usize::from(odd)),
            "{odd}"
        );
    }
    for odd in (497..=510).chain([u16::MAX]) {
        for spec in [ntor_hop(0), hop(0)] {
            let error = builder.fails(0, spec, length(odd)).await;
            assert_eq!(circ(error), CircError::MalformedCell { what: "CREATED2" }, "{odd}");
        }
    }
    builder.done().await;
}

#[tokio::test]
async fn extended2_of_odd_lengths() {
    let builder = Builder::new().await;
    let cut = |length: usize| edit(Reply::Extended, move |body| body.resize(length, 0));
    // The length field promises 64 bytes.
    for odd in [0, 1, 2, 3, 65] {
        let error = builder.fails(1, ntor_hop(1), cut(odd)).await;
        let expected = CircError::MalformedMessage { hop: HopIndex(0), what: "EXTENDED2" };
        assert_eq!(circ(error), expected, "{odd}");
    }
    let says =
        |length: u16| edit(Reply::Extended, move |body| body[..2].copy_from_slice(&length.to_be_bytes()));
    let error = builder.fails(2, ntor_hop(2), says(63)).await;
    assert!(matches!(
        circ(error),
        CircError::Handshake { error: HandshakeError::Length { length: 63, .. }, .. }
    ));
    builder.done().await;
}

#[tokio::test]
async fn an_answer_to_another_question() {
    let builder = Builder::new().await;
    for (spec, answer) in [
        (hop(0), ChanCmd::CREATED_FAST),
        (fast_hop(), ChanCmd::CREATED2),
        (hop(0), ChanCmd::CREATED),
        (hop(0), ChanCmd::RELAY),
        (hop(0), ChanCmd::RELAY_EARLY),
    ] {
        let steps = vec![Step::cell(answer, vec![0; 509])];
        let error = builder.fails(0, spec, Misbehave::Instead(Request::Create, steps)).await;
        assert_eq!(circ(error), CircError::UnexpectedCell { command: answer, doing: "being created" });
    }
    builder.done().await;
}

#[tokio::test]
async fn extended2_by_a_hop_that_was_not_asked() {
    let builder = Builder::new().await;
    let steps = vec![Step::Message {
        from: Some(0),
        command: RelayCmd::EXTENDED2,
        stream: OnStream::Zero,
        body: vec![0; 66],
    }];
    let error = builder.fails(2, hop(2), Misbehave::Instead(Request::Extend, steps)).await;
    assert_eq!(circ(error), CircError::UnexpectedMessage { hop: HopIndex(0), command: RelayCmd::EXTENDED2 });
    builder.done().await;
}

/// No offence, but it has to be told from one.
#[tokio::test]
async fn a_relay_that_refuses() {
    let builder = Builder::new().await;
    for reason in [DestroyReason::NONE, DestroyReason::RESOURCELIMIT, DestroyReason(200)] {
        let steps = vec![Step::cell(ChanCmd::DESTROY, vec![reason.0])];
        let error = builder.fails(0, hop(0), Misbehave::Instead(Request::Create, steps)).await;
        assert!(
            matches!(error, CircuitError::Destroyed { by: HopIndex::FIRST, reason: why } if why == reason),
            "{error:?}"
        );
        let steps = vec![Step::control(RelayCmd::TRUNCATED, vec![reason.0])];
        let error = builder.fails(2, hop(2), Misbehave::Instead(Request::Extend, steps)).await;
        assert!(
            matches!(error, CircuitError::Destroyed { by: HopIndex(1), reason: why } if why == reason),
            "{error:?}"
        );
    }
    builder.done().await;
}
