//! CREATE_FAST: both ends send 20 random bytes in the clear, and TLS is all that hides them.
//! <https://spec.torproject.org/tor-spec/create-created-cells.html#create_fast>
//!
//! | CREATE_FAST | CREATED_FAST |
//! |---|---|
//! | X, 20 bytes | Y, 20 bytes |
//! | | KH, 20 bytes: the first of KDF-TOR(X, Y) |

use std::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{ClientHandshake, HandshakeError, KeySeed, Kh, RelayHandshake};

const LEN: usize = 20;

/// A client that has sent CREATE_FAST.
pub struct FastClient {
    x: Zeroizing<[u8; LEN]>,
}

/// A relay that answers CREATE_FAST.
#[derive(Clone, Copy, Debug)]
pub struct FastRelay;

impl ClientHandshake for FastClient {
    type Relay = ();
    type Request = ();
    type Reply = ();

    fn start(
        (): &(),
        (): &(),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let mut x = Zeroizing::new([0; LEN]);
        rng.fill_bytes(&mut *x);
        let onionskin = x.to_vec();
        Ok((Self { x }, onionskin))
    }

    fn finish(self, reply: &[u8]) -> Result<((), KeySeed), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "CREATED_FAST", length: reply.len() };
        let (y, kh) = reply.split_first_chunk().ok_or_else(wrong_length)?;
        if kh.len() != Kh::LEN {
            return Err(wrong_length());
        }
        let (seed, expected) = derive(&self.x, y);
        // tor-spec 5.2.1: KH demonstrates knowledge of the shared key.
        if !bool::from(expected.as_bytes()[..].ct_eq(kh)) {
            return Err(HandshakeError::BadAuth);
        }
        Ok(((), seed))
    }
}

impl RelayHandshake for FastRelay {
    type Keys = ();
    type Request = ();
    type Reply = ();

    fn answer(
        (): &(),
        onionskin: &[u8],
        choose: impl FnOnce(&()) -> Option<()>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, KeySeed), HandshakeError> {
        let x = onionskin
            .try_into()
            .map_err(|_| HandshakeError::Length { what: "CREATE_FAST", length: onionskin.len() })?;
        choose(&()).ok_or(HandshakeError::Refused)?;
        let mut y = [0; LEN];
        rng.fill_bytes(&mut y);
        let (seed, kh) = derive(x, &y);
        Ok(([y, *kh.as_bytes()].concat(), seed))
    }
}

impl fmt::Debug for FastClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FastClient(..)")
    }
}

fn derive(x: &[u8; LEN], y: &[u8; LEN]) -> (KeySeed, Kh) {
    KeySeed::from_kdf_tor(&Zeroizing::new([*x, *y].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{Chosen, array, bytes, load};

    #[test]
    fn known_answers() {
        for case in load("create_fast.json")["vectors"].as_array().unwrap() {
            let (client, onionskin) =
                FastClient::start(&(), &(), &mut Chosen(bytes(&case["x_client"]))).unwrap();
            assert_eq!(onionskin, bytes(&case["x_client"]));
            let (reply, theirs) =
                FastRelay::answer(&(), &onionskin, |()| Some(()), &mut Chosen(bytes(&case["y_server"])))
                    .unwrap();
            assert_eq!(reply, bytes(&case["created_fast_payload"]));
            let ((), ours) = client.finish(&reply).unwrap();

            let (keys, kh) = ours.tor1();
            assert_eq!(keys.forward_digest, array(&case["df"]));
            assert_eq!(keys.backward_digest, array(&case["db"]));
            assert_eq!(keys.forward_key, array(&case["kf"]));
            assert_eq!(keys.backward_key, array(&case["kb"]));
            assert_eq!(kh.as_bytes(), &array(&case["kh"]));
            // Behind KH, the stream goes on where the keys ended.
            let all = theirs.expand::<120>();
            let after_kh = bytes(&case["keys_after_kh"]);
            assert_eq!([&all[..72], &all[92..]].concat(), after_kh);
        }
    }
}
