//! The commands about circuits.

use tor_ctrl::{Reply, Word};
use tor_ctrl_events::CircuitId;

use super::Shared;

impl Shared {
    /// CLOSECIRCUIT.
    pub(super) fn close_circuit(&self, circuit: &Word<CircuitId>, if_unused: bool) -> Reply {
        match circuit.value() {
            Some(id) if self.client.ledger().close_circuit(id, if_unused) => Reply::ok(),
            _ => circuit.unknown(),
        }
    }
}
