//! A counter-mode keystream, made a kibibyte ahead.
//!
//! A cell is 509 bytes, 13 more than a multiple of the block; asked for cell by cell, the cipher spends a
//! quarter of its time on the halves of blocks. Made 64 blocks at a time, which is also what the widest
//! hardware takes at once, only the XOR is left for each cell.

use std::fmt;

use cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, Key, KeyInit, StreamCipher, consts::U16};
use ctr::{Ctr128BE, CtrCore};
use zeroize::Zeroize;

/// How much is made at once: a multiple of the block.
const AHEAD: usize = 1024;

/// The keystream of block cipher `C` from counter zero on.
pub(crate) struct Keystream<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> {
    cipher: Ctr128BE<C>,
    ahead: [u8; AHEAD],
    /// How many bytes of `ahead` are spent.
    spent: usize,
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Keystream<C> {
    pub(crate) fn new(key: &Key<C>) -> Self
    where
        C: KeyInit,
    {
        let core = CtrCore::inner_iv_init(C::new(key), &Default::default());
        Self { cipher: Ctr128BE::from_core(core), ahead: [0; AHEAD], spent: AHEAD }
    }

    /// XORs the next bytes of the keystream into `data`.
    pub(crate) fn apply(&mut self, mut data: &mut [u8]) {
        while !data.is_empty() {
            if self.spent == AHEAD {
                self.cipher.write_keystream(&mut self.ahead);
                self.spent = 0;
            }
            let ready = self.ahead.get(self.spent..).unwrap_or_default();
            let now = ready.len().min(data.len());
            let (head, rest) = data.split_at_mut(now);
            head.iter_mut().zip(ready).for_each(|(byte, key)| *byte ^= key);
            self.spent += now;
            data = rest;
        }
    }
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Drop for Keystream<C> {
    fn drop(&mut self) {
        self.ahead.zeroize();
    }
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> fmt::Debug for Keystream<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keystream(..)")
    }
}

#[cfg(test)]
mod tests {
    use aes::Aes128Enc;
    use cipher::KeyIvInit;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn pieces_of_any_size_add_up_to_counter_mode(lengths in vec(0usize..1500, 1..12)) {
            let key = Key::<Aes128Enc>::from([7; 16]);
            let mut ours = Keystream::<Aes128Enc>::new(&key);
            let mut plain = Ctr128BE::<Aes128Enc>::new(&key, &Default::default());
            for length in lengths {
                let (mut a, mut b) = (vec![0x55; length], vec![0x55; length]);
                ours.apply(&mut a);
                plain.apply_keystream(&mut b);
                prop_assert_eq!(a, b);
            }
        }
    }
}
