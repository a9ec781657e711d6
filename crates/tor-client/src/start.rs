//! Puts the parts together, from a configuration, and takes them to another one while they run.
//!
//! A change of the configuration has two phases. First everything is done that can fail: new ports and log files are
//! opened, lines are read, the parts of others are asked. Only then is anything changed, and nothing of that can
//! fail. It never waits, so that nobody can give it up half-way.
//!
//! What each field of [`Config`] becomes while the client runs:
//!
//! | field | how it is applied |
//! |---|---|
//! | `socks.listeners` | ports are opened, closed, or given other settings; clients that are in stay ([`ports`]) |
//! | the rest of `socks`, `circuits.long_lived_ports`, `log.safe` | for the clients that come in from then on |
//! | `socks.timeout`, `circuits.max_dirtiness`, `.stream_timeout`, `.disable_predicted` | at once, for circuits that exist too ([`CircMgr::set_timing`](tor_circmgr::CircMgr::set_timing)) |
//! | `circuits.build_timeout`, `.paths_needed`, `.enforce_distinct_subnets`, `guards`, `link.use_ipv4`, `.use_ipv6`, `.prefer_ipv6` | for paths that are chosen from then on; where guards come into use, circuits without one get no new streams, as in C Tor |
//! | `link.padding`, `.reduced_padding`, `.keepalive` | for the channels that are open, too; the relay is told |
//! | `directory.useless_descriptors`, `.extra_info` | fetches begin, or no more are made |
//! | the rest of `directory` | the documents on disk are read anew and judged by the new authorities; no circuit of before gets new streams |
//! | `log` | files are opened anew at each change, as C Tor does; see [`Log`] |
//! | `disable_network` | ports, circuits, channels and fetches end, or begin |
//! | `process.owner` | whoever watches [`Client::config_changes`](crate::Client::config_changes) |
//! | `storage`, `testing_network`, `process.pid_file` | refused: only a start can change them |
//! | `circuits.new_period`, `.max_pending`, `.learn_build_timeout`, `.allow_private_relays`, `process.max_mem_in_queues` | nothing reads them yet |

mod error;
mod network;
mod ports;
mod settings;

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use tokio::{sync::watch, task::JoinHandle};
use tor_config::{Config, SafeLogging, SocksListener};
use tor_ctrl_events::{EventSink, NoEvents};
use tor_net::{DiskStore, Ledger, Phase, SocksDoor, StateFile, clock};
use tracing::{info, warn};

pub use error::{ReconfigureError, StartError};

pub(crate) use network::Network;

use crate::{Log, directory_info::Countries};
use ports::Ports;

/// What a client is started with besides its configuration.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The log of the process, which then follows the configuration, and tells `events` what it says.
    pub log: Option<Log>,
    /// Who is told of what happens.
    pub events: Arc<dyn EventSink>,
}

/// No log, and nobody who listens.
impl Default for Surroundings {
    fn default() -> Self {
        Self { log: None, events: Arc::new(NoEvents) }
    }
}

/// Something outside the client that the configuration speaks of, like the control ports.
pub trait Part: Send + Sync + std::fmt::Debug {
    /// Does everything that can fail on the way to another configuration, and returns what remains to be done. If
    /// that is dropped instead, everything must be as it was. `old` is `None` when the part joins.
    ///
    /// # Errors
    /// If it can't act on the new configuration.
    fn prepare(&self, old: Option<&Config>, new: &Config) -> Result<Commit, ReconfigureError>;

    /// Where it listens, for ports of this kind: `control`.
    fn listeners(&self, kind: &str) -> Vec<String> {
        let _none = kind;
        Vec::new()
    }
}

/// The second phase of a change: it can't fail.
pub type Commit = Box<dyn FnOnce() + Send>;

/// A client, and the configuration that it follows.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) network: Network,
    pub(crate) config: watch::Sender<Arc<Config>>,
    pub(crate) log: Option<Log>,
    pub(crate) started: Instant,
    pub(crate) countries: Countries,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ports: Ports,
    /// Weak: a part may know the client.
    parts: Vec<Weak<dyn Part>>,
    /// Asked to be quiet until somebody needs it.
    dormant: bool,
    /// Ports are open, and the network is on unless the configuration says otherwise.
    open: bool,
}

#[expect(clippy::disallowed_methods, reason = "the tasks that live as long as the client start here")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

impl Running {
    /// Takes hold of the data directory and reads what is there. No port is open, and the network is off.
    pub(crate) async fn new(config: Config, surroundings: Surroundings) -> Result<Self, StartError> {
        let data = &config.storage.data;
        let state = StateFile::open(data).map_err(storage(data))?;
        let store = DiskStore::open(&config.storage.cache).map_err(storage(&config.storage.cache))?;
        let (guards, errors) = state.load_guards().map_err(storage(&data.join("state")))?;
        errors.iter().for_each(|error| warn!("{error}"));
        if let Some(log) = &surroundings.log {
            log.tell(Arc::clone(&surroundings.events));
        }
        let ledger = Ledger::new(surroundings.events);
        ledger.tell_connection_bytes(config.control.conn_bw_events);
        let network = Network::new(&config, guards, state, store, ledger).await;
        let network = network.inspect_err(|error| {
            if let StartError::Config(error) = error {
                say(error);
            }
        })?;
        Ok(Self {
            network,
            config: watch::Sender::new(Arc::new(config)),
            log: surroundings.log,
            started: clock::now(),
            countries: Countries::default(),
            state: Mutex::default(),
        })
    }

    /// Opens the ports and switches the network on, as far as the configuration wants that.
    pub(crate) fn open(&self) -> Result<(), ReconfigureError> {
        let mut state = self.state();
        let config = Arc::clone(&self.config.borrow());
        if !config.disable_network {
            state.ports.prepare(&config.socks.listeners, &self.door(&config))?.commit();
        }
        state.open = true;
        self.network.bootstrap.reached(Phase::Starting);
        self.switch(&config, state.dormant);
        Ok(())
    }

    pub(crate) fn join(&self, part: &Arc<dyn Part>) -> Result<(), ReconfigureError> {
        let mut state = self.state();
        let config = Arc::clone(&self.config.borrow());
        part.prepare(None, &config).inspect_err(say)?();
        state.parts.push(Arc::downgrade(part));
        Ok(())
    }

    pub(crate) fn reconfigure(&self, new: Config) -> Result<(), ReconfigureError> {
        let mut state = self.state();
        let State { ports, parts, open, dormant } = &mut *state;
        let old = Arc::clone(&self.config.borrow());

        // Everything that can fail; whatever is dropped on the way undoes itself.
        changes_nothing_fixed(&old, &new).inspect_err(say)?;
        let directory = settings::directory(&new).inspect_err(say)?;
        let wanted: &[SocksListener] =
            if *open && !new.disable_network { &new.socks.listeners } else { Default::default() };
        let ports = ports.prepare(wanted, &self.door(&new))?;
        let log = self.log.as_ref().map(|log| log.prepare(&new.log)).transpose().inspect_err(say)?;
        parts.retain(|part| part.strong_count() > 0);
        let parts = parts.iter().filter_map(Weak::upgrade).map(|part| part.prepare(Some(&old), &new));
        let parts = parts.collect::<Result<Vec<_>, _>>().inspect_err(say)?;

        // From here on nothing fails.
        if let (Some(log), Some(files)) = (&self.log, log) {
            log.commit(files);
        }
        ports.commit();
        let manager = &self.network.manager;
        let (channels, config) = (Arc::clone(&self.network.channels), settings::channels(&new));
        clock::spawn(async move { channels.set_config(config).await });
        self.network.ledger.tell_connection_bytes(new.control.conn_bw_events);
        manager.factory().set_settings(settings::circuits(&new));
        manager.set_timing(settings::timing(&new, *dormant));
        if new.guards.enabled && !old.guards.enabled {
            info!("Changed to using entry guards. Abandoning previous circuits.");
            manager.retire_all();
        }
        if settings::other_documents(&old, &new) {
            self.network.replace_directory(directory.0, directory.1, settings::wanted(&new));
        } else {
            self.network.documents().set_wanted(settings::wanted(&new));
        }
        let new = Arc::new(new);
        self.config.send_replace(Arc::clone(&new));
        if *open {
            self.switch(&new, *dormant);
        }
        parts.into_iter().for_each(|commit| commit());
        Ok(())
    }

    /// Where ports of this kind listen.
    pub(crate) fn listeners(&self, kind: &str) -> Vec<String> {
        let state = self.state();
        let mut names = if kind == "socks" { state.ports.names() } else { Vec::new() };
        names.extend(state.parts.iter().filter_map(Weak::upgrade).flat_map(|part| part.listeners(kind)));
        names
    }

    pub(crate) fn is_dormant(&self) -> bool {
        self.state().dormant
    }

    /// Dormant, nothing is fetched or built ahead of need. Streams are served all the same.
    pub(crate) fn set_dormant(&self, dormant: bool) {
        let mut state = self.state();
        if std::mem::replace(&mut state.dormant, dormant) == dormant {
            return;
        }
        let config = Arc::clone(&self.config.borrow());
        if dormant {
            info!("Going dormant because of controller request.");
        } else {
            info!("Tor is no longer dormant.");
        }
        self.network.manager.set_timing(settings::timing(&config, dormant));
        self.network.documents().set_network(self.network.is_on() && !dormant);
        if self.network.is_on() {
            self.network.predict();
        }
    }

    /// Nobody is let in any more.
    pub(crate) fn close_ports(&self) {
        self.state().ports.close();
    }

    fn switch(&self, config: &Config, dormant: bool) {
        match (config.disable_network, self.network.is_on()) {
            (true, was_on) => {
                info!(
                    "DisableNetwork is set. Tor will not make or accept non-control network connections. \
                     Shutting down all existing connections."
                );
                if was_on {
                    self.network.switch_off();
                }
            }
            (false, false) => self.network.switch_on(dormant),
            (false, true) => self.network.predict(),
        }
    }

    /// What is behind the SOCKS ports under this configuration.
    fn door(&self, config: &Config) -> Arc<SocksDoor> {
        let safe = config.log.safe == SafeLogging::All;
        let long_lived = config.circuits.long_lived_ports.clone();
        let opener = Arc::clone(&self.network.opener);
        opener.configure(&config.socks, &config.addresses);
        opener.ledger().leave_streams_unattached(config.control.leave_streams_unattached);
        Arc::new(SocksDoor::new(opener, config.socks.clone(), long_lived, safe))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// C Tor says the reason in its log, and little to the controller.
fn say(error: &ReconfigureError) {
    warn!("{}", error.detail());
}

/// `tor-config` refuses these by name; this is for who makes a [`Config`] by other means.
fn changes_nothing_fixed(old: &Config, new: &Config) -> Result<(), ReconfigureError> {
    let fixed = [
        ("DataDirectory", old.storage.data == new.storage.data),
        ("CacheDirectory", old.storage.cache == new.storage.cache),
        ("TestingTorNetwork", old.testing_network == new.testing_network),
        ("PidFile", old.process.pid_file == new.process.pid_file),
    ];
    match fixed.iter().find(|(_, same)| !same) {
        Some((option, _)) => Err(ReconfigureError::Fixed { option }),
        None => Ok(()),
    }
}

fn storage(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path: PathBuf = path.to_owned();
    move |error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            StartError::Locked(path)
        } else {
            StartError::Storage { path, error }
        }
    }
}
