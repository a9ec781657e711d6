//! Tor's key derivation functions: how a shared secret becomes as many key bytes as a circuit needs.
//!
//! | function | used by | spec |
//! |---|---|---|
//! | [`kdf_tor`] | CREATE_FAST, TAP | <https://spec.torproject.org/tor-spec/setting-circuit-keys.html#kdf-tor> |
//! | [`hkdf_sha256`] | ntor | <https://spec.torproject.org/tor-spec/setting-circuit-keys.html#kdf-rfc5869> |
//! | [`Shake256`] | ntor-v3, onion services | <https://spec.torproject.org/rend-spec/overview.html#cryptography> |
//!
//! The length of the output is part of its type, so that asking for more than a function can give fails to
//! compile, and every output is wiped when it is dropped.
//!
//! ```
//! use tor_kdf::{Shake256, hkdf_sha256, kdf_tor};
//!
//! let keys = kdf_tor::<92>(b"the secret that both ends know");
//! let longer = kdf_tor::<200>(b"the secret that both ends know");
//! assert_eq!(keys[..], longer[..92]);
//!
//! let keys = hkdf_sha256::<72>(b"salt", b"secret", b"what the keys are for");
//! assert_ne!(keys, hkdf_sha256::<72>(b"salt", b"secret", b"something else"));
//!
//! let mut stream = Shake256::new().chain(b"se").chain(b"cret").stream();
//! let (first, second) = (stream.take::<16>(), stream.take::<16>());
//! assert_eq!([*first, *second].concat(), Shake256::new().chain(b"secret").stream().take::<32>()[..]);
//! ```
//!
//! Left out on purpose: which secret, salt and tweaks a handshake uses, and how its key bytes are divided up
//! (`tor-ntor`).

mod hkdf;
mod legacy;
mod shake;

pub use hkdf::hkdf_sha256;
pub use legacy::kdf_tor;
pub use shake::{KeyStream, Shake256};

#[cfg(test)]
mod testdata {
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
}
