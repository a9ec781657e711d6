//! hs-ntor: a client introduces itself to an onion service, and the service answers at the rendezvous point.
//! <https://spec.torproject.org/rend-spec/introduction-protocol.html#NTOR-WITH-EXTRA-DATA>
//!
//! | INTRODUCE1, after its header | RENDEZVOUS1, after its cookie |
//! |---|---|
//! | X: the client's fresh key, 32 bytes | Y: the service's fresh key, 32 bytes |
//! | the client's message, encrypted | AUTH, 32 bytes |
//! | MAC over header and all of it, 32 bytes | |
//!
//! The introduction point's authentication key plays the part of the relay's identity, its encryption key B
//! that of the onion key. The service's end is no [`RelayHandshake`](crate::RelayHandshake): between reading
//! and answering, it builds a circuit.

use std::fmt;

use aes::Aes256;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use rand_core::CryptoRng;
use sha3::{Digest, Sha3_256};
use subtle::ConstantTimeEq;
use tor_id::Ed25519Id;
use tor_kdf::Shake256;
use x25519_dalek::SharedSecret;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{ClientHandshake, HandshakeError, KeyPair, KeySeed, OnionKey};

/// N_hs_subcred: ties an introduction to the service's identity and the time period.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Subcredential([u8; 32]);

/// An introduction point, as a service's descriptor lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HsIntroPoint {
    /// AUTH_KEY.
    pub auth_key: Ed25519Id,
    /// B, the encryption key (`enc-key ntor`).
    pub enc_key: OnionKey,
    /// Of the descriptor.
    pub subcredential: Subcredential,
}

/// What an INTRODUCE1 message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HsIntroduction {
    /// Everything in the message before the encrypted part.
    pub header: Vec<u8>,
    /// What only the service shall read, with its padding.
    pub plaintext: Vec<u8>,
}

/// A client that has sent INTRODUCE1, until RENDEZVOUS2 comes.
pub struct HsNtorClient {
    exchange: Introduction,
    ephemeral: KeyPair,
}

/// A service's keys for one introduction point.
#[derive(Debug)]
pub struct HsServiceKeys {
    /// AUTH_KEY.
    pub auth_key: Ed25519Id,
    /// b and B.
    pub enc_key: KeyPair,
    /// Of every descriptor that a client may hold: two, around the turn of a time period.
    pub subcredentials: Vec<Subcredential>,
}

/// A service that has read an introduction and is about to meet the client.
pub struct HsNtorService {
    exchange: Introduction,
}

impl Subcredential {
    /// A subcredential from its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The onionskin is the encrypted part of INTRODUCE1; the reply is RENDEZVOUS2's handshake info.
impl ClientHandshake for HsNtorClient {
    type Relay = HsIntroPoint;
    type Request = HsIntroduction;
    type Reply = ();

    fn start(
        relay: &HsIntroPoint,
        request: &HsIntroduction,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let ephemeral = KeyPair::generate(rng);
        let exchange = Introduction {
            auth_key: relay.auth_key,
            b: relay.enc_key,
            x: *ephemeral.public(),
            xb: ephemeral.agree(&relay.enc_key)?,
        };
        let keys = exchange.keys(&relay.subcredential);
        let mut encrypted = request.plaintext.clone();
        keys.apply_cipher(&mut encrypted);
        let mac = keys.mac(&[&request.header, exchange.x.as_bytes(), &encrypted]);
        let onionskin = [&exchange.x.as_bytes()[..], &encrypted, &mac].concat();
        Ok((Self { exchange, ephemeral }, onionskin))
    }

    fn finish(self, reply: &[u8]) -> Result<((), KeySeed), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "rendezvous handshake", length: reply.len() };
        let (y, auth) = reply.split_first_chunk().ok_or_else(wrong_length)?;
        let auth: &[u8; 32] = auth.try_into().map_err(|_| wrong_length())?;
        let y = OnionKey::from_bytes(*y);
        let (seed, expected) = self.exchange.derive(&self.ephemeral.agree(&y)?, &y);
        // rend-spec-v3 4.2: the received AUTH is equal to the computed AUTH_INPUT_MAC.
        if !bool::from(expected.ct_eq(auth)) {
            return Err(HandshakeError::BadAuth);
        }
        Ok(((), seed))
    }
}

impl HsNtorService {
    /// Reads the encrypted part of an INTRODUCE2 message that began with `header`. The answer is what to keep
    /// until the rendezvous, and the plaintext with its padding.
    ///
    /// # Errors
    /// If the part is too short, or no client made it for one of these subcredentials.
    pub fn read(
        keys: &HsServiceKeys,
        header: &[u8],
        encrypted_part: &[u8],
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "introduction", length: encrypted_part.len() };
        let (x, rest) = encrypted_part.split_first_chunk().ok_or_else(wrong_length)?;
        let (encrypted, mac) = rest.split_last_chunk::<32>().ok_or_else(wrong_length)?;
        let x = OnionKey::from_bytes(*x);
        let exchange = Introduction {
            auth_key: keys.auth_key,
            b: *keys.enc_key.public(),
            x,
            xb: keys.enc_key.agree(&x)?,
        };
        let keys = keys
            .subcredentials
            .iter()
            .map(|subcredential| exchange.keys(subcredential))
            .find(|keys| keys.mac(&[header, x.as_bytes(), encrypted]).ct_eq(mac).into())
            .ok_or(HandshakeError::BadAuth)?;
        let mut plaintext = encrypted.to_vec();
        keys.apply_cipher(&mut plaintext);
        Ok((Self { exchange }, plaintext))
    }

    /// Makes the handshake info of RENDEZVOUS1, and the keys that will hold end to end.
    ///
    /// # Errors
    /// If the client's key is degenerate.
    pub fn answer(self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(Vec<u8>, KeySeed), HandshakeError> {
        let ephemeral = KeyPair::generate(rng);
        let y = *ephemeral.public();
        let (seed, auth) = self.exchange.derive(&ephemeral.agree(&self.exchange.x)?, &y);
        Ok(([*y.as_bytes(), auth].concat(), seed))
    }
}

/// What both ends know as soon as the client has spoken.
struct Introduction {
    auth_key: Ed25519Id,
    b: OnionKey,
    x: OnionKey,
    xb: SharedSecret,
}

/// ENC_KEY and MAC_KEY, for the introduction.
struct IntroKeys {
    enc: Zeroizing<[u8; 32]>,
    mac: Zeroizing<[u8; 32]>,
}

impl Introduction {
    fn keys(&self, subcredential: &Subcredential) -> IntroKeys {
        let mut stream = Shake256::new()
            .chain(self.xb.as_bytes())
            .chain(self.auth_key.as_bytes())
            .chain(self.x.as_bytes())
            .chain(self.b.as_bytes())
            .chain(PROTOID)
            .chain(T_HSENC)
            .chain(M_HSEXPAND)
            .chain(&subcredential.0)
            .stream();
        IntroKeys { enc: stream.take(), mac: stream.take() }
    }

    /// The end-to-end keys and AUTH.
    fn derive(&self, xy: &SharedSecret, y: &OnionKey) -> (KeySeed, [u8; 32]) {
        let (auth_key, b) = (self.auth_key.as_bytes(), self.b.as_bytes());
        let (x, y) = (self.x.as_bytes(), y.as_bytes());
        let rend_secret_hs_input =
            Zeroizing::new([&xy.as_bytes()[..], self.xb.as_bytes(), auth_key, b, x, y, PROTOID].concat());
        let ntor_key_seed = Zeroizing::new(mac(&rend_secret_hs_input, &[T_HSENC]));
        let verify = Zeroizing::new(mac(&rend_secret_hs_input, &[T_HSVERIFY]));
        let auth_input = Zeroizing::new([&verify[..], auth_key, b, y, x, PROTOID, b"Server"].concat());
        let stream = Shake256::new().chain(&*ntor_key_seed).chain(M_HSEXPAND).stream();
        (KeySeed::from_stream(stream), mac(&auth_input, &[T_HSMAC]))
    }
}

impl IntroKeys {
    fn apply_cipher(&self, message: &mut [u8]) {
        Ctr128BE::<Aes256>::new((&*self.enc).into(), &[0; 16].into()).apply_keystream(message);
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&*self.mac, parts)
    }
}

impl fmt::Debug for Subcredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subcredential(..)")
    }
}

impl fmt::Debug for HsNtorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HsNtorClient(..)")
    }
}

impl fmt::Debug for HsNtorService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HsNtorService(..)")
    }
}

const PROTOID: &[u8] = b"tor-hs-ntor-curve25519-sha3-256-1";
const T_HSENC: &[u8] = b"tor-hs-ntor-curve25519-sha3-256-1:hs_key_extract";
const T_HSVERIFY: &[u8] = b"tor-hs-ntor-curve25519-sha3-256-1:hs_verify";
const T_HSMAC: &[u8] = b"tor-hs-ntor-curve25519-sha3-256-1:hs_mac";
const M_HSEXPAND: &[u8] = b"tor-hs-ntor-curve25519-sha3-256-1:hs_key_expand";

/// rend-spec-v3 0.3: MAC(k, m) = SHA3-256(htonll(len(k)) | k | m).
fn mac(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let length = u64::try_from(key.len()).unwrap_or(u64::MAX);
    let mut hash = Sha3_256::new().chain_update(length.to_be_bytes()).chain_update(key);
    message.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{Chosen, array, bytes, load, small_order};

    fn service(case: &serde_json::Value) -> HsServiceKeys {
        HsServiceKeys {
            auth_key: Ed25519Id::from_bytes(array(&case["intro_auth_key_ed25519"])),
            enc_key: KeyPair::from_secret(array(&case["b_secret"])),
            subcredentials: vec![
                Subcredential::from_bytes([1; 32]),
                Subcredential::from_bytes(array(&case["subcredential"])),
            ],
        }
    }

    fn client(case: &serde_json::Value) -> (HsNtorClient, Vec<u8>) {
        let intro_point = HsIntroPoint {
            auth_key: Ed25519Id::from_bytes(array(&case["intro_auth_key_ed25519"])),
            enc_key: OnionKey::from_bytes(array(&case["b_public"])),
            subcredential: Subcredential::from_bytes(array(&case["subcredential"])),
        };
        let introduction = HsIntroduction {
            header: bytes(&case["intro1_header_before_client_pk"]),
            plaintext: bytes(&case["intro1_plaintext"]),
        };
        HsNtorClient::start(&intro_point, &introduction, &mut Chosen(bytes(&case["x_secret"]))).unwrap()
    }

    #[test]
    fn known_answers() {
        for case in load("hs_ntor.json")["vectors"].as_array().unwrap() {
            let header = bytes(&case["intro1_header_before_client_pk"]);
            let (client, encrypted) = client(case);
            assert_eq!([&header[..], &encrypted].concat(), bytes(&case["intro1_cell_payload"]));

            let (service, plaintext) = HsNtorService::read(&service(case), &header, &encrypted).unwrap();
            assert_eq!(plaintext, bytes(&case["intro1_plaintext"]));
            let (info, theirs) = service.answer(&mut Chosen(bytes(&case["y_secret"]))).unwrap();
            assert_eq!(info, bytes(&case["rendezvous1_handshake_info"]));
            assert_eq!(theirs.expand::<128>()[..], bytes(&case["e2e_key_expansion_128"]));

            let keys = client.finish(&info).unwrap().1.hs();
            assert_eq!(keys.forward_digest, array(&case["df"]));
            assert_eq!(keys.backward_digest, array(&case["db"]));
            assert_eq!(keys.forward_key, array(&case["kf"]));
            assert_eq!(keys.backward_key, array(&case["kb"]));
        }
    }

    #[test]
    fn known_macs() {
        for case in load("sha3_mac.json")["sha3_256_mac"].as_array().unwrap() {
            let message = bytes(&case["msg"]);
            let (head, tail) = message.split_at(message.len() / 2);
            assert_eq!(mac(&bytes(&case["key"]), &[head, tail]), array(&case["mac"]));
        }
    }

    #[test]
    fn the_mac_covers_header_and_message() {
        let case = &load("hs_ntor.json")["vectors"][0];
        let header = bytes(&case["intro1_header_before_client_pk"]);
        let (_, encrypted) = client(case);
        let read = |header: &[u8], part: &[u8]| HsNtorService::read(&service(case), header, part).err();
        assert_eq!(read(&header, &encrypted), None);
        for at in 0..header.len() {
            let mut other = header.clone();
            other[at] ^= 1;
            assert_eq!(read(&other, &encrypted), Some(HandshakeError::BadAuth), "byte {at}");
        }
        for at in 0..encrypted.len() {
            let mut other = encrypted.clone();
            other[at] ^= 1;
            assert_eq!(read(&header, &other), Some(HandshakeError::BadAuth), "byte {at}");
        }
        let wrong = Some(HandshakeError::Length { what: "introduction", length: 63 });
        assert_eq!(read(&header, &encrypted[..63]), wrong);
    }

    #[test]
    fn another_subcredential_reads_nothing() {
        let case = &load("hs_ntor.json")["vectors"][0];
        let header = bytes(&case["intro1_header_before_client_pk"]);
        let mut service = service(case);
        service.subcredentials.pop();
        let (_, encrypted) = client(case);
        assert_eq!(HsNtorService::read(&service, &header, &encrypted).err(), Some(HandshakeError::BadAuth));
    }

    #[test]
    fn degenerate_keys_end_it_at_both_ends() {
        let case = &load("hs_ntor.json")["vectors"][0];
        let header = bytes(&case["intro1_header_before_client_pk"]);
        for point in small_order() {
            let weak = HsIntroPoint {
                auth_key: Ed25519Id::from_bytes([1; 32]),
                enc_key: point,
                subcredential: Subcredential::from_bytes([2; 32]),
            };
            let nothing = HsIntroduction { header: vec![], plaintext: vec![] };
            let started = HsNtorClient::start(&weak, &nothing, &mut Chosen(vec![9; 32]));
            assert_eq!(started.err(), Some(HandshakeError::DegenerateKey));

            let (client, mut encrypted) = client(case);
            let zeros = KeyPair::from_secret([3; 32]).secret_of_zeros();
            let (_, auth) = client.exchange.derive(&zeros, &point);
            let reply = [*point.as_bytes(), auth].concat();
            assert_eq!(client.finish(&reply).err(), Some(HandshakeError::DegenerateKey));

            encrypted[..32].copy_from_slice(point.as_bytes());
            let read = HsNtorService::read(&service(case), &header, &encrypted);
            assert_eq!(read.err(), Some(HandshakeError::DegenerateKey));
        }
    }
}
