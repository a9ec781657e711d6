//! A network in one process, and a client that knows only its authorities.

use std::{
    future::Future,
    io::Write,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tor_chan::ChannelConfig;
use tor_circmgr::{CircMgr, Timing};
use tor_config::{Bind, SocksConfig, SocksListener};
use tor_ctrl_events::{Event, EventKind, EventSink};
use tor_dir::{DirConfig, DirServer, NetworkView};
use tor_net::{
    Bootstrap, Channels, CircuitSettings, ControlledCircuits, Directory, DirectorySettings, DiskStore,
    Ledger, Opener, RelayCircuits, SocksDoor, TlsConfig, clock,
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

/// Two listeners.
#[derive(Debug)]
struct Both(Arc<Tape>, Arc<Told>);

impl EventSink for Both {
    fn wants(&self, _kind: EventKind) -> bool {
        true
    }

    fn emit(&self, event: Event) {
        self.0.emit(event.clone());
        self.1.emit(event);
    }
}

/// All that was told, as a controller would read it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    lines: Mutex<Vec<String>>,
    more: Notify,
}

impl EventSink for Told {
    fn wants(&self, _kind: EventKind) -> bool {
        true
    }

    fn emit(&self, event: Event) {
        let line = event.to_text().trim_end().to_owned();
        self.lines.lock().unwrap().push(line);
        self.more.notify_waiters();
    }
}

impl Told {
    /// What was told of streams and addresses since the `from`th line, without isolation, sources and times.
    pub(crate) fn streams(&self, from: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        let about = |line: &&String| line.starts_with("650 STREAM ") || line.starts_with("650 ADDRMAP ");
        lines.iter().skip(from).filter(about).map(|line| brief(line)).collect()
    }

    /// Where since the `from`th line the first one with all these words is.
    pub(crate) fn position(&self, from: usize, words: &[&str]) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().skip(from).position(|line| words.iter().all(|word| line.contains(word))).unwrap()
    }

    /// How many lines were told.
    pub(crate) fn count(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    /// The first line since the `from`th with all these words in it.
    pub(crate) async fn wait(&self, from: usize, words: &[&str]) -> String {
        let found = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                let line = {
                    let lines = self.lines.lock().unwrap();
                    lines.iter().skip(from).find(|line| words.iter().all(|word| line.contains(word))).cloned()
                };
                match line {
                    Some(line) => return line,
                    None => more.await,
                }
            }
        };
        match timeout(PATIENCE, found).await {
            Ok(line) => line,
            Err(_) => panic!("not told {words:?} in {:#?}", self.lines.lock().unwrap().get(from..)),
        }
    }
}

/// `STATUS CIRCUIT TARGET KEYWORDS`, where the circuit is `0` or `c`.
fn brief(line: &str) -> String {
    let mut words = line.split(' ').skip(1);
    if words.next() != Some("STREAM") {
        return line.split('"').next().unwrap().trim().to_owned();
    }
    let mut words = words.skip(1);
    let (status, circuit, target) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let circuit = if circuit == "0" { "0" } else { "c" };
    let hidden = ["CLIENT_PROTOCOL", "NYM_EPOCH", "SESSION_GROUP", "ISO_FIELDS", "SOURCE_ADDR", "SOCKS_"];
    let kept = words.filter(|word| !hidden.iter().any(|hidden| word.starts_with(hidden)));
    [status, circuit, target].into_iter().chain(kept).collect::<Vec<_>>().join(" ")
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
    pub(crate) told: Arc<Told>,
    opener: Arc<Opener>,
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
        let told = Arc::<Told>::default();
        let events: Arc<dyn EventSink> = Arc::new(Both(Arc::clone(&tape), Arc::clone(&told)));
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
        let opener = Opener::new(Arc::clone(&manager), Arc::clone(&ledger));
        Self { relays, manager, controlled, ledger, tape, log, told, opener, view, tasks, _cache: cache }
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

    pub(crate) fn opener(&self) -> Arc<Opener> {
        Arc::clone(&self.opener)
    }

    /// Opens a SOCKS port; where it is.
    pub(crate) async fn socks_port(&mut self, config: SocksConfig, listener: SocksListener) -> String {
        let door = Arc::new(SocksDoor::new(self.opener(), config, Vec::new(), true));
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
