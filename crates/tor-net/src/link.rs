//! From a relay's address to an open channel: TCP, TLS, link handshake.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{net::TcpStream, sync::Mutex as AsyncMutex, time::timeout};
use tor_chan::{Channel, ChannelConfig, Expected, Handshake, Link, LinkError, Step, Target};
use tor_id::{RelayIds, RsaId, Sensitive};
use tracing::debug;

use crate::{
    Bootstrap, ChannelError, ChannelHandle, Ledger, TlsConfig,
    bootstrap::LinkStep,
    clock,
    ledger::{ConnRecord, Meter},
    tls::TlsLink,
};

/// How long TCP and TLS may take. (The link handshake has its own limit.)
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Whom to reach, and where.
#[derive(Clone, Debug)]
pub struct RelayAddress {
    /// Who must answer.
    pub ids: RelayIds,
    /// Where; tried in this order.
    pub addrs: Vec<SocketAddr>,
}

/// The open channels of a client: one a relay, shared by all its circuits.
#[derive(Debug)]
pub struct Channels {
    tls: TlsConfig,
    config: Mutex<ChannelConfig>,
    slots: Mutex<HashMap<RsaId, Arc<Slot>>>,
    /// No channel is to be opened: the network is off.
    closed: AtomicBool,
    bootstrap: Arc<Bootstrap>,
    ledger: Arc<Ledger>,
}

/// Whoever holds the lock dials; who waits for it finds the channel, or the error that came meanwhile.
#[derive(Debug, Default)]
struct Slot {
    state: AsyncMutex<SlotState>,
    /// Circuits that wait for the channel.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct SlotState {
    channel: Option<ChannelHandle>,
    /// Why the last attempt failed; those who waited for it share the error.
    error: Option<ChannelError>,
}

impl Channels {
    /// No channels yet. Each that is opened tells `bootstrap` how far it is, and is written into `ledger`.
    pub fn new(
        tls: TlsConfig,
        config: ChannelConfig,
        bootstrap: Arc<Bootstrap>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self {
            tls,
            config: Mutex::new(config),
            slots: Mutex::default(),
            closed: AtomicBool::new(false),
            bootstrap,
            ledger,
        }
    }

    /// Where connections and circuits are written down.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Who is told how far the start has come.
    pub(crate) fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }

    /// The channel to a relay; dials where there is none that is open.
    ///
    /// # Errors
    /// If no address answers, or who answers is not that relay.
    pub async fn get(&self, relay: &RelayAddress) -> Result<ChannelHandle, ChannelError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(ChannelError::NetworkOff);
        }
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.is_open());
            Arc::clone(slots.entry(relay.ids.rsa).or_default())
        };
        let _waits = Waits::on(&slot.waiting);
        let waited = slot.state.try_lock().is_err();
        let mut state = slot.state.lock().await;
        if let Some(channel) = state.channel.as_ref().filter(|channel| channel.is_open()) {
            // An Ed25519 identity that is expected now must be the one that was proved then.
            return match (relay.ids.ed25519, channel.peer().ed25519) {
                (Some(expected), Some(got)) if expected != got => {
                    Err(LinkError::WrongEd25519Id { expected, got }.into())
                }
                _ => Ok(channel.clone()),
            };
        }
        if waited && let Some(error) = &state.error {
            return Err(error.clone());
        }
        match self.dial(relay, &slot.waiting).await {
            Ok(channel) => {
                state.error = None;
                state.channel = Some(channel.clone());
                Ok(channel)
            }
            Err(error) => {
                self.bootstrap.problem(&relay.ids, relay.addrs.first().copied(), &error);
                state.error = Some(error.clone());
                Err(error)
            }
        }
    }

    /// What the configuration says of the channels that are open and those to come. What the consensus says stays.
    pub async fn set_config(&self, new: ChannelConfig) {
        let new = {
            let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
            *config = ChannelConfig { padding: config.padding, ..new };
            config.clone()
        };
        for slot in self.slots() {
            let channel = slot.state.lock().await.channel.clone();
            if let Some(channel) = channel {
                channel.set_config(new.clone()).await;
            }
        }
    }

    /// Lets go of every channel, and opens no other until [`Channels::reopen`]. A channel closes with its last circuit.
    pub fn close_all(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Channels may be opened again.
    pub fn reopen(&self) {
        self.closed.store(false, Ordering::Relaxed);
    }

    /// Applies new padding parameters to the channels that are open and to those to come.
    pub async fn set_padding(&self, params: tor_chan::PaddingParams) {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).padding = params;
        for slot in self.slots() {
            let channel = slot.state.lock().await.channel.clone();
            if let Some(channel) = channel {
                channel.set_padding(params).await;
            }
        }
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    async fn dial(&self, relay: &RelayAddress, waiting: &AtomicUsize) -> Result<ChannelHandle, ChannelError> {
        let mut last = ChannelError::NoAddress;
        for addr in &relay.addrs {
            let mut record = self.ledger.dial(relay.ids.rsa, *addr);
            match timeout(CONNECT_TIMEOUT, self.connect(*addr, record.meter())).await {
                Ok(Ok(link)) => return self.handshake(link, relay, *addr, record).await,
                Ok(Err(error)) => last = error,
                Err(_) => last = ChannelError::TimedOut,
            }
            record.waited_for(waiting.load(Ordering::Relaxed));
            record.over(&last);
        }
        Err(last)
    }

    async fn connect(&self, addr: SocketAddr, meter: &Meter) -> Result<TlsLink, ChannelError> {
        self.bootstrap.link(LinkStep::Connecting);
        let tcp = TcpStream::connect(addr).await.map_err(ChannelError::connect)?;
        self.bootstrap.link(LinkStep::Connected);
        tcp.set_nodelay(true)?;
        TlsLink::connect(tcp, &self.tls, meter.clone()).await.map_err(ChannelError::tls)
    }

    async fn handshake(
        &self,
        mut tls: TlsLink,
        relay: &RelayAddress,
        addr: SocketAddr,
        record: ConnRecord,
    ) -> Result<ChannelHandle, ChannelError> {
        match self.shake_hands(&mut tls, relay, addr).await {
            Ok((engine, plain, peer)) => Ok(ChannelHandle::start(tls, plain, engine, peer, record)),
            Err(error) => {
                record.over(&error);
                Err(error)
            }
        }
    }

    async fn shake_hands(
        &self,
        tls: &mut TlsLink,
        relay: &RelayAddress,
        addr: SocketAddr,
    ) -> Result<(Channel, BytesMut, RelayIds), ChannelError> {
        let target = Target {
            expected: Expected::from(relay.ids),
            tls_cert_sha256: tls.peer_certificate_sha256().ok_or(ChannelError::Closed)?,
            address: Sensitive::new(addr.ip()),
        };
        self.bootstrap.link(LinkStep::Handshaking);
        let mut out = BytesMut::new();
        let mut plain = BytesMut::with_capacity(8 * 1024);
        let mut handshake = Handshake::start(target, clock::now(), &mut out);
        let link = loop {
            if !out.is_empty() {
                tls.queue(&out.split())?;
                tls.try_flush()?;
            }
            match advance(handshake, &mut plain, &mut out)? {
                Step::Done(link) => break link,
                Step::Next(next) => handshake = next,
            }
            tls.check_open()?;
            if !out.is_empty() {
                continue;
            }
            tokio::select! {
                ready = tls.ready() => {
                    ready?;
                    tls.try_flush()?;
                    tls.try_read(&mut plain)?;
                }
                () = clock::at(handshake.deadline()) => return Err(LinkError::TimedOut.into()),
            }
        };
        if let Some(skew) = link.clock_skew.filter(|skew| skew.abs() > 3600) {
            debug!(relay = %link.peer, skew, "Our clock and the relay's differ, in seconds");
        }
        self.bootstrap.link(LinkStep::Open);
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let engine = Channel::open(&link, &config, clock::now(), &mut clock::rng(), &mut out);
        if !out.is_empty() {
            tls.queue(&out)?;
            tls.try_flush()?;
        }
        let Link { peer, version, .. } = link;
        debug!(relay = %peer, ?version, "Channel open");
        Ok((engine, plain, peer))
    }
}

impl Slot {
    fn is_open(&self) -> bool {
        self.state.try_lock().map_or(true, |state| state.channel.as_ref().is_some_and(ChannelHandle::is_open))
    }
}

/// One more circuit waits, until this is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn on(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Feeds the handshake with all cells that are here.
fn advance(mut handshake: Handshake, plain: &mut BytesMut, out: &mut BytesMut) -> Result<Step, LinkError> {
    loop {
        let (step, len) = match handshake.frame(plain)? {
            None => return Ok(Step::Next(handshake)),
            Some(frame) => {
                let len = frame.len;
                (handshake.on_frame(&frame, clock::wall(), out)?, len)
            }
        };
        plain.advance(len);
        match step {
            Step::Next(next) => handshake = next,
            Step::Done(link) => return Ok(Step::Done(link)),
        }
    }
}
