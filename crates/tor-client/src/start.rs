//! Puts the parts together, from a configuration.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{sync::watch, task::JoinHandle};
use tor_chan::{ChannelConfig, ConnectionPadding};
use tor_circmgr::{CircMgr, Timing};
use tor_config::{AutoBool, Config, SafeLogging};
use tor_dir::{DirConfig, DirServer};
use tor_net::{
    Bootstrap, Channels, CircuitSettings, Directory, DirectorySettings, DiskStore, Ledger, Phase,
    RelayCircuits, SocksDoor, StateFile, TlsConfig,
};
use tor_netdoc::NetworkKind;
use tor_path::PathConfig;
use tracing::{info, warn};

use crate::Client;

/// How long a circuit may take to build until build times are learned.
const BUILD_TIMEOUT: Duration = Duration::from_secs(60);
/// The ports for which circuits are ready from the start, as in C Tor.
const FIRST_PORTS: [u16; 2] = [80, 443];

/// Why a client can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another client uses the data directory.
    #[error("It looks like another Tor process is running with the same data directory ({})", .0.display())]
    Locked(PathBuf),
    /// A directory or a file of ours can't be used.
    #[error("Can't use {}: {error}", .path.display())]
    Storage {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A `DirAuthority` or `FallbackDir` line.
    #[error("Bad directory server line {line:?}: {error}")]
    Server {
        /// The line.
        line: String,
        /// What is wrong.
        error: tor_dir::ServerLineError,
    },
    /// There is nobody to ask for a consensus.
    #[error("No directory server is configured")]
    NoServers,
    /// A port can't be listened on.
    #[error("Could not bind to {place}: {error}")]
    Bind {
        /// Where.
        place: String,
        /// Why.
        error: io::Error,
    },
    /// TLS can't be used.
    #[error("TLS is not available: {0}")]
    Tls(io::Error),
}

/// The tasks of a client, ended when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    #[expect(clippy::disallowed_methods, reason = "the tasks that live as long as the client start here")]
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(tokio::spawn(task));
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

pub(crate) async fn start(config: Config) -> Result<Client, StartError> {
    let storage = |path: &PathBuf| {
        let path = path.clone();
        move |error: io::Error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                StartError::Locked(path)
            } else {
                StartError::Storage { path, error }
            }
        }
    };
    let (authorities, fallbacks) = directory_servers(&config)?;
    let state = StateFile::open(&config.storage.data).map_err(storage(&config.storage.data))?;
    let store = DiskStore::open(&config.storage.cache).map_err(storage(&config.storage.cache))?;
    let (guards, errors) = state.load_guards().map_err(storage(&config.storage.data.join("state")))?;
    errors.iter().for_each(|error| warn!("{error}"));

    let bootstrap = Arc::new(Bootstrap::new());
    let ledger = Ledger::silent();
    let tls = TlsConfig::new().map_err(StartError::Tls)?;
    let channels = Arc::new(Channels::new(tls, channel_config(&config), Arc::clone(&bootstrap), ledger));
    let (view, view_seen) = watch::channel(None);
    let circuits = RelayCircuits::new(Arc::clone(&channels), view_seen, guards, circuit_settings(&config));
    let manager = Arc::new(CircMgr::new(circuits, timing(&config)));

    let mut tasks = Tasks::default();
    let socks = open_ports(&config, &manager, &mut tasks).await?;
    bootstrap.reached(Phase::Starting);
    if config.disable_network {
        info!("DisableNetwork is set. Tor will not make or accept non-control network connections.");
        // The data directory stays locked: it is this client's all the same.
        tasks.spawn(hold(state));
        return Ok(Client { manager, bootstrap, socks, _tasks: tasks });
    }

    let settings = DirectorySettings { authorities, fallbacks, max_stall: config.directory.max_stall };
    let dir_config = dir_config(&config, &settings);
    let directory = Directory::open(
        dir_config,
        settings,
        store,
        channels,
        Arc::clone(&manager),
        view,
        Arc::clone(&bootstrap),
    );
    let directory = directory.await;
    tasks.spawn(directory.run());
    if !config.circuits.disable_predicted {
        FIRST_PORTS.iter().for_each(|port| manager.predict(*port));
    }
    tasks.spawn(drive_circuits(Arc::clone(&manager)));
    tasks.spawn(save_guards(Arc::clone(&manager), state));
    tasks.spawn(announce(Arc::clone(&manager), Arc::clone(&bootstrap)));
    Ok(Client { manager, bootstrap, socks, _tasks: tasks })
}

/// Keeps the data directory locked.
async fn hold(_state: StateFile) {
    std::future::pending::<()>().await;
}

async fn drive_circuits(manager: Arc<CircMgr<RelayCircuits>>) {
    manager.run().await;
}

async fn save_guards(manager: Arc<CircMgr<RelayCircuits>>, state: StateFile) {
    let state = Arc::new(state);
    loop {
        let lines = manager.factory().guards_to_save().await;
        let file = Arc::clone(&state);
        let saved = tokio::task::spawn_blocking(move || file.save_guards(&lines)).await;
        if let Ok(Err(error)) = saved {
            warn!("Can't write the state file: {error}. Guards may be forgotten at the next start.");
        }
        // Changes come in bursts; the disk need not see each.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Says when the first circuit is there.
async fn announce(manager: Arc<CircMgr<RelayCircuits>>, bootstrap: Arc<Bootstrap>) {
    manager.first_circuit().await;
    bootstrap.reached(Phase::Done);
}

async fn open_ports(
    config: &Config,
    manager: &Arc<CircMgr<RelayCircuits>>,
    tasks: &mut Tasks,
) -> Result<Vec<String>, StartError> {
    if config.disable_network {
        return Ok(Vec::new());
    }
    let safe = config.log.safe == SafeLogging::All;
    let long_lived = config.circuits.long_lived_ports.clone();
    let door = Arc::new(SocksDoor::new(Arc::clone(manager), config.socks.clone(), long_lived, safe));
    let mut names = Vec::new();
    for listener in &config.socks.listeners {
        let place = listener.bind.to_string();
        let port = door
            .open(listener.clone())
            .await
            .map_err(|error| StartError::Bind { place: place.clone(), error })?;
        let name = port.local_name();
        info!("Opened Socks listener connection (ready) on {name}");
        names.push(name);
        tasks.spawn(port.serve());
    }
    Ok(names)
}

fn directory_servers(config: &Config) -> Result<(Vec<DirServer>, Vec<DirServer>), StartError> {
    let dir = &config.directory;
    let parse = |lines: &[String], read: fn(&str) -> Result<DirServer, tor_dir::ServerLineError>| {
        let read =
            |line: &String| read(line).map_err(|error| StartError::Server { line: line.clone(), error });
        lines.iter().map(read).collect::<Result<Vec<_>, _>>()
    };
    let lines = if dir.authorities.is_empty() { &dir.alternate_authorities } else { &dir.authorities };
    let authorities = if lines.is_empty() {
        DirServer::default_authorities()
    } else {
        parse(lines, DirServer::parse_authority)?
    };
    let mut fallbacks = parse(&dir.fallbacks, DirServer::parse_fallback)?;
    if fallbacks.is_empty() && dir.use_default_fallbacks {
        fallbacks = DirServer::default_fallbacks();
    }
    if authorities.iter().all(|server| server.v3_ident().is_none()) {
        return Err(StartError::NoServers);
    }
    Ok((authorities, fallbacks))
}

fn dir_config(config: &Config, settings: &DirectorySettings) -> DirConfig {
    let network = if config.testing_network { NetworkKind::Testing } else { NetworkKind::Public };
    let authorities = settings.authorities.iter().filter_map(DirServer::v3_ident).collect();
    let mut dir = DirConfig::new(authorities, network);
    dir.has_fallbacks = !settings.fallbacks.is_empty();
    dir.authority_delay = if dir.has_fallbacks {
        config.directory.bootstrap_authority_delay
    } else {
        config.directory.bootstrap_authority_only_delay
    };
    dir.max_bootstrap_fetches = usize::try_from(config.directory.bootstrap_parallel).unwrap_or(1);
    dir
}

fn channel_config(config: &Config) -> ChannelConfig {
    ChannelConfig {
        connection_padding: match config.link.padding {
            AutoBool::Off => ConnectionPadding::Off,
            AutoBool::On => ConnectionPadding::Always,
            AutoBool::Auto => ConnectionPadding::Auto,
        },
        reduced_connection_padding: config.link.reduced_padding,
        keepalive_period: config.link.keepalive,
        ..ChannelConfig::default()
    }
}

fn circuit_settings(config: &Config) -> CircuitSettings {
    CircuitSettings {
        path: PathConfig {
            distinct_subnets: config.circuits.enforce_distinct_subnets,
            use_guards: config.guards.enabled,
            primary_guards: config.guards.primary,
            entry_guards: config.guards.entry,
            directory_guards: config.guards.directory,
            paths_needed: config.circuits.paths_needed,
            entry_by_ipv4: config.link.use_ipv4,
            entry_by_ipv6: config.link.use_ipv6,
            ..PathConfig::default()
        },
        build_timeout: config.circuits.build_timeout.unwrap_or(BUILD_TIMEOUT),
        use_ipv4: config.link.use_ipv4,
        use_ipv6: config.link.use_ipv6,
        prefer_ipv6: config.link.prefer_ipv6.or(false),
    }
}

fn timing(config: &Config) -> Timing {
    Timing {
        dirtiness: config.circuits.max_dirtiness,
        socks_timeout: config.socks.timeout,
        stream_timeout: config.circuits.stream_timeout,
        predict: !config.circuits.disable_predicted,
    }
}
