//! A Tor client as a library: what the `tor-client` binary runs, for programs that bring their own front door.
//!
//! [`Client::start`] takes a [`tor_config::Config`], opens the SOCKS ports that it names, and keeps the network's
//! documents and a few circuits ready. [`Client::connect`] gives a [`DataStream`], an `AsyncRead` and
//! `AsyncWrite`, to a host and port through three relays.
//!
//! ```no_run
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tor_client::{Client, Config, Isolation};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.storage.data = "/tmp/example-tor".into();
//! config.storage.cache = "/tmp/example-tor".into();
//! config.socks.listeners.clear(); // no SOCKS port: this program is the front door
//! let client = Client::start(config).await?;
//! client.ready().await;
//! let mut stream = client.connect("example.com", 80, &Isolation::default()).await?;
//! stream.write_all(b"HEAD / HTTP/1.0\r\nHost: example.com\r\n\r\n").await?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer).await?;
//! # Ok(()) }
//! ```
//!
//! How far it has come, it says at any time:
//!
//! ```
//! use tor_client::{Client, Config, Phase};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let directory = std::env::temp_dir().join(format!("tor-client-example-{}", std::process::id()));
//! let mut config = Config::default();
//! config.storage.data = directory.clone();
//! config.storage.cache = directory.clone();
//! config.disable_network = true; // this example makes no connection and opens no port
//! let client = Client::start(config).await?;
//! assert_eq!(client.progress(), Some((0, Phase::Starting)));
//! # drop(client);
//! # std::fs::remove_dir_all(directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A tokio runtime must be running, with I/O and time. Everything works on a runtime of one thread, which is
//! what the binary uses.

pub mod control;
mod directory_info;
pub mod log;
mod start;
mod stats;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::sync::watch;
use tor_circmgr::CircMgr;
use tor_dir::NetworkView;
use tor_net::{Bootstrap, Ledger, Opener, RelayCircuits};

pub use log::Log;
pub use start::{Commit, Part, ReconfigureError, StartError, Surroundings};
pub use tor_circmgr::{ConnectError, IsolationKey as Isolation, StreamRefusal};
pub use tor_config::Config;
pub use tor_net::{Answer, DataStream, Documents, Phase};

/// How long circuits may take to say good-bye.
const SHUTDOWN: Duration = Duration::from_secs(2);
const SHUTDOWN_LOOK: Duration = Duration::from_millis(20);

/// The C Tor whose options, files and answers this client has.
pub const C_TOR_VERSION: &str = "0.4.9.11";

/// A running client. It stops when this is dropped.
#[derive(Debug)]
pub struct Client {
    running: start::Running,
}

/// A stream that could not be opened, or a name that could not be looked up.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// No exit served it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// An answer of another kind than was asked for: our own fault.
    #[error("internal error: the circuit answered something else")]
    Mismatch,
}

impl Client {
    /// Starts a client: takes hold of its data directory, opens its SOCKS ports, and begins to bootstrap.
    ///
    /// # Errors
    /// If a directory can't be used, a port can't be opened, or the configuration names no directory to ask.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let client = Self::new(config, Surroundings::default()).await?;
        client.go()?;
        Ok(client)
    }

    /// The first half of [`Client::start`]: takes hold of the data directory and reads what is there. No port is open
    /// and the network is off until [`Client::go`]; in between, [`Client::join`] adds what has to be there first.
    ///
    /// # Errors
    /// If a directory can't be used, or the configuration names no directory to ask.
    pub async fn new(config: Config, surroundings: Surroundings) -> Result<Self, StartError> {
        Ok(Self { running: start::Running::new(config, surroundings).await? })
    }

    /// The second half of [`Client::start`]: opens the SOCKS ports and begins to bootstrap, unless the configuration
    /// says `DisableNetwork`.
    ///
    /// # Errors
    /// If a port can't be opened; none is then.
    pub fn go(&self) -> Result<(), ReconfigureError> {
        self.running.open()
    }

    /// Adds a part that follows the configuration for as long as it lives (the client does not hold on to it), and has it
    /// act on the one that holds now.
    ///
    /// # Errors
    /// Whatever the part says.
    pub fn join(&self, part: &Arc<dyn Part>) -> Result<(), ReconfigureError> {
        self.running.join(part)
    }

    /// Takes the client to another configuration, all or nothing. Streams that are open go on, unless the network is
    /// switched off.
    ///
    /// # Errors
    /// If an option can't be acted on; then nothing has changed.
    pub fn reconfigure(&self, new: Config) -> Result<(), ReconfigureError> {
        self.running.reconfigure(new)
    }

    /// The configuration that holds.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.running.config.borrow())
    }

    /// Tells of each change of the configuration, once it is done.
    pub fn config_changes(&self) -> watch::Receiver<Arc<Config>> {
        self.running.config.subscribe()
    }

    /// Waits until the first circuit is built.
    pub async fn ready(&self) {
        self.bootstrap().done().await;
    }

    /// How far the start is, in percent, and at which step.
    pub fn progress(&self) -> Option<(u8, Phase)> {
        self.bootstrap().progress()
    }

    /// How far the start is, to wait for.
    pub fn bootstrap(&self) -> &Arc<Bootstrap> {
        &self.running.network.bootstrap
    }

    /// Where ports of a kind (`socks`, `control`) listen, as C Tor writes it: `127.0.0.1:9050`, `unix:/path`.
    pub fn listeners(&self, kind: &str) -> Vec<String> {
        self.running.listeners(kind)
    }

    /// Where the SOCKS ports listen.
    pub fn socks_ports(&self) -> Vec<String> {
        self.listeners("socks")
    }

    /// The answer to `GETINFO status/bootstrap-phase`.
    pub fn bootstrap_phase(&self) -> String {
        self.bootstrap().phase_line()
    }

    /// Whether a circuit was built since the network was switched on: `GETINFO status/circuit-established`.
    pub fn has_built_a_circuit(&self) -> bool {
        self.bootstrap().is_circuit_established()
    }

    /// Whether [`Client::set_dormant`] holds.
    pub fn is_dormant(&self) -> bool {
        self.running.is_dormant()
    }

    /// Dormant, the client fetches nothing and builds no circuit ahead of need (`SIGNAL DORMANT`); it serves streams all
    /// the same.
    pub fn set_dormant(&self, dormant: bool) {
        self.running.set_dormant(dormant);
    }

    /// No stream from now on shares a circuit with one of before (`SIGNAL NEWNYM`).
    pub fn new_identity(&self) {
        self.ledger().new_nym();
        self.manager().retire_all();
    }

    /// The circuits.
    pub fn manager(&self) -> &Arc<CircMgr<RelayCircuits>> {
        &self.running.network.manager
    }

    /// What is known of all circuits, streams and connections.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.running.network.ledger
    }

    /// The network as it is known now, if it is.
    pub fn view(&self) -> Option<Arc<NetworkView>> {
        self.running.network.view.borrow().clone()
    }

    /// Tells of each new view of the network.
    pub fn view_changes(&self) -> watch::Receiver<Option<Arc<NetworkView>>> {
        self.running.network.view.subscribe()
    }

    /// The documents of the network. To be asked for each time: other authorities mean other documents.
    pub fn documents(&self) -> Documents {
        self.running.network.documents()
    }

    /// Answers a key of GETINFO about documents or countries; `Ok(None)` if there is no such key, or it names nothing that
    /// is known.
    ///
    /// # Errors
    /// If the key has no value, with C Tor's text.
    pub async fn directory_info(&self, key: &str) -> tor_ctrl::InfoAnswer {
        if key.starts_with("ip-to-country/") {
            let config = self.config();
            return self.running.countries.answer(&config, key).await;
        }
        directory_info::of_documents(&self.documents(), key).await
    }

    /// The two letters of the country that an address is in, by the files that the configuration names: `??` if they do not
    /// say, `None` if there is no file.
    pub async fn country(&self, address: std::net::IpAddr) -> Option<String> {
        let config = self.config();
        self.running.countries.country(&config, address).await
    }

    /// When the client was started.
    pub fn started(&self) -> Instant {
        self.running.started
    }

    /// How long it has been running.
    pub fn uptime(&self) -> Duration {
        tor_net::clock::now().saturating_duration_since(self.running.started)
    }

    /// The log that follows the configuration, if there is one.
    pub fn log(&self) -> Option<&Log> {
        self.running.log.as_ref()
    }

    /// Opens a stream to a host (a name or an address) and port. Streams of different isolation never share a
    /// circuit.
    ///
    /// # Errors
    /// If no exit connects to it.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        isolation: &Isolation,
    ) -> Result<DataStream, StreamError> {
        Ok(self.opener().connect(host, port, isolation).await?)
    }

    /// Opens the client's streams, and a controller's look-ups.
    pub fn opener(&self) -> &Arc<Opener> {
        &self.running.network.opener
    }

    /// Looks up the addresses of a name, by an exit. Whether to believe them is the caller's to decide.
    ///
    /// # Errors
    /// If the name does not resolve.
    pub async fn resolve(&self, name: &str, isolation: &Isolation) -> Result<Vec<Answer>, StreamError> {
        Ok(self.opener().resolve(name, isolation).await?)
    }

    /// Closes all circuits, and waits a moment so that the relays hear of it.
    pub async fn shut_down(&self) {
        self.running.close_ports();
        self.manager().close_all();
        let gone = async {
            while self.manager().open_circuits() > 0 {
                tokio::time::sleep(SHUTDOWN_LOOK).await;
            }
            tokio::time::sleep(SHUTDOWN_LOOK).await;
        };
        let _in_time = tokio::time::timeout(SHUTDOWN, gone).await;
    }
}
