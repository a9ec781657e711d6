//! Builds the circuits that the circuit manager asks for: relays from the current view, channels, hops.

mod controlled;
mod entry_guards;

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::timeout_at,
};
use tor_circ::{CircParams, HopHandshake, HopSpec};
use tor_circmgr::{BuildError, CircuitFactory, CircuitNumber, IsolationKey, Purpose};
use tor_dir::{NetworkView, param};
use tor_id::{RelayIds, RsaId};
use tor_path::{ExitNeed, GuardUse, Guards, Hop, Path, PathConfig, PathError, Selector};
use tracing::debug;

use crate::{
    ChannelError, Channels, CircuitError, CircuitHandle, Phase, RelayAddress, clock,
    ledger::{CircuitEnd, CircuitRecord, Plan},
};

pub use controlled::{ControlError, ControlledCircuits};

/// What the configuration says about the connections and circuits of this client.
#[derive(Clone, Debug)]
pub struct CircuitSettings {
    /// The rules of paths.
    pub path: PathConfig,
    /// How long a circuit may take to build.
    pub build_timeout: Duration,
    /// Relays are reached by IPv4 (`ClientUseIPv4`).
    pub use_ipv4: bool,
    /// Relays are reached by IPv6 (`ClientUseIPv6`).
    pub use_ipv6: bool,
    /// By IPv6 first (`ClientPreferIPv6ORPort`).
    pub prefer_ipv6: bool,
}

/// The circuits of this client, from the current view of the network.
#[derive(Debug)]
pub struct RelayCircuits {
    channels: Arc<Channels>,
    view: watch::Receiver<Option<Arc<NetworkView>>>,
    guards: Mutex<Guards>,
    guards_changed: Notify,
    settings: Mutex<CircuitSettings>,
}

impl RelayCircuits {
    /// Builds circuits through the relays of `view`, entering by `guards`.
    pub fn new(
        channels: Arc<Channels>,
        view: watch::Receiver<Option<Arc<NetworkView>>>,
        guards: Guards,
        settings: CircuitSettings,
    ) -> Self {
        channels.ledger().follow(view.clone());
        Self {
            channels,
            view,
            guards: Mutex::new(guards),
            guards_changed: Notify::new(),
            settings: Mutex::new(settings),
        }
    }

    /// The settings that hold now.
    pub fn settings(&self) -> CircuitSettings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Paths that are chosen and circuits that are begun from now on follow these settings.
    pub fn set_settings(&self, settings: CircuitSettings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// The guard to fetch directory documents from, none of `avoid`; `None` without a view, or if no guard can be
    /// asked now. Its microdescriptor, and with it the `Hop`, may be yet to come.
    pub fn directory_guard(&self, avoid: &[RsaId]) -> Option<(RelayIds, Vec<SocketAddr>, Option<Hop>)> {
        let view = self.view.borrow().clone()?;
        let selector = self.selector(&view);
        self.with_guards(|guards| {
            let relay = selector.directory(avoid, guards, clock::wall(), &mut clock::rng())?;
            Some((relay.ids(), self.reachable(relay.or_addresses()), Hop::of(&relay)))
        })
    }

    /// The relay of that fingerprint or nickname, and its address: `HEX`, `$HEX`, `$HEX~nick` or `nick`.
    pub(crate) fn relay_named(&self, name: &str) -> Option<(RsaId, Option<IpAddr>)> {
        let view = self.view.borrow().clone()?;
        let hex = name.trim_start_matches('$').split(['~', '=']).next().unwrap_or_default();
        let relay = match RsaId::from_hex(hex) {
            Ok(id) => view.relay(&id)?,
            Err(_) => view.relays().find(|relay| relay.nickname().as_str().eq_ignore_ascii_case(name))?,
        };
        let address = relay.or_addresses().next().map(|address| address.ip());
        Some((*relay.rsa(), address))
    }

    /// Where to reach a relay, in the order in which the configuration prefers its addresses.
    pub fn reachable(&self, addrs: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        let CircuitSettings { use_ipv4, use_ipv6, prefer_ipv6, .. } = self.settings();
        let mut usable: Vec<_> =
            addrs.into_iter().filter(|addr| if addr.is_ipv4() { use_ipv4 } else { use_ipv6 }).collect();
        usable.sort_by_key(|addr| addr.is_ipv6() != prefer_ipv6);
        usable
    }

    async fn first_hop(&self, guard: &Hop, record: CircuitRecord) -> Result<CircuitHandle, CircuitError> {
        let address = RelayAddress { ids: guard.ids, addrs: self.reachable(guard.addrs.iter().copied()) };
        let channel = match self.channels.get(&address).await {
            Ok(channel) => channel,
            Err(error) => {
                record.over(CircuitEnd::of_channel(&error));
                return Err(error.into());
            }
        };
        self.channels.bootstrap().reached(Phase::CircuitCreate);
        let circuit = CircuitHandle::start(&channel, self.circ_params(), record).await?;
        circuit.add_hop(hop_spec(guard), self.settings().build_timeout).await?;
        Ok(circuit)
    }

    async fn build_path(&self, path: &Path, record: CircuitRecord) -> Result<CircuitHandle, CircuitError> {
        let until = tokio::time::Instant::now() + self.settings().build_timeout;
        let guard = path.guard().ok_or(CircuitError::Closed)?;
        let card = record.card().clone();
        let timed_out = |_| {
            card.end(CircuitEnd::TimedOut);
            CircuitError::from(ChannelError::TimedOut)
        };
        // A guard that keeps silent has failed; one that answers is not to blame for what is behind it. (What is
        // given up for time is dropped only after it was told why.)
        let mut first = pin!(self.first_hop(guard, record));
        let first = timeout_at(until, first.as_mut()).await.map_err(timed_out).flatten();
        let circuit = first.inspect_err(|error| {
            // What a controller chose is no guard of ours.
            if !path.is_by_hand() {
                let _never = self.guard_answered(&guard.ids.rsa, Err(error));
            }
        })?;
        let rest = async {
            for hop in path.hops().iter().skip(1) {
                circuit.add_hop(hop_spec(hop), self.settings().build_timeout).await?;
            }
            Ok(())
        };
        timeout_at(until, rest).await.map_err(timed_out).flatten()?;
        Ok(circuit)
    }

    fn selector<'a>(&self, view: &'a NetworkView) -> Selector<'a> {
        let CircuitSettings { use_ipv4, use_ipv6, path, .. } = self.settings();
        Selector::new(view, PathConfig { entry_by_ipv4: use_ipv4, entry_by_ipv6: use_ipv6, ..path })
    }

    pub(crate) fn circ_params(&self) -> CircParams {
        let view = self.view.borrow();
        let accept_min = view.as_ref().map_or(0, |view| view.param(&param::SENDME_ACCEPT_MIN_VERSION));
        CircParams { sendme_accept_min: u8::try_from(accept_min).unwrap_or(u8::MAX) }
    }
}

/// A circuit that has its number and is about to be built.
#[derive(Debug)]
pub struct Launch {
    path: Path,
    record: CircuitRecord,
}

impl CircuitFactory for RelayCircuits {
    type Circuit = CircuitHandle;
    type Launch = Launch;

    fn choose_path(&self, need: &ExitNeed, avoid: &[RsaId]) -> Result<Path, PathError> {
        let view = self.view.borrow().clone().ok_or(PathError::NoView)?;
        let selector = self.selector(&view);
        self.with_guards(|guards| selector.path(need, avoid, guards, clock::wall(), &mut clock::rng()))
    }

    fn choose_path_by(&self, exit: &RsaId, need: &ExitNeed) -> Result<Path, PathError> {
        let view = self.view.borrow().clone().ok_or(PathError::NoView)?;
        let selector = self.selector(&view);
        self.with_guards(|guards| selector.path_by(exit, need, guards, clock::wall(), &mut clock::rng()))
    }

    fn launch(&self, path: Path, purpose: Purpose, key: Option<&IsolationKey>) -> (CircuitNumber, Launch) {
        let record = self.channels.ledger().launch(Plan::of(&path, purpose));
        record.card().used_by(key);
        (CircuitNumber(record.card().id().0), Launch { path, record })
    }

    async fn build(&self, Launch { path, record }: Launch) -> Result<CircuitHandle, BuildError> {
        let card = record.card().clone();
        let built = tokio::select! {
            built = self.build_path(&path, record) => built,
            _ = card.end_wanted() => Err(CircuitError::Closed),
        };
        let circuit = match built {
            Ok(circuit) => circuit,
            Err(error) => return Err(BuildError { what: error.to_string() }),
        };
        if let Some(guard) = path.guard().filter(|_| !path.is_by_hand())
            && self.guard_answered(&guard.ids.rsa, Ok(())) == GuardUse::NotYet
        {
            // The next circuit tries the guard that is preferred; this one is closed.
            card.waits_for_guard();
            circuit.end(CircuitEnd::BetterGuard);
            return Err(BuildError { what: "a guard that is preferred may be up".to_owned() });
        }
        card.built();
        self.channels.bootstrap().circuit_established();
        debug!("circuit {} open: {}", card.id(), describe(&path));
        Ok(circuit)
    }
}

/// True if a first hop that failed so can't be reached. If it says DESTROY it can be, however busy it is; and what
/// we lack ourselves is not its fault.
const fn is_of_the_guard(error: &CircuitError) -> bool {
    match error {
        CircuitError::Channel(ChannelError::NoAddress | ChannelError::NetworkOff)
        | CircuitError::Destroyed { .. }
        | CircuitError::Refused(_)
        | CircuitError::Closed => false,
        CircuitError::Channel(_)
        | CircuitError::Circuit(_)
        | CircuitError::Stream(_)
        | CircuitError::ChannelLost => true,
    }
}

pub(crate) fn hop_spec(hop: &Hop) -> HopSpec {
    let onion_key = hop.ntor_key;
    let handshake = if hop.ntor_v3 && hop.ids.ed25519.is_some() {
        HopHandshake::NtorV3 { onion_key: onion_key.into() }
    } else {
        HopHandshake::Ntor { onion_key: onion_key.into() }
    };
    HopSpec { ids: hop.ids, addrs: hop.addrs.clone(), handshake }
}

/// `$FP~nick, $FP~nick, $FP~nick`.
fn describe(path: &Path) -> String {
    let names: Vec<_> = path.hops().iter().map(|hop| format!("{}~{}", hop.ids, hop.nickname)).collect();
    names.join(", ")
}
