//! The part of the client that talks to relays: it is built once, and can be switched off and on.
//!
//! Switched off, there is no channel, no circuit and no fetch; the guards, the documents and the view of the network
//! stay, and who holds a handle to them keeps it.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle};
use tor_circmgr::CircMgr;
use tor_config::Config;
use tor_dir::{DirConfig, DirWanted, NetworkView};
use tor_net::{
    Bootstrap, Channels, Directory, DirectorySettings, DiskStore, Documents, Ledger, Opener, RelayCircuits,
    StateFile, TlsConfig,
};
use tor_path::Guards;
use tracing::warn;

use super::{StartError, settings, spawn};

/// The ports for which circuits are ready from the start, as in C Tor.
const FIRST_PORTS: [u16; 2] = [80, 443];
/// Changes of the guards come in bursts; the disk need not see each.
const SAVE_EVERY: Duration = Duration::from_millis(500);

/// Channels, circuits and documents.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) manager: Arc<CircMgr<RelayCircuits>>,
    pub(crate) opener: Arc<Opener>,
    pub(crate) bootstrap: Arc<Bootstrap>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) view: watch::Sender<Option<Arc<NetworkView>>>,
    with: DirectoryParts,
    /// The directory that is at work; another one if the authorities change.
    documents: Arc<Mutex<Documents>>,
    directory: Mutex<Tasks>,
    /// Whether the network is on.
    on: Arc<AtomicBool>,
    /// The data directory stays locked as long as this lives.
    _state: Arc<StateFile>,
    /// Those that live as long as the client.
    _tasks: Tasks,
}

/// Tasks that end when this is dropped.
#[derive(Debug, Default)]
struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(spawn(task));
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Network {
    /// Loads the documents that are on disk. The network is off.
    pub(crate) async fn new(
        config: &Config,
        guards: Guards,
        state: StateFile,
        store: DiskStore,
        ledger: Arc<Ledger>,
    ) -> Result<Self, StartError> {
        let (dir_config, servers) = settings::directory(config)?;
        let bootstrap = Arc::new(Bootstrap::telling(Arc::clone(ledger.events())));
        let tls = TlsConfig::new().map_err(StartError::Tls)?;
        let channels = Arc::new(Channels::new(
            tls,
            settings::channels(config),
            Arc::clone(&bootstrap),
            Arc::clone(&ledger),
        ));
        channels.close_all();
        let (view, view_seen) = watch::channel(None);
        let circuits =
            RelayCircuits::new(Arc::clone(&channels), view_seen, guards, settings::circuits(config));
        let manager = Arc::new(CircMgr::new(circuits, settings::timing(config, false)));
        manager.close_all();
        let with = DirectoryParts {
            store,
            channels: Arc::clone(&channels),
            manager: Arc::clone(&manager),
            view: view.clone(),
            bootstrap: Arc::clone(&bootstrap),
        };
        let directory = with.open(dir_config, servers).await;
        let documents = directory.documents();
        documents.set_network(false);
        documents.set_wanted(settings::wanted(config));
        let (mut running, mut tasks) = (Tasks::default(), Tasks::default());
        running.spawn(directory.run());
        tasks.spawn(drive_circuits(Arc::clone(&manager)));
        tasks.spawn(Arc::clone(&ledger).run());
        let state = Arc::new(state);
        tasks.spawn(save_guards(Arc::clone(&manager), Arc::downgrade(&state)));
        Ok(Self {
            opener: Opener::new(Arc::clone(&manager), Arc::clone(&ledger)),
            manager,
            bootstrap,
            channels,
            ledger,
            view,
            with,
            documents: Arc::new(Mutex::new(documents)),
            directory: Mutex::new(running),
            on: Arc::new(AtomicBool::new(false)),
            _state: state,
            _tasks: tasks,
        })
    }

    /// Connections may be made; circuits and documents are asked for at once.
    pub(crate) fn switch_on(&self, dormant: bool) {
        self.channels.reopen();
        self.manager.resume();
        self.on.store(true, Ordering::Relaxed);
        self.documents().set_network(!dormant);
        self.predict();
    }

    /// Closes every circuit and every channel, and gives up every fetch.
    pub(crate) fn switch_off(&self) {
        self.on.store(false, Ordering::Relaxed);
        self.documents().set_network(false);
        self.manager.close_all();
        self.channels.close_all();
        self.bootstrap.circuit_doubtful();
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Has circuits built ahead, where the configuration wants that.
    pub(crate) fn predict(&self) {
        if self.manager.timing().predict {
            FIRST_PORTS.iter().for_each(|port| self.manager.predict(*port));
        }
    }

    /// A handle to the documents of the network.
    pub(crate) fn documents(&self) -> Documents {
        lock(&self.documents).clone()
    }

    /// Others are believed from now on: what is on disk is read and judged anew. Circuits through relays that are
    /// named by nobody else any more get no new streams.
    pub(crate) fn replace_directory(&self, config: DirConfig, servers: DirectorySettings, wanted: DirWanted) {
        let (with, place, on) = (self.with.clone(), Arc::clone(&self.documents), Arc::clone(&self.on));
        let mut running = Tasks::default();
        running.spawn(async move {
            let directory = with.open(config, servers).await;
            {
                let mut place = lock(&place);
                *place = directory.documents();
                place.set_network(on.load(Ordering::Relaxed));
                place.set_wanted(wanted);
            }
            directory.run().await;
        });
        *self.directory.lock().unwrap_or_else(PoisonError::into_inner) = running;
        self.manager.retire_all();
    }
}

/// What a directory works with.
#[derive(Clone, Debug)]
struct DirectoryParts {
    store: DiskStore,
    channels: Arc<Channels>,
    manager: Arc<CircMgr<RelayCircuits>>,
    view: watch::Sender<Option<Arc<NetworkView>>>,
    bootstrap: Arc<Bootstrap>,
}

impl DirectoryParts {
    async fn open(&self, config: DirConfig, servers: DirectorySettings) -> Directory {
        let Self { store, channels, manager, view, bootstrap } = self.clone();
        Directory::open(config, servers, store, channels, manager, view, bootstrap).await
    }
}

fn lock(documents: &Mutex<Documents>) -> MutexGuard<'_, Documents> {
    documents.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn drive_circuits(manager: Arc<CircMgr<RelayCircuits>>) {
    manager.run().await;
}

/// Holds on to the state file only while it writes: who drops a client may start another one at once.
async fn save_guards(manager: Arc<CircMgr<RelayCircuits>>, state: Weak<StateFile>) {
    loop {
        let lines = manager.factory().guards_to_save().await;
        let Some(file) = state.upgrade() else { return };
        let saved = tokio::task::spawn_blocking(move || file.save_guards(&lines)).await;
        if let Ok(Err(error)) = saved {
            warn!("Can't write the state file: {error}. Guards may be forgotten at the next start.");
        }
        tokio::time::sleep(SAVE_EVERY).await;
    }
}
