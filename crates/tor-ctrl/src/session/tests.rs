//! The session as a driver sees it, in front of controllers that mean well and that don't.

use proptest::prelude::*;

use super::*;
use crate::{Cookie, InfoError, hash_password};

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn start() -> Instant {
    Instant::now()
}

/// A session, a clock, and a client that answers GETINFO with the key itself and all else with `250 OK`.
struct Driver {
    session: Session,
    now: Instant,
    sent: Vec<u8>,
    commands: usize,
    logged: Vec<Notice>,
    closed: bool,
}

impl Driver {
    fn new(auth: AuthConfig) -> Self {
        let session = Session::new(Arc::new(auth), [3; 32]);
        Self { session, now: start(), sent: vec![], commands: 0, logged: vec![], closed: false }
    }

    fn open() -> Self {
        let mut driver = Self::new(AuthConfig::new("0.4.9.11"));
        assert_eq!(driver.say("AUTHENTICATE\r\n"), "250 OK\r\n");
        driver
    }

    /// One input, then drain.
    fn input(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            assert!(!self.closed, "nothing comes after the end");
            match output {
                Output::Send(bytes) => self.sent.extend(bytes),
                Output::Execute(command) => {
                    self.commands += 1;
                    assert!(!self.session.wants_events());
                    let reply = if let Command::GetInfo(keys) = command {
                        Reply::info(keys.iter().map(|key| (key.as_str(), Ok(Some(key.clone())))))
                    } else {
                        Reply::ok()
                    };
                    self.session.handle(self.now, Input::Reply(reply));
                }
                Output::Opened => assert!(self.session.is_open()),
                Output::Log(notice) => self.logged.push(notice),
                Output::Close => self.closed = true,
            }
        }
        assert_eq!(self.closed, self.session.is_done());
    }

    /// What comes back at once.
    fn say(&mut self, text: impl AsRef<[u8]>) -> String {
        self.input(Input::Bytes(text.as_ref()));
        String::from_utf8_lossy(&std::mem::take(&mut self.sent)).into_owned()
    }

    fn later(&mut self, time: Duration) -> String {
        self.now += time;
        self.input(Input::Timer);
        String::from_utf8_lossy(&std::mem::take(&mut self.sent)).into_owned()
    }
}

fn with_cookie() -> AuthConfig {
    AuthConfig {
        cookie: Some(Cookie::new([9; 32], "/var/lib/tor/control_auth_cookie")),
        ..AuthConfig::new("0.4.9.11")
    }
}

#[test]
fn nothing_is_said_before_we_are_asked() {
    let mut driver = Driver::new(AuthConfig::new("0.4.9.11"));
    driver.drain();
    assert!(driver.sent.is_empty());
    assert_eq!(driver.say("AUTHENT"), "");
    assert_eq!(driver.say("ICATE\r"), "");
    assert_eq!(driver.say("\n"), "250 OK\r\n");
}

#[test]
fn a_whole_script_in_one_write() {
    let mut driver = Driver::new(AuthConfig::new("0.4.9.11"));
    let sent = driver.say("authenticate \"pw\"\nsignal newnym\nGetInfo a b\nquit\nGETINFO c\n");
    assert_eq!(sent, "250 OK\r\n250 OK\r\n250-a=a\r\n250-b=b\r\n250 OK\r\n250 closing connection\r\n");
    assert!(driver.closed);
    assert_eq!(driver.commands, 2);
}

#[test]
fn one_command_at_a_time_and_events_between_replies() {
    let mut session = Session::authenticated(Arc::new(AuthConfig::new("0.4.9.11")), [0; 32]);
    let now = start();
    assert!(matches!(session.poll_output(), Some(Output::Opened)));
    assert!(session.wants_events());
    session.handle(now, Input::Bytes(b"GETINFO a\nGETINFO b\n"));
    assert!(matches!(session.poll_output(), Some(Output::Execute(Command::GetInfo(keys))) if keys == ["a"]));
    assert!(session.poll_output().is_none());
    assert!(!session.wants_events() && session.wants_input());
    // What waits behind a command is bounded.
    session.handle(now, Input::Bytes(&vec![b'\n'; READ_AHEAD]));
    assert!(!session.wants_input());
    session.handle(now, Input::Reply(Reply::ok()));
    assert!(matches!(session.poll_output(), Some(Output::Send(bytes)) if bytes == b"250 OK\r\n"));
    session.handle(now, Input::Event(b"650 BW 1 2\r\n".to_vec()));
    assert!(matches!(session.poll_output(), Some(Output::Send(bytes)) if bytes == b"650 BW 1 2\r\n"));
    assert!(matches!(session.poll_output(), Some(Output::Execute(Command::GetInfo(keys))) if keys == ["b"]));
}

#[test]
fn a_thousand_refusals_are_not_held_at_once() {
    let mut session = Session::authenticated(Arc::new(AuthConfig::new("0.4.9.11")), [0; 32]);
    session.handle(start(), Input::Bytes(&[b'\n'; 100_000]));
    let mut replies = 0;
    while let Some(output) = session.poll_output() {
        assert!(session.out.is_empty());
        replies += usize::from(matches!(output, Output::Send(_)));
    }
    assert_eq!(replies, 100_000);
}

#[test]
fn the_end_of_input_is_not_the_end_of_work() {
    let mut driver = Driver::new(AuthConfig::new("0.4.9.11"));
    driver.session.handle(driver.now, Input::Bytes(b"AUTHENTICATE\nGETINFO a\nGETINFO unfinished"));
    driver.input(Input::Closed);
    assert_eq!(driver.sent, b"250 OK\r\n250-a=a\r\n250 OK\r\n");
    assert!(driver.closed && driver.session.is_done());
}

#[test]
fn every_command_needs_authentication() {
    for (name, _) in crate::command::COMMANDS {
        let mut driver = Driver::new(with_cookie());
        let block = if name.starts_with('+') { "x\n.\n" } else { "" };
        let answer = driver.say(format!("{name} 1\n{block}GETINFO version\n"));
        match *name {
            "QUIT" => assert_eq!(answer, "250 closing connection\r\n"),
            "PROTOCOLINFO" => assert!(answer.starts_with("250-PROTOCOLINFO 1\r\n"), "{answer}"),
            "AUTHCHALLENGE" => assert!(answer.starts_with("513 "), "{answer}"),
            "AUTHENTICATE" => assert!(answer.starts_with("551 "), "{answer}"),
            _ => assert_eq!(answer, "514 Authentication required.\r\n", "{name}"),
        }
        assert!(driver.closed, "{name}");
        assert_eq!(driver.commands, 0);
    }
}

#[test]
fn a_wrong_guess_waits_and_ends_the_connection() {
    let rng = &mut <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(0);
    let password = hash_password(b"right", rng).parse().unwrap();
    let auth = AuthConfig { passwords: vec![password], ..AuthConfig::new("0.4.9.11") };
    let mut driver = Driver::new(auth);
    assert_eq!(driver.say("AUTHENTICATE \"wrong\"\nAUTHENTICATE \"right\"\n"), "");
    assert_eq!(driver.logged, [Notice::NotAuthenticated(AuthFailure::Password)]);
    assert!(!driver.session.wants_input() && !driver.session.wants_events());
    assert_eq!(driver.session.deadline(), Some(driver.now + FAILURE_DELAY));
    assert_eq!(driver.say("AUTHENTICATE \"right\"\n"), "");
    assert_eq!(driver.later(FAILURE_DELAY / 2), "");
    assert_eq!(
        driver.later(FAILURE_DELAY),
        "515 Authentication failed: Password did not match HashedControlPassword value from configuration\r\n"
    );
    assert!(driver.closed && !driver.session.is_open());
}

#[test]
fn safecookie() {
    let mut driver = Driver::new(with_cookie());
    let reply = driver.say("AUTHCHALLENGE SAFECOOKIE 00112233\n");
    let nonce = hex::decode(&reply[reply.len() - 66..reply.len() - 2]).unwrap();
    let (expected, _) =
        challenge(&Cookie::new([9; 32], ""), &[0, 0x11, 0x22, 0x33], &nonce.try_into().unwrap());
    assert_eq!(reply.as_bytes(), expected.encode());
    // The cookie itself is no answer to a challenge.
    assert_eq!(driver.say(format!("AUTHENTICATE {}\n", "09".repeat(32))), "");
    assert!(
        driver.later(FAILURE_DELAY).starts_with("515 Authentication failed: Safe cookie response did not")
    );
    // Without a challenge it is, and two connections never get the same nonce.
    let mut driver = Driver::new(with_cookie());
    assert_eq!(driver.say(format!("AUTHENTICATE {}\n", "09".repeat(32))), "250 OK\r\n");
    let nonces = [(); 2].map(|()| driver.say("AUTHCHALLENGE SAFECOOKIE 00\n"));
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn the_newest_configuration_counts() {
    let mut driver = Driver::new(AuthConfig::new("0.4.9.11"));
    assert!(driver.say("PROTOCOLINFO\n").contains("METHODS=NULL"));
    driver.session.set_auth(Arc::new(with_cookie()));
    driver.say("AUTHENTICATE\n");
    assert!(driver.later(FAILURE_DELAY).starts_with("515 "));
    // Who is in stays in.
    let mut driver = Driver::open();
    driver.session.set_auth(Arc::new(with_cookie()));
    assert_eq!(driver.say("GETINFO a\n"), "250-a=a\r\n250 OK\r\n");
    assert!(driver.say("PROTOCOLINFO\n").contains("METHODS=COOKIE,SAFECOOKIE COOKIEFILE=\"/var/lib/tor/"));
}

#[test]
fn other_protocols() {
    let mut driver = Driver::new(AuthConfig::new("0.4.9.11"));
    assert!(
        driver.say("GET / HTTP/1.0").starts_with("HTTP/1.0 501 Tor ControlPort is not an HTTP proxy\r\n")
    );
    assert!(driver.closed);
    assert_eq!(driver.logged, [Notice::Http]);
    let mut driver = Driver::new(AuthConfig::new("0.4.9.11"));
    assert!(driver.say(b"\0\0\0\0").starts_with("\0"));
    assert!(driver.closed);
    // Who has authenticated just mistyped.
    assert_eq!(Driver::open().say("GET / HTTP/1.0\r\n"), "510 Unrecognized command \"GET\"\r\n");
}

#[test]
fn ten_megabytes_without_a_line_end() {
    let mut driver = Driver::open();
    let chunk = [b'x'; 8192];
    for fed in 0..10_000_000 / chunk.len() {
        driver.input(Input::Bytes(&chunk));
        assert!(driver.session.framer.pending().len() <= MAX_COMMAND_LENGTH + chunk.len());
        if driver.closed {
            assert!((120..=129).contains(&fed), "{fed}");
            break;
        }
    }
    assert_eq!(driver.sent, b"500 Line too long.\r\n");
    assert!(driver.session.framer.pending().is_empty());
}

#[test]
fn a_stranger_is_held_for_little() {
    let mut driver = Driver::new(with_cookie());
    let reply = driver.say(vec![b'x'; MAX_GUEST_COMMAND_LENGTH]);
    assert_eq!(reply, "500 Line too long.\r\n");
    assert!(driver.closed);
    // What comes after the way in is not a stranger's.
    let mut driver = Driver::new(AuthConfig::new("0.4.9.11"));
    let script = format!("AUTHENTICATE\nGETINFO {}\n", "x".repeat(100_000));
    assert!(driver.say(script).ends_with("x\r\n250 OK\r\n"));
}

#[test]
fn secrets_are_not_shown() {
    let mut driver = Driver::open();
    driver
        .session
        .handle(driver.now, Input::Bytes(b"AUTHENTICATE \"hunter2\"\nADD_ONION ED25519-V3:hunter2"));
    let shown = format!("{:?} {:?}", driver.session, parse(b"AUTHENTICATE", b"\"hunter2\""));
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
}

#[test]
fn data_in_replies() {
    let answers = [
        ("a", Ok(Some("one\n.two\n\n..\r\nthree".to_owned()))),
        ("b", Ok(Some(String::new()))),
        ("c", Ok(Some("x\n".to_owned()))),
    ];
    assert_eq!(
        Reply::info(answers).encode(),
        b"250+a=\r\none\r\n..two\r\n\r\n...\r\nthree\r\n.\r\n250-b=\r\n250+c=\r\nx\r\n.\r\n250 OK\r\n"
    );
    // The first 551 is all; else the unknown ones are.
    let unknown =
        [("a", Ok(Some("x".to_owned()))), ("b", Ok(None)), ("c", Err(InfoError::unknown("No such c")))];
    assert_eq!(Reply::info(unknown).encode(), b"552-Unrecognized key \"b\"\r\n552 No such c\r\n");
    let failed = [("b", Ok(None)), ("c", Err(InfoError::unavailable("Not now")))];
    assert_eq!(Reply::info(failed).encode(), b"551 Not now\r\n");
    // No text leaves its line, and every reply has an end.
    assert_eq!(Reply::line(551, "a\r\n250 OK").encode(), b"551 a  250 OK\r\n");
    assert_eq!(Reply::default().encode(), b"250 OK\r\n");
}

/// What hostile controllers are made of.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let name = prop::sample::select(crate::command::COMMANDS).prop_map(|(name, _)| name.as_bytes().to_vec());
    let piece = prop_oneof![
        name,
        prop::collection::vec(any::<u8>(), 0..12),
        "[ =\"\\\\\r\n.+,a1$]{0,8}".prop_map(String::into_bytes),
        Just(b"\r\n".to_vec()),
        Just(b"\n.\n".to_vec()),
        Just(b"AUTHENTICATE\r\n".to_vec()),
    ];
    prop::collection::vec(piece, 0..30)
}

proptest! {
    #[test]
    fn whatever_comes_the_replies_are_whole(pieces in pieces(), open: bool) {
        let mut driver = if open { Driver::open() } else { Driver::new(with_cookie()) };
        for piece in &pieces {
            driver.input(Input::Bytes(piece));
            if let Some(deadline) = driver.session.deadline() {
                driver.now = deadline;
                driver.input(Input::Timer);
            }
        }
        driver.input(Input::Closed);
        prop_assert!(driver.closed);
        if !matches!(driver.logged.last(), Some(Notice::Http | Notice::Version0)) {
            prop_assert!(driver.sent.is_empty() || driver.sent.ends_with(b"\r\n"));
        }
        prop_assert!(open || driver.commands == 0);
    }

    #[test]
    fn cuts_do_not_matter(pieces in pieces()) {
        let whole = pieces.concat();
        let mut once = Driver::open();
        once.input(Input::Bytes(&whole));
        let mut bytewise = Driver::open();
        whole.chunks(1).for_each(|byte| if !bytewise.closed { bytewise.input(Input::Bytes(byte)) });
        for driver in [&mut once, &mut bytewise] {
            if let Some(deadline) = driver.session.deadline() {
                driver.now = deadline;
                driver.input(Input::Timer);
            }
        }
        prop_assert_eq!(once.sent, bytewise.sent);
    }
}
