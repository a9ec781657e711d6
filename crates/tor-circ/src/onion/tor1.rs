//! tor1: AES in counter mode and a running digest, both kept from cell to cell.
//! <https://spec.torproject.org/tor-spec/routing-relay-cells.html>
//!
//! | bytes | field | in `seal` | in `peel` |
//! |---|---|---|---|
//! | 1..3 | recognized | zero | not zero: not ours, and no digest is computed |
//! | 5..9 | digest | first 4 bytes of the digest over all cells so far, with this field as zero | compared |
//!
//! Invariant: a cell that is not recognised leaves the running digest as it was (its keystream is spent, as
//! the relay's is). Of the cells that pass through, 1 in 65,536 has a zero `recognized` by chance; only those
//! and our own pay for the digest.

use std::{array, fmt, mem};

use aes::{Aes128Enc, Aes256Enc};
use cipher::{BlockCipherEncrypt, BlockSizeUser, Key, KeyInit, consts::U16};
use digest::Digest;
use sha1::Sha1;
use sha3::Sha3_256;
use tor_cell::CellBody;
use tor_ntor::HopKeys;

use super::{HopCipher, Tag, keystream::Keystream};

/// The layer of a relay: SHA-1 and AES-128.
pub type Tor1 = Layer<Sha1, Aes128Enc>;
/// The layer between the two ends of an onion service circuit: SHA3-256 and AES-256.
pub type Tor1Hs = Layer<Sha3_256, Aes256Enc>;

/// Which end of a layer we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one that made the circuit: sends with the forward keys.
    Client,
    /// The other: sends with the backward keys.
    Relay,
}

/// A layer of digest `D` and block cipher `C`; use it as [`Tor1`] or [`Tor1Hs`].
pub struct Layer<D, C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> {
    sending: Direction<D, C>,
    receiving: Direction<D, C>,
}

struct Direction<D, C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> {
    digest: D,
    keystream: Keystream<C>,
}

impl<D, C> Layer<D, C>
where
    D: Digest + Clone,
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    /// The layer's `end`, at the state before the first cell.
    pub fn new<const SEED: usize, const KEY: usize>(end: End, keys: &HopKeys<SEED, KEY>) -> Self
    where
        Key<C>: From<[u8; KEY]>,
        digest::Output<D>: From<[u8; SEED]>,
    {
        let forward = Direction::new(&keys.forward_digest, &Key::<C>::from(keys.forward_key));
        let backward = Direction::new(&keys.backward_digest, &Key::<C>::from(keys.backward_key));
        match end {
            End::Client => Self { sending: forward, receiving: backward },
            End::Relay => Self { sending: backward, receiving: forward },
        }
    }
}

impl<D, C> HopCipher for Layer<D, C>
where
    D: Digest + Clone + Send,
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send,
{
    fn seal(&mut self, cell: &mut CellBody) -> Tag {
        self.sending.digest.update(cell.as_slice());
        let tag = tag_of(self.sending.digest.clone());
        put_digest(cell, first_four(tag));
        self.wrap(cell);
        tag
    }

    fn wrap(&mut self, cell: &mut CellBody) {
        self.sending.keystream.apply(cell);
    }

    fn peel(&mut self, cell: &mut CellBody) -> Option<Tag> {
        self.receiving.keystream.apply(cell);
        let [_, 0, 0, ..] = *cell else { return None };
        let claimed = put_digest(cell, [0; 4]);
        let with_cell = self.receiving.digest.clone().chain_update(cell.as_slice());
        let tag = tag_of(with_cell.clone());
        put_digest(cell, claimed);
        // The four bytes are no secret from whoever chose them: a forger sees only that the circuit closes.
        (claimed == first_four(tag)).then(|| {
            self.receiving.digest = with_cell;
            tag
        })
    }
}

impl<D, C> Direction<D, C>
where
    D: Digest,
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    fn new(seed: &[u8], key: &Key<C>) -> Self {
        Self { digest: D::new_with_prefix(seed), keystream: Keystream::new(key) }
    }
}

impl<D, C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> fmt::Debug for Layer<D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer(..)")
    }
}

fn put_digest(cell: &mut CellBody, bytes: [u8; 4]) -> [u8; 4] {
    let [_, _, _, _, _, d0, d1, d2, d3, ..] = cell;
    [(d0, bytes[0]), (d1, bytes[1]), (d2, bytes[2]), (d3, bytes[3])]
        .map(|(field, byte)| mem::replace(field, byte))
}

fn tag_of<D: Digest>(digest: D) -> Tag {
    let output = digest.finalize();
    let mut bytes = output.iter().copied();
    // Both digests are longer than a tag.
    Tag(array::from_fn(|_| bytes.next().unwrap_or_default()))
}

const fn first_four(Tag([a, b, c, d, ..]): Tag) -> [u8; 4] {
    [a, b, c, d]
}
