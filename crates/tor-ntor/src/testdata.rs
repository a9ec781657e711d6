//! Loads the known answers in `testdata/`.

use std::{convert::Infallible, fs, path::Path};

use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

use crate::OnionKey;

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

/// The public keys that share zeros with everybody.
pub(crate) fn small_order() -> Vec<OnionKey> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/small_order.txt"));
    let points = text.unwrap();
    let hex_lines = points.lines().filter(|line| !line.starts_with('#'));
    hex_lines.map(|line| OnionKey::from_bytes(hex::decode(line).unwrap().try_into().unwrap())).collect()
}

/// "Random" bytes that were chosen beforehand, once.
pub(crate) struct Chosen(pub(crate) Vec<u8>);

impl TryRng for Chosen {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unimplemented!("handshakes take bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unimplemented!("handshakes take bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0.drain(..out.len()).collect::<Vec<_>>());
        Ok(())
    }
}

impl TryCryptoRng for Chosen {}
