//! A client, relays to talk to, and what a good conversation is.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tor_cell::relay::BeginFlags;
use tor_chan::ChannelConfig;
use tor_circ::{CircParams, HopHandshake, HopSpec};
use tor_circmgr::StreamRefusal;
use tor_net::{
    Bootstrap, ChannelError, ChannelHandle, Channels, CircuitError, CircuitHandle, DataStream, Ledger,
    OpenRequest, Opened, RelayAddress, TlsConfig,
};
use tor_testnet::{Network, Relay};

/// Nothing in these tests takes nearly as long, but on a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// The relays of all tests: making their keys takes a while.
pub(crate) fn network() -> &'static Network {
    static NETWORK: LazyLock<Network> = LazyLock::new(|| Network::new(4).unwrap());
    &NETWORK
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it should have happened by now")
}

pub(crate) fn channels() -> Channels {
    Channels::new(
        TlsConfig::new().unwrap(),
        ChannelConfig::default(),
        Arc::new(Bootstrap::new()),
        Ledger::silent(),
    )
}

pub(crate) fn address(relay: &Relay) -> RelayAddress {
    RelayAddress { ids: relay.identity().ids(), addrs: vec![relay.addr()] }
}

/// A client with a channel to a relay that is good so far.
pub(crate) struct Client {
    pub(crate) relay: Relay,
    pub(crate) channels: Channels,
    pub(crate) channel: ChannelHandle,
}

impl Client {
    pub(crate) async fn new() -> Self {
        let relay = network().start(0).await.unwrap();
        let channels = channels();
        let channel = within(channels.get(&address(&relay))).await.unwrap();
        Self { relay, channels, channel }
    }

    /// A circuit of so many hops.
    pub(crate) async fn circuit(&self, hops: usize) -> CircuitHandle {
        let circuit = within(CircuitHandle::new(&self.channel, CircParams::default())).await.unwrap();
        for hop in 0..hops {
            extend(&circuit, hop).await.unwrap();
        }
        circuit
    }

    /// The channel is as good as ever: a new circuit on it carries bytes both ways.
    pub(crate) async fn goes_on(&self) {
        assert!(self.channel.is_open());
        converse(&self.circuit(3).await).await;
        self.relay.assert_content();
    }
}

/// Of the tests' relays.
pub(crate) trait Judge {
    /// The client gave no cause for complaint.
    fn assert_content(&self);
}

impl Judge for Relay {
    fn assert_content(&self) {
        assert_eq!(self.complaints(), Vec::<String>::new());
    }
}

/// How to ask for the relay that is hop `index` of all circuits.
pub(crate) fn hop(index: usize) -> HopSpec {
    let relay = network().identity(index);
    let addr = SocketAddr::from(([192, 0, 2, 1], 9001));
    let handshake = HopHandshake::NtorV3 { onion_key: relay.onion_key() };
    HopSpec { ids: relay.ids(), addrs: vec![addr], handshake }
}

pub(crate) async fn extend(circuit: &CircuitHandle, index: usize) -> Result<(), CircuitError> {
    within(circuit.add_hop(hop(index), PATIENCE)).await
}

pub(crate) fn connect(host: impl Into<String>) -> OpenRequest {
    OpenRequest::Connect { host: host.into(), port: 80, flags: BeginFlags::NONE, early: Bytes::new() }
}

pub(crate) async fn open(
    circuit: &CircuitHandle,
    host: impl Into<String>,
) -> Result<DataStream, StreamRefusal> {
    match within(circuit.open(&connect(host))).await? {
        Opened::Stream(stream, _) => Ok(stream),
        Opened::Answers(answers) => panic!("answers to a connection: {answers:?}"),
    }
}

/// Says something on a new stream of the circuit, and hears it back.
pub(crate) async fn converse(circuit: &CircuitHandle) {
    let mut stream = open(circuit, "echo").await.unwrap();
    within(stream.write_all(b"is anybody there?")).await.unwrap();
    let mut answer = [0; 17];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"is anybody there?");
}

/// The channel ends, and why.
pub(crate) async fn why_closed(channel: &ChannelHandle) -> ChannelError {
    let error = within(channel.closed()).await;
    assert!(!channel.is_open());
    error
}
