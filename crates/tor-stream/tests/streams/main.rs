//! The engine against hostile peers, one rule at a time, and against a model that is two integers a stream.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "tests")]

mod hostile;
mod life;
mod model;

use std::time::Instant;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tor_cell::{
    StreamId,
    relay::{Begin, BeginFlags, RelayCmd, RelayMsg, Resolve},
};
use tor_stream::{EarlyData, StreamError, StreamEvent, Streams};

/// A circuit whose owner keeps a number with each stream.
struct Circuit {
    streams: Streams<u32>,
    now: Instant,
}

impl Circuit {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn new() -> Self {
        Self { streams: Streams::new(&mut ChaCha20Rng::seed_from_u64(1)), now: Instant::now() }
    }

    fn begin(&mut self, early: EarlyData, local: u32) -> StreamId {
        let begin = Begin::new("www.example.com", 80, BeginFlags::NONE).unwrap();
        self.streams.begin(self.now, &begin, early, local).unwrap()
    }

    /// A stream whose BEGIN is on the wire.
    fn connecting(&mut self, early: EarlyData, local: u32) -> StreamId {
        let id = self.begin(early, local);
        assert_eq!(self.drain(), [(RelayCmd::BEGIN, id)]);
        id
    }

    /// A stream that is open.
    fn connected(&mut self, local: u32) -> StreamId {
        let id = self.connecting(EarlyData::Held, local);
        assert!(matches!(self.peer(RelayCmd::CONNECTED, id, &[]), Ok(StreamEvent::Connected { .. })));
        id
    }

    /// A stream that is open, and that we ended.
    fn half_closed(&mut self) -> StreamId {
        let id = self.connected(0);
        assert_eq!(self.streams.end(id), Some(0));
        assert_eq!(self.drain(), [(RelayCmd::END, id)]);
        id
    }

    fn resolve(&mut self) -> StreamId {
        self.streams.resolve(self.now, &Resolve::new("www.example.com").unwrap(), 0).unwrap()
    }

    /// A stream whose RESOLVE is on the wire.
    fn resolving(&mut self) -> StreamId {
        let id = self.resolve();
        assert_eq!(self.drain(), [(RelayCmd::RESOLVE, id)]);
        id
    }

    fn drain(&mut self) -> Vec<(RelayCmd, StreamId)> {
        let mut sent = Vec::new();
        while let Some(outgoing) = self.streams.poll_output() {
            let message = outgoing.message();
            sent.push((message.command, message.stream.unwrap()));
        }
        sent
    }

    /// The peer sends a message.
    fn peer<'a>(
        &'a mut self,
        command: RelayCmd,
        stream: StreamId,
        body: &'a [u8],
    ) -> Result<StreamEvent<'a, u32>, StreamError> {
        self.streams.on_message(&RelayMsg { command, stream: Some(stream), body })
    }
}
