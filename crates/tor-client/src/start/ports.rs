//! The SOCKS ports that are open, and how they become others, all or nothing.
//!
//! A port whose place stays is kept, and only its settings are replaced: nobody who is on his way in is turned away.
//! New ports are opened before old ones are closed. A port that moves between one address and all addresses of the
//! machine (`0.0.0.0`) can't be open at both at once: there the old one is closed first, and opened again should
//! anything else fail.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::task::JoinHandle;
use tor_config::{Bind, SocksListener};
use tor_net::{SocksDoor, SocksServer};
use tracing::{info, warn};

use super::{ReconfigureError, spawn};

/// The open SOCKS ports.
#[derive(Debug, Default)]
pub(crate) struct Ports(Vec<Open>);

#[derive(Debug)]
struct Open {
    server: SocksServer,
    accepting: JoinHandle<()>,
}

/// Ports that are ready to replace the ones that are open. Dropped, it leaves things as they were.
#[derive(Debug)]
pub(crate) struct PortChange<'a> {
    ports: &'a mut Ports,
    door: Arc<SocksDoor>,
    /// For each port that is open, what it becomes; `None` is closed.
    kept: Vec<Option<SocksListener>>,
    new: Vec<SocksServer>,
    /// Those that had to be closed already.
    parked: Vec<usize>,
}

impl Open {
    fn start(server: SocksServer) -> Self {
        let accepting = spawn(server.serve());
        Self { server, accepting }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.server.close();
        self.accepting.abort();
    }
}

impl Ports {
    /// Where the ports listen: `127.0.0.1:9050`, `unix:/path`.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|open| open.server.local_name().to_owned()).collect()
    }

    /// Opens what `wanted` has and is not open yet. Nothing is closed or changed before [`PortChange::commit`].
    pub(crate) fn prepare(
        &mut self,
        wanted: &[SocksListener],
        door: &Arc<SocksDoor>,
    ) -> Result<PortChange<'_>, ReconfigureError> {
        let mut kept = vec![None; self.0.len()];
        let mut to_open: Vec<Option<&SocksListener>> = wanted.iter().map(Some).collect();
        // What names a port has precedence over what takes any.
        for exactly in [true, false] {
            for (slot, open) in kept.iter_mut().zip(&self.0).filter(|(slot, _)| slot.is_none()) {
                let stays = |wish: &&mut Option<&SocksListener>| {
                    wish.as_ref().is_some_and(|wish| open.is_at(&wish.bind, exactly))
                };
                *slot = to_open.iter_mut().find(stays).and_then(Option::take).cloned();
            }
        }
        let mut change =
            PortChange { ports: self, door: Arc::clone(door), kept, new: Vec::new(), parked: Vec::new() };
        for listener in to_open.into_iter().flatten() {
            // Before what is undone is told.
            change.open(listener).inspect_err(super::say)?;
        }
        Ok(change)
    }

    /// Closes all of them. Who has come in already stays.
    pub(crate) fn close(&mut self) {
        self.0.clear();
    }
}

impl Open {
    /// Whether this port is at that place. `auto` is any port, unless it has to be `exactly` that.
    fn is_at(&self, wanted: &Bind, exactly: bool) -> bool {
        match (wanted, &self.server.settings().bind, self.address()) {
            (Bind::Unix { path, .. }, Bind::Unix { path: ours, .. }, _) => path == ours,
            (Bind::Tcp { address, port: Some(port) }, Bind::Tcp { .. }, Some(ours)) => {
                SocketAddr::new(*address, port.get()) == ours
            }
            (Bind::Tcp { address, port: None }, Bind::Tcp { port, .. }, Some(ours)) => {
                *address == ours.ip() && (port.is_none() || !exactly)
            }
            (Bind::Tcp { .. } | Bind::Unix { .. }, _, _) => false,
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        self.server.local_name().parse().ok()
    }

    /// Whether this port has to be closed before that place can be listened on.
    fn is_in_the_way_of(&self, wanted: &Bind) -> bool {
        let (Bind::Tcp { address, port: Some(port) }, Some(ours)) = (wanted, self.address()) else {
            return false;
        };
        let everywhere = |ip: IpAddr| ip.is_unspecified();
        ours.port() == port.get()
            && ours.is_ipv4() == address.is_ipv4()
            && everywhere(ours.ip()) != everywhere(*address)
    }
}

impl PortChange<'_> {
    fn open(&mut self, listener: &SocksListener) -> Result<(), ReconfigureError> {
        info!("Opening Socks listener on {}", listener.bind);
        let mut opened = self.door.bind(listener.clone());
        if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse) {
            let in_the_way = self.ports.0.iter().zip(&self.kept).enumerate().find(|(at, (open, kept))| {
                kept.is_none() && !self.parked.contains(at) && open.is_in_the_way_of(&listener.bind)
            });
            if let Some((at, (open, _))) = in_the_way {
                open.server.close();
                self.parked.push(at);
                opened = self.door.bind(listener.clone());
            }
        }
        let server = opened.map_err(|error| ReconfigureError::Bind {
            option: "SocksPort",
            place: listener.bind.to_string(),
            error,
        })?;
        info!("Opened Socks listener connection (ready) on {}", server.local_name());
        self.new.push(server);
        Ok(())
    }

    /// The ports become what was asked for.
    pub(crate) fn commit(mut self) {
        let old = std::mem::take(&mut self.ports.0);
        let kept = std::mem::take(&mut self.kept);
        self.parked.clear();
        for (open, kept) in old.into_iter().zip(kept) {
            match kept {
                Some(settings) => {
                    open.server.replace(&self.door, settings);
                    self.ports.0.push(open);
                }
                None => info!("Closing no-longer-configured Socks listener on {}", open.server.local_name()),
            }
        }
        let new = std::mem::take(&mut self.new);
        self.ports.0.extend(new.into_iter().map(Open::start));
    }
}

/// What was not committed is undone.
impl Drop for PortChange<'_> {
    fn drop(&mut self) {
        for server in self.new.drain(..) {
            info!(
                "Closing partially-constructed Socks listener connection (ready) on {}",
                server.local_name()
            );
        }
        for at in self.parked.drain(..) {
            let Some(open) = self.ports.0.get_mut(at) else { continue };
            match open.server.reopen() {
                Ok(()) => open.accepting = spawn(open.server.serve()),
                Err(error) => warn!("Can't open {} again: {error}", open.server.local_name()),
            }
        }
    }
}
