//! A relay that listens, and how a test looks at it.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tor_cell::{CircId, DestroyReason, EndReason, frame::ChanCmd};
use tor_id::LinkSpec;
use tracing::debug;

use crate::{Identity, Misbehave, Network, connection, documents::not_found, tls::RelayTls};

/// What answers a directory request: its head in, the whole HTTP answer out.
pub type DirectoryFn = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A relay on a port of 127.0.0.1. It stops, with all its connections, when it is dropped.
pub struct Relay {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// TCP connected.
    Connected,
    /// VERSIONS came.
    Versions,
    /// The link handshake is done.
    LinkOpen,
    /// A circuit is to be made.
    Create(CircId, ChanCmd),
    /// A circuit is to be extended to whom these name.
    Extend(CircId, Vec<LinkSpec>),
    /// A stream is to be opened to this host and port.
    Begin(CircId, String, u16),
    /// A stream to the directory.
    BeginDir(CircId),
    /// A name is to be resolved.
    Resolve(CircId, String),
    /// A stream is over, for this reason; so many bytes had come on it.
    End(CircId, EndReason, u64),
    /// A circuit is over.
    Destroy(CircId, DestroyReason),
    /// The armed offence was committed.
    Misbehaved,
    /// The connection is over.
    Closed,
    /// The client did something that it must not do.
    Complaint(String),
}

pub(crate) struct Shared {
    pub(crate) network: Network,
    pub(crate) identity: Arc<Identity>,
    pub(crate) tls: RelayTls,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

struct State {
    armed: Option<Misbehave>,
    seen: Vec<Seen>,
    directory: DirectoryFn,
}

impl Relay {
    pub(crate) async fn start(network: Network, identity: Arc<Identity>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let state = State { armed: None, seen: Vec::new(), directory: Arc::new(|_| not_found()) };
        let shared = Arc::new(Shared {
            network,
            identity,
            tls: RelayTls::generate()?,
            state: Mutex::new(state),
            changed: watch::Sender::default(),
        });
        #[expect(clippy::disallowed_methods, reason = "the relay's own task, which ends with it")]
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { addr, shared, task })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Makes the relay commit an offence at the first occasion, once.
    pub fn arm(&self, offence: Misbehave) {
        self.shared.state().armed = Some(offence);
    }

    /// Answers directory requests like this. Until then there is nothing: 404.
    pub fn serve_directory(&self, answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) {
        self.shared.state().directory = Arc::new(answer);
    }

    /// All that clients did, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// What clients did wrong.
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |seen| if let Seen::Complaint(what) = seen { Some(what) } else { None };
        self.seen().into_iter().filter_map(complaint).collect()
    }

    /// Waits until a client has done what is `wanted`, now or before.
    pub async fn saw(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let mut changed = self.shared.changed.subscribe();
        loop {
            if let Some(found) = self.shared.state().seen.iter().find(|seen| wanted(seen)) {
                return found.clone();
            }
            let _the_sender_is_ours = changed.changed().await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Shared {
    /// Takes the armed offence if it is the one that `pick` makes something of.
    pub(crate) fn commit<T>(&self, pick: impl Fn(&Misbehave) -> Option<T>) -> Option<T> {
        let picked = {
            let mut state = self.state();
            let picked = state.armed.as_ref().and_then(pick)?;
            state.armed = None;
            picked
        };
        self.note(Seen::Misbehaved);
        Some(picked)
    }

    pub(crate) fn note(&self, seen: Seen) {
        debug!(?seen, "relay");
        self.state().seen.push(seen);
        self.changed.send_replace(());
    }

    pub(crate) fn complain(&self, what: impl Into<String>) {
        self.note(Seen::Complaint(what.into()));
    }

    pub(crate) fn directory(&self) -> DirectoryFn {
        Arc::clone(&self.state().directory)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, peer)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            shared.note(Seen::Connected);
            if let Err(error) = connection::serve(tcp, peer.ip(), &shared).await {
                debug!("relay's connection ended: {error}");
            }
            shared.note(Seen::Closed);
        });
        while connections.try_join_next().is_some() {}
    }
}
