//! The socket of a SOCKS port: binds, accepts, and hands each client to a task of its own.
//!
//! A port can be given other settings while it is open: clients that come later are served with those, and the ones
//! that are here already go on as they began. Closing it frees its address at once, so that whoever comes next may
//! have it.

use std::{
    future::poll_fn,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::sync::watch;
use tor_config::{Bind, SocksListener};
use tor_ctrl_events::Endpoint;
use tracing::{debug, info, warn};

use super::{Complaint, Peer, SocksDoor, SocksPort};
use crate::{
    clock,
    listen::{Accepted, Listener, set_mode},
};

/// Connections of one port that may be open at once.
const MAX_CLIENTS: usize = 4096;
/// How long to wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(200);

/// A SOCKS port. It closes when this is dropped; its clients stay.
#[derive(Debug)]
pub struct SocksServer {
    socket: Arc<Mutex<Option<Listener>>>,
    name: String,
    current: watch::Sender<Arc<SocksPort>>,
}

impl Drop for SocksServer {
    fn drop(&mut self) {
        self.close();
    }
}

impl SocksDoor {
    /// Opens a port. Nobody is accepted until [`SocksServer::serve`] is driven.
    ///
    /// # Errors
    /// If the address can't be listened on.
    pub fn bind(self: &Arc<Self>, settings: SocksListener) -> io::Result<SocksServer> {
        let socket = Listener::bind(&settings.bind)?;
        let name = socket.local_name();
        let current = watch::Sender::new(Arc::new(self.port(settings, None)));
        Ok(SocksServer { socket: Arc::new(Mutex::new(Some(socket))), name, current })
    }
}

impl SocksServer {
    /// Where it listens, as the log and `GETINFO net/listeners/socks` say it.
    pub fn local_name(&self) -> &str {
        &self.name
    }

    /// The settings that it has now.
    pub fn settings(&self) -> SocksListener {
        self.current.borrow().settings.clone()
    }

    /// Clients that come from now on are served with these settings, by this door. The port stays where it is.
    pub fn replace(&self, door: &Arc<SocksDoor>, settings: SocksListener) {
        let had = self.current.borrow().session_group;
        if let Bind::Unix { path, group_writable, world_writable, .. } = &settings.bind
            && let Err(error) = set_mode(path, *group_writable, *world_writable)
        {
            warn!("Can't change the permissions of {}: {error}", path.display());
        }
        self.current.send_replace(Arc::new(door.port(settings, Some(had))));
    }

    /// Accepts clients for as long as it is polled. Each is served by a task of its own.
    pub fn serve(&self) -> impl Future<Output = ()> + Send + use<> {
        serve(Arc::clone(&self.socket), self.current.subscribe())
    }

    /// Stops listening: the address is free when this returns.
    pub fn close(&self) {
        drop(lock(&self.socket).take());
    }

    /// Listens again after [`SocksServer::close`], with a new [`SocksServer::serve`].
    ///
    /// # Errors
    /// If somebody else has taken the address meanwhile.
    pub fn reopen(&self) -> io::Result<()> {
        let bind = self.current.borrow().settings.bind.clone();
        let socket = Listener::bind(&bind)?;
        *lock(&self.socket) = Some(socket);
        Ok(())
    }
}

fn lock(socket: &Mutex<Option<Listener>>) -> MutexGuard<'_, Option<Listener>> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(socket: Arc<Mutex<Option<Listener>>>, current: watch::Receiver<Arc<SocksPort>>) {
    let clients = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted =
            poll_fn(|cx| lock(&socket).as_ref().map_or(Poll::Ready(None), |s| s.poll_accept(cx).map(Some)));
        let Some(accepted) = accepted.await else { return };
        let port = Arc::clone(&current.borrow());
        let client = match accepted {
            Ok(client) => client,
            Err(error) => {
                // Out of file descriptors, most likely: give some back first.
                if port.door.may_complain(Complaint::Accept) {
                    warn!("Can't accept a SOCKS connection: {error}");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if let Accepted::Tcp(_, peer) = &client
            && !port.door.config.policy.permits(peer.ip())
        {
            info!("Denying socks connection from untrusted address {}.", port.door.shown(&peer.ip()));
            continue;
        }
        if clients.fetch_add(1, Ordering::Relaxed) >= MAX_CLIENTS {
            clients.fetch_sub(1, Ordering::Relaxed);
            if port.door.may_complain(Complaint::TooMany) {
                let place = &port.settings.bind;
                warn!("There are {MAX_CLIENTS} SOCKS connections on {place} already; refusing others.");
            }
            continue;
        }
        let clients = Arc::clone(&clients);
        clock::spawn(async move {
            let result = match client {
                Accepted::Tcp(socket, peer) => {
                    let peer = Peer { ip: Some(peer.ip()), name: peer.into() };
                    port.serve_client(socket, peer).await
                }
                Accepted::Unix(socket) => {
                    let name = match &port.settings.bind {
                        Bind::Unix { path, .. } => path.display().to_string(),
                        Bind::Tcp { address, .. } => address.to_string(),
                    };
                    port.serve_client(socket, Peer { ip: None, name: Endpoint::new(name, 0) }).await
                }
            };
            if let Err(error) = result {
                debug!("SOCKS connection ended: {error}");
            }
            clients.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
