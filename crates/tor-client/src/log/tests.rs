//! What is written, where, and what controllers are told.

use std::{
    path::Path,
    sync::{Mutex, atomic::AtomicBool},
};

use tor_ctrl_events::EventKind;

use super::*;

fn config(lines: &[&str]) -> LogConfig {
    let lines = lines.iter().map(|line| LogLine::parse(line).unwrap()).collect();
    LogConfig { lines, ..LogConfig::default() }
}

fn logging<R>(log: &Log, work: impl FnOnce() -> R) -> R {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log.layer()), work)
}

fn say_all() {
    tracing::error!("one");
    tracing::warn!("two");
    tracing::info!("three");
    tracing::debug!("four");
    tracing::trace!("five");
}

fn severities(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect()
}

#[test]
fn a_line_has_c_tors_form() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let log = Log::new(&config(&[&format!("notice file {}", file.display())])).unwrap();
    logging(&log, || tracing::info!(relay = 7, "Bootstrapped {}% (done): Done", 100));
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.strip_suffix('\n').unwrap();
    // `Nov 22 12:27:16.000`: what nyx and stem parse.
    let (time, rest) = line.split_at("Nov 22 12:27:16.000".len());
    assert!(time.ends_with(".000"), "times are rounded down to LogTimeGranularity: {time}");
    assert!(jiff::fmt::strtime::parse("%b %d %H:%M:%S", time.trim_end_matches(".000")).is_ok(), "{time}");
    assert_eq!(rest, " [notice] Bootstrapped 100% (done): Done relay=7");
}

#[test]
fn each_log_line_gets_its_severities_until_they_change() {
    let dir = tempfile::tempdir().unwrap();
    let [grave, chatty] = ["grave", "chatty"].map(|name| dir.path().join(name));
    let lines = [format!("notice file {}", grave.display()), format!("debug-info file {}", chatty.display())];
    let log = Log::new(&config(&[&lines[0], &lines[1]])).unwrap();
    logging(&log, || {
        say_all();
        assert_eq!(severities(&grave), ["[err]", "[warn]", "[notice]"]);
        assert_eq!(severities(&chatty), ["[info]", "[debug]"]);

        let files = log.prepare(&config(&[&format!("warn file {}", grave.display())])).unwrap();
        log.commit(files);
        say_all();
        assert_eq!(severities(&grave).split_off(3), ["[err]", "[warn]"]);
        assert_eq!(severities(&chatty).len(), 2, "its line is gone");

        log.debug();
        say_all();
        assert_eq!(severities(&grave).len(), 10, "USR2: everything, everywhere");
    });
}

#[test]
fn a_file_that_can_not_be_opened_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let [here, new] = ["here", "new"].map(|name| dir.path().join(name));
    let log = Log::new(&config(&[&format!("notice file {}", here.display())])).unwrap();
    let bad = config(&[&format!("notice file {}", new.display()), "notice file /nowhere/at/all"]);
    let error = log.prepare(&bad).unwrap_err();
    assert_eq!(error.to_string(), "Failed to init Log options. See logs for details.");
    assert!(error.detail().contains("/nowhere/at/all"), "{}", error.detail());
    assert!(!new.exists(), "the file that could be made is gone again");
    logging(&log, || tracing::info!("still here"));
    assert_eq!(severities(&here), ["[notice]"]);
}

#[test]
fn files_are_emptied_when_they_come_into_use_and_opened_anew_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    std::fs::write(&file, "Nov 22 12:27:16.000 [old] of a run before\n").unwrap();
    let truncating =
        LogConfig { truncate_files: true, ..config(&[&format!("notice file {}", file.display())]) };
    let log = Log::new(&truncating).unwrap();
    logging(&log, || {
        tracing::info!("one");
        log.commit(log.prepare(&truncating).unwrap());
        tracing::info!("two");
        assert_eq!(severities(&file), ["[notice]", "[notice]"]);
        // Who rotates logs moves the file away and sends HUP.
        std::fs::rename(&file, dir.path().join("log.1")).unwrap();
        tracing::info!("three");
        log.commit(log.prepare(&truncating).unwrap());
        tracing::info!("four");
        assert_eq!(severities(&dir.path().join("log.1")).len(), 3);
        assert_eq!(severities(&file).len(), 1);
        log.truncate();
        assert_eq!(severities(&file).len(), 0);
    });
}

#[test]
fn one_event_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let log = Log::new(&config(&[&format!("notice file {}", file.display())])).unwrap();
    logging(&log, || tracing::info!(said = "a\r\nNov 22 00:00:00.000 [err] forged", "A relay says:"));
    assert_eq!(severities(&file).len(), 1);
}

#[test]
fn times_are_rounded_down() {
    for (granularity, expected) in [(1, 1), (100, 100), (1000, 1000)] {
        let mut line = String::new();
        prefix(&mut line, Level::WARN, granularity);
        let millis: u32 = line.split(['.', ' ']).nth(3).unwrap().parse().unwrap();
        assert_eq!(millis % expected.min(1000), 0, "{line}");
    }
    let mut line = String::new();
    prefix(&mut line, Level::WARN, 3_600_000);
    assert!(line.contains(":00:00.000 [warn] "), "{line}");
}

/// Wants some kinds, keeps what it gets, and logs while it does.
#[derive(Debug, Default)]
struct Listener {
    kinds: Mutex<Vec<EventKind>>,
    got: Mutex<Vec<String>>,
    chatters: AtomicBool,
}

impl EventSink for Listener {
    fn wants(&self, kind: EventKind) -> bool {
        self.kinds.lock().unwrap().contains(&kind)
    }

    fn emit(&self, event: tor_ctrl_events::Event) {
        self.got.lock().unwrap().push(event.to_text());
        if self.chatters.load(Ordering::Relaxed) {
            tracing::info!("An event was emitted.");
        }
    }
}

#[test]
fn a_controller_gets_what_it_wants_whatever_the_log_lines_say() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let log = Log::new(&config(&[&format!("warn file {}", file.display())])).unwrap();
    let listener = Arc::new(Listener::default());
    logging(&log, || {
        log.tell(Arc::<Listener>::clone(&listener));
        say_all();
        assert!(!tracing::enabled!(Level::INFO), "nobody wants it, so it is not made");
        *listener.kinds.lock().unwrap() = vec![EventKind::Debug, EventKind::Notice];
        log.interest_changed();
        say_all();
        assert!(tracing::enabled!(Level::TRACE));
        assert!(!tracing::enabled!(Level::DEBUG));
        tracing::info!(relay = 7, "with a field");
        listener.kinds.lock().unwrap().clear();
        log.interest_changed();
        say_all();
    });
    let got = listener.got.lock().unwrap().clone();
    assert_eq!(got, ["650 NOTICE three\r\n", "650 DEBUG five\r\n", "650 NOTICE with a field relay=7\r\n"]);
    assert_eq!(severities(&file), ["[err]", "[warn]"].repeat(3));
}

#[test]
fn what_is_logged_while_an_event_is_emitted_is_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log");
    let log = Log::new(&config(&[&format!("notice file {}", file.display())])).unwrap();
    let listener = Arc::new(Listener { chatters: AtomicBool::new(true), ..Listener::default() });
    *listener.kinds.lock().unwrap() = vec![EventKind::Notice];
    log.tell(Arc::<Listener>::clone(&listener));
    logging(&log, || tracing::info!("one"));
    assert_eq!(*listener.got.lock().unwrap(), ["650 NOTICE one\r\n"]);
}
