//! Known answers from C Tor and Arti: `testdata/*.json`, which name their sources. Every vector there is a case
//! here; `every_section_is_read` sees to it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod chan;
mod circuits;
mod format;
mod onion;
mod streams;

use serde_json::Value;
use tor_cell::{Body, relay::Message, relay::RelayCmd};

/// One vector.
struct Case(Value);

impl Case {
    /// A field of hex digits.
    fn hex(&self, field: &str) -> Option<Vec<u8>> {
        Some(hex::decode(self.text(field)?).unwrap())
    }

    /// The body of the message.
    fn body(&self) -> Vec<u8> {
        self.hex("body").unwrap()
    }

    /// A field of hex digits, filled with zeros to `length` bytes.
    fn padded(&self, field: &str, length: usize) -> Option<Vec<u8>> {
        let mut bytes = self.hex(field)?;
        assert!(bytes.len() <= length);
        bytes.resize(length, 0);
        Some(bytes)
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str()
    }

    fn number(&self, field: &str) -> Option<u64> {
        self.0.get(field)?.as_u64()
    }

    fn size(&self, field: &str) -> usize {
        self.number(field).unwrap().try_into().unwrap()
    }

    fn list(&self, field: &str) -> Vec<Self> {
        let list = self.0.get(field).and_then(Value::as_array).unwrap();
        list.iter().cloned().map(Case).collect()
    }

    /// Decodes and checks that what was read can be written and read again; `None` if the vector is an error,
    /// as it then must be.
    fn read<'a, M: Body<'a> + PartialEq + std::fmt::Debug>(&self, body: &'a [u8]) -> Option<M> {
        match (M::decode(body), self.text("expect").unwrap_or("ok")) {
            (Ok(message), "ok") => Some(message),
            (Err(error), "error") => {
                assert_eq!(error.what, M::NAME);
                None
            }
            (result, _) => panic!("{result:?}: {}", self.0),
        }
    }

    /// Checks that a relay message of this body, written again, is the same message, and, where `canonical`,
    /// the same bytes.
    fn rewrites(&self, command: RelayCmd, body: &[u8], canonical: bool) {
        let message = Message::decode(command, body).unwrap();
        let mut wire = Vec::new();
        message.encode(&mut wire).unwrap();
        assert_eq!(Message::decode(command, &wire).unwrap(), message);
        if canonical {
            assert_eq!(hex::encode(wire), hex::encode(body), "{}", self.0);
        }
    }
}

fn file(name: &str) -> Value {
    let path = format!("{}/testdata/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The vectors under a key of a file, or under a key of a key.
fn cases(name: &str, path: &[&str]) -> Vec<Case> {
    let file = file(name);
    let section = path.iter().fold(&file, |value, key| value.get(key).unwrap());
    let cases: Vec<_> = section.as_array().unwrap().iter().cloned().map(Case).collect();
    assert!(!cases.is_empty());
    cases
}

fn relay(section: &str) -> Vec<Case> {
    cases("relay_cells", &[section])
}

#[test]
fn every_section_is_read() {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let about = "checked";
    assert_eq!(
        keys(&file("relay_cells")),
        format!(
            "begin begin_dir {about} circuit_padding conflux connected data end extend2 extended2 flow_control \
             framing_decode framing_encode known_relay_commands notes onion_service resolve resolved sendme \
             source truncate v1_commands_with_stream_id"
        )
    );
    assert_eq!(
        keys(file("relay_cells").get("onion_service").unwrap()),
        "establish_intro establish_rendezvous intro_established introduce1 introduce1_encrypted_plaintext \
         introduce_ack rendezvous2 rendezvous_established"
    );
    assert_eq!(
        keys(&file("channel_cells")),
        format!("cells {about} handshake_sequences max_created2_handshake_len notes source")
    );
}
