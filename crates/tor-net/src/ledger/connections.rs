//! The connections to relays: each attempt to dial is one.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tor_chan::LinkError;
use tor_ctrl_events::{ConnBw, ConnId, ConnType, EventKind, OrConn, OrConnReason, OrConnStatus, OrTarget};
use tor_id::RsaId;

use super::{Ledger, Meter};
use crate::ChannelError;

/// The connections that are not over.
#[derive(Debug, Default)]
pub(super) struct Connections {
    live: Mutex<BTreeMap<ConnId, Arc<Entry>>>,
    /// `TestingEnableConnBwEvent`.
    told: AtomicBool,
}

/// One connection to a relay, for whoever holds it: it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct ConnRecord {
    ledger: Arc<Ledger>,
    entry: Arc<Entry>,
    end: OrConnReason,
    /// Circuits that wait for it.
    waiting: usize,
}

/// One connection to a relay, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// Its number.
    pub id: ConnId,
    /// Who should be, or is, at the other end, and how far it is.
    pub status: OrConn,
    /// Where.
    pub address: SocketAddr,
    /// Bytes read, TLS and all.
    pub read: u64,
    /// Bytes written, TLS and all.
    pub written: u64,
}

#[derive(Debug)]
struct Entry {
    id: ConnId,
    relay: RsaId,
    address: SocketAddr,
    open: AtomicBool,
    meter: Meter,
    before: Mutex<(u64, u64)>,
}

impl Ledger {
    /// A connection to a relay is about to be dialled.
    pub(crate) fn dial(self: &Arc<Self>, relay: RsaId, address: SocketAddr) -> ConnRecord {
        let id = ConnId(self.next_id());
        let meter = Meter { all: Arc::clone(&self.bandwidth.all), ..Meter::default() };
        let entry = Arc::new(Entry {
            id,
            relay,
            address,
            open: AtomicBool::new(false),
            meter,
            before: Mutex::default(),
        });
        self.live_connections().insert(id, Arc::clone(&entry));
        let record = ConnRecord { ledger: Arc::clone(self), entry, end: OrConnReason::Misc, waiting: 0 };
        record.tell(OrConnStatus::Launched);
        record
    }

    /// The connections to relays that are not over, by their numbers.
    pub fn or_connections(&self) -> Vec<Connection> {
        let live: Vec<_> = self.live_connections().values().cloned().collect();
        live.iter()
            .map(|entry| {
                let (read, written) = entry.meter.own.so_far();
                let open = entry.open.load(Ordering::Relaxed);
                let status = if open { OrConnStatus::Connected } else { OrConnStatus::Launched };
                let status = entry.describe(self, status);
                Connection { id: entry.id, status, address: entry.address, read, written }
            })
            .collect()
    }

    /// Whether there are CONN_BW events for who wants them (`TestingEnableConnBwEvent`); at first there are none.
    pub fn tell_connection_bytes(&self, tell: bool) {
        self.connections.told.store(tell, Ordering::Relaxed);
    }

    /// What moved in the last second on each connection on which something did.
    pub(super) fn connection_bandwidth(&self) {
        if !self.connections.told.load(Ordering::Relaxed) || !self.events.wants(EventKind::ConnBw) {
            return;
        }
        let live: Vec<_> = self.live_connections().values().cloned().collect();
        for entry in live {
            let now = entry.meter.own.so_far();
            let mut held = entry.before.lock().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *held, now);
            drop(held);
            if now != before {
                self.events.emit_with(EventKind::ConnBw, || ConnBw {
                    id: entry.id,
                    conn_type: ConnType::Or,
                    read: now.0.saturating_sub(before.0),
                    written: now.1.saturating_sub(before.1),
                });
            }
        }
    }

    fn live_connections(&self) -> MutexGuard<'_, BTreeMap<ConnId, Arc<Entry>>> {
        self.connections.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnRecord {
    /// Where its bytes are counted.
    pub(crate) fn meter(&self) -> &Meter {
        &self.entry.meter
    }

    /// The link handshake is done.
    pub(crate) fn connected(&self) {
        if !self.entry.open.swap(true, Ordering::Relaxed) {
            self.ledger.alive();
            self.tell(OrConnStatus::Connected);
        }
    }

    /// It failed or broke for that reason.
    pub(crate) fn over(mut self, error: &ChannelError) {
        self.end = reason(error);
    }

    /// So many circuits wait for it.
    pub(crate) const fn waited_for(&mut self, circuits: usize) {
        self.waiting = circuits;
    }

    pub(crate) const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    fn tell(&self, status: OrConnStatus) {
        self.ledger.events.emit_with(EventKind::OrConn, || self.entry.describe(&self.ledger, status));
    }
}

impl Drop for ConnRecord {
    fn drop(&mut self) {
        self.ledger.live_connections().remove(&self.entry.id);
        let open = self.entry.open.load(Ordering::Relaxed);
        let status = if open { OrConnStatus::Closed } else { OrConnStatus::Failed };
        self.ledger.events.emit_with(EventKind::OrConn, || OrConn {
            reason: Some(self.end.clone()),
            ncircs: u32::try_from(self.waiting).ok(),
            ..self.entry.describe(&self.ledger, status)
        });
    }
}

impl Entry {
    fn describe(&self, ledger: &Ledger, status: OrConnStatus) -> OrConn {
        let target = OrTarget::Relay(ledger.long_name(&self.relay));
        OrConn { target, status, reason: None, ncircs: None, id: Some(self.id) }
    }
}

/// Why a connection is over, in the words of C Tor (`orconn_end_reason_to_control_string`).
pub(crate) fn reason(error: &ChannelError) -> OrConnReason {
    match error {
        ChannelError::Connect(error) | ChannelError::Io(error) => {
            reason_of_io(error.kind()).unwrap_or(OrConnReason::Misc)
        }
        // Its kind tells whether TLS or what is below it went wrong.
        ChannelError::Tls(error) => reason_of_io(error.kind()).unwrap_or(OrConnReason::TlsError),
        ChannelError::Link(LinkError::WrongRsaId { .. } | LinkError::WrongEd25519Id { .. }) => {
            OrConnReason::Identity
        }
        ChannelError::TimedOut | ChannelError::Link(LinkError::TimedOut) => OrConnReason::Timeout,
        ChannelError::NoAddress => OrConnReason::NoRoute,
        ChannelError::Closed => OrConnReason::Done,
        ChannelError::Link(_) | ChannelError::Protocol(_) | ChannelError::NetworkOff => OrConnReason::Misc,
    }
}

fn reason_of_io(kind: ErrorKind) -> Option<OrConnReason> {
    REASONS.iter().find(|(known, _)| *known == kind).map(|(_, reason)| reason.clone())
}

const REASONS: [(ErrorKind, OrConnReason); 12] = [
    (ErrorKind::ConnectionRefused, OrConnReason::ConnectRefused),
    (ErrorKind::ConnectionReset, OrConnReason::ConnectReset),
    (ErrorKind::TimedOut, OrConnReason::Timeout),
    (ErrorKind::NetworkUnreachable, OrConnReason::NoRoute),
    (ErrorKind::NetworkDown, OrConnReason::NoRoute),
    (ErrorKind::HostUnreachable, OrConnReason::NoRoute),
    (ErrorKind::NotConnected, OrConnReason::NoRoute),
    // The other end closed it.
    (ErrorKind::UnexpectedEof, OrConnReason::Done),
    (ErrorKind::BrokenPipe, OrConnReason::Done),
    (ErrorKind::OutOfMemory, OrConnReason::ResourceLimit),
    (ErrorKind::PermissionDenied, OrConnReason::ResourceLimit),
    (ErrorKind::InvalidInput, OrConnReason::ResourceLimit),
];
