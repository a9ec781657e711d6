//! Messages of circuits.

use tor_cell::{
    Body,
    relay::{
        ConfluxLeg, ConfluxLink, ConfluxLinked, ConfluxLinkedAck, ConfluxSwitch, Extend2, Extended2,
        PaddingCommand, PaddingNegotiate, PaddingNegotiated, RelayCmd, Sendme, Truncate, Truncated,
    },
};
use tor_id::{Ed25519Id, LinkSpec, RsaId};

use super::{Case, relay};

/// The link specifiers that a vector lists; the unknown kinds, which it leaves out, are left out.
pub(crate) fn link_specs(case: &Case) -> Vec<LinkSpec> {
    let spec = |spec: &Case| {
        let address = |field| {
            let port = spec.number("port").unwrap().try_into().unwrap();
            LinkSpec::Address((spec.text(field).unwrap().parse::<std::net::IpAddr>().unwrap(), port).into())
        };
        match spec.number("type").unwrap() {
            0 => address("ipv4"),
            1 => address("ipv6"),
            2 => LinkSpec::Rsa(RsaId::from_slice(&spec.hex("rsa_id").unwrap()).unwrap()),
            _ => LinkSpec::Ed25519(Ed25519Id::from_slice(&spec.hex("ed25519_id").unwrap()).unwrap()),
        }
    };
    case.list("link_specifiers").iter().map(spec).collect()
}

#[test]
fn extend2() {
    for case in relay("extend2") {
        let body = case.body();
        let extend = case.read::<Extend2<'_>>(&body).unwrap();
        case.rewrites(RelayCmd::EXTEND2, &body, true);
        if case.0.get("link_specifiers").is_none() {
            // The vector tells only that a kind is unknown: it must survive.
            assert!(extend.target.iter().any(|spec| matches!(spec, LinkSpec::Unknown { kind: 0xf0, .. })));
            continue;
        }
        assert_eq!(extend.target, link_specs(&case));
        assert_eq!(u64::from(extend.kind.0), case.number("handshake_type").unwrap());
        assert_eq!(extend.onionskin, case.hex("handshake").unwrap());
    }
}

#[test]
fn extended2() {
    for case in relay("extended2") {
        let body = case.body();
        let Some(extended) = case.read::<Extended2<'_>>(&body) else { continue };
        assert_eq!(extended.reply.len(), case.size("handshake_len"));
        case.rewrites(RelayCmd::EXTENDED2, &body, true);
    }
}

#[test]
fn sendme() {
    for case in relay("sendme") {
        let body = case.body();
        let Some(sendme) = case.read::<Sendme<'_>>(&body) else { continue };
        let tag = case.hex("tag");
        let expected = tag.as_deref().map_or(Sendme::Unauthenticated, Sendme::Tagged);
        assert_eq!(sendme, expected);
        assert_eq!(case.number("version"), Some(tag.is_some().into()));
        case.rewrites(RelayCmd::SENDME, &body, true);
    }
}

#[test]
fn truncate() {
    for case in relay("truncate") {
        let body = case.body();
        let reason = if case.text("name") == Some("TRUNCATED") {
            Truncated::decode(&body).map(|message| message.reason)
        } else {
            Truncate::decode(&body).map(|message| message.reason)
        };
        // No reason byte: the circuit closes.
        assert_eq!(reason.ok().map(|reason| u64::from(reason.0)), case.number("reason"));
    }
}

#[test]
fn conflux() {
    for case in relay("conflux") {
        let body = case.body();
        let command = RelayCmd(case.number("command").unwrap().try_into().unwrap());
        assert_eq!(command.name(), case.text("name"));
        let leg = match command {
            RelayCmd::CONFLUX_LINK => case.read(&body).map(|ConfluxLink(leg)| leg),
            RelayCmd::CONFLUX_LINKED => case.read(&body).map(|ConfluxLinked(leg)| leg),
            RelayCmd::CONFLUX_LINKED_ACK => {
                assert_eq!(case.read(&body), Some(ConfluxLinkedAck));
                None
            }
            _ => {
                let seqno = case.read(&body).map(|switch: ConfluxSwitch| switch.relative_seqno.get());
                assert_eq!(seqno.map(u64::from), case.number("relative_seqno"));
                None
            }
        };
        if let Some(ConfluxLeg { nonce, last_sent, last_received, ux }) = leg {
            assert_eq!(nonce.to_vec(), case.hex("nonce").unwrap());
            assert_eq!(Some(last_sent), case.number("last_seqno_sent"));
            assert_eq!(Some(last_received), case.number("last_seqno_recv"));
            assert_eq!(Some(u64::from(ux.0)), case.number("desired_ux"));
        }
        if case.text("expect").is_none() {
            case.rewrites(command, &body, true);
        }
    }
}

#[test]
fn circuit_padding() {
    let (stop, start) = (PaddingCommand::Stop, PaddingCommand::Start);
    let answer = |command, machine| PaddingNegotiated { command, accepted: true, machine, counter: 1 };
    let mut answers = [answer(stop, 0), answer(start, 0), answer(start, 1)].into_iter();
    for case in relay("circuit_padding") {
        let body = case.body();
        let command = RelayCmd(case.number("command").unwrap().try_into().unwrap());
        if command == RelayCmd::PADDING_NEGOTIATE {
            let asked = PaddingNegotiate { command: start, machine: 0, echo: false, counter: 1 };
            assert_eq!(case.read(&body), Some(asked));
        } else {
            assert_eq!(case.read(&body), Some(answers.next().unwrap()));
        }
        case.rewrites(command, &body, true);
    }
    assert_eq!(answers.next(), None);
}
