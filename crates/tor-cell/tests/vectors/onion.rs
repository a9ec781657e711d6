//! Messages of onion services.

use tor_cell::{
    Body,
    relay::{
        DosParam, DosParamKind, DosParams, EstablishIntro, EstablishRendezvous, ExtensionKind,
        IntroEstablished, Introduce1, IntroduceAck, IntroducePlaintext, RelayCmd, RendezvousEstablished,
    },
};

use super::{Case, cases, circuits::link_specs};

fn onion(section: &str) -> Vec<Case> {
    cases("relay_cells", &["onion_service", section])
}

#[test]
fn establish_intro() {
    for case in onion("establish_intro") {
        let body = case.body();
        let message = case.read::<EstablishIntro<'_>>(&body).unwrap();
        case.rewrites(RelayCmd::ESTABLISH_INTRO, &body, true);
        let mut covered = Vec::new();
        EstablishIntro::encode_mac_input(message.auth_key, &message.extensions, &mut covered).unwrap();
        assert_eq!(covered, body[..body.len() - 32 - 2 - 64]);
        for (field, value) in [
            ("auth_key", message.auth_key.as_slice()),
            ("handshake_auth", message.handshake_mac),
            ("signature", message.signature),
        ] {
            assert!(case.hex(field).is_none_or(|expected| expected == value));
        }
        if let Some(prefix) = case.text("signed_prefix_ascii") {
            assert_eq!(EstablishIntro::SIGNATURE_PREFIX, prefix.as_bytes());
        }
        if let Some(dos) = case.0.get("dos_params") {
            let [extension] = message.extensions[..] else { panic!("one extension") };
            assert_eq!(extension.kind, ExtensionKind::DOS_PARAMS);
            let value = |key| dos.get(key).unwrap().as_u64().unwrap();
            let params = DosParams {
                params: vec![
                    DosParam { kind: DosParamKind::RATE_PER_SEC, value: value("rate_per_sec") },
                    DosParam { kind: DosParamKind::BURST_PER_SEC, value: value("burst_per_sec") },
                ],
            };
            assert_eq!(DosParams::decode(extension.body), Ok(params.clone()));
            let mut wire = Vec::new();
            params.encode(&mut wire).unwrap();
            assert_eq!(wire, extension.body);
        }
    }
}

#[test]
fn intro_established() {
    for case in onion("intro_established") {
        assert_eq!(case.read(&case.body()), Some(IntroEstablished { extensions: vec![] }));
        case.rewrites(RelayCmd::INTRO_ESTABLISHED, &case.body(), true);
    }
}

#[test]
fn establish_rendezvous() {
    for case in onion("establish_rendezvous") {
        let body = case.body();
        let Some(message) = case.read::<EstablishRendezvous>(&body) else { continue };
        assert_eq!(message.cookie.0.to_vec(), case.hex("cookie").unwrap());
        case.rewrites(RelayCmd::ESTABLISH_RENDEZVOUS, &body, body.len() == 20);
    }
}

#[test]
fn rendezvous_established() {
    for case in onion("rendezvous_established") {
        assert_eq!(case.read(&case.body()), Some(RendezvousEstablished));
    }
}

#[test]
fn introduce1() {
    for case in onion("introduce1") {
        let body = case.body();
        let Some(Introduce1(introduce)) = case.read(&body) else { continue };
        case.rewrites(RelayCmd::INTRODUCE1, &body, true);
        // 20 bytes of zeros, 3 of type and length, the key, and no extensions.
        assert_eq!(introduce.auth_key, &body[23..55]);
        assert_eq!(introduce.extensions, []);
        let (key, ciphertext, mac) = introduce.pieces().unwrap();
        assert_eq!([key.as_slice(), ciphertext, mac].concat(), body[56..]);
    }
}

#[test]
fn introduce1_plaintext() {
    for case in onion("introduce1_encrypted_plaintext") {
        let plaintext = case.hex("plaintext").unwrap();
        let message = IntroducePlaintext::decode(&plaintext).unwrap();
        assert_eq!(message.cookie.0.to_vec(), case.hex("rendezvous_cookie").unwrap());
        assert_eq!(message.onion_key.to_vec(), case.hex("onion_key").unwrap());
        assert_eq!(message.target, link_specs(&case));
        assert_eq!(message.extensions, []);
        assert!(message.padding.iter().all(|&byte| byte == 0));
        let mut wire = Vec::new();
        message.encode(&mut wire).unwrap();
        assert_eq!(wire, plaintext);
    }
}

#[test]
fn introduce_ack() {
    for case in onion("introduce_ack") {
        let body = case.body();
        let ack = case.read::<IntroduceAck<'_>>(&body).unwrap();
        assert_eq!(u64::from(ack.status.0), case.number("status").unwrap());
        assert!(ack.status.name().is_some());
        case.rewrites(RelayCmd::INTRODUCE_ACK, &body, true);
    }
}
