//! The commands about circuits and guards.

use std::sync::{Arc, Once};

use tor_circmgr::Purpose;
use tor_ctrl::{CircuitPurpose, Reply, Word};
use tor_ctrl_events::CircuitId;
use tor_net::{ControlError, ControlledCircuits};
use tracing::warn;

use super::Shared;

impl Shared {
    /// The circuits, as controllers may handle them.
    pub(super) fn controlled(&self) -> ControlledCircuits {
        ControlledCircuits::new(Arc::clone(self.client.manager()))
    }

    /// EXTENDCIRCUIT.
    pub(super) fn extend_circuit(
        &self,
        circuit: &Word<CircuitId>,
        path: Option<&[String]>,
        purpose: CircuitPurpose,
    ) -> Reply {
        let extended = if circuit.is_zero() {
            self.controlled().launch(path, kind(purpose))
        } else {
            let Some(id) = circuit.value().filter(|id| self.client.ledger().circuit(*id).is_some()) else {
                return circuit.unknown();
            };
            let Some(path) = path else { return Reply::path_required() };
            self.controlled().extend(id, path).map(|()| id)
        };
        match extended {
            Ok(id) => Reply::line(250, format!("EXTENDED {id}")),
            Err(error) => refusal(&error),
        }
    }

    /// SETCIRCUITPURPOSE.
    pub(super) fn set_circuit_purpose(
        &self,
        circuit: &Word<CircuitId>,
        purpose: Result<CircuitPurpose, Reply>,
    ) -> Reply {
        let Some(id) = circuit.value().filter(|id| self.client.ledger().circuit(*id).is_some()) else {
            return circuit.unknown();
        };
        match purpose {
            Ok(purpose) => done(self.controlled().set_purpose(id, kind(purpose))),
            Err(reply) => reply,
        }
    }

    /// CLOSECIRCUIT.
    pub(super) fn close_circuit(&self, circuit: &Word<CircuitId>, if_unused: bool) -> Reply {
        match circuit.value() {
            Some(id) => done(self.controlled().close(id, if_unused)),
            None => circuit.unknown(),
        }
    }

    /// DROPGUARDS.
    pub(super) fn drop_guards(&self) -> Reply {
        static WARNED: Once = Once::new();
        WARNED.call_once(|| warn!("DROPGUARDS is dangerous: new guards are new chances to meet a bad one."));
        self.controlled().drop_guards();
        Reply::ok()
    }

    /// DROPTIMEOUTS.
    pub(super) fn drop_timeouts(&self) -> Reply {
        self.controlled().drop_timeouts();
        Reply::ok()
    }
}

const fn kind(purpose: CircuitPurpose) -> Purpose {
    match purpose {
        CircuitPurpose::General => Purpose::General,
        CircuitPurpose::Controller => Purpose::Controller,
    }
}

fn done(result: Result<(), ControlError>) -> Reply {
    result.map_or_else(|error| refusal(&error), |()| Reply::ok())
}

fn refusal(error: &ControlError) -> Reply {
    Reply::line(error.code(), error.to_string())
}
