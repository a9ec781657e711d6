//! How streams, circuits and channels end in good order.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tor_cell::{DestroyReason, EndReason};
use tor_circmgr::{BuiltCircuit, StreamRefusal};
use tor_net::{ChannelError, CircuitError, OpenRequest, StreamEnd};
use tor_testnet::{Misbehave, Request, Seen};

use crate::read_pattern;
use crate::support::{Client, Judge, converse, open, why_closed, within};

#[tokio::test]
async fn the_exit_ends_first() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let mut stream = open(&circuit, "download.100000").await.unwrap();
    // Before a byte is read: what came before END is not lost.
    within(client.relay.saw(|seen| matches!(seen, Seen::Begin(..)))).await;
    read_pattern(&mut stream, 100_000).await;
    assert_eq!(stream.ended(), Some(StreamEnd::Done));
    let error = within(stream.write_all(b"too late")).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    converse(&circuit).await;
    client.relay.assert_content();
}

#[tokio::test]
async fn we_end_first_and_all_that_was_written_arrives() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let mut stream = open(&circuit, "upload.999999999").await.unwrap();
    within(stream.write_all(&[7; 400_000])).await.unwrap();
    within(stream.shutdown()).await.unwrap();
    let ended = within(client.relay.saw(|seen| matches!(seen, Seen::End(..)))).await;
    assert!(matches!(ended, Seen::End(_, EndReason::MISC, 400_000)), "{ended:?}");
    // The stream is closed as a whole: Tor has no half.
    let mut rest = Vec::new();
    within(stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    converse(&circuit).await;
    client.relay.assert_content();
}

#[tokio::test]
async fn a_stream_dropped_in_mid_download_leaves_its_circuit_usable() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    for _ in 0..3 {
        let mut stream = open(&circuit, "download.10000000").await.unwrap();
        let mut first = [0; 20_000];
        within(stream.read_exact(&mut first)).await.unwrap();
    }
    // What is under way for them still comes, as far as the window went, and is nobody's.
    let mut stream = open(&circuit, "download.300000").await.unwrap();
    read_pattern(&mut stream, 300_000).await;
    let ends = |seen: &&Seen| matches!(seen, Seen::End(_, EndReason::MISC, 0));
    assert_eq!(client.relay.seen().iter().filter(ends).count(), 3);
    client.relay.assert_content();
}

#[tokio::test]
async fn a_stream_given_up_before_its_answer_is_ended() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    {
        let opening = open(&circuit, "silent");
        tokio::pin!(opening);
        let begun = client.relay.saw(|seen| matches!(seen, Seen::Begin(..)));
        tokio::select! {
            _ = &mut opening => panic!("nobody answered"),
            begun = within(begun) => assert!(matches!(begun, Seen::Begin(_, host, 80) if host == "silent")),
        }
    }
    // The caller has gone.
    within(client.relay.saw(|seen| matches!(seen, Seen::End(_, EndReason::MISC, 0)))).await;
    converse(&circuit).await;
    client.relay.assert_content();
}

#[tokio::test]
async fn a_look_up_given_up_before_its_answer_is_ended() {
    let client = Client::new().await;
    client.relay.arm(Misbehave::Instead(Request::Begin, vec![]));
    let circuit = client.circuit(3).await;
    {
        let request = OpenRequest::Resolve("silent".to_owned());
        let opening = circuit.open(&request);
        tokio::pin!(opening);
        let asked = client.relay.saw(|seen| matches!(seen, Seen::Resolve(..)));
        tokio::select! {
            _ = &mut opening => panic!("nobody answered"),
            _ = within(asked) => {}
        }
    }
    within(client.relay.saw(|seen| matches!(seen, Seen::End(_, EndReason::MISC, 0)))).await;
    drop(circuit);
    within(client.relay.saw(|seen| matches!(seen, Seen::Destroy(..)))).await;
    client.relay.assert_content();
}

#[tokio::test]
async fn a_refused_stream_says_why_and_ends_alone() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let mut other = open(&circuit, "echo").await.unwrap();
    for reason in [EndReason::EXITPOLICY, EndReason::CONNECTREFUSED, EndReason::TIMEOUT, EndReason(99)] {
        let refusal = open(&circuit, format!("refuse.{}", reason.0)).await.unwrap_err();
        assert_eq!(refusal, StreamRefusal::Ended(reason));
    }
    within(other.write_all(b"still here")).await.unwrap();
    let mut answer = [0; 10];
    within(other.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"still here");
    client.relay.assert_content();
}

#[tokio::test]
async fn dropping_the_handle_destroys_the_circuit() {
    let client = Client::new().await;
    drop(client.circuit(3).await);
    within(client.relay.saw(|seen| matches!(seen, Seen::Destroy(_, DestroyReason::NONE)))).await;
    client.goes_on().await;
}

#[tokio::test]
async fn a_stream_keeps_its_circuit_alive_without_a_handle() {
    let client = Client::new().await;
    let mut stream = open(&client.circuit(3).await, "download.2000000").await.unwrap();
    read_pattern(&mut stream, 2_000_000).await;
    drop(stream);
    within(client.relay.saw(|seen| matches!(seen, Seen::Destroy(_, DestroyReason::NONE)))).await;
    client.relay.assert_content();
}

#[tokio::test]
async fn closing_a_circuit_ends_its_streams_and_only_them() {
    let client = Client::new().await;
    let (doomed, other) = (client.circuit(3).await, client.circuit(3).await);
    let mut stream = open(&doomed, "open").await.unwrap();
    doomed.close();
    let error = within(stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
    assert_eq!(stream.ended(), Some(StreamEnd::CircuitClosed));
    assert!(matches!(within(doomed.closed()).await, CircuitError::Closed));
    assert!(!doomed.is_open());
    assert_eq!(open(&doomed, "echo").await.unwrap_err(), StreamRefusal::CircuitClosed);
    converse(&other).await;
    client.goes_on().await;
}

#[tokio::test]
async fn the_last_handle_closes_the_channel() {
    let Client { relay, channels, channel } = Client::new().await;
    drop((channel, channels));
    within(relay.saw(|seen| *seen == Seen::Closed)).await;
    relay.assert_content();
}

#[tokio::test]
async fn a_relay_that_goes_away_takes_its_channel_along() {
    let Client { relay, channels, channel } = Client::new().await;
    drop(relay);
    let error = why_closed(&channel).await;
    assert!(matches!(error, ChannelError::Io(_)), "{error:?}");
    drop(channels);
}
