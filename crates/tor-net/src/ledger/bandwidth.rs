//! Bytes: of connections, of circuits, of the client as a whole, and how many each second.
//!
//! Who moves bytes adds to plain counters, a few relaxed additions for each system call or each batch of cells. Once a
//! second [`super::Ledger::tick`] compares them with what they were, and tells whoever listens.

use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tor_circ::Traffic;

/// Seconds that are remembered, as in C Tor (`N_BW_EVENTS_TO_CACHE`).
const HISTORY: usize = 300;

/// Bytes in either direction, counted up for ever.
#[derive(Debug, Default)]
pub(crate) struct Bytes {
    read: AtomicU64,
    written: AtomicU64,
}

/// Where a connection counts its bytes: its own, and the client's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    pub(super) own: Arc<Bytes>,
    pub(super) all: Arc<Bytes>,
}

/// What moved in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

/// The client's bytes, second by second.
#[derive(Debug, Default)]
pub(super) struct Bandwidth {
    pub(super) all: Arc<Bytes>,
    seconds: Mutex<Seconds>,
}

#[derive(Debug, Default)]
struct Seconds {
    before: (u64, u64),
    past: VecDeque<Second>,
}

/// What a circuit's task tells once for each wake.
#[derive(Debug, Default)]
pub(super) struct CircuitBytes {
    now: [AtomicU64; 5],
    before: Mutex<[u64; 5]>,
}

/// What went through a circuit since it was last asked, in C Tor's terms: whole payloads of relay cells, and of those
/// what was of use, and what was filling around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CircuitDelta {
    pub(super) read: u64,
    pub(super) written: u64,
    pub(super) delivered_read: u64,
    pub(super) overhead_read: u64,
    pub(super) delivered_written: u64,
    pub(super) overhead_written: u64,
}

impl Bytes {
    /// Read and written so far.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

impl Meter {
    pub(crate) fn read(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(0);
        self.own.read.fetch_add(count, Ordering::Relaxed);
        self.all.read.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn wrote(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(0);
        self.own.written.fetch_add(count, Ordering::Relaxed);
        self.all.written.fetch_add(count, Ordering::Relaxed);
    }
}

impl Bandwidth {
    /// One second has passed: what moved in it.
    pub(super) fn tick(&self) -> Second {
        let (read, written) = self.all.so_far();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_before, written_before) = std::mem::replace(&mut seconds.before, (read, written));
        let second = Second {
            read: read.saturating_sub(read_before),
            written: written.saturating_sub(written_before),
        };
        if seconds.past.len() >= HISTORY {
            seconds.past.pop_front();
        }
        seconds.past.push_back(second);
        second
    }

    /// The last 300 seconds, oldest first.
    pub(super) fn past(&self) -> Vec<Second> {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        seconds.past.iter().copied().collect()
    }

    /// The same as `GETINFO bw-event-cache` says it: `read,written read,written`.
    pub(super) fn cache(&self) -> String {
        let mut text = String::new();
        for Second { read, written } in self.past() {
            if !text.is_empty() {
                text.push(' ');
            }
            // Writing to a String does not fail.
            let _infallible = write!(text, "{read},{written}");
        }
        text
    }
}

impl CircuitBytes {
    /// What the circuit's engine has counted so far.
    pub(super) fn set(&self, traffic: &Traffic) {
        let counted = [
            traffic.relay_cells_read,
            traffic.relay_cells_written,
            traffic.messages_read,
            traffic.delivered_read,
            traffic.delivered_written,
        ];
        for (counter, value) in self.now.iter().zip(counted) {
            counter.store(value, Ordering::Relaxed);
        }
    }

    /// What is new since this was last asked; `None` if nothing moved.
    pub(super) fn delta(&self) -> Option<CircuitDelta> {
        const PAYLOAD: u64 = 509;
        const BODY: u64 = 498;
        let now = self.now.each_ref().map(|counter| counter.load(Ordering::Relaxed));
        let mut held = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *held, now);
        drop(held);
        let mut new = [0; 5];
        for (new, (now, before)) in new.iter_mut().zip(now.iter().zip(before)) {
            *new = now.saturating_sub(before);
        }
        let [cells_read, cells_written, messages_read, delivered_read, delivered_written] = new;
        (cells_read > 0 || cells_written > 0).then(|| CircuitDelta {
            read: cells_read * PAYLOAD,
            written: cells_written * PAYLOAD,
            delivered_read,
            overhead_read: (messages_read * BODY).saturating_sub(delivered_read),
            delivered_written,
            overhead_written: (cells_written * BODY).saturating_sub(delivered_written),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_told_and_the_last_three_hundred_kept() {
        let bandwidth = Bandwidth::default();
        let meter = Meter { own: Arc::default(), all: Arc::clone(&bandwidth.all) };
        for count in 0..310 {
            meter.read(count);
            meter.wrote(2 * count);
            let count = u64::try_from(count).unwrap();
            assert_eq!(bandwidth.tick(), Second { read: count, written: 2 * count });
        }
        assert_eq!(bandwidth.past().len(), HISTORY);
        assert!(bandwidth.cache().starts_with("10,20 11,22 "));
        assert!(bandwidth.cache().ends_with(" 309,618"));
        assert_eq!(meter.own.so_far(), bandwidth.all.so_far());
    }

    #[test]
    fn a_circuit_s_bytes_are_counted_as_c_tor_does() {
        let bytes = CircuitBytes::default();
        assert_eq!(bytes.delta(), None);
        // The first line of C Tor's own sample: 20 cells up with 7260 bytes, 4 down with 406.
        let mut traffic = Traffic::default();
        (traffic.relay_cells_read, traffic.messages_read, traffic.delivered_read) = (20, 20, 7260);
        (traffic.relay_cells_written, traffic.delivered_written) = (4, 406);
        bytes.set(&traffic);
        let expected = CircuitDelta {
            read: 10180,
            written: 2036,
            delivered_read: 7260,
            overhead_read: 2700,
            delivered_written: 406,
            overhead_written: 1586,
        };
        assert_eq!(bytes.delta(), Some(expected));
        assert_eq!(bytes.delta(), None);
    }
}
