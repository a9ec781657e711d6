//! tor1 against cells that C Tor made (by way of Arti), and against what a hop must not do.

use std::{fs, path::Path};

use proptest::prelude::*;
use serde_json::Value;
use sha3::{
    Shake256,
    digest::{ExtendableOutput, Update, XofReader},
};
use tor_cell::{
    CELL_BODY_LEN, CellBody, StreamId,
    relay::{RelayCmd, RelayFormat, RelayMsg},
};
use tor_ntor::{HopKeys, HsKeys, Tor1Keys};

use super::*;

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tor1_relay_crypto.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(text: &Value) -> Vec<u8> {
    hex::decode(text.as_str().unwrap()).unwrap()
}

fn cell(text: &Value) -> CellBody {
    bytes(text).try_into().unwrap()
}

fn keys<const SEED: usize, const KEY: usize>(material: &[u8]) -> HopKeys<SEED, KEY> {
    let at = |from: usize, length: usize| &material[from..from + length];
    HopKeys {
        forward_digest: at(0, SEED).try_into().unwrap(),
        backward_digest: at(SEED, SEED).try_into().unwrap(),
        forward_key: at(2 * SEED, KEY).try_into().unwrap(),
        backward_key: at(2 * SEED + KEY, KEY).try_into().unwrap(),
    }
}

fn tor1_keys(number: u8) -> Tor1Keys {
    keys(&[number; 72])
}

fn layers(vectors: &Value, end: End) -> Vec<Tor1> {
    let material = vectors["key_material_ascii_92"].as_array().unwrap();
    material.iter().map(|text| Tor1::new(end, &keys(text.as_str().unwrap().as_bytes()))).collect()
}

fn seal_for(layers: &mut [Tor1], hop: usize, cell: &mut CellBody) -> Tag {
    let tag = layers[hop].seal(cell);
    layers[..hop].iter_mut().rev().for_each(|layer| layer.wrap(cell));
    tag
}

#[test]
fn cells_to_the_third_hop_are_c_tors() {
    let vectors = vectors();
    let mut client = layers(&vectors, End::Client);
    let mut relays = layers(&vectors, End::Relay);
    let mut bodies = Shake256::default().chain(vectors["xof_seed_ascii"].as_str().unwrap()).finalize_xof();
    let mut known = vectors["outbound_to_hop_3"].as_array().unwrap().iter();
    let mut next = known.next();
    for index in 0..=50 {
        let mut body = [0; 498];
        bodies.read(&mut body);
        let msg = RelayMsg { command: RelayCmd::DATA, stream: StreamId::from_wire(1), body: &body };
        let mut wire = [0; CELL_BODY_LEN];
        RelayFormat::V0.encode(&msg, &mut wire, |_| ()).unwrap();
        let tag = seal_for(&mut client, 2, &mut wire);

        let expected = next.filter(|cell| cell["cell_index"] == index);
        if let Some(expected) = expected {
            assert_eq!(wire, cell(&expected["wire_cell_509"]), "cell {index}");
            assert_eq!(tag.as_bytes()[..], bytes(&expected["running_digest_sha1_full"])[..]);
            next = known.next();
        }
        assert!(relays[0].peel(&mut wire).is_none());
        assert!(relays[1].peel(&mut wire).is_none());
        assert_eq!(relays[2].peel(&mut wire).unwrap().as_bytes(), tag.as_bytes());
        if let Some(expected) = expected {
            assert_eq!(wire, cell(&expected["plaintext_509"]));
        }
    }
    assert!(next.is_none(), "all known cells were reached");
}

#[test]
fn cells_from_any_hop_are_recognised() {
    let vectors = vectors();
    let mut client = layers(&vectors, End::Client);
    let mut relays = layers(&vectors, End::Relay);
    for known in vectors["inbound"]["cells"].as_array().unwrap() {
        let origin = usize::try_from(known["origin_hop_0_based"].as_u64().unwrap()).unwrap();
        let plain = cell(&known["plaintext_509"]);
        let mut wire = plain;
        wire[5..9].fill(0);
        let tag = seal_for(&mut relays, origin, &mut wire);
        assert_eq!(wire, cell(&known["wire_cell_509"]));

        let peeled =
            client.iter_mut().enumerate().find_map(|(hop, layer)| Some((hop, layer.peel(&mut wire)?)));
        let (hop, seen) = peeled.unwrap();
        assert_eq!((hop, wire), (origin, plain));
        assert_eq!(seen.as_bytes()[..], bytes(&known["sendme_tag_20"])[..]);
        assert_eq!(seen.as_bytes(), tag.as_bytes());
    }
}

#[test]
fn the_onion_service_layer_is_c_tors() {
    let vectors = vectors();
    let known = &vectors["hs_end_to_end"];
    let keys: HsKeys = keys(&bytes(&known["key_material_128"]));
    let (mut client, mut service) = (Tor1Hs::new(End::Client, &keys), Tor1Hs::new(End::Relay, &keys));
    for known in known["cells"].as_array().unwrap() {
        let (from, to) = match known["direction"].as_str().unwrap() {
            "client_to_service" => (&mut client, &mut service),
            _ => (&mut service, &mut client),
        };
        let plain = cell(&known["plaintext_with_zero_digest"]);
        let mut wire = plain;
        let tag = from.seal(&mut wire);
        assert_eq!(wire, cell(&known["wire_after_hs_layer"]));
        assert_eq!(tag.as_bytes()[..], bytes(&known["sendme_tag_20"])[..]);
        assert_eq!(to.peel(&mut wire).unwrap().as_bytes(), tag.as_bytes());
        wire[5..9].fill(0);
        assert_eq!(wire, plain);
    }
}

#[test]
fn a_tag_matches_itself_and_nothing_else() {
    let tag = Tag([7; 20]);
    assert!(tag.matches(&[7; 20]));
    assert!(!tag.matches(&[7; 19]) && !tag.matches(&[7; 16]) && !tag.matches(&[7; 21]) && !tag.matches(&[]));
    let mut other = [7; 20];
    other[19] ^= 1;
    assert!(!tag.matches(&other));
}

/// A cell whose `recognized` is zero for this layer but whose digest is wrong: what happens by chance once in
/// 65,536 cells that pass through. The digest must go on as if the cell had never been.
#[test]
fn an_unrecognised_cell_leaves_the_digest_as_it_was() {
    let (mut client, mut relay) =
        (Tor1::new(End::Client, &tor1_keys(1)), Tor1::new(End::Relay, &tor1_keys(1)));
    let plain = [0; CELL_BODY_LEN];
    let mut passing = plain;
    client.wrap(&mut passing);
    assert!(relay.peel(&mut passing).is_none());
    assert_eq!(passing, plain, "decrypted, and nothing else changed");

    let mut ours = plain;
    client.seal(&mut ours);
    assert!(relay.peel(&mut ours).is_some());
}

proptest! {
    #[test]
    fn one_flipped_bit_is_one_too_many(bit in 0..CELL_BODY_LEN * 8, before in 0usize..3) {
        let (mut client, mut relay) = (Tor1::new(End::Client, &tor1_keys(2)), Tor1::new(End::Relay, &tor1_keys(2)));
        for _ in 0..before {
            let mut cell = [0; CELL_BODY_LEN];
            relay.seal(&mut cell);
            prop_assert!(client.peel(&mut cell).is_some());
        }
        let mut cell = [0; CELL_BODY_LEN];
        relay.seal(&mut cell);
        cell[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(client.peel(&mut cell).is_none());
    }
}
