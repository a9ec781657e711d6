//! Cells of a link, from the framing up.

use std::net::IpAddr;

use bytes::BytesMut;
use tor_cell::{
    CELL_BODY_LEN, CELL_LEN, ChanBody, CircId, MAX_HANDSHAKE_REPLY,
    chan::{
        AuthChallenge, AuthMethod, Authenticate, Certs, Create2, CreateFast, Created2, CreatedFast, Destroy,
        LinkVersion, Message, Netinfo, PaddingNegotiate, Versions, Vpadding,
    },
    frame::{ChanCmd, CircIdWidth, Frame, put_fixed, put_message, put_variable},
};

use super::{Case, cases, file};

/// The whole cell of a vector, whichever part of it the vector tells.
fn wire(case: &Case) -> BytesMut {
    let command = || ChanCmd(case.number("command").unwrap().try_into().unwrap());
    let mut out = BytesMut::new();
    if let Some(wire) = case.hex("wire").or_else(|| case.padded("wire_prefix_514", CELL_LEN)) {
        out.extend_from_slice(&wire);
    } else if let Some(body) = case.hex("body") {
        put_variable(command(), &body, CircIdWidth::Four, &mut out).unwrap();
    } else {
        let circ = if command().is_of_circuit() { CircId::from_wire(0x8000_0001) } else { None };
        let body = case.padded("body_prefix", CELL_BODY_LEN).unwrap();
        put_fixed(circ, command(), &body, &mut out).unwrap();
    }
    out
}

fn addresses(case: &Case) -> Vec<IpAddr> {
    case.list("my_addrs").iter().map(|address| address.0.as_str().unwrap().parse().unwrap()).collect()
}

/// Checks that a message, made a cell again, is the cell that it came from.
fn rewrites<'a, M: ChanBody<'a>>(frame: &Frame<'_>, message: &M, wire: &[u8]) {
    let mut out = BytesMut::new();
    put_message(frame.circ, message, &mut out).unwrap();
    assert_eq!(hex::encode(&out), hex::encode(wire));
}

#[test]
fn cells() {
    for case in cases("channel_cells", &["cells"]) {
        let name = case.text("name").unwrap();
        let wire = wire(&case);
        let width = if name == "VERSIONS" { CircIdWidth::Two } else { CircIdWidth::Four };
        let frame = Frame::read(&wire, width).unwrap();
        assert_eq!(frame.len, wire.len());
        assert_eq!(Frame::read(&wire[..wire.len() - 1], width), None);
        if let Some(command) = case.number("command") {
            assert_eq!(u64::from(frame.command.0), command);
        }
        if let Some(id) = case.number("circ_id") {
            assert_eq!(frame.circ.map(|id| u64::from(id.to_wire())), Some(id));
        }
        assert_eq!(frame.is_addressed(), !name.contains("circ id"), "{name}");
        check(&case, name, &frame, &wire);
    }
}

fn check(case: &Case, name: &str, frame: &Frame<'_>, wire: &[u8]) {
    let ours = [LinkVersion::V3, LinkVersion::V4, LinkVersion::V5];
    match name {
        "VERSIONS" if case.text("expect") == Some("error: odd length") => {
            assert!(frame.decode::<Versions>().is_err());
        }
        "VERSIONS" => {
            let versions = frame.decode::<Versions>().unwrap();
            let offered: Vec<_> = versions.offered.iter().map(|version| u64::from(version.0)).collect();
            let expected: Vec<_> = case.list("versions").iter().map(|v| v.0.as_u64().unwrap()).collect();
            assert_eq!(offered, expected);
            assert_eq!(versions.best(&ours).is_none(), case.text("expect").is_some());
            rewrites(frame, &versions, wire);
        }
        "NETINFO bogus addresses" => {
            let netinfo = frame.decode::<Netinfo>().unwrap();
            assert_eq!((netinfo.receiver, netinfo.sender), (None, addresses(case)));
        }
        "NETINFO unsupported own address type" => {
            let netinfo = frame.decode::<Netinfo>().unwrap();
            assert_eq!(netinfo.receiver, Some([8, 8, 8, 8].into()));
            assert_eq!(netinfo.sender, Vec::<IpAddr>::new());
        }
        "NETINFO circ id 16" | "RELAY circ id 0" => {}
        "NETINFO client" | "NETINFO relay" | "NETINFO relay v6" => {
            let netinfo = frame.decode::<Netinfo>().unwrap();
            assert_eq!(u64::from(netinfo.timestamp), case.number("timestamp").unwrap());
            assert_eq!(netinfo.time().is_none(), netinfo.timestamp == 0);
            assert_eq!(netinfo.receiver, Some(case.text("other_addr").unwrap().parse().unwrap()));
            rewrites(frame, &netinfo, wire);
            assert_eq!(netinfo.sender, addresses(case));
        }
        "AUTH_CHALLENGE" => {
            let challenge = frame.decode::<AuthChallenge<'_>>().unwrap();
            let methods = [AuthMethod::RSA_SHA256_TLSSECRET, AuthMethod::ED25519_SHA256_RFC5705];
            assert_eq!(challenge.methods, methods);
            rewrites(frame, &challenge, wire);
        }
        "AUTHENTICATE" => {
            let authenticate = frame.decode::<Authenticate<'_>>().unwrap();
            assert_eq!(authenticate.method, AuthMethod::ED25519_SHA256_RFC5705);
            assert_eq!(authenticate.proof.len(), 352);
            rewrites(frame, &authenticate, wire);
        }
        "CREATE2" => {
            let create = frame.decode::<Create2<'_>>().unwrap();
            assert_eq!(u64::from(create.kind.0), case.number("handshake_type").unwrap());
            assert_eq!(create.onionskin.len(), 84);
            rewrites(frame, &create, wire);
        }
        "CREATED2" | "CREATED2 maximal" => {
            let created = frame.decode::<Created2<'_>>().unwrap();
            assert_eq!(created.reply.len(), case.size("handshake_len"));
            rewrites(frame, &created, wire);
        }
        "CREATED2 too long" => assert!(frame.decode::<Created2<'_>>().is_err()),
        "CREATE_FAST" => rewrites(frame, &frame.decode::<CreateFast<'_>>().unwrap(), wire),
        "CREATED_FAST" => rewrites(frame, &frame.decode::<CreatedFast<'_>>().unwrap(), wire),
        "DESTROY" => {
            let destroy = frame.decode::<Destroy>().unwrap();
            assert_eq!(u64::from(destroy.reason.0), case.number("reason").unwrap());
            rewrites(frame, &destroy, wire);
        }
        "PADDING_NEGOTIATE start" => {
            let start = PaddingNegotiate::Start { low_ms: 256, high_ms: 512 };
            assert_eq!(frame.decode::<PaddingNegotiate>(), Ok(start));
            rewrites(frame, &start, wire);
        }
        "PADDING_NEGOTIATE stop" => {
            assert_eq!(frame.decode::<PaddingNegotiate>(), Ok(PaddingNegotiate::Stop));
            rewrites(frame, &PaddingNegotiate::Stop, wire);
        }
        "PADDING_NEGOTIATE bad version" => assert!(frame.decode::<PaddingNegotiate>().is_err()),
        "VPADDING" => rewrites(frame, &frame.decode::<Vpadding<'_>>().unwrap(), wire),
        "RELAY" => assert!(frame.fixed().unwrap().starts_with(b"for a code called peacetime")),
        "unknown variable-length 255" => {
            let other = Message::Other { command: ChanCmd(255), body: b"Wait till morning" };
            assert_eq!(Message::decode(frame.command, frame.body).unwrap().command(), other.command());
            assert!(frame.fixed().is_err());
        }
        _ => panic!("a vector that nothing checks: {name}"),
    }
}

#[test]
fn the_longest_reply() {
    assert_eq!(Case(file("channel_cells")).size("max_created2_handshake_len"), MAX_HANDSHAKE_REPLY);
}

/// The sequences are about the link handshake, and `tor-chan`'s; here only that they fall into these cells.
#[test]
fn sequences() {
    let file = file("channel_cells");
    let all = file.get("handshake_sequences").unwrap();
    let piece = |name: &str| {
        let known = all.get("pieces").unwrap().get(name).map(|piece| piece.as_str().unwrap());
        let literal = name.trim_matches(['<', '>']).replace(" padded to 514", "").replace(' ', "");
        let mut bytes = hex::decode(known.unwrap_or(&literal)).unwrap();
        if name.starts_with("NETINFO") || name.contains("padded") {
            bytes.resize(CELL_LEN, 0);
        }
        bytes
    };
    for sequence in cases("channel_cells", &["handshake_sequences", "sequences"]) {
        if let Some(bytes) = sequence.hex("bytes") {
            // "HTTP://": no VERSIONS, as can be said long before the "cell" is complete.
            assert_eq!(Frame::read(&bytes, CircIdWidth::Two), None);
            assert_eq!(Frame::peek_command(&bytes, CircIdWidth::Two), Some(ChanCmd(b'T')));
            continue;
        }
        let names: Vec<_> =
            sequence.list("cells").iter().map(|name| name.0.as_str().unwrap().to_owned()).collect();
        let bytes: Vec<u8> = names.iter().flat_map(|name| piece(name)).collect();
        let (mut rest, mut width) = (&bytes[..], CircIdWidth::Two);
        for name in &names {
            let frame = Frame::read(rest, width).unwrap();
            assert_eq!(Frame::peek_command(rest, width), Some(frame.command));
            assert_eq!(frame.len, piece(name).len(), "{name}");
            let result = Message::decode(frame.command, frame.body);
            let expected = match name.as_str() {
                "VERSIONS" => ChanCmd::VERSIONS,
                "NOCERTS" => ChanCmd::CERTS,
                "VPADDING" => ChanCmd::VPADDING,
                "AUTHCHALLENGE" => ChanCmd::AUTH_CHALLENGE,
                "<00000001 01 padded to 514>" => ChanCmd::CREATE,
                "00000000810001 01" => {
                    // One certificate is announced, none is there.
                    assert_eq!(frame.command, ChanCmd::CERTS);
                    assert!(result.is_err());
                    break;
                }
                _ => ChanCmd::NETINFO,
            };
            assert_eq!(result.unwrap().command(), expected);
            if name == "NOCERTS" {
                assert_eq!(frame.decode::<Certs<'_>>().unwrap().certs, []);
            }
            rest = &rest[frame.len..];
            width = CircIdWidth::Four;
        }
    }
}
