//! The known answers in `testdata/socks.json`: what C Tor's and Arti's own tests assert.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::IpAddr;

use bytes::BytesMut;
use serde_json::Value;
use tor_socks::{Command, Handshake, Host, PortOptions, Request, SocksError, Status, Step, Version};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../testdata/socks.json")).unwrap()
}

fn section(vectors: &Value, name: &str) -> Vec<Value> {
    vectors[name].as_array().unwrap().clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// Feeds pieces one after the other; the last answer, what is left, and what was said.
fn talk<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Result<Step, SocksError>, BytesMut, BytesMut) {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut step = Ok(Step::More(Handshake::start(PortOptions::default())));
    for piece in pieces {
        input.extend_from_slice(piece);
        step = match step {
            Ok(Step::More(handshake)) => handshake.on_bytes(&mut input, &mut out),
            over => over,
        };
    }
    (step, input, out)
}

fn request(hex_of_messages: &[&str]) -> Request {
    let messages: Vec<u8> = hex_of_messages.iter().flat_map(|text| hex::decode(text).unwrap()).collect();
    match talk([&messages[..]]).0 {
        Ok(Step::Done(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn check_request(vector: &Value, request: &Request) {
    let name = &vector["name"];
    if let Some(version) = vector["version"].as_u64() {
        assert_eq!(version == 4, request.version != Version::V5, "{name}");
    }
    if let Some(command) = vector["command"].as_str() {
        let command = match command {
            "CONNECT" => Command::Connect,
            "RESOLVE" => Command::Resolve,
            "RESOLVE_PTR" => Command::ResolvePtr,
            other => panic!("{other}"),
        };
        assert_eq!(request.command, command, "{name}");
    }
    if let Some(address) = vector["address"].as_str() {
        let unbracketed = address.trim_start_matches('[').trim_end_matches(']');
        let expected =
            unbracketed.parse::<IpAddr>().map_or_else(|_| Host::Name(address.to_owned()), Host::Ip);
        assert!(request.host == expected, "{name}");
    }
    if let Some(port) = vector["port"].as_u64() {
        assert_eq!(u64::from(request.port), port, "{name}");
    }
    let username = vector["userid"].as_str().or_else(|| vector["username"].as_str());
    let credentials = request.credentials.as_ref();
    assert_eq!(credentials.map(|known| known.username()), username.map(str::as_bytes), "{name}");
    let password = vector["password"].as_str().or_else(|| vector["userid"].as_str().map(|_| ""));
    assert_eq!(credentials.map(|known| known.password()), password.map(str::as_bytes), "{name}");
    if let Some(reply) = vector.get("reply_success") {
        let mut out = BytesMut::new();
        request.succeed(None, &mut out);
        assert_eq!(out, bytes(reply), "{name}");
    }
}

/// A complete request to follow where a vector ends before one.
const CONNECT: &str = "0501000301610050";

fn check_server_side(vector: &Value, bytewise: bool) {
    let name = &vector["name"];
    let mut messages: Vec<u8> = vector["client_sends"].as_array().unwrap().iter().flat_map(bytes).collect();
    let expect = vector["expect"].as_str().unwrap();
    let (expect, _) = expect.split_once(' ').unwrap_or((expect, ""));
    if expect == "continue" {
        messages.extend(hex::decode(CONNECT).unwrap());
    }
    let pieces: Vec<&[u8]> = if bytewise { messages.chunks(1).collect() } else { vec![&messages] };
    let (step, left, out) = talk(pieces);

    let said = |key: &str| vector.get(key).map(bytes).unwrap_or_default();
    let mut expected_out = [said("method_reply"), said("auth_reply")].concat();
    match (expect, step) {
        ("ok", Ok(Step::Done(request))) => {
            check_request(vector, &request);
            assert_eq!((out.to_vec(), left.len()), (expected_out, 0), "{name}");
        }
        ("continue", Ok(Step::Done(request))) => {
            let credentials = request.credentials.unwrap();
            if let Some(username) = vector["username"].as_str() {
                assert_eq!(credentials.username(), username.as_bytes(), "{name}");
                assert_eq!(credentials.password(), vector["password"].as_str().unwrap().as_bytes(), "{name}");
            }
            if let Some(username) = vector.get("username_hex") {
                assert_eq!(credentials.username(), bytes(username), "{name}");
            }
            if vector.get("method_reply").is_some() {
                assert_eq!(out, expected_out, "{name}");
            }
        }
        // SafeSocks is the edge's to apply: it sees the flag, and refuses.
        ("error", Ok(Step::Done(request))) if vector["expect"] == "error when SafeSocks=1" => {
            assert!(request.bare_address, "{name}");
            let mut out = BytesMut::new();
            request.fail(Status::NOT_ALLOWED, &mut out);
            assert_eq!(Some(u64::from(out[1])), vector["reply_code"].as_u64(), "{name}");
        }
        ("error", Err(_)) => {
            if let Some(code) = vector["reply_code"].as_u64() {
                expected_out.extend([5, u8::try_from(code).unwrap(), 0, 1, 0, 0, 0, 0, 0, 0]);
                assert_eq!(out, expected_out, "{name}");
            } else {
                assert!(out.starts_with(&expected_out), "{name}");
            }
        }
        (_, step) => panic!("{name}: {step:?}"),
    }
}

#[test]
fn server_side() {
    for vector in section(&vectors(), "server_side") {
        check_server_side(&vector, false);
        check_server_side(&vector, true);
    }
}

#[test]
fn every_prefix_needs_more_and_takes_nothing() {
    for vector in section(&vectors(), "truncation") {
        let setup = vector["setup"].as_str().unwrap();
        let setup = hex::decode(setup.strip_prefix("after ").unwrap_or_default()).unwrap();
        let full = bytes(&vector["full"]);
        for length in 0..full.len() {
            let (step, left, _) = talk([&setup[..], &full[..length]]);
            assert!(matches!(step, Ok(Step::More(_))), "{full:x?} cut at {length}: {step:?}");
            assert_eq!(left, full[..length]);
        }
    }
}

#[test]
fn reply_codes() {
    let vectors = vectors();
    let named = [
        ("SOCKS5_SUCCEEDED", Status::SUCCEEDED),
        ("SOCKS5_GENERAL_ERROR", Status::GENERAL_FAILURE),
        ("SOCKS5_NOT_ALLOWED", Status::NOT_ALLOWED),
        ("SOCKS5_NET_UNREACHABLE", Status::NET_UNREACHABLE),
        ("SOCKS5_HOST_UNREACHABLE", Status::HOST_UNREACHABLE),
        ("SOCKS5_CONNECTION_REFUSED", Status::CONNECTION_REFUSED),
        ("SOCKS5_TTL_EXPIRED", Status::TTL_EXPIRED),
        ("SOCKS5_COMMAND_NOT_SUPPORTED", Status::COMMAND_NOT_SUPPORTED),
        ("SOCKS5_ADDRESS_TYPE_NOT_SUPPORTED", Status::ADDRESS_TYPE_NOT_SUPPORTED),
        ("SOCKS5_HS_NOT_FOUND", Status::HS_NOT_FOUND),
        ("SOCKS5_HS_IS_INVALID", Status::HS_IS_INVALID),
        ("SOCKS5_HS_INTRO_FAILED", Status::HS_INTRO_FAILED),
        ("SOCKS5_HS_REND_FAILED", Status::HS_REND_FAILED),
        ("SOCKS5_HS_MISSING_CLIENT_AUTH", Status::HS_MISSING_CLIENT_AUTH),
        ("SOCKS5_HS_BAD_CLIENT_AUTH", Status::HS_BAD_CLIENT_AUTH),
        ("SOCKS5_HS_BAD_ADDRESS", Status::HS_BAD_ADDRESS),
        ("SOCKS5_HS_INTRO_TIMEDOUT", Status::HS_INTRO_TIMEDOUT),
    ];
    let extended = section(&vectors, "extended_reply_codes_c_tor");
    assert_eq!(extended.len(), named.len());
    for (vector, (name, status)) in extended.iter().zip(named) {
        assert_eq!(
            (vector["name"].as_str().unwrap(), vector["code"].as_u64()),
            (name, Some(status.0.into()))
        );
    }
    for (vector, (_, status)) in section(&vectors, "standard_reply_codes").iter().zip(named) {
        assert_eq!(vector["code"].as_u64(), Some(status.0.into()), "{vector}");
    }
}

#[test]
fn reply_examples() {
    let examples = section(&vectors(), "reply_examples");
    let name = Host::Name("foo.example.com".to_owned());
    let local = Host::Ip("127.0.0.1".parse().unwrap());
    let v4 = request(&["050100", "050100017f0000071f90"]);
    let v6 = request(&["050100", "0501000400000000000000000000000000000001", "0050"]);
    let socks4 = request(&["040100507f00000100"]);
    let mut out = BytesMut::new();
    for (example, of, status, bound) in [
        (&examples[0], &v4, Status::HOST_UNREACHABLE, Some((&name, 8080))),
        (&examples[1], &v4, Status::SUCCEEDED, None),
        (&examples[2], &v6, Status::GENERAL_FAILURE, None),
        (&examples[3], &socks4, Status::GENERAL_FAILURE, Some((&local, 80))),
    ] {
        out.clear();
        of.reply(status, bound, &mut out);
        assert_eq!(out, bytes(&example["reply"]), "{}", example["for_request"]);
    }
}
