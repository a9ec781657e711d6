//! The cryptography of ntor-v3, for any messages and any verification string. Names are proposal 332's.
//! <https://spec.torproject.org/proposals/332-ntor-v3-with-extra-data.html#the-handshake-in-detail>

use std::fmt;

use aes::Aes256;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use rand_core::CryptoRng;
use sha3::{Digest, Sha3_256};
use subtle::ConstantTimeEq;
use tor_kdf::Shake256;
use x25519_dalek::SharedSecret;
use zeroize::Zeroizing;

use super::{NtorV3Keys, NtorV3Target};
use crate::{HandshakeError, KeyPair, KeySeed, OnionKey};

type Mac = [u8; 32];

/// What both ends know as soon as the client has spoken.
struct Phase1 {
    target: NtorV3Target,
    x: OnionKey,
    xb: SharedSecret,
    verification: &'static [u8],
}

/// The client's end, between onionskin and reply.
pub(super) struct Pending {
    phase1: Phase1,
    ephemeral: KeyPair,
    msg_mac: Mac,
}

/// The relay's end, between the client's message and its own.
pub(super) struct Received {
    phase1: Phase1,
    msg_mac: Mac,
}

impl Pending {
    pub(super) fn start(
        relay: &NtorV3Target,
        verification: &'static [u8],
        message: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let ephemeral = KeyPair::generate(rng);
        let xb = ephemeral.agree(&relay.onion_key)?;
        let phase1 = Phase1 { target: *relay, x: *ephemeral.public(), xb, verification };
        let keys = phase1.message_keys();
        let mut encrypted = message.to_vec();
        apply_cipher(&keys.enc_k1, &mut encrypted);
        let msg_mac = phase1.message_mac(&keys, &encrypted);
        let onionskin = [
            &relay.ed25519.as_bytes()[..],
            relay.onion_key.as_bytes(),
            phase1.x.as_bytes(),
            &encrypted,
            &msg_mac,
        ]
        .concat();
        Ok((Self { phase1, ephemeral, msg_mac }, onionskin))
    }

    pub(super) fn finish(self, reply: &[u8]) -> Result<(Vec<u8>, KeySeed), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "ntor-v3 reply", length: reply.len() };
        let (y, rest) = reply.split_first_chunk().ok_or_else(wrong_length)?;
        let (auth, encrypted) = rest.split_first_chunk::<32>().ok_or_else(wrong_length)?;
        let y = OnionKey::from_bytes(*y);
        let phase2 = self.phase1.derive(&self.ephemeral.agree(&y)?, &y);
        let expected = self.phase1.auth(&phase2.verify, &y, &self.msg_mac, encrypted);
        if !bool::from(expected.ct_eq(auth)) {
            return Err(HandshakeError::BadAuth);
        }
        let mut message = encrypted.to_vec();
        apply_cipher(&phase2.enc_key, &mut message);
        Ok((message, phase2.seed))
    }
}

impl Received {
    pub(super) fn read(
        keys: &NtorV3Keys,
        verification: &'static [u8],
        onionskin: &[u8],
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "ntor-v3 onionskin", length: onionskin.len() };
        let (node_id, rest) = onionskin.split_first_chunk::<32>().ok_or_else(wrong_length)?;
        let (key_id, rest) = rest.split_first_chunk::<32>().ok_or_else(wrong_length)?;
        let (x, rest) = rest.split_first_chunk().ok_or_else(wrong_length)?;
        let (encrypted, msg_mac) = rest.split_last_chunk::<32>().ok_or_else(wrong_length)?;
        let x = OnionKey::from_bytes(*x);
        let onion_key = keys
            .onion_keys
            .iter()
            .find(|pair| pair.public().as_bytes() == key_id && keys.ed25519.as_bytes() == node_id)
            .ok_or(HandshakeError::OtherKey)?;

        let target = NtorV3Target { ed25519: keys.ed25519, onion_key: *onion_key.public() };
        let phase1 = Phase1 { target, x, xb: onion_key.agree(&x)?, verification };
        let keys = phase1.message_keys();
        if !bool::from(phase1.message_mac(&keys, encrypted).ct_eq(msg_mac)) {
            return Err(HandshakeError::BadAuth);
        }
        let mut message = encrypted.to_vec();
        apply_cipher(&keys.enc_k1, &mut message);
        Ok((Self { phase1, msg_mac: *msg_mac }, message))
    }

    pub(super) fn answer(
        self,
        message: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, KeySeed), HandshakeError> {
        let ephemeral = KeyPair::generate(rng);
        let y = *ephemeral.public();
        let phase2 = self.phase1.derive(&ephemeral.agree(&self.phase1.x)?, &y);
        let mut encrypted = message.to_vec();
        apply_cipher(&phase2.enc_key, &mut encrypted);
        let auth = self.phase1.auth(&phase2.verify, &y, &self.msg_mac, &encrypted);
        Ok(([&y.as_bytes()[..], &auth, &encrypted].concat(), phase2.seed))
    }
}

impl Phase1 {
    fn message_keys(&self) -> MessageKeys {
        let mut stream = Shake256::new()
            .chain(&encap_len(T_MSGKDF))
            .chain(T_MSGKDF)
            .chain(self.xb.as_bytes())
            .chain(self.target.ed25519.as_bytes())
            .chain(self.x.as_bytes())
            .chain(self.target.onion_key.as_bytes())
            .chain(PROTOID)
            .chain(&encap_len(self.verification))
            .chain(self.verification)
            .stream();
        MessageKeys { enc_k1: stream.take(), mac_k1: stream.take() }
    }

    fn message_mac(&self, keys: &MessageKeys, encrypted: &[u8]) -> Mac {
        *h(
            T_MSGMAC,
            &[
                &encap_len(&*keys.mac_k1),
                &*keys.mac_k1,
                self.target.ed25519.as_bytes(),
                self.target.onion_key.as_bytes(),
                self.x.as_bytes(),
                encrypted,
            ],
        )
    }

    fn derive(&self, xy: &SharedSecret, y: &OnionKey) -> Phase2 {
        let verification_len = encap_len(self.verification);
        let secret_input: [&[u8]; 9] = [
            xy.as_bytes(),
            self.xb.as_bytes(),
            self.target.ed25519.as_bytes(),
            self.target.onion_key.as_bytes(),
            self.x.as_bytes(),
            y.as_bytes(),
            PROTOID,
            &verification_len,
            self.verification,
        ];
        let ntor_key_seed = h(T_KEY_SEED, &secret_input);
        let mut stream =
            Shake256::new().chain(&encap_len(T_FINAL)).chain(T_FINAL).chain(&*ntor_key_seed).stream();
        Phase2 {
            verify: h(T_VERIFY, &secret_input),
            enc_key: stream.take(),
            seed: KeySeed::from_stream(stream),
        }
    }

    fn auth(&self, verify: &[u8; 32], y: &OnionKey, msg_mac: &Mac, encrypted: &[u8]) -> Mac {
        *h(
            T_AUTH,
            &[
                verify,
                self.target.ed25519.as_bytes(),
                self.target.onion_key.as_bytes(),
                y.as_bytes(),
                self.x.as_bytes(),
                msg_mac,
                &encap_len(encrypted),
                encrypted,
                PROTOID,
                b"Server",
            ],
        )
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("target", &self.phase1.target).finish_non_exhaustive()
    }
}

/// Keys for the client's message.
struct MessageKeys {
    enc_k1: Zeroizing<[u8; 32]>,
    mac_k1: Zeroizing<[u8; 32]>,
}

/// Keys for the relay's message and for the circuit.
struct Phase2 {
    verify: Zeroizing<[u8; 32]>,
    enc_key: Zeroizing<[u8; 32]>,
    seed: KeySeed,
}

const PROTOID: &[u8] = b"ntor3-curve25519-sha3_256-1";
const T_MSGKDF: &[u8] = b"ntor3-curve25519-sha3_256-1:kdf_phase1";
const T_MSGMAC: &[u8] = b"ntor3-curve25519-sha3_256-1:msg_mac";
const T_KEY_SEED: &[u8] = b"ntor3-curve25519-sha3_256-1:key_seed";
const T_VERIFY: &[u8] = b"ntor3-curve25519-sha3_256-1:verify";
const T_FINAL: &[u8] = b"ntor3-curve25519-sha3_256-1:kdf_final";
const T_AUTH: &[u8] = b"ntor3-curve25519-sha3_256-1:auth_final";

/// H(s, t) = SHA3_256(ENCAP(t) | s). With a key's length and the key first in `s`, it is also MAC(k, msg, t).
fn h(tweak: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hash = Sha3_256::new().chain_update(encap_len(tweak)).chain_update(tweak);
    parts.iter().for_each(|part| hash.update(part));
    Zeroizing::new(hash.finalize().into())
}

/// ENCAP(s) = htonll(len(s)) | s, the first half.
fn encap_len(bytes: &[u8]) -> [u8; 8] {
    // No slice is longer than 64 bits can say.
    u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes()
}

fn apply_cipher(key: &[u8; 32], message: &mut [u8]) {
    Ctr128BE::<Aes256>::new(key.into(), &[0; 16].into()).apply_keystream(message);
}

#[cfg(test)]
mod tests;
