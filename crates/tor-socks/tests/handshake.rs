//! What the vectors don't say: splitting, pipelining, limits, port options, secrets, and nonsense.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::{IpAddr, Ipv6Addr};

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use tor_socks::{
    Command, Credentials, Failure, Handshake, Host, PortOptions, Request, SocksError, Status, Step, Version,
};

type Outcome = (Result<Option<Request>, SocksError>, Vec<u8>, Vec<u8>);

/// Feeds `bytes` in pieces that end at `cuts`; `None` for "more". All bytes have arrived at the end, whether they were
/// asked for or not.
fn feed(options: PortOptions, bytes: &[u8], cuts: &[usize]) -> Outcome {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut fed = 0;
    let mut step = Ok(Step::More(Handshake::start(options)));
    for end in ends {
        input.extend_from_slice(&bytes[fed..end]);
        fed = end;
        if let Ok(Step::More(handshake)) = step {
            step = handshake.on_bytes(&mut input, &mut out);
        }
    }
    let result = match step {
        Ok(Step::More(_)) => Ok(None),
        Ok(Step::Done(request)) => Ok(Some(request)),
        Err(error) => Err(error),
    };
    // What an error leaves behind is nobody's.
    let left = if result.is_err() { Vec::new() } else { input.to_vec() };
    (result, left, out.to_vec())
}

fn done(options: PortOptions, bytes: &[u8]) -> Request {
    match feed(options, bytes, &[]).0 {
        Ok(Some(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn refused(bytes: &[u8]) -> (SocksError, Vec<u8>) {
    let (result, _, out) = feed(PortOptions::default(), bytes, &[]);
    (result.unwrap_err(), out)
}

const SOCKS5: &[u8] = b"\x05\x01\x00";
const FAILURE: [u8; 10] = [5, 1, 0, 1, 0, 0, 0, 0, 0, 0];
const SOCKS4_REJECTED: [u8; 8] = [0, 0x5b, 0, 0, 0, 0, 0, 0];

/// A SOCKS5 request by name, after the methods.
fn by_name(command: u8, name: &[u8], port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [SOCKS5, &[5, command, 0, 3, length], name, &port.to_be_bytes()].concat()
}

#[test]
fn a_port_may_prefer_no_authentication() {
    let both = b"\x05\x02\x00\x02";
    let prefer = PortOptions { prefer_no_auth: true, ..PortOptions::default() };
    assert_eq!(feed(PortOptions::default(), both, &[]).2, [5, 2]);
    assert_eq!(feed(prefer, both, &[]).2, [5, 0]);
    assert_eq!(feed(prefer, b"\x05\x01\x02", &[]).2, [5, 2], "only a password is offered");
}

#[test]
fn no_method_is_not_enough() {
    assert_eq!(refused(b"\x05\x00"), (SocksError::NoMethod, vec![5, 0xff]));
}

#[test]
fn what_is_pipelined_stays() {
    let wire = [&by_name(1, b"example.com", 80)[..], b"GET / HTTP/1.0\r\n"].concat();
    let (result, left, out) = feed(PortOptions::default(), &wire, &[]);
    assert!(matches!(result, Ok(Some(_))));
    assert_eq!((&left[..], &out[..]), (&b"GET / HTTP/1.0\r\n"[..], &b"\x05\x00"[..]));
}

#[test]
fn long_fields() {
    // The longest username and password: 513 bytes in one message.
    let user = [&[1, 255][..], &[b'u'; 255], &[255], &[b'p'; 255]].concat();
    let request = by_name(1, &[b'a'; 255], 80);
    let wire = [b"\x05\x01\x02", &user[..], &request[3..]].concat();
    let request = done(PortOptions::default(), &wire);
    assert_eq!(request.credentials, Some(Credentials::new(&[b'u'; 255], &[b'p'; 255])));
    assert_eq!(request.host, Host::Name("a".repeat(255)));

    // SOCKS4 ends within 512 bytes or not at all.
    let fits = [&[4, 1, 0, 80, 1, 2, 3, 4][..], &[b'u'; 503], &[0]].concat();
    assert_eq!(fits.len(), 512);
    assert_eq!(done(PortOptions::default(), &fits).version, Version::V4);
    let long = [&[4, 1, 0, 80, 1, 2, 3, 4][..], &[b'u'; 504], &[0]].concat();
    assert_eq!(refused(&long), (SocksError::TooLong, SOCKS4_REJECTED.to_vec()));
    let name = |length| [&[4, 1, 0, 80, 0, 0, 0, 1, 0][..], &vec![b'a'; length], &[0]].concat();
    assert_eq!(done(PortOptions::default(), &name(255)).host, Host::Name("a".repeat(255)));
    assert_eq!(refused(&name(256)), (SocksError::TooLong, SOCKS4_REJECTED.to_vec()));
}

#[test]
fn every_mistake_gets_its_answer() {
    let after = |reply: [u8; 10]| [&[5, 0][..], &reply].concat();
    for (wire, error, answer) in [
        (b"\x01\x01a\x01b".to_vec(), SocksError::Version(1), Vec::new()),
        (b"\x16\x03\x01".to_vec(), SocksError::Version(0x16), Vec::new()),
        (b"\x04\x02\x00\x50\x01\x02\x03\x04\x00".to_vec(), SocksError::Command(2), SOCKS4_REJECTED.to_vec()),
        (
            b"\x04\xf1\x00\x50\x01\x02\x03\x04\x00".to_vec(),
            SocksError::Command(0xf1),
            SOCKS4_REJECTED.to_vec(),
        ),
        (b"\x04\x01\x00\x00\x01\x02\x03\x04\x00".to_vec(), SocksError::ZeroPort, SOCKS4_REJECTED.to_vec()),
        (b"\x04\x01\x00\x50\x00\x00\x00\x00\x00".to_vec(), SocksError::ZeroAddress, SOCKS4_REJECTED.to_vec()),
        (by_name(1, b"example.com", 0), SocksError::ZeroPort, after(FAILURE)),
        (by_name(1, b"a\0b", 80), SocksError::Hostname, after(FAILURE)),
        (by_name(1, b"", 80), SocksError::Hostname, after(FAILURE)),
        (by_name(0xf2, b"a", 80), SocksError::Command(0xf2), after([5, 7, 0, 1, 0, 0, 0, 0, 0, 0])),
        (by_name(0xf1, b"a", 80), SocksError::NotAnAddress, after([5, 8, 0, 1, 0, 0, 0, 0, 0, 0])),
        ([SOCKS5, b"\x04\x01\x00"].concat(), SocksError::Confused, after(FAILURE)),
        ([SOCKS5, b"\x05\x01\x07\x01"].concat(), SocksError::Confused, after(FAILURE)),
        ([b"\x05\x01\x02", &b"\x05\x01\x00"[..]].concat(), SocksError::Confused, vec![5, 2, 1, 1]),
        (
            [b"\x05\x01\x02", &b"\x01\x08<torS0X>\x00"[..]].concat(),
            SocksError::ExtendedParameters,
            vec![5, 2, 1, 1],
        ),
    ] {
        assert_eq!(refused(&wire), (error, answer), "{wire:x?}");
    }
}

#[test]
fn a_second_password_is_one_too_many() {
    let wire = [SOCKS5, b"\x01\x01a\x01b", b"\x01\x01a\x01b"].concat();
    let (error, out) = refused(&wire);
    assert_eq!(error, SocksError::Confused);
    assert_eq!(out, [&[5, 0, 1, 0][..], &FAILURE].concat());
}

#[test]
fn resolve_needs_no_port() {
    assert_eq!(done(PortOptions::default(), &by_name(0xf0, b"example.com", 0)).command, Command::Resolve);
    let socks4a = b"\x04\xf0\x00\x00\x00\x00\x00\x01\x00example.com\x00";
    assert_eq!(done(PortOptions::default(), socks4a).version, Version::V4a);
}

#[test]
fn a_bare_address_is_marked() {
    let options = PortOptions::default();
    let v4 = |command| [SOCKS5, &[5, command, 0, 1, 1, 2, 3, 4, 0, 80]].concat();
    assert!(done(options, &v4(1)).bare_address);
    assert!(done(options, &v4(0xf0)).bare_address);
    assert!(!done(options, &v4(0xf1)).bare_address, "there is no name to look up");
    assert!(!done(options, &by_name(1, b"1.2.3.4", 80)).bare_address, "given as a name");
    assert!(done(options, b"\x04\x01\x00\x50\x01\x02\x03\x04\x00").bare_address);
    assert!(!done(options, b"\x04\x01\x00\x50\x00\x00\x00\x01\x00a\x00").bare_address);
}

#[test]
fn a_browser_is_told_what_it_does_wrong() {
    for method in ["GET", "HEAD", "POST", "PUT", "CONNECT"] {
        let (error, out) = refused(format!("{method} / HTTP/1.1\r\n").as_bytes());
        assert_eq!(error, SocksError::Http);
        let answer = String::from_utf8(out).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("HTTP/1.0 501 Tor is not an HTTP Proxy"));
        assert_eq!(lines.next(), Some("Content-Type: text/html; charset=iso-8859-1"));
        assert_eq!(lines.next(), None);
        assert!(body.contains("HTTPTunnelPort") && body.ends_with("</html>\n"));
    }
}

#[test]
fn extended_errors_only_where_the_port_asks() {
    let failure = Failure { status: Status::HOST_UNREACHABLE, extended: Some(Status::HS_NOT_FOUND) };
    let wire = by_name(1, b"example.onion", 80);
    for (extended_errors, code) in [(false, 4), (true, 0xf0)] {
        let options = PortOptions { extended_errors, ..PortOptions::default() };
        let mut out = BytesMut::new();
        done(options, &wire).fail(failure, &mut out);
        assert_eq!(out[..], [5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        out.clear();
        done(options, &wire).fail(Status::TTL_EXPIRED, &mut out);
        assert_eq!(out[1], 6);
    }
}

#[test]
fn replies_to_lookups() {
    let options = PortOptions::default();
    let mut out = BytesMut::new();
    let v6 = Host::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let v4 = Host::Ip(IpAddr::from([1, 2, 3, 4]));

    let resolve = done(options, &by_name(0xf0, b"a", 0));
    resolve.succeed(Some((&v6, 0)), &mut out);
    assert_eq!(out.split()[..], [&[5, 0, 0, 4][..], &[0; 15], &[1, 0, 0]].concat());
    resolve.succeed(Some((&Host::Name("b.c".to_owned()), 0)), &mut out);
    assert_eq!(out.split()[..], *b"\x05\x00\x00\x03\x03b.c\x00\x00");
    resolve.succeed(Some((&Host::Name("a".repeat(300)), 0)), &mut out);
    assert_eq!((out[4], out.split().len()), (255, 5 + 255 + 2));

    let socks4 = done(options, b"\x04\xf0\x00\x00\x00\x00\x00\x01\x00a\x00");
    socks4.succeed(Some((&v4, 0)), &mut out);
    assert_eq!(out.split()[..], [0, 0x5a, 0, 0, 1, 2, 3, 4]);
    socks4.succeed(Some((&v6, 0)), &mut out);
    assert_eq!(out.split()[..], SOCKS4_REJECTED, "there is no room for IPv6");
}

#[test]
fn debug_shows_neither_secrets_nor_targets() {
    let wire = [b"\x05\x01\x02\x01\x06sesame\x04open", &by_name(1, b"example.com", 80)[3..]].concat();
    let shown = format!("{:?}", done(PortOptions::default(), &wire));
    for secret in ["sesame", "open", "example", "115, 101, 115"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let wire = &wire[..wire.len() - 1];
    let mut input = BytesMut::from(wire);
    let step = Handshake::start(PortOptions::default()).on_bytes(&mut input, &mut BytesMut::new()).unwrap();
    assert!(!format!("{step:?}").contains("115, 101, 115"));
}

fn any_options() -> impl Strategy<Value = PortOptions> {
    any::<(bool, bool)>()
        .prop_map(|(prefer_no_auth, extended_errors)| PortOptions { prefer_no_auth, extended_errors })
}

/// Handshakes that are nearly right, so that each state is reached.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"\x05\x01\x00".to_vec()),
        Just(b"\x05\x02\x00\x02".to_vec()),
        Just(b"\x05\x01\x02".to_vec()),
        Just(b"\x01\x02me\x03you".to_vec()),
        Just(b"\x05\x01\x00\x03\x03a.b\x00\x50".to_vec()),
        Just(b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50".to_vec()),
        Just(b"\x05\xf1\x00\x04abcdefghijklmnop\x00\x00".to_vec()),
        Just(b"\x04\x01\x00\x50\x00\x00\x00\x01user\x00a.b\x00".to_vec()),
        Just(b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        vec(any::<u8>(), 0..20),
        (0u8..=5, vec(any::<u8>(), 0..600)).prop_map(|(first, rest)| [vec![first], rest].concat()),
    ];
    vec(part, 0..5).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_result(
        options in any_options(),
        bytes in plausible(),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let whole = feed(options, &bytes, &[]);
        prop_assert_eq!(&feed(options, &bytes, &cuts), &whole);
        let bytewise: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(&feed(options, &bytes, &bytewise), &whole);
    }

    #[test]
    fn no_bytes_panic(options in any_options(), bytes in vec(any::<u8>(), 0..700)) {
        let (result, ..) = feed(options, &bytes, &[]);
        if let Ok(Some(request)) = result {
            let mut out = BytesMut::new();
            request.succeed(None, &mut out);
            request.fail(Status::GENERAL_FAILURE, &mut out);
            prop_assert!(request.port != 0 || request.command != Command::Connect);
        }
    }
}
