//! ntor: one X25519 exchange with a fresh key and one with the relay's onion key.
//! <https://spec.torproject.org/tor-spec/create-created-cells.html#ntor>
//!
//! | onionskin | reply |
//! |---|---|
//! | NODEID: the relay's RSA identity, 20 bytes | Y: the relay's fresh key, 32 bytes |
//! | KEYID: its onion key B, 32 bytes | AUTH, 32 bytes |
//! | X: the client's fresh key, 32 bytes | |
//!
//! H is HMAC-SHA256; the circuit's keys alone come from HKDF.

use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tor_id::RsaId;
use x25519_dalek::SharedSecret;
use zeroize::Zeroizing;

use crate::{ClientHandshake, HandshakeError, KeyPair, KeySeed, OnionKey, RelayHandshake};

/// The relay that a client shakes hands with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtorTarget {
    /// Its RSA identity: NODEID. The Ed25519 identity has no part in this handshake.
    pub rsa: RsaId,
    /// Its onion key B.
    pub onion_key: OnionKey,
}

/// A client that has sent its onionskin.
#[derive(Debug)]
pub struct NtorClient {
    target: NtorTarget,
    ephemeral: KeyPair,
}

/// A relay that answers ntor.
#[derive(Clone, Copy, Debug)]
pub struct NtorRelay;

/// What the relay knows of itself.
#[derive(Debug)]
pub struct NtorKeys {
    /// Its RSA identity.
    pub rsa: RsaId,
    /// Its onion keys: the current one, and those that clients may still use.
    pub onion_keys: Vec<KeyPair>,
}

impl ClientHandshake for NtorClient {
    type Relay = NtorTarget;
    type Request = ();
    type Reply = ();

    fn start(
        relay: &NtorTarget,
        (): &(),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let ephemeral = KeyPair::generate(rng);
        let onionskin =
            [&relay.rsa.as_bytes()[..], relay.onion_key.as_bytes(), ephemeral.public().as_bytes()].concat();
        Ok((Self { target: *relay, ephemeral }, onionskin))
    }

    fn finish(self, reply: &[u8]) -> Result<((), KeySeed), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "ntor reply", length: reply.len() };
        let (y, auth) = reply.split_first_chunk().ok_or_else(wrong_length)?;
        let auth: &[u8; 32] = auth.try_into().map_err(|_| wrong_length())?;
        let y = OnionKey::from_bytes(*y);
        let exchange = Exchange { target: self.target, x: *self.ephemeral.public(), y };
        let (seed, expected) =
            exchange.derive(&self.ephemeral.agree(&y)?, &self.ephemeral.agree(&self.target.onion_key)?);
        // tor-spec 5.1.4: the client verifies that AUTH == H(auth_input, t_mac).
        if !bool::from(expected.ct_eq(auth)) {
            return Err(HandshakeError::BadAuth);
        }
        Ok(((), seed))
    }
}

impl RelayHandshake for NtorRelay {
    type Keys = NtorKeys;
    type Request = ();
    type Reply = ();

    fn answer(
        keys: &NtorKeys,
        onionskin: &[u8],
        choose: impl FnOnce(&()) -> Option<()>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, KeySeed), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "ntor onionskin", length: onionskin.len() };
        let (node_id, rest) = onionskin.split_first_chunk::<20>().ok_or_else(wrong_length)?;
        let (key_id, x) = rest.split_first_chunk::<32>().ok_or_else(wrong_length)?;
        let x = OnionKey::from_bytes(x.try_into().map_err(|_| wrong_length())?);
        let onion_key = keys
            .onion_keys
            .iter()
            .find(|pair| pair.public().as_bytes() == key_id && keys.rsa.as_bytes() == node_id)
            .ok_or(HandshakeError::OtherKey)?;
        choose(&()).ok_or(HandshakeError::Refused)?;

        let ephemeral = KeyPair::generate(rng);
        let target = NtorTarget { rsa: keys.rsa, onion_key: *onion_key.public() };
        let exchange = Exchange { target, x, y: *ephemeral.public() };
        let (seed, auth) = exchange.derive(&ephemeral.agree(&x)?, &onion_key.agree(&x)?);
        Ok(([*exchange.y.as_bytes(), auth].concat(), seed))
    }
}

const PROTOID: &[u8] = b"ntor-curve25519-sha256-1";
const T_MAC: &[u8] = b"ntor-curve25519-sha256-1:mac";
const T_KEY: &[u8] = b"ntor-curve25519-sha256-1:key_extract";
const T_VERIFY: &[u8] = b"ntor-curve25519-sha256-1:verify";
const M_EXPAND: &[u8] = b"ntor-curve25519-sha256-1:key_expand";

/// What both ends know when both have spoken.
struct Exchange {
    target: NtorTarget,
    x: OnionKey,
    y: OnionKey,
}

impl Exchange {
    /// The keys and AUTH, from the secrets `xy` of both fresh keys and `xb` of the client's and the onion key.
    fn derive(&self, xy: &SharedSecret, xb: &SharedSecret) -> (KeySeed, [u8; 32]) {
        let id = self.target.rsa.as_bytes();
        let b = self.target.onion_key.as_bytes();
        let (x, y) = (self.x.as_bytes(), self.y.as_bytes());
        let secret_input = Zeroizing::new([&xy.as_bytes()[..], xb.as_bytes(), id, b, x, y, PROTOID].concat());
        let verify = Zeroizing::new(h(&[&secret_input], T_VERIFY));
        let auth = h(&[&*verify, id, b, y, x, PROTOID, b"Server"], T_MAC);
        (KeySeed::from_hkdf(T_KEY, &secret_input, M_EXPAND), auth)
    }
}

/// H(x, t): HMAC-SHA256 of the message x with the key t.
fn h(message: &[&[u8]], tweak: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(tweak).expect("any length");
    message.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{Chosen, array, bytes, load, small_order};

    #[test]
    fn known_answers() {
        for case in load("ntor.json")["vectors"].as_array().unwrap() {
            let rsa = RsaId::from_bytes(array(&case["relay_rsa_id"]));
            let keys = NtorKeys { rsa, onion_keys: vec![KeyPair::from_secret(array(&case["b_secret"]))] };
            let onion_key = OnionKey::from_bytes(array(&case["b_public"]));
            assert_eq!(keys.onion_keys[0].public(), &onion_key);

            let (client, onionskin) =
                NtorClient::start(&NtorTarget { rsa, onion_key }, &(), &mut Chosen(bytes(&case["x_secret"])))
                    .unwrap();
            assert_eq!(onionskin, bytes(&case["client_handshake"]));
            let (reply, theirs) =
                NtorRelay::answer(&keys, &onionskin, |()| Some(()), &mut Chosen(bytes(&case["y_secret"])))
                    .unwrap();
            assert_eq!(reply, bytes(&case["server_handshake"]));
            let ((), ours) = client.finish(&reply).unwrap();
            assert_eq!(ours.expand::<92>()[..], bytes(&case["keys_92_including_kh"]));

            let (keys, kh) = theirs.tor1();
            assert_eq!(keys.forward_digest, array(&case["df"]));
            assert_eq!(keys.backward_digest, array(&case["db"]));
            assert_eq!(keys.forward_key, array(&case["kf"]));
            assert_eq!(keys.backward_key, array(&case["kb"]));
            assert_eq!(kh.as_bytes(), &array(&case["kh"]));
        }
    }

    /// A relay that answers with Y of small order knows EXP(Y, x) without knowing y, and AUTH if it is allowed
    /// to choose B too: the check of the secrets is all that stops it.
    #[test]
    fn degenerate_keys_end_it_even_with_the_right_auth() {
        let rsa = RsaId::from_bytes([1; 20]);
        let zeros = || KeyPair::from_secret([3; 32]).secret_of_zeros();
        for point in small_order() {
            let target = NtorTarget { rsa, onion_key: point };
            let (client, _) = NtorClient::start(&target, &(), &mut Chosen(vec![9; 32])).unwrap();
            let exchange = Exchange { target, x: *client.ephemeral.public(), y: point };
            let (_, auth) = exchange.derive(&zeros(), &zeros());
            let reply = [*point.as_bytes(), auth].concat();
            assert_eq!(client.finish(&reply).err(), Some(HandshakeError::DegenerateKey));
        }
    }
}
