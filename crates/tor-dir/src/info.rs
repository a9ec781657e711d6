//! What the control port says of directory documents: GETINFO keys as functions of the state.
//! <https://spec.torproject.org/control-spec/commands.html#getinfo>
//!
//! The answers are C Tor 0.4.9.11's, byte for byte, where it has the same documents. Where it has an order of its own, such as that of
//! a hash table, ours is by RSA identity.
//!
//! ```text
//! ns/* consensus/*      status         what the consensus says
//! md/* desc/* dir/*     descriptors    texts of documents
//! downloads/*           downloads      what is asked for, and when again
//! status/version/*      version        what the authorities think of our version
//! ```
//!
//! Left out: `ip-to-country/*`, which is no document of the directory ([`crate::geoip`]); extra-info documents, which are
//! not fetched.

use tor_id::RsaId;

use crate::{DirState, DirStore, Moment};

mod descriptors;
mod downloads;
mod relays;
mod status;
mod version;

pub use status::{changed_entries, entries};
pub use version::{TOR_VERSION, VersionStatus};

/// Why a key has no value, with C Tor's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are the two replies of the control protocol")]
pub enum KeyError {
    /// 552: there is no such thing.
    Unknown(&'static str),
    /// 551: it can't be told.
    Unavailable(&'static str),
}

/// The value of a key: `Ok(None)` if it is none of these, or names nothing that is known.
pub type KeyAnswer = Result<Option<String>, KeyError>;

/// Answers a key of GETINFO. Reads the store for the texts of microdescriptors; not to be called where nothing may block.
///
/// # Errors
/// If the key has no value and C Tor has a text that says why.
pub fn answer(state: &DirState, store: &impl DirStore, at: Moment, key: &str) -> KeyAnswer {
    match key.split('/').next() {
        Some("ns" | "consensus") => status::answer(state, at, key),
        Some("md" | "desc" | "desc-annotations" | "extra-info" | "dir") => {
            descriptors::answer(state, store, at, key)
        }
        Some("downloads") => downloads::answer(state, at, key),
        Some("sr") => Ok(shared_random(state, key)),
        Some("status") => Ok(match key {
            "status/enough-dir-info" => Some(u8::from(is_enough(state, at)).to_string()),
            "status/version/recommended" => Some(version::recommended(state)),
            "status/version/current" => Some(version::current(state).to_string()),
            _ => None,
        }),
        // `network-status` was the second version of the directory protocol; C Tor lists it and does not know it.
        Some(_) | None => Ok(None),
    }
}

fn is_enough(state: &DirState, at: Moment) -> bool {
    state.view(at.wall).is_some_and(|view| view.has_enough_info())
}

fn shared_random(state: &DirState, key: &str) -> Option<String> {
    let values = state.consensus().map(|consensus| consensus.shared_random()).unwrap_or_default();
    let value = match key {
        "sr/current" => values.current,
        "sr/previous" => values.previous,
        _ => return None,
    };
    Some(value.map(|value| base64(&value, true)).unwrap_or_default())
}

/// Base64 with or without padding.
fn base64(bytes: &[u8], padded: bool) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 0x3f).unwrap_or(0);
            match ALPHABET.get(digit) {
                Some(digit) if place <= chunk.len() => text.push(char::from(*digit)),
                Some(_) | None if padded => text.push('='),
                Some(_) | None => {}
            }
        }
    }
    text
}

/// Hex of 20 bytes and nothing else.
fn digest(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

fn identity(text: &str) -> Option<RsaId> {
    digest(text).map(RsaId::from_bytes)
}

#[cfg(test)]
mod tests;
