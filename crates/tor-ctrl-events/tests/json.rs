//! Events as JSON, and the file of them.

mod any;

use std::{
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use any::{Words, event};
use proptest::prelude::*;
use serde_json::Value;
use tor_ctrl_events::*;

proptest! {
    #[test]
    fn every_event_is_one_line_of_json(event in event(Words::Hostile)) {
        let line = event.to_json_line(UNIX_EPOCH);
        prop_assert!(line.ends_with('\n') && line.matches('\n').count() == 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(value["event"].as_str(), Some(event.kind().name()));
    }
}

#[test]
fn fields_have_their_names() {
    let text = "650 CIRC 9 CLOSED $E73B4418B23D61B9875B073CB70E177288A838E8~auth0 BUILD_FLAGS=NEED_CAPACITY \
        PURPOSE=GENERAL TIME_CREATED=2026-11-22T12:55:01.033570 SOCKS_USERNAME=\"a \\\"b\" REASON=TIMEOUT\r\n";
    let at = UNIX_EPOCH + Duration::from_secs(1_795_352_101);
    assert_eq!(
        Event::parse(text).unwrap().to_json_line(at),
        concat!(
            r#"{"time":"2026-11-22T12:55:01.000000","event":"CIRC","id":9,"info":{"build_flags":{"is_internal":false,"#,
            r#""need_capacity":true,"need_uptime":false,"onehop_tunnel":false},"#,
            r#""path":["$E73B4418B23D61B9875B073CB70E177288A838E8~auth0"],"purpose":"GENERAL","socks_username":"a \"b","#,
            r#""time_created":"2026-11-22T12:55:01.033570"},"reason":"TIMEOUT","status":"CLOSED"}"#,
            "\n"
        )
    );
}

#[test]
fn a_file_rotates() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.json");
    let rotation = Rotation { max_bytes: 200, keep: 2 };
    let bw = |read| Event::from(Bw { read, written: 0 });
    let mut log = JsonLog::open(&path, rotation).unwrap();
    for read in 10..20 {
        log.write_event(UNIX_EPOCH, &bw(read)).unwrap();
    }
    drop(log);
    // A restart goes on where the file ended.
    let mut log = JsonLog::open(&path, rotation).unwrap();
    log.write_event(UNIX_EPOCH, &bw(20)).unwrap();
    let reads = |name: &str| -> Vec<u64> {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(text.len() <= 200);
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["read"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(reads("events.json.2"), [16, 17]);
    assert_eq!(reads("events.json.1"), [18, 19]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    assert_eq!(reads("events.json"), [20]);
}

#[test]
fn a_subscriber_feeds_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.json");
    let dispatcher = Dispatcher::new();
    dispatcher.keep_history(EventKind::Bw, 1);
    dispatcher.emit(Bw { read: 1, written: 2 }.into());
    let mut log = JsonLog::open(&path, Rotation { max_bytes: 10, keep: 0 }).unwrap();
    for _ in 0..3 {
        // One line is longer than the file may be: it stands alone.
        for event in dispatcher.history(EventKinds::all()) {
            log.write(UNIX_EPOCH, &event).unwrap();
        }
    }
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn renamings_begin_with_the_oldest() {
    let rotation = Rotation { max_bytes: 1, keep: 3 };
    let names: Vec<String> = rotation
        .renamings(Path::new("e"))
        .iter()
        .map(|(from, to)| format!("{} {}", from.display(), to.display()))
        .collect();
    assert_eq!(names, ["e.2 e.3", "e.1 e.2", "e e.1"]);
    assert!(!rotation.is_due(0, 9) && rotation.is_due(1, 1));
}
