//! Every event survives its text; no text makes the parser panic; nobody can write an event into another's fields.

mod any;

use any::{Words, event};
use proptest::prelude::*;
use tor_ctrl_events::{Circ, Event, OrConn, Stream};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn events_survive_their_text(event in event(Words::Plain)) {
        let text = event.to_text();
        prop_assert_eq!(Event::parse(&text), Ok(event.clone()), "{}", text);
        prop_assert_eq!(Event::parse(&text.replace("\r\n", "\n")), Ok(event), "{}", text);
    }

    /// Whatever stands in the fields, a controller sees one event, whole: the framing is right.
    #[test]
    fn fields_stay_in_their_event(event in event(Words::Hostile)) {
        let text = event.to_text();
        let name = event.kind().name();
        let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
        let (first, rest) = lines.split_first().unwrap();
        prop_assert!(first[4..].starts_with(name), "{}", text);
        match &first[..4] {
            "650 " => prop_assert!(rest.is_empty(), "{:?}", text),
            "650-" => {
                let (last, middle) = rest.split_last().unwrap();
                prop_assert_eq!(*last, "650 OK");
                prop_assert!(middle.iter().all(|line| line.starts_with("650-")));
            }
            "650+" => {
                let end = rest.iter().position(|line| *line == ".").unwrap();
                prop_assert_eq!(&rest[end + 1..], ["650 OK"]);
            }
            other => prop_assert!(false, "{}", other),
        }
        prop_assert!(lines.iter().all(|line| !line.contains('\n')), "{:?}", text);
        prop_assert_eq!(Event::parse(&text).map(|event| event.kind()).unwrap_or_else(|_| event.kind()), event.kind());
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Event::parse(&text);
        let _ = Circ::parse_status_line(&text);
        let _ = Stream::parse_status_line(&text);
        let _ = OrConn::parse_status_line(&text);
    }

    #[test]
    fn no_damaged_event_panics(event in event(Words::Hostile), at in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut text: Vec<char> = event.to_text().chars().collect();
        let at = at.index(text.len());
        text[at] = with;
        let text: String = text.into_iter().collect();
        if let Ok(event) = Event::parse(&text) {
            // What was understood is written so that it is understood again, to the same text.
            let written = event.to_text();
            let again = Event::parse(&written).map(|event| event.to_text());
            prop_assert_eq!(again, Ok(written), "{:?}", text);
        }
    }
}

/// A NUL ends a quoted string: what begins with one is not told, as nothing empty is, or the text would change when it
/// is read and written again.
#[test]
fn a_credential_that_begins_with_a_nul_is_empty() {
    let text = "650 CIRC 7 LAUNCHED PURPOSE=GENERAL SOCKS_PASSWORD=\"\\000x\"\r\n";
    assert_eq!(Event::parse(text).unwrap().to_text(), "650 CIRC 7 LAUNCHED PURPOSE=GENERAL\r\n");
}
