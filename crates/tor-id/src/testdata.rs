//! Loads the known answers in `testdata/`.

use std::{fs, path::Path};

use serde_json::Value;

pub(crate) fn load(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn bytes(hex_text: &Value) -> Vec<u8> {
    hex::decode(hex_text.as_str().unwrap()).unwrap()
}

pub(crate) fn array<const N: usize>(hex_text: &Value) -> [u8; N] {
    bytes(hex_text).try_into().unwrap()
}

/// One certificate of the CERTS cell of a real relay.
pub(crate) fn relay_cert(certs: &Value, kind: u8) -> Vec<u8> {
    let cell = bytes(&certs["certs_cell_body"]);
    let mut rest = &cell[1..];
    while let [found, high, low, tail @ ..] = rest {
        let (cert, tail) = tail.split_at(u16::from_be_bytes([*high, *low]).into());
        if *found == kind {
            return cert.to_vec();
        }
        rest = tail;
    }
    panic!("no certificate of type {kind}");
}
