//! An application at one end of a duplex pipe, a test that plays the circuit at the other.

use std::{sync::Arc, time::Duration};

use bytes::Buf;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};
use tor_cell::{EndReason, StreamId};
use tor_circ::HopIndex;

use super::*;
use crate::{
    StreamEnd,
    pipe::{Attention, Pipe, StreamKey},
};

/// The circuit's end, and the application's.
struct Ends {
    pipe: Arc<Pipe>,
    attention: Arc<Attention>,
    app: DuplexStream,
}

/// Bytes that the application's socket holds.
const SOCKET: usize = 1000;

fn start(early: &'static [u8]) -> (impl Future<Output = io::Result<()>>, Ends) {
    let attention = Arc::<Attention>::default();
    let (stream, pipe) = DataStream::new(Arc::clone(&attention), None);
    pipe.name(StreamKey { hop: HopIndex(2), id: StreamId::from_wire(1).unwrap() });
    let (app, ours) = duplex(SOCKET);
    (splice(ours, stream, Bytes::from_static(early)), Ends { pipe, attention, app })
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), what).await.expect("it should have happened by now")
}

impl Ends {
    /// Takes what was sent until it is `count` bytes.
    async fn sent(&self, count: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        while sent.len() < count {
            within(self.attention.wait()).await;
            let _look = self.pipe.look();
            let take = |chunks: &mut crate::pipe::Chunks| chunks.copy_to_bytes(chunks.remaining());
            sent.extend_from_slice(&self.pipe.outbound(take).0);
        }
        sent
    }

    /// Waits until the application has finished.
    async fn finished(&self) {
        while !self.pipe.look().finished {
            within(self.attention.wait()).await;
        }
    }
}

#[tokio::test]
async fn both_directions_and_early_data_first() {
    let (splice, mut ends) = start(b"early ");
    let test = async {
        let data = vec![3; 200_000];
        let (mut app_reads, mut app_writes) = tokio::io::split(&mut ends.app);
        ends.pipe.deliver(b"welcome");
        let mut welcome = [0; 7];
        within(app_reads.read_exact(&mut welcome)).await.unwrap();
        assert_eq!(&welcome, b"welcome");
        let write = async {
            within(app_writes.write_all(&data)).await.unwrap();
        };
        let ends =
            Ends { pipe: Arc::clone(&ends.pipe), attention: Arc::clone(&ends.attention), app: duplex(1).0 };
        let ((), sent) = tokio::join!(write, ends.sent(6 + data.len()));
        assert!(sent.starts_with(b"early ") && sent[6..] == data);
        ends.pipe.end(StreamEnd::Done);
        assert_eq!(within(app_reads.read(&mut welcome)).await.unwrap(), 0, "and then it is over");
    };
    let (result, ()) = tokio::join!(splice, test);
    result.unwrap();
}

/// The peer gets leave to send more as the application reads, not as the bytes come.
#[tokio::test]
async fn only_what_the_application_took_is_reported() {
    let (splice, mut ends) = start(b"");
    let test = async {
        ends.pipe.deliver(&[9; 50_000]);
        let mut got = vec![0; 10];
        within(ends.app.read_exact(&mut got)).await.unwrap();
        assert_eq!(ends.pipe.look().consumed, 0, "most of it waits for the application");
        let mut got = vec![0; 50_000 - 10];
        within(ends.app.read_exact(&mut got)).await.unwrap();
        let mut consumed = 0;
        while consumed < 50_000 {
            within(ends.attention.wait()).await;
            consumed += ends.pipe.look().consumed;
        }
        assert_eq!(consumed, 50_000);
        ends.pipe.end(StreamEnd::Done);
        drop(ends);
    };
    let (result, ()) = tokio::join!(splice, test);
    result.unwrap();
}

#[tokio::test]
async fn an_application_that_has_said_all_still_gets_the_answer() {
    let (splice, mut ends) = start(b"");
    let test = async {
        within(ends.app.write_all(b"question")).await.unwrap();
        within(ends.app.shutdown()).await.unwrap();
        assert_eq!(ends.sent(8).await, b"question");
        ends.finished().await;
        ends.pipe.deliver(b"answer");
        ends.pipe.end(StreamEnd::Done);
        let mut answer = Vec::new();
        within(ends.app.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer, b"answer");
    };
    let (result, ()) = tokio::join!(splice, test);
    result.unwrap();
}

#[tokio::test]
async fn a_stream_that_breaks_is_an_error_after_its_last_byte() {
    let (splice, mut ends) = start(b"");
    let test = async {
        ends.pipe.deliver(b"half");
        ends.pipe.end(StreamEnd::Ended(EndReason::CONNRESET));
        let mut got = [0; 4];
        within(ends.app.read_exact(&mut got)).await.unwrap();
        assert_eq!(&got, b"half");
    };
    let (result, ()) = tokio::join!(splice, test);
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_application_that_goes_away_lets_the_stream_go() {
    let (splice, Ends { pipe, attention, app }) = start(b"");
    drop(app);
    pipe.deliver(b"is anybody there?");
    let error = within(splice).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    within(attention.wait()).await;
    assert!(pipe.look().dropped);
}
