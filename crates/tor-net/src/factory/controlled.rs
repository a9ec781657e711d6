//! What controllers do with circuits: the commands EXTENDCIRCUIT, SETCIRCUITPURPOSE, CLOSECIRCUIT, DROPGUARDS and
//! DROPTIMEOUTS, and the part of NEWNYM that concerns circuits.

use std::{sync::Arc, time::Duration};

use thiserror::Error;
use tor_circ::HopSpec;
use tor_circmgr::{BuiltCircuit, CircMgr, CircuitNumber, Purpose};
use tor_ctrl_events::{BuildTimeoutChange, BuildTimeoutSet, CircuitId, EventKind};
use tor_dir::NetworkView;
use tor_path::{NameError, Path};
use tracing::debug;

use super::{RelayCircuits, hop_spec};
use crate::{
    CircuitError, CircuitHandle, Ledger, clock,
    ledger::{CircuitCard, CircuitEnd},
};

/// The circuits of a client, as its controllers may handle them. Clones share them.
#[derive(Clone, Debug)]
pub struct ControlledCircuits {
    manager: Arc<CircMgr<RelayCircuits>>,
}

/// Why a controller does not get what it wants; the words are C Tor's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is none of that number.
    #[error("Unknown circuit \"{0}\"")]
    UnknownCircuit(CircuitId),
    /// A relay of the path.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The path is empty.
    #[error("No router names provided")]
    NoNames,
    /// There is no path, or the first relay can't be reached.
    #[error("Couldn't start circuit")]
    NotStarted,
    /// The circuit can't be asked to extend.
    #[error("Couldn't send onion skin")]
    NotExtended,
}

impl ControlError {
    /// The code of the reply.
    pub const fn code(&self) -> u16 {
        match self {
            Self::UnknownCircuit(_) | Self::Name(_) => 552,
            Self::NoNames => 512,
            Self::NotStarted | Self::NotExtended => 551,
        }
    }
}

impl ControlledCircuits {
    /// The circuits of this manager.
    pub const fn new(manager: Arc<CircMgr<RelayCircuits>>) -> Self {
        Self { manager }
    }

    /// Has a circuit built through these relays, or through any; it is being built when this returns. For
    /// [`Purpose::General`] it is one of those that streams get.
    ///
    /// # Errors
    /// If a relay is not known, or there is no path.
    pub fn launch(&self, path: Option<&[String]>, purpose: Purpose) -> Result<CircuitId, ControlError> {
        let launched = match path {
            None => self.manager.launch_any(purpose),
            Some(names) => {
                let path = Path::by_hand(&*self.view(names)?, names)?;
                let first = path.guard().ok_or(ControlError::NoNames)?;
                if self.circuits().reachable(first.addrs.iter().copied()).is_empty() {
                    return Err(ControlError::NotStarted);
                }
                self.manager.launch(path, purpose)
            }
        };
        launched.map(|CircuitNumber(number)| CircuitId(number)).map_err(|_| ControlError::NotStarted)
    }

    /// Extends a circuit by these relays. It is being extended when this returns, or will be once it is built.
    ///
    /// # Errors
    /// If there is no such circuit, or a relay is not known.
    pub fn extend(&self, id: CircuitId, names: &[String]) -> Result<(), ControlError> {
        let card = self.ledger().circuit_card(id).ok_or(ControlError::UnknownCircuit(id))?;
        let more = Path::by_hand(&*self.view(names)?, names)?;
        if more.hops().is_empty() {
            return Err(ControlError::NoNames);
        }
        let timeout = self.circuits().settings().build_timeout;
        let (manager, names) = (Arc::clone(&self.manager), names.to_vec());
        clock::spawn(async move {
            if let Err(error) = grow(&manager, &card, &more, &names, timeout).await {
                debug!("circuit {} was not extended: {error}", card.id());
            }
        });
        Ok(())
    }

    /// The circuit is for that from now on.
    ///
    /// # Errors
    /// If there is no such circuit.
    pub fn set_purpose(&self, id: CircuitId, purpose: Purpose) -> Result<(), ControlError> {
        let card = self.ledger().circuit_card(id).ok_or(ControlError::UnknownCircuit(id))?;
        card.set_purpose(purpose);
        self.manager.set_purpose(CircuitNumber(id.0), purpose);
        Ok(())
    }

    /// Closes a circuit, built or not; with `if_unused` only if no stream is on it.
    ///
    /// # Errors
    /// If there is no such circuit.
    pub fn close(&self, id: CircuitId, if_unused: bool) -> Result<(), ControlError> {
        if self.ledger().close_circuit(id, if_unused) {
            Ok(())
        } else {
            Err(ControlError::UnknownCircuit(id))
        }
    }

    /// New streams get none of the circuits that are there; those without streams are closed (NEWNYM).
    pub fn retire_all(&self) {
        self.manager.retire_all();
    }

    /// Forgets the guards and draws others.
    pub fn drop_guards(&self) {
        self.circuits().drop_guards();
    }

    /// The guards, as `GETINFO entry-guards` lists them.
    pub fn entry_guards(&self) -> String {
        self.circuits().entry_guards()
    }

    /// Says which build timeout holds. None is learned, so there is none to forget: it is the configuration's, and a
    /// circuit that is too late is not left open to be measured.
    pub fn drop_timeouts(&self) {
        let timeout = self.circuits().settings().build_timeout;
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.ledger().events().emit_with(EventKind::BuildTimeoutSet, || BuildTimeoutSet {
            change: BuildTimeoutChange::Reset,
            total_times: 0,
            timeout_ms,
            xm: 0,
            alpha: 0.0,
            cutoff_quantile: 1.0,
            timeout_rate: 0.0,
            close_ms: timeout_ms,
            close_rate: 0.0,
        });
    }

    fn circuits(&self) -> &RelayCircuits {
        self.manager.factory()
    }

    fn ledger(&self) -> &Arc<Ledger> {
        self.circuits().channels.ledger()
    }

    /// The view of the network; without one no relay is known.
    fn view(&self, names: &[String]) -> Result<Arc<NetworkView>, ControlError> {
        let first = names.first().ok_or(ControlError::NoNames)?;
        let view = self.circuits().view.borrow().clone();
        Ok(view.ok_or_else(|| NameError::Unknown(first.clone()))?)
    }
}

/// Adds the hops of `more` to a circuit.
async fn grow(
    manager: &CircMgr<RelayCircuits>,
    card: &CircuitCard,
    more: &Path,
    names: &[String],
    timeout: Duration,
) -> Result<(), CircuitError> {
    // One at a time.
    while !card.extends() {
        if !card.wait_built().await {
            return Err(CircuitError::Closed);
        }
    }
    let ledger = manager.factory().channels.ledger();
    let circuit = ledger.circuit_handle(card.id()).ok_or(CircuitError::Closed)?;
    let number = CircuitNumber(card.id().0);
    let path = manager.grow(number);
    for spec in more.hops().iter().map(hop_spec) {
        extend(&circuit, card, spec, timeout).await?;
    }
    card.built();
    let view = manager.factory().view.borrow().clone();
    if let (Some(path), Some(view)) = (path, view)
        && let Ok(longer) = path.extended(&view, names)
    {
        manager.has_grown(number, longer);
    }
    Ok(())
}

/// Adds one hop. If that can't be, the circuit is of no use to whoever wanted it longer.
async fn extend(
    circuit: &CircuitHandle,
    card: &CircuitCard,
    spec: HopSpec,
    timeout: Duration,
) -> Result<(), CircuitError> {
    circuit.add_hop(spec, timeout).await.inspect_err(|error| {
        card.end(CircuitEnd::of(error));
        circuit.close();
    })
}
