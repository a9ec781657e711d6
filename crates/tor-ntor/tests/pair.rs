//! Our client against our relay, with random keys: they agree, and nothing but their own words lets them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::{collection::vec, prelude::*};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rand_core::Rng;
use tor_id::{Ed25519Id, RsaId};
use tor_ntor::{
    CircuitReply, CircuitRequest, ClientHandshake, FastClient, FastRelay, HandshakeError, HsIntroPoint,
    HsIntroduction, HsNtorClient, HsNtorService, HsServiceKeys, KeyPair, KeySeed, NtorClient, NtorKeys,
    NtorRelay, NtorTarget, NtorV3Client, NtorV3Keys, NtorV3Relay, NtorV3Target, OnionKey, RelayHandshake,
    Subcredential, Subprotocol,
};

fn bytes<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn pairs(rng: &mut ChaCha20Rng) -> Vec<KeyPair> {
    vec![KeyPair::generate(rng), KeyPair::generate(rng)]
}

/// A finished exchange: the client before it heard the reply, the reply, and the relay's keys.
type Exchange<C> = (C, Vec<u8>, KeySeed);

fn fast(seed: u64) -> Exchange<FastClient> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (client, skin) = FastClient::start(&(), &(), &mut rng).unwrap();
    let (reply, keys) = FastRelay::answer(&(), &skin, |()| Some(()), &mut rng).unwrap();
    (client, reply, keys)
}

fn ntor(seed: u64) -> Exchange<NtorClient> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let rsa = RsaId::from_bytes(bytes(&mut rng));
    let keys = NtorKeys { rsa, onion_keys: pairs(&mut rng) };
    // The older of two keys: relays accept it for weeks.
    let target = NtorTarget { rsa, onion_key: *keys.onion_keys[1].public() };
    let (client, skin) = NtorClient::start(&target, &(), &mut rng).unwrap();
    let (reply, seed) = NtorRelay::answer(&keys, &skin, |()| Some(()), &mut rng).unwrap();
    (client, reply, seed)
}

fn v3(seed: u64) -> Exchange<NtorV3Client> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let ed25519 = Ed25519Id::from_bytes(bytes(&mut rng));
    let keys = NtorV3Keys { ed25519, onion_keys: pairs(&mut rng) };
    let target = NtorV3Target { ed25519, onion_key: *keys.onion_keys[0].public() };
    let request = CircuitRequest { congestion_control: true, subprotocols: [Subprotocol::RELAY_CGO].into() };
    let (client, skin) = NtorV3Client::start(&target, &request, &mut rng).unwrap();
    let choose = |asked: &CircuitRequest| {
        assert_eq!(asked, &request);
        Some(CircuitReply { sendme_inc: 31.try_into().ok() })
    };
    let (reply, seed) = NtorV3Relay::answer(&keys, &skin, choose, &mut rng).unwrap();
    (client, reply, seed)
}

fn hs(seed: u64) -> Exchange<HsNtorClient> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let subcredentials = vec![Subcredential::from_bytes(bytes(&mut rng))];
    let keys = HsServiceKeys {
        auth_key: Ed25519Id::from_bytes(bytes(&mut rng)),
        enc_key: KeyPair::generate(&mut rng),
        subcredentials,
    };
    let point = HsIntroPoint {
        auth_key: keys.auth_key,
        enc_key: *keys.enc_key.public(),
        subcredential: keys.subcredentials[0].clone(),
    };
    let said = HsIntroduction { header: bytes::<59>(&mut rng).to_vec(), plaintext: vec![7; 246] };
    let (client, part) = HsNtorClient::start(&point, &said, &mut rng).unwrap();
    let (service, heard) = HsNtorService::read(&keys, &said.header, &part).unwrap();
    assert_eq!(heard, said.plaintext);
    let (reply, seed) = service.answer(&mut rng).unwrap();
    (client, reply, seed)
}

/// Every bit of the reply matters, and so does its length.
fn only_the_true_reply<C: ClientHandshake>(pair: fn(u64) -> Exchange<C>, seed: u64) {
    let (client, reply, theirs) = pair(seed);
    let (_, ours) = client.finish(&reply).unwrap();
    assert_eq!(ours.expand::<256>(), theirs.expand::<256>());

    for at in 0..reply.len() {
        let (client, mut reply, _) = pair(seed);
        reply[at] ^= 1 << (at % 8);
        let failed = client.finish(&reply).err();
        // X25519 ignores the top bit of a public key, but every handshake hashes the key as it came.
        assert_eq!(failed, Some(HandshakeError::BadAuth), "byte {at}");
    }
    for length in (0..reply.len()).chain([reply.len() + 1, 505]) {
        let (client, mut reply, _) = pair(seed);
        reply.resize(length, 0);
        assert!(client.finish(&reply).is_err(), "length {length}");
    }
    let (client, ..) = pair(seed);
    let (_, other, _) = pair(seed + 1);
    assert_eq!(client.finish(&other).err().map(|error| error.fault()), Some(tor_id::Fault::Peer));
}

#[test]
fn create_fast() {
    only_the_true_reply(fast, 10);
}

#[test]
fn ntor_for_any_hop() {
    only_the_true_reply(ntor, 20);
}

#[test]
fn ntor_v3_with_messages() {
    only_the_true_reply(v3, 30);
}

#[test]
fn hs_ntor_end_to_end() {
    only_the_true_reply(hs, 40);
}

/// TROVE-2026-003 was about replies that fill a cell but for a few bytes.
#[test]
fn replies_of_fixed_length_are_of_that_length() {
    for length in (0..64).chain(65..=509) {
        let failed = ntor(1).0.finish(&vec![0; length]).err();
        assert_eq!(failed, Some(HandshakeError::Length { what: "ntor reply", length }));
    }
    for length in (0..40).chain(41..=509) {
        let failed = fast(1).0.finish(&vec![0; length]).err();
        assert_eq!(failed, Some(HandshakeError::Length { what: "CREATED_FAST", length }));
    }
}

#[test]
fn relays_answer_for_their_own_keys_only() {
    let mut rng = ChaCha20Rng::seed_from_u64(50);
    let keys = NtorKeys { rsa: RsaId::from_bytes([1; 20]), onion_keys: pairs(&mut rng) };
    let onion_key = *keys.onion_keys[0].public();
    let other_key = OnionKey::from_bytes(bytes(&mut rng));
    for target in [
        NtorTarget { rsa: RsaId::from_bytes([2; 20]), onion_key },
        NtorTarget { rsa: keys.rsa, onion_key: other_key },
    ] {
        let (_, skin) = NtorClient::start(&target, &(), &mut rng).unwrap();
        let refused = NtorRelay::answer(&keys, &skin, |()| Some(()), &mut rng).err();
        assert_eq!(refused, Some(HandshakeError::OtherKey));
    }

    let keys = NtorV3Keys { ed25519: Ed25519Id::from_bytes([1; 32]), onion_keys: keys.onion_keys };
    for target in [
        NtorV3Target { ed25519: Ed25519Id::from_bytes([2; 32]), onion_key },
        NtorV3Target { ed25519: keys.ed25519, onion_key: other_key },
    ] {
        let (_, skin) = NtorV3Client::start(&target, &CircuitRequest::default(), &mut rng).unwrap();
        let refused = NtorV3Relay::answer(&keys, &skin, |_| Some(CircuitReply::default()), &mut rng).err();
        assert_eq!(refused, Some(HandshakeError::OtherKey));
    }
}

#[test]
fn a_relay_may_refuse() {
    let mut rng = ChaCha20Rng::seed_from_u64(60);
    let keys =
        NtorV3Keys { ed25519: Ed25519Id::from_bytes([1; 32]), onion_keys: vec![KeyPair::generate(&mut rng)] };
    let target = NtorV3Target { ed25519: keys.ed25519, onion_key: *keys.onion_keys[0].public() };
    let (_, skin) = NtorV3Client::start(&target, &CircuitRequest::default(), &mut rng).unwrap();
    let refused = NtorV3Relay::answer(&keys, &skin, |_| None, &mut rng).err();
    assert_eq!(refused, Some(HandshakeError::Refused));
}

/// The client's message is authenticated: a relay reads what was asked or nothing.
#[test]
fn every_bit_of_a_v3_onionskin_matters() {
    let mut rng = ChaCha20Rng::seed_from_u64(70);
    let keys =
        NtorV3Keys { ed25519: Ed25519Id::from_bytes([1; 32]), onion_keys: vec![KeyPair::generate(&mut rng)] };
    let target = NtorV3Target { ed25519: keys.ed25519, onion_key: *keys.onion_keys[0].public() };
    let request = CircuitRequest { congestion_control: true, ..CircuitRequest::default() };
    let (_, skin) = NtorV3Client::start(&target, &request, &mut rng).unwrap();
    for at in 0..skin.len() {
        let mut bad = skin.clone();
        bad[at] ^= 1 << (at % 8);
        let answered = NtorV3Relay::answer(&keys, &bad, |_| Some(CircuitReply::default()), &mut rng);
        assert!(answered.is_err(), "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_reply_panics(reply in vec(any::<u8>(), 0..200), seed: u64) {
        prop_assert!(fast(seed).0.finish(&reply).is_err());
        prop_assert!(ntor(seed).0.finish(&reply).is_err());
        prop_assert!(v3(seed).0.finish(&reply).is_err());
        prop_assert!(hs(seed).0.finish(&reply).is_err());
    }

    #[test]
    fn no_onionskin_panics(skin in vec(any::<u8>(), 0..300), seed: u64) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let keys = NtorKeys { rsa: RsaId::from_bytes([1; 20]), onion_keys: pairs(&mut rng) };
        let fast = FastRelay::answer(&(), &skin, |()| Some(()), &mut rng);
        prop_assert_eq!(fast.is_ok(), skin.len() == 20);
        prop_assert!(NtorRelay::answer(&keys, &skin, |()| Some(()), &mut rng).is_err());
        let mut named = keys.rsa.as_bytes().to_vec();
        named.extend(keys.onion_keys[0].public().as_bytes());
        named.extend(&skin);
        let _ = NtorRelay::answer(&keys, &named, |()| Some(()), &mut rng);

        let keys = NtorV3Keys { ed25519: Ed25519Id::from_bytes([1; 32]), onion_keys: keys.onion_keys };
        let mut named = keys.ed25519.as_bytes().to_vec();
        named.extend(keys.onion_keys[0].public().as_bytes());
        named.extend(&skin);
        let answered = NtorV3Relay::answer(&keys, &named, |_| Some(CircuitReply::default()), &mut rng);
        prop_assert!(answered.is_err());
    }
}
