//! What a thousand controllers that never read take of memory. Alone in its program, since it measures the whole of it.
#![cfg(target_os = "linux")]

use tor_ctrl_events::*;

/// Far below 64 KiB for each.
#[test]
fn a_thousand_slow_controllers_take_little_memory() {
    let before = resident();
    assert!(before > 0);
    let dispatcher = Dispatcher::new();
    let mut subscribers: Vec<Subscriber> = (0..1_000).map(|_| dispatcher.subscribe()).collect();
    subscribers.iter_mut().for_each(|subscriber| subscriber.set(EventKinds::all()));
    for id in 0..8_000 {
        let id = CircuitId(id);
        dispatcher.emit(Bw { read: id.0, written: 0 }.into());
        dispatcher.emit(Circ::new(id, CircStatus::Launched, CircInfo::new(CircPurpose::General)).into());
        dispatcher.emit(Log { level: LogLevel::Notice, text: "x".repeat(3_000) }.into());
    }
    let each = resident().saturating_sub(before) / subscribers.len();
    assert!(each < 32 << 10, "{each} bytes for each");
}

/// Bytes of the program that are in memory now.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).map_or(0, |pages| pages * 4_096)
}
