//! Onion encryption: one layer for each hop, and the fold over all of them.
//! <https://spec.torproject.org/tor-spec/routing-relay-cells.html>
//!
//! ```text
//!            seal for hop 2            wrap          wrap
//! message ───────────────────> cell ───────> cell ───────> wire        (client to hop 2)
//! message <─────────────────── cell <─────── cell <─────── wire        (hop 2 to client)
//!            peel: Some(tag)           peel: None    peel: None
//! ```
//!
//! Everything works on the 509 bytes where they lie. Left out: which layers exist and what a message means
//! (the circuit knows), and the layout inside the cell (`tor-cell` knows).

mod keystream;
#[cfg(test)]
mod tests;
mod tor1;

use std::fmt;

use subtle::ConstantTimeEq;
use tor_cell::CellBody;

pub(crate) use self::keystream::Keystream;
pub use self::tor1::{End, Layer, Tor1, Tor1Hs};

/// What proves that one saw a cell: the first 20 bytes of the running digest once the cell is in it.
/// A SENDME quotes it. <https://spec.torproject.org/tor-spec/flow-control.html>
#[derive(Clone, Copy)]
pub struct Tag([u8; Self::LEN]);

impl Tag {
    /// Length in bytes.
    pub const LEN: usize = 20;

    /// The bytes, as a SENDME quotes them.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// True if `quoted` is this tag, of this length; takes the same time wherever they differ.
    pub fn matches(&self, quoted: &[u8]) -> bool {
        self.0.ct_eq(quoted).into()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}

/// One hop's layer of encryption. The relay's end is the same trait with the directions swapped.
pub trait HopCipher: Send + fmt::Debug {
    /// Authenticates and encrypts a cell that we write to the far end of this layer. The fields that the
    /// cipher fills (`recognized` and digest in tor1) are zero when it comes.
    fn seal(&mut self, cell: &mut CellBody) -> Tag;

    /// Adds this layer to a cell that passes through.
    fn wrap(&mut self, cell: &mut CellBody);

    /// Removes this layer: `Some` if the far end of it wrote the cell, which is then plaintext.
    fn peel(&mut self, cell: &mut CellBody) -> Option<Tag>;
}
