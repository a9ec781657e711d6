//! Signals, by the control port or by the system: the same thing happens, and the same is told.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tor_ctrl::{Reply, Signal};
use tor_ctrl_events::{EventKind, SignalName};
use tor_net::clock;
use tracing::info;

use super::Shared;

/// New identities come at most so often (C Tor's `MAX_SIGNEWNYM_RATE`).
const NEWNYM_EVERY: Duration = Duration::from_secs(10);

/// What only the program around the client can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// End, in good order.
    Shutdown,
    /// End at once.
    Halt,
}

/// What signals have to remember.
#[derive(Debug, Default)]
pub(super) struct Signals {
    newnym: Mutex<NewNym>,
}

/// When there was a new identity last, and whether the next one waits.
#[derive(Debug, Default)]
struct NewNym {
    last: Option<Instant>,
    waiting: bool,
}

/// What to do about a wish for a new identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Now,
    In(Duration),
    /// One waits already; it serves this wish too.
    Coming,
}

impl NewNym {
    fn ask(&mut self, now: Instant) -> Due {
        let ready = self.last.map(|last| last + NEWNYM_EVERY);
        match ready {
            Some(_) if self.waiting => Due::Coming,
            Some(ready) if now < ready => {
                self.waiting = true;
                Due::In(ready - now)
            }
            _ => {
                self.last = Some(now);
                Due::Now
            }
        }
    }

    fn came(&mut self, now: Instant) {
        *self = Self { last: Some(now), waiting: false };
    }
}

impl Shared {
    /// Does what a signal asks for.
    pub(super) fn signal(self: &Arc<Self>, signal: Signal) -> Reply {
        match signal {
            Signal::Reload => {
                info!("Received reload signal (hup). Reloading config and resetting internal state.");
                self.told(signal);
                self.reload();
            }
            Signal::Shutdown => {
                self.told(signal);
                let _ending_already = self.wishes.send(Wish::Shutdown);
            }
            Signal::Halt => {
                self.told(signal);
                let _ending_already = self.wishes.send(Wish::Halt);
            }
            Signal::Dump => {
                self.told(signal);
                self.client.dump_stats();
            }
            Signal::Debug => {
                self.told(signal);
                self.client.debug_logging();
            }
            Signal::NewNym => self.newnym(),
            Signal::ClearDnsCache => {
                self.told(signal);
                self.client.ledger().addresses().clear_transient();
            }
            Signal::Heartbeat => {
                self.told(signal);
                self.client.heartbeat();
            }
            Signal::Active => {
                self.told(signal);
                self.client.set_dormant(false);
            }
            Signal::Dormant => {
                self.told(signal);
                self.client.set_dormant(true);
            }
        }
        Reply::ok()
    }

    /// New circuits for new streams: now, or when the last time is long enough ago.
    fn newnym(self: &Arc<Self>) {
        let due = self.newnym_state().ask(clock::now());
        match due {
            Due::Now => self.new_identity(),
            Due::In(wait) => {
                info!("Rate limiting NEWNYM request: delaying by {} second(s)", wait.as_secs_f64().ceil());
                let shared = Arc::clone(self);
                clock::spawn(async move {
                    tokio::time::sleep(wait).await;
                    shared.newnym_state().came(clock::now());
                    shared.new_identity();
                });
            }
            Due::Coming => info!("Rate limiting NEWNYM request: one is waiting already"),
        }
    }

    fn new_identity(&self) {
        self.client.new_identity();
        self.told(Signal::NewNym);
    }

    fn newnym_state(&self) -> std::sync::MutexGuard<'_, NewNym> {
        self.signals.newnym.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, signal: Signal) {
        self.events().emit_with(EventKind::Signal, || tor_ctrl_events::Signal { signal: name(signal) });
    }
}

const fn name(signal: Signal) -> SignalName {
    match signal {
        Signal::Reload => SignalName::Reload,
        Signal::Shutdown => SignalName::Shutdown,
        Signal::Dump => SignalName::Dump,
        Signal::Debug => SignalName::Debug,
        Signal::Halt => SignalName::Halt,
        Signal::NewNym => SignalName::NewNym,
        Signal::ClearDnsCache => SignalName::ClearDnsCache,
        Signal::Heartbeat => SignalName::Heartbeat,
        Signal::Active => SignalName::Active,
        Signal::Dormant => SignalName::Dormant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_identities_keep_their_distance() {
        let start = clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut newnym = NewNym::default();
        assert_eq!(newnym.ask(at(0)), Due::Now);
        assert_eq!(newnym.ask(at(4)), Due::In(Duration::from_secs(6)));
        assert_eq!(newnym.ask(at(5)), Due::Coming);
        newnym.came(at(10));
        assert_eq!(newnym.ask(at(15)), Due::In(Duration::from_secs(5)));
        newnym.came(at(20));
        assert_eq!(newnym.ask(at(30)), Due::Now);
    }
}
