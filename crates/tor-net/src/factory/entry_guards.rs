//! The guards' record: told how circuits through it went, saved, shown to controllers, and dropped if they want that.

use std::{
    fmt::Write,
    sync::{MutexGuard, PoisonError},
};

use tor_ctrl_events::{EventKind, Guard, GuardStatus as Word, LongName};
use tor_id::RsaId;
use tor_path::{GuardNews, GuardUse, Guards};

use super::{RelayCircuits, is_of_the_guard};
use crate::{CircuitError, clock};

impl RelayCircuits {
    /// Waits until the guards are others than the disk knows, and returns the lines of the state file.
    pub async fn guards_to_save(&self) -> String {
        loop {
            let changed = self.guards_changed.notified();
            let text = {
                let mut guards = self.lock_guards();
                guards.take_changed().then(|| guards.to_text())
            };
            match text {
                Some(text) => return text,
                None => changed.await,
            }
        }
    }

    /// The guards, as `GETINFO entry-guards` lists them: a line each, with its end.
    pub fn entry_guards(&self) -> String {
        let ledger = self.channels.ledger();
        let guards = self.lock_guards();
        let mut text = String::new();
        for (guard, status) in guards.statuses() {
            // Writing to a String does not fail.
            let _infallible = writeln!(text, "{} {status}", ledger.long_name(&guard.rsa));
        }
        text
    }

    /// Forgets every guard, and draws others at once if the network is known (`DROPGUARDS`).
    pub fn drop_guards(&self) {
        let view = self.view.borrow().clone();
        self.with_guards(|guards| {
            guards.drop_all();
            if let Some(view) = view {
                guards.update(&self.selector(&view), clock::wall(), &mut clock::rng());
            }
        });
    }

    /// Tells the guards' record how a circuit through one of them, or a directory circuit to it, went.
    pub(crate) fn guard_answered(&self, id: &RsaId, result: Result<(), &CircuitError>) -> GuardUse {
        self.with_guards(|guards| match result {
            Ok(()) => guards.succeeded(id, clock::wall(), &mut clock::rng()),
            Err(error) => {
                if is_of_the_guard(error) {
                    guards.failed(id, clock::wall());
                }
                GuardUse::NotYet
            }
        })
    }

    /// Works with the guards, and tells what came of it.
    pub(super) fn with_guards<T>(&self, work: impl FnOnce(&mut Guards) -> T) -> T {
        let mut guards = self.lock_guards();
        let result = work(&mut guards);
        let ledger = self.channels.ledger();
        // Under the lock: what happened first is told first.
        for change in guards.take_news() {
            ledger.events().emit_with(EventKind::Guard, || Guard {
                // One that the consensus does not list is known by the name that it had.
                relay: ledger
                    .current_name(&LongName { id: change.rsa, nickname: Some(change.nickname.to_string()) }),
                status: match change.what {
                    GuardNews::New => Word::New,
                    GuardNews::Up => Word::Up,
                    GuardNews::Down => Word::Down,
                    GuardNews::Dropped => Word::Dropped,
                },
            });
        }
        drop(guards);
        self.guards_changed.notify_waiters();
        result
    }

    pub(super) fn lock_guards(&self) -> MutexGuard<'_, Guards> {
        self.guards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
