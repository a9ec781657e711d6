//! One control connection.
//! Spec: <https://spec.torproject.org/control-spec/protocol-outline.html>
//!
//! ```text
//!             AUTHENTICATE good              a command for the client
//!   ┌───────┐ ─────────────► ┌──────┐ ──────────────────────────────► ┌───────────┐
//!   │ Guest │                │ Open │                                 │ Executing │
//!   └───────┘                └──────┘ ◄────────────────────────────── └───────────┘
//!       │                       │                Reply
//!       │ AUTHENTICATE wrong    │
//!       ├───────────────────────┤   after a while
//!       │                ┌─────────┐ ───────────► ┌──────┐
//!       │                │ Delayed │   515        │ Done │
//!       │                └─────────┘              └──────┘
//!       │ 514, QUIT, HTTP, a command too long …       ▲
//!       └─────────────────────────────────────────────┘
//! ```
//!
//! **One input, then drain [`poll_output`](Session::poll_output), then wait.** Commands are taken up one at a time and
//! only while outputs are drained, so a driver that sends before it polls again holds one reply, however many commands
//! came in one packet, and one that stops polling stops the controller.
//!
//! Invariants:
//! - One command is executed at a time, and its reply is sent whole. Events come between replies, and those that a
//!   command causes come after its reply: the driver offers them only while [`wants_events`](Session::wants_events).
//! - Nothing but PROTOCOLINFO and AUTHCHALLENGE (once each), AUTHENTICATE and QUIT is answered before authentication;
//!   all else is 514 and the end. After a failure nothing more is read.
//! - Held at most: one command of [`MAX_COMMAND_LENGTH`], what the driver adds in one read, one reply, and the events
//!   offered. Before authentication a command has at most 16 KiB.

mod notice;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use notice::Notice;

use crate::{
    AuthConfig, AuthFailure, Command, Reply,
    auth::{ClientHash, challenge},
    command::{Challenge, Parsed, Secret, parse, split_name},
    foreign::Foreign,
    frame::{Frame, Framer, MAX_COMMAND_LENGTH, MAX_GUEST_COMMAND_LENGTH},
};

/// How long a failed authentication waits for its answer. Not long enough to annoy a person, but nobody tries a
/// thousand passwords a second on one connection.
const FAILURE_DELAY: Duration = Duration::from_millis(250);

/// Bytes that may wait while a command is executed; then the driver is asked to stop reading.
const READ_AHEAD: usize = 64 * 1024;

/// What happens to a connection.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes came.
    Bytes(&'a [u8]),
    /// The command of the last [`Output::Execute`] is done.
    Reply(Reply),
    /// Whole events, as they go on the wire.
    Event(Vec<u8>),
    /// The controller sends no more. What it sent is still done.
    Closed,
    /// The [`deadline`](Session::deadline) has come.
    Timer,
}

/// What is to be done about it.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Execute this command and come back with [`Input::Reply`].
    Execute(Command),
    /// The controller has authenticated: from now on it is one of the client's controllers.
    Opened,
    /// For the log.
    Log(Notice),
    /// Close the connection, once everything is sent. The last output.
    Close,
}

/// One control connection, without its socket.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use tor_ctrl::{AuthConfig, Command, Input, Output, Reply, Session};
///
/// let auth = Arc::new(AuthConfig::new("0.4.9.11"));
/// let (now, random) = (Instant::now(), [7; 32]); // random: from the system
/// let mut session = Session::new(auth, random);
///
/// session.handle(now, Input::Bytes(b"AUTHENTICATE\r\nGETINFO version\r\nQUIT\r\n"));
/// let mut sent = Vec::new();
/// while let Some(output) = session.poll_output() {
///     match output {
///         Output::Send(bytes) => sent.extend(bytes),
///         Output::Execute(Command::GetInfo(keys)) => {
///             let answers = keys.iter().map(|key| (key.as_str(), Ok(Some("0.4.9.11".to_owned()))));
///             session.handle(now, Input::Reply(Reply::info(answers)));
///         }
///         Output::Execute(_) => session.handle(now, Input::Reply(Reply::line(551, "Not here"))),
///         Output::Opened | Output::Log(_) | Output::Close => {}
///     }
/// }
/// assert_eq!(sent, b"250 OK\r\n250-version=0.4.9.11\r\n250 OK\r\n250 closing connection\r\n");
/// assert!(session.is_done());
/// ```
#[derive(Debug)]
pub struct Session {
    state: State,
    auth: Arc<AuthConfig>,
    nonces: Nonces,
    /// Set by AUTHCHALLENGE: from then on only the answer authenticates.
    challenged: Option<ClientHash>,
    framer: Framer,
    /// The controller sends no more.
    ended: bool,
    now: Option<Instant>,
    out: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    /// Before authentication.
    Guest { asked_protocol_info: bool },
    /// Waiting for commands.
    Open,
    /// Waiting for a reply.
    Executing,
    /// Waiting to say no.
    Delayed { until: Instant, reply: Reply },
    /// No more.
    Done,
}

impl Session {
    /// A connection that was just accepted. `seed` is 32 random bytes of its own, from which the nonces of its
    /// challenges are made.
    pub fn new(auth: Arc<AuthConfig>, seed: [u8; 32]) -> Self {
        Self {
            state: State::Guest { asked_protocol_info: false },
            auth,
            nonces: Nonces { seed, count: 0 },
            challenged: None,
            framer: Framer::default(),
            ended: false,
            now: None,
            out: VecDeque::new(),
        }
    }

    /// A connection that needs no authentication: `__OwningControllerFD`.
    pub fn authenticated(auth: Arc<AuthConfig>, seed: [u8; 32]) -> Self {
        Self { state: State::Open, out: VecDeque::from([Output::Opened]), ..Self::new(auth, seed) }
    }

    /// The configuration changed. Who is in stays in.
    pub fn set_auth(&mut self, auth: Arc<AuthConfig>) {
        self.auth = auth;
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = Some(now);
        match (&self.state, input) {
            (State::Done, _) => {}
            (_, Input::Bytes(bytes)) => {
                // After a failure nothing more will be read.
                if !matches!(self.state, State::Delayed { .. }) {
                    self.framer.push(bytes);
                }
            }
            (State::Executing, Input::Reply(reply)) => {
                self.send(&reply);
                self.state = State::Open;
            }
            (State::Guest { .. } | State::Open | State::Delayed { .. }, Input::Reply(_)) => {
                debug_assert!(false, "a reply to no command");
            }
            (State::Open | State::Executing, Input::Event(event)) => self.out.push_back(Output::Send(event)),
            (State::Guest { .. } | State::Delayed { .. }, Input::Event(_)) => {}
            (_, Input::Closed) => self.ended = true,
            (State::Delayed { until, reply }, Input::Timer) if *until <= now => {
                let reply = reply.clone();
                self.finish(&reply);
            }
            (_, Input::Timer) => {}
        }
    }

    /// What is to be done next. Takes up the next command when nothing else is left.
    pub fn poll_output(&mut self) -> Option<Output> {
        while self.out.is_empty() && matches!(self.state, State::Guest { .. } | State::Open) {
            if !self.advance() {
                break;
            }
        }
        self.out.pop_front()
    }

    /// When [`Input::Timer`] is wanted.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Delayed { until, .. } => Some(until),
            State::Guest { .. } | State::Open | State::Executing | State::Done => None,
        }
    }

    /// Whether [`Output::Close`] has come, or is the only thing still to come.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done) && self.out.iter().all(|output| matches!(output, Output::Close))
    }

    /// Whether more bytes may be read from the controller. If not: not before the next reply or timer.
    pub fn wants_input(&self) -> bool {
        match self.state {
            State::Guest { .. } | State::Open => !self.ended,
            State::Executing => !self.ended && self.framer.pending().len() < READ_AHEAD,
            // The end of the connection should be noticed, but a guesser has nothing to say.
            State::Delayed { .. } | State::Done => false,
        }
    }

    /// Whether an event may be sent now: the controller has authenticated and no reply is due.
    pub fn wants_events(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether the controller has authenticated and is not yet gone.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Executing)
    }

    /// Takes up the next command; `false` if there is none.
    fn advance(&mut self) -> bool {
        if matches!(self.state, State::Guest { .. })
            && let Some(foreign) = Foreign::recognise(self.framer.pending())
        {
            self.out.push_back(Output::Log(match foreign {
                Foreign::Http => Notice::Http,
                Foreign::Version0 => Notice::Version0,
            }));
            self.out.push_back(Output::Send(foreign.reply()));
            self.end();
            return true;
        }
        let limit = if self.is_open() { MAX_COMMAND_LENGTH } else { MAX_GUEST_COMMAND_LENGTH };
        match self.framer.take(limit) {
            Frame::Command(command) => self.on_command(&command),
            Frame::TooLong => self.finish(&Reply::line(500, "Line too long.")),
            Frame::Partial if self.ended => self.end(),
            Frame::Partial => return false,
        }
        true
    }

    fn on_command(&mut self, command: &[u8]) {
        let (name, body) = split_name(command);
        if !self.may(name) {
            self.finish(&Reply::line(514, "Authentication required."));
            return;
        }
        match parse(name, body) {
            Ok(Parsed::Command(command)) => {
                self.state = State::Executing;
                self.out.push_back(Output::Execute(command));
            }
            Ok(Parsed::Answer(reply)) | Err(reply) => self.send(&reply),
            Ok(Parsed::ProtocolInfo(bad)) => self.on_protocol_info(bad),
            Ok(Parsed::Authenticate(Ok(secret))) => self.on_authenticate(&secret),
            Ok(Parsed::AuthChallenge(Ok(challenge))) => self.on_challenge(challenge),
            Ok(Parsed::Authenticate(Err(reply)) | Parsed::AuthChallenge(Err(reply))) => self.finish(&reply),
            Ok(Parsed::Quit) => self.finish(&Reply::line(250, "closing connection")),
        }
    }

    /// Whether this command is answered now.
    fn may(&self, name: &[u8]) -> bool {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match self.state {
            State::Guest { asked_protocol_info } => {
                is("AUTHENTICATE")
                    || is("QUIT")
                    || (is("AUTHCHALLENGE") && self.challenged.is_none())
                    || (is("PROTOCOLINFO") && self.challenged.is_none() && !asked_protocol_info)
            }
            State::Open | State::Executing | State::Delayed { .. } | State::Done => true,
        }
    }

    fn on_protocol_info(&mut self, bad: Option<Vec<u8>>) {
        let guest = matches!(self.state, State::Guest { .. });
        if guest {
            self.state = State::Guest { asked_protocol_info: true };
        }
        match bad {
            Some(word) => {
                let reply = Reply::line(513, format!("No such version {}", crate::escape(&word)));
                if guest { self.finish(&reply) } else { self.send(&reply) }
            }
            None => self.send(&self.auth.protocol_info()),
        }
    }

    fn on_challenge(&mut self, asked: Challenge) {
        let auth = Arc::clone(&self.auth);
        let Some(cookie) = &auth.cookie else {
            self.finish(&Reply::line(515, "Cookie authentication is disabled"));
            return;
        };
        match asked.nonce {
            Ok(client_nonce) => {
                let (reply, expected) = challenge(cookie, &client_nonce, &self.nonces.next());
                self.challenged = Some(expected);
                self.send(&reply);
            }
            Err(reply) => self.finish(&reply),
        }
    }

    fn on_authenticate(&mut self, secret: &Secret) {
        match self.auth.check(secret, self.challenged.as_ref()) {
            Ok(()) => {
                self.challenged = None;
                if matches!(self.state, State::Guest { .. }) {
                    self.state = State::Open;
                    self.out.push_back(Output::Opened);
                }
                self.send(&Reply::ok());
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(&mut self, failure: AuthFailure) {
        self.out.push_back(Output::Log(Notice::NotAuthenticated(failure)));
        self.framer.clear();
        match self.now {
            Some(now) => self.state = State::Delayed { until: now + FAILURE_DELAY, reply: failure.reply() },
            // No byte came without a time.
            None => self.finish(&failure.reply()),
        }
    }

    fn send(&mut self, reply: &Reply) {
        self.out.push_back(Output::Send(reply.encode()));
    }

    /// Says a last thing.
    fn finish(&mut self, reply: &Reply) {
        self.send(reply);
        self.end();
    }

    fn end(&mut self) {
        self.framer.clear();
        self.state = State::Done;
        self.out.push_back(Output::Close);
    }
}

/// Where the nonces of challenges come from: no two alike, and none foretold without the seed.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Nonces {
    seed: [u8; 32],
    count: u64,
}

impl Nonces {
    fn next(&mut self) -> [u8; 32] {
        self.count += 1;
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.seed).expect("HMAC takes keys of any length");
        mac.update(&self.count.to_be_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(..)")
    }
}

#[cfg(test)]
mod tests;
