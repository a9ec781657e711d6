//! Every event that C Tor wrote is read, and written again to the same bytes.

use tor_ctrl_events::{Circ, Event, EventKinds, OrConn, Stream};

const SAMPLE: &str = include_str!("../testdata/events-ctor.txt");

/// Whole events, with CRLF.
fn events() -> Vec<String> {
    let mut events = Vec::new();
    let mut event = String::new();
    let mut in_data = false;
    for line in SAMPLE.lines().filter(|line| !line.starts_with('#')) {
        event.push_str(line);
        event.push_str("\r\n");
        in_data = if in_data { line != "." } else { line.starts_with("650+") };
        if !in_data && line.starts_with("650 ") {
            events.push(std::mem::take(&mut event));
        }
    }
    assert_eq!(event, "");
    events
}

#[test]
fn every_event_of_c_tor_survives() {
    let mut kinds = EventKinds::NONE;
    let events = events();
    assert_eq!(events.len(), 892);
    for text in events {
        let event = Event::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(event.to_text(), text);
        assert_eq!(Event::parse(&text.replace('\r', "")), Ok(event.clone()), "with bare LF");
        assert!(text[4..].starts_with(event.kind().name()), "{text}");
        kinds = kinds.with(event.kind());
    }
    assert_eq!(kinds.iter().count(), 23, "{kinds:?}");
}

/// `circuit-status`, `stream-status` and `orconn-status` have the events' words.
#[test]
fn status_lines_are_the_heads_of_events() {
    for text in events() {
        let body = text.split_once(' ').unwrap().1.trim_end();
        let event = Event::parse(&text).unwrap();
        if let Event::Circ(circ) = &event {
            let line = circ.status_line();
            assert!(body.strip_prefix("CIRC ").unwrap().starts_with(&line), "{line}");
            assert_eq!(Circ::parse_status_line(&line).unwrap().status_line(), line);
        }
        if let Event::Stream(stream) = &event {
            let line = stream.status_line();
            assert_eq!(line.split(' ').count(), 4);
            assert!(body.strip_prefix("STREAM ").unwrap().starts_with(&line), "{line}");
            assert_eq!(Stream::parse_status_line(&line).unwrap().status_line(), line);
        }
        if let Event::OrConn(conn) = &event {
            let line = conn.status_line();
            assert!(body.strip_prefix("ORCONN ").unwrap().starts_with(&line), "{line}");
            assert_eq!(OrConn::parse_status_line(&line).unwrap().status_line(), line);
        }
    }
}
