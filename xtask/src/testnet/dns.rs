//! The name server of the private network: a few fixed names, so that exits resolve without a network.
//!
//! | name | answer |
//! |---|---|
//! | `www.example.test` | A 127.0.0.1 |
//! | `v6.example.test` | AAAA ::1 |
//! | `dual.example.test` | A 127.0.0.1, AAAA ::1 |
//! | `reject-all.example.test` | A 127.0.0.4, which every exit's policy rejects |
//! | `reject-some.example.test` | A 127.0.0.3, which the first exit's policy rejects |
//! | 198.51.100.7, 2001:db8::7 (PTR) | `ptr.example.test` (exits refuse to ask about loopback) |
//! | `servfail.example.test` | SERVFAIL |
//! | `timeout.example.test` | silence |
//! | any other | NXDOMAIN |
//!
//! It knows as much of RFC 1035 as that takes: one question a message, no compression in questions.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result};
use rustix::process::setsid;

/// Answers for ever on `listen`, in a session of its own so that closing a terminal does not end it.
pub(crate) fn serve(listen: SocketAddr) -> Result<()> {
    // Fails only for a process that leads a group already, which then has what it needs.
    let _ = setsid();
    let socket = UdpSocket::bind(listen).with_context(|| format!("binding {listen}"))?;
    let mut buffer = [0; 1500];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        if let Some(reply) = buffer.get(..length).and_then(answer) {
            // A sender that has gone away is no reason to stop serving the others.
            let _ = socket.send_to(&reply, from);
        }
    }
}

/// The reply to one message; `None` for silence.
fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let question = Question::parse(message)?;
    let (code, records) = match lookup(&question.name, question.kind) {
        Found::Records(records) => (NOERROR, records),
        Found::Code(code) => (code, Vec::new()),
        Found::Silence => return None,
    };
    let mut reply = Vec::with_capacity(512);
    reply.extend_from_slice(message.get(..2)?);
    // Response, authoritative, recursion desired and available.
    reply.extend_from_slice(&[0x85, 0x80 | code]);
    reply.extend_from_slice(&1_u16.to_be_bytes());
    reply.extend_from_slice(&u16::try_from(records.len()).ok()?.to_be_bytes());
    reply.extend_from_slice(&[0; 4]);
    reply.extend_from_slice(question.raw);
    for data in records {
        reply.extend_from_slice(&NAME_OF_QUESTION.to_be_bytes());
        reply.extend_from_slice(&question.kind.to_be_bytes());
        reply.extend_from_slice(&CLASS_IN.to_be_bytes());
        reply.extend_from_slice(&SECONDS_TO_LIVE.to_be_bytes());
        reply.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        reply.extend_from_slice(&data);
    }
    Some(reply)
}

struct Question<'a> {
    name: String,
    kind: u16,
    raw: &'a [u8],
}

impl<'a> Question<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let is_query = message.get(2)? & 0x80 == 0;
        let count = message.get(4..6)?;
        if !is_query || count != [0, 1] {
            return None;
        }
        let body = message.get(12..)?;
        let mut rest = body;
        let mut name = String::new();
        loop {
            let (length, tail) = rest.split_first()?;
            let (label, tail) = tail.split_at_checked(usize::from(*length))?;
            rest = tail;
            if label.is_empty() {
                break;
            }
            name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
            name.push('.');
        }
        let kind = u16::from_be_bytes(rest.first_chunk().copied()?);
        let raw = body.get(..body.len() - rest.len() + 4)?;
        Some(Self { name, kind, raw })
    }
}

enum Found {
    Records(Vec<Vec<u8>>),
    Code(u8),
    Silence,
}

fn lookup(name: &str, kind: u16) -> Found {
    let v4 = |d: u8| vec![Ipv4Addr::new(127, 0, 0, d).octets().to_vec()];
    let v6 = || vec![Ipv6Addr::LOCALHOST.octets().to_vec()];
    let ptr = || vec![b"\x03ptr\x07example\x04test\0".to_vec()];
    let reverse_v6 = format!("7.{}8.b.d.0.1.0.0.2.ip6.arpa.", "0.".repeat(23));
    match (name, kind) {
        ("timeout.example.test.", _) => Found::Silence,
        ("servfail.example.test.", _) => Found::Code(SERVFAIL),
        ("www.example.test." | "dual.example.test.", KIND_A) => Found::Records(v4(1)),
        ("reject-some.example.test.", KIND_A) => Found::Records(v4(3)),
        ("reject-all.example.test.", KIND_A) => Found::Records(v4(4)),
        ("v6.example.test." | "dual.example.test.", KIND_AAAA) => Found::Records(v6()),
        ("7.100.51.198.in-addr.arpa.", KIND_PTR) => Found::Records(ptr()),
        (reverse, KIND_PTR) if reverse == reverse_v6 => Found::Records(ptr()),
        // The name exists, the type does not.
        (
            "www.example.test."
            | "v6.example.test."
            | "dual.example.test."
            | "reject-some.example.test."
            | "reject-all.example.test.",
            _,
        ) => Found::Records(Vec::new()),
        _ => Found::Code(NXDOMAIN),
    }
}

const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const KIND_A: u16 = 1;
const KIND_PTR: u16 = 12;
const KIND_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
const SECONDS_TO_LIVE: u32 = 300;
/// A compression pointer to offset 12, where the question's name stands.
const NAME_OF_QUESTION: u16 = 0xc00c;

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&CLASS_IN.to_be_bytes());
        message
    }

    #[test]
    fn a_known_name_has_its_address() {
        let reply = answer(&query("WWW.example.test", KIND_A)).unwrap();
        assert_eq!(reply[..2], [0x12, 0x34]);
        assert_eq!(reply[3] & 15, NOERROR);
        assert_eq!(reply[6..8], [0, 1]);
        assert!(reply.ends_with(&[0, 4, 127, 0, 0, 1]));
    }

    #[test]
    fn reverse_names_are_known() {
        let v6 = format!("7.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
        for name in ["7.100.51.198.in-addr.arpa", &v6] {
            let reply = answer(&query(name, KIND_PTR)).unwrap();
            assert!(reply.ends_with(b"\x03ptr\x07example\x04test\0"));
        }
    }

    #[test]
    fn other_names_do_not_exist_and_one_is_silent() {
        assert_eq!(answer(&query("nowhere.test", KIND_A)).unwrap()[3] & 15, NXDOMAIN);
        assert_eq!(answer(&query("servfail.example.test", KIND_A)).unwrap()[3] & 15, SERVFAIL);
        assert_eq!(answer(&query("timeout.example.test", KIND_A)), None);
    }

    #[test]
    fn a_cut_message_is_ignored() {
        let whole = query("www.example.test", KIND_A);
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length]), None);
        }
    }
}
