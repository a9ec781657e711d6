//! Streams by way of the circuit manager, over relays of which one misbehaves.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tor_cell::{
    EndReason,
    frame::ChanCmd,
    relay::{BeginFlags, RelayCmd},
};
use tor_circmgr::{ConnectError, IsolationKey, StreamRefusal};
use tor_net::{DataStream, OpenRequest, Opened};
use tor_path::{ExitNeed, Family};
use tor_testnet::{Edit, Misbehave, Reply, Request, Step};

use crate::world::{World, within};

impl World {
    async fn open(&self, host: &str) -> Result<DataStream, ConnectError> {
        let flags = BeginFlags::NONE;
        let request = OpenRequest::Connect { host: host.to_owned(), port: 80, flags, early: Bytes::new() };
        let need = ExitNeed::Connect { port: 80, family: Family::Any, long_lived: false };
        match within(self.manager.open(&request.into(), &need, &IsolationKey::default(), false)).await? {
            Opened::Stream(stream, _) => Ok(stream),
            Opened::Answers(_) => panic!("answers to a connection"),
        }
    }

    pub(crate) async fn converse(&self) {
        let mut stream = self.open("echo").await.unwrap();
        within(stream.write_all(b"hello")).await.unwrap();
        let mut answer = [0; 5];
        within(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"hello");
    }

    /// Each relay does this once.
    pub(crate) fn arm(&self, offence: impl Fn() -> Misbehave) {
        for relay in &self.relays {
            relay.arm(offence());
        }
    }
}

#[tokio::test]
async fn a_stream_finds_another_circuit_whatever_the_relay_does_to_its_own() {
    let world = World::ready().await;
    let offences: [fn() -> Misbehave; 6] = [
        || Misbehave::Instead(Request::Begin, vec![Step::FlippedBit]),
        || Misbehave::Instead(Request::Begin, vec![Step::message(RelayCmd::END, vec![])]),
        || Misbehave::Instead(Request::Begin, vec![Step::cell(ChanCmd::CREATE2, vec![])]),
        || Misbehave::Instead(Request::Begin, vec![Step::CloseTcp]),
        || Misbehave::Instead(Request::Begin, vec![Step::control(RelayCmd::TRUNCATED, vec![])]),
        || Misbehave::Instead(Request::Begin, vec![Step::RelayEarly]),
    ];
    for offence in offences {
        world.arm(offence);
        world.converse().await;
    }
}

#[tokio::test]
async fn circuits_that_can_not_be_built_are_built_again() {
    let world = World::ready().await;
    let offences: [fn() -> Misbehave; 4] = [
        || Misbehave::Edit(Reply::Created, Edit::new(|body: &mut Vec<u8>| body[40] ^= 1)),
        || Misbehave::Edit(Reply::Extended, Edit::new(|body: &mut Vec<u8>| body[40] ^= 1)),
        || Misbehave::Instead(Request::Extend, vec![Step::destroy()]),
        || Misbehave::Instead(Request::Create, vec![Step::CloseTcp]),
    ];
    for offence in offences {
        world.manager.retire_all();
        world.arm(offence);
        world.converse().await;
    }
}

/// What the exit says of the target is final, but not what it says of itself.
#[tokio::test]
async fn refusals_that_another_exit_would_repeat_are_final() {
    let world = World::ready().await;
    for reason in [EndReason::CONNECTREFUSED, EndReason::DONE] {
        let error = world.open(&format!("refuse.{}", reason.0)).await.unwrap_err();
        assert_eq!(error, ConnectError::Refused(StreamRefusal::Ended(reason)));
    }
    world.arm(|| Misbehave::Instead(Request::Begin, vec![Step::end(EndReason::EXITPOLICY)]));
    world.converse().await;
    world.assert_content();
}
