use tor_id::Ed25519Id;

use super::*;
use crate::{
    CircuitReply, CircuitRequest, NtorV3Client, NtorV3Relay, Subprotocol,
    handshake::{ClientHandshake, RelayHandshake},
    testdata::{Chosen, array, bytes, load, small_order},
};

fn ends() -> (NtorV3Target, NtorV3Keys) {
    let data = load("ntor_v3.json");
    let ed25519 = Ed25519Id::from_bytes(array(&data["relay_ed25519_id"]));
    let onion_key = OnionKey::from_bytes(array(&data["b_public"]));
    let onion_keys = vec![KeyPair::from_secret(array(&data["b_secret"]))];
    (NtorV3Target { ed25519, onion_key }, NtorV3Keys { ed25519, onion_keys })
}

fn chosen(key: &str) -> Chosen {
    Chosen(bytes(&load("ntor_v3.json")[key]))
}

#[test]
fn known_answers() {
    let (target, keys) = ends();
    for case in load("ntor_v3.json")["vectors"].as_array().unwrap() {
        let verification = Box::leak(bytes(&case["verification"]).into_boxed_slice());
        let message = bytes(&case["client_message"]);
        let (pending, onionskin) =
            Pending::start(&target, verification, &message, &mut chosen("x_secret")).unwrap();
        assert_eq!(onionskin, bytes(&case["client_handshake"]));
        assert_eq!(pending.msg_mac, array(&case["intermediate"]["msg_mac"]));
        assert_eq!(*pending.phase1.message_keys().enc_k1, array(&case["intermediate"]["enc_k1"]));

        let (received, heard) = Received::read(&keys, verification, &onionskin).unwrap();
        assert_eq!(heard, message);
        let answer = bytes(&case["server_message"]);
        let (reply, theirs) = received.answer(&answer, &mut chosen("y_secret")).unwrap();
        assert_eq!(reply, bytes(&case["server_handshake"]));

        let (heard, ours) = pending.finish(&reply).unwrap();
        assert_eq!(heard, answer);
        assert_eq!(theirs.expand::<256>(), ours.expand::<256>());

        let (pending, _) = Pending::start(&target, verification, &message, &mut chosen("x_secret")).unwrap();
        let expected = bytes(&case["keys"]);
        assert_eq!(pending.finish(&reply).unwrap().1.expand::<256>()[..], expected[..256]);
    }
}

#[test]
fn layouts_of_the_keys() {
    let (target, keys) = ends();
    let data = load("ntor_v3.json");
    let seed = |case: &serde_json::Value| {
        let message = bytes(&case["client_message"]);
        let (_, skin) =
            Pending::start(&target, b"circuit extend", &message, &mut chosen("x_secret")).unwrap();
        let (received, _) = Received::read(&keys, b"circuit extend", &skin).unwrap();
        received.answer(&bytes(&case["server_message"]), &mut chosen("y_secret")).unwrap().1
    };
    let tor1 = &data["vectors"][2]["tor1_keys"];
    let (keys, kh) = seed(&data["vectors"][2]).tor1();
    assert_eq!(keys.forward_digest, array(&tor1["df"]));
    assert_eq!(keys.backward_digest, array(&tor1["db"]));
    assert_eq!(keys.forward_key, array(&tor1["kf"]));
    assert_eq!(keys.backward_key, array(&tor1["kb"]));
    assert_eq!(kh.as_bytes(), &array(&tor1["kh"]));

    let cgo = &data["vectors"][3]["cgo_keys"];
    let all = [bytes(&cgo["forward"]), bytes(&cgo["backward"]), bytes(&cgo["kh"])].concat();
    assert_eq!(seed(&data["vectors"][3]).expand::<180>()[..], all);
}

/// The whole handshakes that C Tor makes for circuits, with their messages as values.
#[test]
fn negotiation_as_c_tor_writes_it() {
    let (target, keys) = ends();
    let congestion_control = true;
    let cgo = [Subprotocol::RELAY_CGO].into();
    let granted = CircuitReply { sendme_inc: 31.try_into().ok() };
    for (at, request, reply) in [
        (1, CircuitRequest::default(), CircuitReply::default()),
        (2, CircuitRequest { congestion_control, ..CircuitRequest::default() }, granted),
        (3, CircuitRequest { congestion_control, subprotocols: cgo }, granted),
    ] {
        let case = &load("ntor_v3.json")["vectors"][at];
        let (client, onionskin) = NtorV3Client::start(&target, &request, &mut chosen("x_secret")).unwrap();
        assert_eq!(onionskin, bytes(&case["client_handshake"]));
        let choose = |asked: &CircuitRequest| (*asked == request).then_some(reply);
        let (wire, _) = NtorV3Relay::answer(&keys, &onionskin, choose, &mut chosen("y_secret")).unwrap();
        assert_eq!(wire, bytes(&case["server_handshake"]));
        assert_eq!(client.finish(&wire).unwrap().0, reply);
    }
}

#[test]
fn what_nobody_asked_for_is_no_grant() {
    let (target, keys) = ends();
    let (client, onionskin) =
        NtorV3Client::start(&target, &CircuitRequest::default(), &mut chosen("x_secret")).unwrap();
    let grant = |_: &CircuitRequest| Some(CircuitReply { sendme_inc: 31.try_into().ok() });
    let (wire, _) = NtorV3Relay::answer(&keys, &onionskin, grant, &mut chosen("y_secret")).unwrap();
    let refused = client.finish(&wire).err();
    assert_eq!(refused, Some(HandshakeError::Unsolicited { what: "congestion control" }));
}

/// Nobody learns the message, and there are no keys, unless both ends have the same verification string.
#[test]
fn another_verification_string_fails() {
    let (target, keys) = ends();
    let (_, onionskin) = Pending::start(&target, b"one", b"message", &mut chosen("x_secret")).unwrap();
    assert_eq!(Received::read(&keys, b"two", &onionskin).err(), Some(HandshakeError::BadAuth));
}

#[test]
fn degenerate_keys_end_it_at_both_ends() {
    let (target, keys) = ends();
    for point in small_order() {
        let weak = NtorV3Target { onion_key: point, ..target };
        let started = Pending::start(&weak, b"", b"", &mut chosen("x_secret"));
        assert_eq!(started.err(), Some(HandshakeError::DegenerateKey));

        // The forger knows xb (it is the relay, or holds its key) but lets Y be a point of small order.
        let (pending, onionskin) = Pending::start(&target, b"", b"", &mut chosen("x_secret")).unwrap();
        let (received, _) = Received::read(&keys, b"", &onionskin).unwrap();
        let phase2 = received.phase1.derive(&keys.onion_keys[0].secret_of_zeros(), &point);
        let auth = received.phase1.auth(&phase2.verify, &point, &received.msg_mac, b"");
        let reply = [*point.as_bytes(), auth].concat();
        assert_eq!(pending.finish(&reply).err(), Some(HandshakeError::DegenerateKey));

        let mut skin = onionskin;
        skin[64..96].copy_from_slice(point.as_bytes());
        assert_eq!(Received::read(&keys, b"", &skin).err(), Some(HandshakeError::DegenerateKey));
    }
}
