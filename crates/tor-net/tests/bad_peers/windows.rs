//! Flow control: SENDMEs that prove nothing, DATA that was not granted.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tor_cell::relay::RelayCmd;
use tor_circ::{CircError, CircParams, HopIndex, SendmeError};
use tor_circmgr::BuiltCircuit;
use tor_net::CircuitHandle;
use tor_stream::StreamError;
use tor_testnet::{Edit, Misbehave, Reply, Request, Step};

use crate::{
    Scene, circ, stream,
    support::{Client, converse, extend, open, within},
};

const LAST: HopIndex = HopIndex(2);
/// More than the 100 DATA cells that a SENDME acknowledges, less than two of them.
const ONE_SENDME: usize = 150 * 498;

fn sendme(error: SendmeError) -> CircError {
    CircError::Sendme { hop: LAST, error }
}

/// Sends until a SENDME is due, which the relay edits.
async fn edited_sendme(edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Scene {
    let scene = Scene::new().await;
    upload(&scene.client, &scene.victim, edit).await;
    scene
}

async fn upload(
    client: &Client,
    circuit: &CircuitHandle,
    edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static,
) {
    client.relay.arm(Misbehave::Edit(Reply::Sendme, Edit::new(edit)));
    let mut stream = open(circuit, format!("upload.{ONE_SENDME}")).await.unwrap();
    let _closed_meanwhile = within(stream.write_all(&[1; ONE_SENDME])).await;
    let _closed_or_answered = within(stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn a_sendme_that_quotes_another_cell() {
    for byte in [3, 22] {
        let scene = edited_sendme(move |body| body[byte] ^= 1).await;
        let error = scene.only_the_victim_closes(true).await;
        assert_eq!(circ(error), sendme(SendmeError::WrongTag));
    }
}

#[tokio::test]
async fn a_sendme_that_quotes_nothing() {
    // Where the consensus still allows that:
    let scene = edited_sendme(Vec::clear).await;
    assert!(scene.victim.is_open());
    converse(&scene.victim).await;
    scene.client.goes_on().await;
    // And where it does not.
    let scene = Scene::new().await;
    let params = CircParams { sendme_accept_min: 1 };
    let victim = within(CircuitHandle::new(&scene.client.channel, params)).await.unwrap();
    for index in 0..3 {
        extend(&victim, index).await.unwrap();
    }
    upload(&scene.client, &victim, Vec::clear).await;
    let error = Scene { victim, ..scene }.only_the_victim_closes(true).await;
    assert_eq!(circ(error), sendme(SendmeError::Version(0)));
}

#[tokio::test]
async fn a_sendme_that_can_not_be_read() {
    let edits: [fn(&mut Vec<u8>); 4] =
        [|body| body[0] = 2, |body| body.truncate(10), |body| body.truncate(1), |body| body[2] = 19];
    for edit in edits {
        let error = edited_sendme(edit).await.only_the_victim_closes(true).await;
        assert_eq!(circ(error), CircError::MalformedMessage { hop: LAST, what: "SENDME" });
    }
}

#[tokio::test]
async fn a_sendme_too_many() {
    let tagged = [&[1, 0, 20][..], &[9; 20]].concat();
    for body in [tagged, vec![]] {
        let error = Scene::offend(vec![Step::control(RelayCmd::SENDME, body)]).await;
        assert_eq!(circ(error), sendme(SendmeError::Unexpected));
    }
}

/// 150 cells were sent, and their one SENDME has come.
#[tokio::test]
async fn a_sendme_after_the_one_that_was_due() {
    let scene = Scene::new().await;
    let mut echo = open(&scene.victim, format!("upload.{ONE_SENDME}")).await.unwrap();
    within(echo.write_all(&[1; ONE_SENDME])).await.unwrap();
    within(echo.read_to_end(&mut Vec::new())).await.unwrap();
    let again = Step::control(RelayCmd::SENDME, [&[1, 0, 20][..], &[9; 20]].concat());
    scene.client.relay.arm(Misbehave::Instead(Request::Begin, vec![again]));
    open(&scene.victim, "open").await.unwrap_err();
    let error = scene.only_the_victim_closes(true).await;
    assert_eq!(circ(error), sendme(SendmeError::Unexpected));
}

#[tokio::test]
async fn a_sendme_too_many_on_a_stream() {
    let steps = vec![Step::connected(), Step::message(RelayCmd::SENDME, vec![])];
    let error = stream(Scene::offend(steps).await);
    assert!(matches!(error, StreamError::ExtraSendme { .. }), "{error:?}");
}

#[tokio::test]
async fn data_as_far_as_the_window_of_a_stream_goes() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    client.relay.arm(Misbehave::Instead(Request::Begin, vec![Step::connected(), Step::Flood(500)]));
    let mut stream = open(&circuit, "open").await.unwrap();
    converse(&circuit).await;
    let mut got = vec![1; 500 * 498];
    within(stream.read_exact(&mut got)).await.unwrap();
    assert!(got.iter().all(|byte| *byte == 0));
    client.goes_on().await;
}

#[tokio::test]
async fn data_beyond_the_window_of_a_stream() {
    let error = stream(Scene::offend(vec![Step::connected(), Step::Flood(501)]).await);
    assert!(matches!(error, StreamError::DataBeyondWindow { .. }), "{error:?}");
}

/// Empty DATA cells cost as much as full ones.
#[tokio::test]
async fn empty_data_beyond_the_window_of_a_stream() {
    let mut steps = vec![Step::connected(), Step::Flood(20)];
    steps.extend(std::iter::repeat_n(Step::message(RelayCmd::DATA, vec![]), 481));
    let error = stream(Scene::offend(steps).await);
    assert!(matches!(error, StreamError::DataBeyondWindow { .. }), "{error:?}");
}

/// A stream that nobody reads holds up nobody else, however much comes on others.
#[tokio::test]
async fn a_stream_that_is_not_read_holds_up_no_other() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let mut idle = open(&circuit, "download.1000000").await.unwrap();
    let mut busy = open(&circuit, "download.1000000").await.unwrap();
    let mut got = Vec::new();
    within(busy.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got.len(), 1_000_000);
    got.clear();
    within(idle.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got.len(), 1_000_000);
    assert!(circuit.is_open());
    client.goes_on().await;
}
