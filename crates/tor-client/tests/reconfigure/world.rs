//! A network in one process, and the configuration of a client of it.

use std::{future::Future, sync::LazyLock, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tor_client::Config;
use tor_config::{Bind, SocksListener};
use tor_testnet::{Authorities, Documents, Network, Relay};

/// Nothing in these tests takes nearly as long, but on a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it should have happened by now")
}

/// Waits until it is so.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    within(async {
        while !so() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Relays, all of which are guards, exits and directories.
pub(crate) struct World {
    pub(crate) config: Config,
    _relays: Vec<Relay>,
    _data: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        static NETWORK: LazyLock<Network> = LazyLock::new(|| Network::new(4).unwrap());
        let mut relays = Vec::new();
        for index in 0..4 {
            relays.push(NETWORK.start(index).await.unwrap());
        }
        let documents = Documents::new(&AUTHORITIES, &relays, tor_net::clock::wall());
        for relay in &relays {
            let documents = documents.clone();
            relay.serve_directory(move |request| documents.answer(request).unwrap_or_default());
        }
        let data = TempDir::new().unwrap();
        let mut config = alone(&data);
        config.directory.authorities = documents.authority_lines();
        Self { config, _relays: relays, _data: data }
    }
}

/// The authorities of [`World`]s.
pub(crate) static AUTHORITIES: LazyLock<Authorities> = LazyLock::new(|| Authorities::new(3).unwrap());

/// A client whose only authority nobody can reach, with one SOCKS port somewhere.
pub(crate) fn alone(data: &TempDir) -> Config {
    let mut config = Config::default();
    config.storage.data = data.path().to_owned();
    config.storage.cache = data.path().to_owned();
    config.testing_network = true;
    config.circuits.enforce_distinct_subnets = false;
    config.directory.use_default_fallbacks = false;
    config.directory.authorities = vec![
        "nobody orport=1 v3ident=0000000000000000000000000000000000000001 127.0.0.1:1 \
         0000000000000000000000000000000000000002"
            .to_owned(),
    ];
    config.socks.listeners = vec![at("127.0.0.1", 0)];
    config
}

/// A listener there; port 0 is `auto`.
pub(crate) fn at(address: &str, port: u16) -> SocksListener {
    let bind = Bind::Tcp { address: address.parse().unwrap(), port: std::num::NonZeroU16::new(port) };
    SocksListener { bind, ..SocksListener::default() }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An application's connection to `echo` by way of a SOCKS port.
#[derive(Debug)]
pub(crate) struct App(TcpStream);

impl App {
    pub(crate) async fn through(port: &str) -> Self {
        let mut socket = within(TcpStream::connect(port)).await.unwrap();
        let mut request = vec![5, 1, 0, 5, 1, 0, 3, 4];
        request.extend_from_slice(b"echo\x00\x50");
        within(socket.write_all(&request)).await.unwrap();
        let mut answer = [0; 12];
        within(socket.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        Self(socket)
    }

    pub(crate) async fn echoes(&mut self, text: &[u8]) {
        within(self.0.write_all(text)).await.unwrap();
        let mut answer = vec![0; text.len()];
        within(self.0.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, text);
    }

    /// Reads until the connection ends.
    pub(crate) async fn end(mut self) {
        let mut rest = Vec::new();
        let _reset = within(self.0.read_to_end(&mut rest)).await;
        assert!(rest.is_empty());
    }
}

pub(crate) async fn refuses(port: &str) -> bool {
    within(TcpStream::connect(port)).await.is_err()
}
