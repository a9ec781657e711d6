//! A network in one process, and a client that knows only its authorities.

use std::{
    future::Future,
    io::Write,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tor_chan::ChannelConfig;
use tor_circmgr::{CircMgr, Timing};
use tor_config::{Bind, SocksConfig, SocksListener};
use tor_ctrl_events::EventSink;
use tor_dir::{DirConfig, DirServer, NetworkView};
use tor_net::{
    Bootstrap, Channels, CircuitSettings, ControlledCircuits, Directory, DirectorySettings, DiskStore,
    Ledger, RelayCircuits, SocksDoor, TlsConfig, clock,
};
use tor_netdoc::NetworkKind;
use tor_path::{Guards, PathConfig};
use tor_testnet::{Authorities, Documents, Network, Relay};
use tracing::subscriber::DefaultGuard;

use crate::tape::Tape;

/// Nothing in these tests takes nearly as long, but on a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it should have happened by now")
}

/// Relays, all of which are guards, exits and directories, and a client of theirs.
pub(crate) struct World {
    pub(crate) relays: Vec<Relay>,
    pub(crate) manager: Arc<CircMgr<RelayCircuits>>,
    pub(crate) controlled: ControlledCircuits,
    pub(crate) ledger: Arc<Ledger>,
    /// All events.
    pub(crate) tape: Arc<Tape>,
    pub(crate) log: Log,
    view: watch::Receiver<Option<Arc<NetworkView>>>,
    tasks: JoinSet<()>,
    _cache: TempDir,
}

impl World {
    /// A client that has just started. Directory requests are answered by `serve`, given the documents and the
    /// head of the request.
    pub(crate) async fn start(
        serve: impl Fn(&Documents, &str) -> Vec<u8> + Clone + Send + Sync + 'static,
    ) -> Self {
        static NETWORK: LazyLock<Network> = LazyLock::new(|| Network::new(4).unwrap());
        static AUTHORITIES: LazyLock<Authorities> = LazyLock::new(|| Authorities::new(3).unwrap());
        let log = Log::start();
        let mut relays = Vec::new();
        for index in 0..4 {
            relays.push(NETWORK.start(index).await.unwrap());
        }
        let documents = Documents::new(&AUTHORITIES, &relays, clock::wall());
        for relay in &relays {
            let (serve, documents) = (serve.clone(), documents.clone());
            relay.serve_directory(move |request| serve(&documents, request));
        }

        let cache = TempDir::new().unwrap();
        let tape = Arc::<Tape>::default();
        let events: Arc<dyn EventSink> = Arc::<Tape>::clone(&tape);
        let bootstrap = Arc::new(Bootstrap::telling(Arc::clone(&events)));
        let ledger = Ledger::new(events);
        let tls = TlsConfig::new().unwrap();
        let channels = Arc::new(Channels::new(
            tls,
            ChannelConfig::default(),
            Arc::clone(&bootstrap),
            Arc::clone(&ledger),
        ));
        let (publish, view) = watch::channel(None);
        let settings = CircuitSettings {
            path: PathConfig { distinct_subnets: false, ..PathConfig::default() },
            build_timeout: Duration::from_secs(20),
            use_ipv4: true,
            use_ipv6: false,
            prefer_ipv6: false,
        };
        let circuits = RelayCircuits::new(Arc::clone(&channels), view.clone(), Guards::default(), settings);
        let manager = Arc::new(CircMgr::new(circuits, Timing::default()));
        let lines = documents.authority_lines();
        let authorities: Vec<_> =
            lines.iter().map(|line| DirServer::parse_authority(line).unwrap()).collect();
        let idents = authorities.iter().filter_map(DirServer::v3_ident).collect();
        let settings =
            DirectorySettings { authorities, fallbacks: Vec::new(), max_stall: Duration::from_secs(20) };
        let directory = Directory::open(
            dir_config(idents),
            settings,
            DiskStore::open(cache.path()).unwrap(),
            channels,
            Arc::clone(&manager),
            publish,
            bootstrap,
        )
        .await;
        let mut tasks = JoinSet::new();
        tasks.spawn(directory.run());
        let driven = Arc::clone(&manager);
        tasks.spawn(async move { driven.run().await });
        let controlled = ControlledCircuits::new(Arc::clone(&manager));
        Self { relays, manager, controlled, ledger, tape, log, view, tasks, _cache: cache }
    }

    /// A client on a network of honest relays, with enough documents for circuits.
    pub(crate) async fn ready() -> Self {
        let mut world = Self::start(honest).await;
        world.view().await;
        world
    }

    /// Waits until there are enough documents for circuits: all four relays are usable.
    pub(crate) async fn view(&mut self) -> Arc<NetworkView> {
        let whole = |view: &Option<Arc<NetworkView>>| {
            view.as_ref()
                .is_some_and(|view| view.relays().filter(|relay| relay.microdesc().is_some()).count() == 4)
        };
        match timeout(PATIENCE, self.view.wait_for(whole)).await {
            Ok(view) => view.unwrap().clone().unwrap(),
            Err(_) => panic!("no view: {}", self.log.text()),
        }
    }

    /// Opens a SOCKS port; where it is.
    pub(crate) async fn socks_port(&mut self, config: SocksConfig, listener: SocksListener) -> String {
        let door = Arc::new(SocksDoor::new(Arc::clone(&self.manager), config, Vec::new(), true));
        let bind = Bind::Tcp { address: [127, 0, 0, 1].into(), port: None };
        let port = door.bind(SocksListener { bind, ..listener }).unwrap();
        let name = port.local_name().to_owned();
        self.tasks.spawn(async move { port.serve().await });
        name
    }

    /// The client gave no relay cause for complaint.
    pub(crate) fn assert_content(&self) {
        for relay in &self.relays {
            assert_eq!(relay.complaints(), Vec::<String>::new());
        }
    }
}

/// All requests are answered as they should be.
pub(crate) fn honest(documents: &Documents, request: &str) -> Vec<u8> {
    documents.answer(request).unwrap()
}

fn dir_config(authorities: Vec<tor_id::RsaId>) -> DirConfig {
    let mut config = DirConfig::new(authorities, NetworkKind::Testing);
    config.has_fallbacks = false;
    config.authority_delay = Duration::ZERO;
    config
}

/// What the client logs on this thread, while this lives.
pub(crate) struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

struct LogWriter(Arc<Mutex<Vec<u8>>>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&text);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || LogWriter(Arc::clone(&into)))
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// Waits until a line says this.
    pub(crate) async fn says(&self, what: &str) {
        let said = async {
            while !self.text().contains(what) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let said = timeout(PATIENCE, said).await;
        assert!(said.is_ok(), "no {what:?} in {}", self.text());
    }
}
