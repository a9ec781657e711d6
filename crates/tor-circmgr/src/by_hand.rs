//! What a controller does with circuits: it has them built, extended and put to another purpose, and puts streams on
//! them.

use tokio::time::Instant;
use tor_path::{ExitNeed, Path};

use crate::{
    BuiltCircuit, CircMgr, CircuitFactory, CircuitNumber, ConnectError, IsolationKey, Purpose, pool::Pool,
};

impl<F: CircuitFactory> CircMgr<F> {
    /// Has a circuit built along this path. For [`Purpose::General`] it is one of those that streams get.
    ///
    /// # Errors
    /// If the client is shutting down.
    pub fn launch(&self, path: Path, purpose: Purpose) -> Result<CircuitNumber, ConnectError> {
        if self.pool().is_shut() {
            return Err(ConnectError::Shutdown);
        }
        self.begin(path, purpose).ok_or(ConnectError::Shutdown)
    }

    /// Has a circuit built as if it were predicted: to an exit for what was asked for lately.
    ///
    /// # Errors
    /// If the client is shutting down, or there is no path.
    pub fn launch_any(&self, purpose: Purpose) -> Result<CircuitNumber, ConnectError> {
        let need = self.pool().lately().unwrap_or(ExitNeed::port(443));
        let path = self.factory().choose_path(&need, &[]).map_err(ConnectError::NoPath)?;
        self.launch(path, purpose)
    }

    /// The circuit is for that from now on. False if it is none of ours.
    pub fn set_purpose(&self, number: CircuitNumber, purpose: Purpose) -> bool {
        let known = self.pool().set_purpose(number, purpose);
        self.note_change();
        known
    }

    /// A controller has put a stream of `key` on the circuit: it grows old from now on.
    pub fn attached(&self, number: CircuitNumber, key: &IsolationKey) {
        self.pool().attached(number, Instant::now(), key);
        self.note_change();
    }

    /// The circuit's path, if it is open and one of ours. Streams don't get it until [`CircMgr::has_grown`].
    pub fn grow(&self, number: CircuitNumber) -> Option<Path> {
        self.pool().grow(number)
    }

    /// The circuit has that path now.
    pub fn has_grown(&self, number: CircuitNumber, path: Path) {
        self.pool().has_grown(number, path);
        self.note_change();
    }
}

impl<C: BuiltCircuit> Pool<C> {
    /// What was asked for last.
    fn lately(&self) -> Option<ExitNeed> {
        self.predicted.iter().max_by_key(|(_, asked)| **asked).map(|(need, _)| *need)
    }

    fn set_purpose(&mut self, number: CircuitNumber, purpose: Purpose) -> bool {
        if let Some(building) = self.building.get_mut(&number) {
            building.purpose = purpose;
            return true;
        }
        match self.open.get_mut(&number) {
            Some(open) => {
                open.purpose = purpose;
                true
            }
            None => false,
        }
    }

    fn attached(&mut self, number: CircuitNumber, now: Instant, key: &IsolationKey) {
        if let Some(open) = self.open.get_mut(&number)
            && open.owner.take_by_hand(key, now)
        {
            open.circuit.used_by(Some(key));
        }
    }

    fn grow(&mut self, number: CircuitNumber) -> Option<Path> {
        let open = self.open.get_mut(&number)?;
        open.growing = true;
        Some(open.path.clone())
    }

    fn has_grown(&mut self, number: CircuitNumber, path: Path) {
        if let Some(open) = self.open.get_mut(&number) {
            (open.path, open.growing) = (path, false);
        }
    }
}
