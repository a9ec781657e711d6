//! Every line that was sent to a C Tor, sent to a [`Session`] with a client behind it that has nothing: the same bytes
//! must come back.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests"
)]

use std::{sync::Arc, time::Instant};

use tor_ctrl::{
    AuthConfig, Command, ConfAnswer, Cookie, HashedPassword, Input, MapAnswer, OnionAddress, Output, Reply,
    Session,
};

/// One connection to C Tor.
struct Exchange {
    section: String,
    sent: Vec<u8>,
    received: Vec<u8>,
}

fn transcript() -> Vec<Exchange> {
    let (mut section, mut sent, mut all) = (String::new(), Vec::new(), Vec::new());
    for line in include_str!("../testdata/transcript.txt").lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some(text) = line.strip_prefix("> ") {
            sent = unescape(text);
        } else if let Some(text) = line.strip_prefix("< ") {
            all.push(Exchange { section: section.clone(), sent: sent.clone(), received: unescape(text) });
        }
    }
    all
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match (byte, byte == b'\\') {
            (_, false) => byte,
            (_, true) => match bytes.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b'x' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    hex::decode(digits).unwrap()[0]
                }
                other => other,
            },
        });
    }
    out
}

/// As `tor` was set up for a section.
fn config(section: &str) -> AuthConfig {
    let mut config = AuthConfig::new("0.4.9.11");
    let passwords = [
        "16:62A3B747A3B03FCA60443FC7ECE4359804583471E4DF2B057C6DA63155",
        "16:90D0F150E583A441601CB0F3B8AD726BDF1BB7E0CB49F4881B2119D7E2",
    ];
    if matches!(section, "password" | "both") {
        config.passwords = passwords.iter().map(|text| text.parse::<HashedPassword>().unwrap()).collect();
    }
    match section {
        "cookie" => config.cookie = Some(Cookie::new(COOKIE, "/data/it's \"the\\cookie\"")),
        "both" => config.cookie = Some(Cookie::new(COOKIE, "/data/it's \"the\\cookie\"2")),
        _ => {}
    }
    config
}

const COOKIE: [u8; 32] = [0xa5; 32];

/// What a client without circuits, streams, relays and services answers; `None` where the answer is not this crate's.
fn answer(command: Command) -> Option<Reply> {
    let no_router = |name: &str| Reply::line(552, format!("No such router \"{name}\""));
    let no_server = |name: &String| Reply::line(552, format!("Server \"{name}\" not found"));
    Some(match command {
        Command::GetInfo(keys) => Reply::info(keys.iter().map(|key| (key.as_str(), Ok(None)))),
        Command::GetConf(keys) => Reply::conf(keys.iter().map(|key| (key.as_str(), ConfAnswer::Unknown))),
        Command::SetEvents(_) | Command::Signal(_) | Command::DropGuards | Command::DropTimeouts => {
            Reply::ok()
        }
        Command::Resolve { .. } => Reply::ok(),
        Command::MapAddress(mappings) if mappings.iter().any(|mapping| mapping.from == ".") => return None,
        Command::MapAddress(mappings) => Reply::mapped(mappings.into_iter().map(|mapping| {
            let valid = mapping.target_is_valid();
            let (from, to) = (mapping.from, mapping.to);
            if valid { MapAnswer::Mapped { from, to } } else { MapAnswer::BadTarget { to } }
        })),
        Command::ExtendCircuit { circuit, path, .. } => match path {
            _ if !circuit.is_zero() => circuit.unknown(),
            None => Reply::line(551, "Couldn't start circuit"),
            Some(path) => no_router(&path[0]),
        },
        Command::SetCircuitPurpose { circuit, .. } | Command::CloseCircuit { circuit, .. } => {
            circuit.unknown()
        }
        Command::AttachStream { stream, .. } => stream.unknown(),
        Command::RedirectStream { stream, .. } | Command::CloseStream { stream, .. } => stream.unknown(),
        Command::HsFetch { servers, .. } => servers.first().map_or_else(Reply::ok, no_server),
        Command::HsPost { servers, address, .. } => match (servers.first(), address) {
            (Some(server), _) => no_server(server),
            (None, Err(refusal)) => refusal,
            (None, Ok(_)) => Reply::line(554, "Invalid descriptor"),
        },
        Command::DelOnion(_) => Reply::line(552, "Unknown Onion Service id"),
        Command::OnionClientAuthRemove(address) => {
            Reply::line(251, format!("No credentials for \"{}\"", address.as_str()))
        }
        Command::OnionClientAuthView(address) => {
            let of =
                address.map_or_else(String::new, |address: OnionAddress| format!(" {}", address.as_str()));
            Reply::line(250, format!("ONION_CLIENT_AUTH_VIEW{of}")).with(250, "OK")
        }
        _ => return None,
    })
}

/// What we send back, or `None` if a command came that only a real client could answer.
fn talk(section: &str, sent: &[u8]) -> Option<Vec<u8>> {
    let now = Instant::now();
    let authenticated = section == "authenticated";
    let auth = Arc::new(config(section));
    let mut session =
        if authenticated { Session::authenticated(auth, [1; 32]) } else { Session::new(auth, [1; 32]) };
    session.handle(now, Input::Bytes(sent));
    if authenticated {
        session.handle(now, Input::Bytes(b"QUIT\r\n"));
    }
    session.handle(now, Input::Closed);
    let mut received = Vec::new();
    loop {
        match session.poll_output() {
            Some(Output::Send(bytes)) => received.extend(bytes),
            Some(Output::Execute(command)) => session.handle(now, Input::Reply(answer(command)?)),
            Some(Output::Opened | Output::Log(_) | Output::Close) => {}
            None => match session.deadline() {
                Some(deadline) => session.handle(deadline, Input::Timer),
                None => break,
            },
        }
    }
    assert!(session.is_done());
    Some(received)
}

/// Numbers that are random; and bytes that are no text, which the client's part of a reply does not repeat.
fn mask(bytes: Vec<u8>) -> String {
    let text = String::from_utf8_lossy(&bytes);
    let mut out = String::new();
    let mut rest = &*text;
    while let Some(at) = rest.find("SERVERHASH=") {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        out.push_str("SERVERHASH=* SERVERNONCE=*");
        rest = &after[after.find('\r').unwrap()..];
    }
    out + rest
}

#[test]
fn commands_show_no_arguments() {
    let command = Command::parse(b"SETCONF Socks5ProxyPassword=hunter2").unwrap();
    assert_eq!(format!("{command:?}"), "SETCONF");
}

#[test]
fn what_c_tor_answers() {
    let (mut equal, mut left, mut different) = (0, 0, Vec::new());
    for exchange in transcript() {
        let cookie = [(&b"@COOKIE@"[..], hex::encode_upper(COOKIE)), (&b"@cookie@"[..], hex::encode(COOKIE))];
        let mut sent: String = exchange.sent.iter().copied().map(char::from).collect();
        for (mark, value) in &cookie {
            sent = sent.replace(std::str::from_utf8(mark).unwrap(), value);
        }
        let sent: Vec<u8> = sent.chars().map(|char| u8::try_from(char).unwrap()).collect();
        let expected = mask(exchange.received);
        match talk(&exchange.section, &sent).map(mask) {
            None => left += 1,
            Some(received) if received == expected => equal += 1,
            // Our configuration is text; C Tor's may be anything.
            Some(received) if received.starts_with("513 Unacceptable option value: not UTF-8 text") => {
                left += 1
            }
            Some(received) => different.push(format!(
                "[{}] {:?}\n  C Tor {expected:?}\n  we    {received:?}",
                exchange.section,
                String::from_utf8_lossy(&exchange.sent)
            )),
        }
    }
    // cargo test -p tor-ctrl --test transcript -- --nocapture
    println!("{equal} equal, {left} for a client, {} different", different.len());
    assert!(different.is_empty(), "{} of {equal} differ:\n{}", different.len(), different.join("\n"));
}
