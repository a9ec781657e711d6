//! On a stream: what the exit may say of one and may not. An offence closes the circuit; an END only the stream.

use tokio::io::AsyncReadExt;
use tor_cell::{DecodeError, EndReason, relay::RelayCmd};
use tor_circmgr::StreamRefusal;
use tor_net::{OpenRequest, StreamEnd};
use tor_stream::{Phase, StreamError};
use tor_testnet::{Misbehave, OnStream, Request, Seen, Step};

use crate::{
    Scene, stream,
    support::{Client, Judge, converse, open, within},
};

fn malformed(what: &'static str) -> StreamError {
    StreamError::Malformed(DecodeError { what })
}

#[tokio::test]
async fn messages_on_a_stream_that_never_was() {
    for (command, body) in [
        (RelayCmd::DATA, b"hello".to_vec()),
        (RelayCmd::END, vec![EndReason::DONE.0]),
        (RelayCmd::CONNECTED, vec![]),
        (RelayCmd::SENDME, vec![]),
    ] {
        let step = Step::Message { from: None, command, stream: OnStream::Off(7), body };
        let error = stream(Scene::offend(vec![step]).await);
        assert!(
            matches!(error, StreamError::UnknownStream { command: what, .. } if what == command),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn messages_on_a_stream_that_the_exit_has_ended() {
    for command in [RelayCmd::DATA, RelayCmd::END, RelayCmd::CONNECTED] {
        let steps = vec![Step::end(EndReason::DONE), Step::message(command, vec![EndReason::DONE.0; 4])];
        let error = stream(Scene::offend(steps).await);
        assert!(
            matches!(error, StreamError::UnknownStream { command: what, .. } if what == command),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn messages_before_connected() {
    for command in [RelayCmd::DATA, RelayCmd::RESOLVED] {
        let error = stream(Scene::offend(vec![Step::message(command, vec![])]).await);
        assert_eq!(error, StreamError::Unexpected { command, phase: Phase::Connecting });
    }
}

#[tokio::test]
async fn connected_twice() {
    let error = stream(Scene::offend(vec![Step::connected(), Step::connected()]).await);
    assert_eq!(error, StreamError::Unexpected { command: RelayCmd::CONNECTED, phase: Phase::Connected });
}

#[tokio::test]
async fn end_without_a_reason() {
    let end = || Step::message(RelayCmd::END, vec![]);
    assert_eq!(stream(Scene::offend(vec![end()]).await), malformed("END"));
    assert_eq!(stream(Scene::offend(vec![Step::connected(), end()]).await), malformed("END"));
}

#[tokio::test]
async fn connected_that_can_not_be_read() {
    for body in [vec![1], vec![0, 0, 0, 0, 4], vec![0, 0, 0, 0, 6, 1, 2, 3]] {
        let error = stream(Scene::offend(vec![Step::message(RelayCmd::CONNECTED, body)]).await);
        assert_eq!(error, malformed("CONNECTED"));
    }
}

#[tokio::test]
async fn a_look_up_that_is_answered_wrongly() {
    for (steps, expected) in [
        (vec![Step::message(RelayCmd::RESOLVED, vec![4, 5, 1, 2, 3, 4])], malformed("RESOLVED")),
        (
            vec![Step::connected()],
            StreamError::Unexpected { command: RelayCmd::CONNECTED, phase: Phase::Resolving },
        ),
        (
            vec![Step::message(RelayCmd::DATA, vec![1])],
            StreamError::Unexpected { command: RelayCmd::DATA, phase: Phase::Resolving },
        ),
    ] {
        let scene = Scene::new().await;
        scene.client.relay.arm(Misbehave::Instead(Request::Begin, steps));
        let request = OpenRequest::Resolve("v4.example".to_owned());
        let refusal = within(scene.victim.open(&request)).await.unwrap_err();
        assert_eq!(refusal, StreamRefusal::CircuitClosed);
        assert_eq!(stream(scene.only_the_victim_closes(true).await), expected);
    }
}

/// No offence: the stream ends, with the reason, and its circuit lives on.
#[tokio::test]
async fn an_end_is_only_the_streams() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    for reason in [EndReason::MISC, EndReason::CONNRESET, EndReason(0), EndReason(15), EndReason(255)] {
        let steps =
            vec![Step::connected(), Step::message(RelayCmd::DATA, b"half".to_vec()), Step::end(reason)];
        client.relay.arm(Misbehave::Instead(Request::Begin, steps));
        let mut broken = open(&circuit, "open").await.unwrap();
        let mut got = Vec::new();
        let error = within(broken.read_to_end(&mut got)).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!((got.as_slice(), broken.ended()), (&b"half"[..], Some(StreamEnd::Ended(reason))));
    }
    converse(&circuit).await;
    client.relay.assert_content();
}

/// We have ended the stream, and the exit has not noticed.
async fn after_our_end(steps: Vec<Step>) -> Scene {
    let scene = Scene::new().await;
    scene.client.relay.arm(Misbehave::Also(Request::End, steps));
    drop(open(&scene.victim, "open").await.unwrap());
    within(scene.client.relay.saw(|seen| matches!(seen, Seen::End(..)))).await;
    scene
}

#[tokio::test]
async fn a_stream_that_we_ended_may_still_get_what_its_window_allowed() {
    let steps = vec![Step::Flood(500), Step::end(EndReason::DONE)];
    let scene = after_our_end(steps).await;
    converse(&scene.victim).await;
    converse(&scene.neighbour).await;
    scene.client.goes_on().await;
}

#[tokio::test]
async fn a_stream_that_we_ended_gets_more_than_that() {
    let error = after_our_end(vec![Step::Flood(501)]).await.only_the_victim_closes(true).await;
    let error = stream(error);
    assert!(matches!(error, StreamError::HalfClosed { command: RelayCmd::DATA, .. }), "{error:?}");
    let extra = vec![Step::message(RelayCmd::SENDME, vec![])];
    let error = stream(after_our_end(extra).await.only_the_victim_closes(true).await);
    assert!(matches!(error, StreamError::HalfClosed { command: RelayCmd::SENDME, .. }), "{error:?}");
    let error = stream(after_our_end(vec![Step::connected()]).await.only_the_victim_closes(true).await);
    assert!(matches!(error, StreamError::HalfClosed { command: RelayCmd::CONNECTED, .. }), "{error:?}");
    let twice = vec![Step::end(EndReason::DONE), Step::end(EndReason::DONE)];
    let error = stream(after_our_end(twice).await.only_the_victim_closes(true).await);
    assert!(matches!(error, StreamError::UnknownStream { command: RelayCmd::END, .. }), "{error:?}");
}
