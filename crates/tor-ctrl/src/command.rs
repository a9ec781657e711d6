//! The commands: one type for all, and the way from a line to it.
//! Spec: <https://spec.torproject.org/control-spec/commands.html>
//!
//! A [`Command`] is what the client executes. [`parse`](Command::parse) makes it, or the reply where no client is
//! needed for one: a syntax error, an unknown name, an obsolete command. The refusals are C Tor's, word for word.
//!
//! Identifiers stay [`Word`]s: `CLOSECIRCUIT ten` and `CLOSECIRCUIT 10` where there is no circuit 10 get the same
//! answer, and C Tor decides which of several wrong arguments it complains about by looking at the client's state.

mod address;
mod args;
mod circuit;
mod config;
mod directory;
mod events;
mod onion;
mod onion_key;
mod secret;
mod signal;
mod stream;
mod word;

use tor_ctrl_events::{CircuitId, EventKind, EventKinds, StreamId};

pub use address::Mapping;
pub use circuit::CircuitPurpose;
pub use config::Assignment;
pub use directory::DescriptorPurpose;
pub use events::{EventLog, Subscription};
pub use onion::{AddOnion, ClientAuth, OnionPort, OnionTarget};
pub use onion_key::{OnionKey, SecretKey};
pub use signal::Signal;
pub use word::Word;

pub(crate) use args::until_nul;
pub(crate) use onion_key::decode_base64;
pub(crate) use secret::{Challenge, Secret};

use crate::{OnionAddress, Reply};

/// What a controller asks of the client. Shown by its name alone: arguments may be passwords, keys, and places that a
/// user goes to.
#[cfg_attr(test, derive(Debug))]
#[non_exhaustive]
pub enum Command {
    /// GETINFO: the keys. [`Reply::info`] puts the answers together.
    GetInfo(Vec<String>),
    /// GETCONF: the names, in any case. [`Reply::conf`] puts the answers together.
    GetConf(Vec<String>),
    /// SETCONF, or RESETCONF.
    SetConf {
        /// In order; all or nothing.
        assignments: Vec<Assignment>,
        /// RESETCONF: a name without a value means the default, not nothing.
        reset: bool,
    },
    /// SAVECONF.
    SaveConf {
        /// Even if the configuration came from several files.
        force: bool,
    },
    /// LOADCONF: the text of a torrc.
    LoadConf(String),
    /// SETEVENTS: exactly these from now on, without conditions.
    SetEvents(EventKinds),
    /// SIGNAL.
    Signal(Signal),
    /// MAPADDRESS. [`Reply::mapped`] puts the answers together.
    MapAddress(Vec<Mapping>),
    /// EXTENDCIRCUIT.
    ExtendCircuit {
        /// The circuit; zero is for a new one.
        circuit: Word<CircuitId>,
        /// Relays, as `$FINGERPRINT~nickname`, fingerprint or nickname. `None`: the client chooses, or, where the
        /// circuit exists, [`Reply::path_required`].
        path: Option<Vec<String>>,
        /// What a new circuit is for; general where nothing is said.
        purpose: CircuitPurpose,
    },
    /// SETCIRCUITPURPOSE.
    SetCircuitPurpose {
        /// The circuit.
        circuit: Word<CircuitId>,
        /// The purpose, or the reply that is due if the circuit exists.
        purpose: Result<CircuitPurpose, Reply>,
    },
    /// CLOSECIRCUIT.
    CloseCircuit {
        /// The circuit.
        circuit: Word<CircuitId>,
        /// Only if no stream is on it; either way the reply is `250 OK`.
        if_unused: bool,
    },
    /// ATTACHSTREAM.
    AttachStream {
        /// The stream, which is looked up before the circuit.
        stream: Word<StreamId>,
        /// The circuit; zero gives the stream back to the client.
        circuit: Word<CircuitId>,
        /// The hop at which the stream leaves, 1 the first, 0 and `None` the last.
        hop: Option<Word<u32>>,
    },
    /// REDIRECTSTREAM.
    RedirectStream {
        /// The stream.
        stream: Word<StreamId>,
        /// Its new address.
        address: String,
        /// Its new port, if it gets one.
        port: Option<Word<u16>>,
    },
    /// CLOSESTREAM.
    CloseStream {
        /// The stream.
        stream: Word<StreamId>,
        /// The reason, as in a RELAY_END cell.
        reason: Word<u8>,
    },
    /// RESOLVE. The answers are ADDRMAP events.
    Resolve {
        /// Names, or addresses if `reverse`.
        targets: Vec<String>,
        /// From addresses to names.
        reverse: bool,
    },
    /// POSTDESCRIPTOR.
    PostDescriptor {
        /// What the relay is for.
        purpose: DescriptorPurpose,
        /// Whether it is kept on disk.
        cache: bool,
        /// The text.
        descriptor: String,
    },
    /// TAKEOWNERSHIP: the client ends when this connection does.
    TakeOwnership,
    /// DROPOWNERSHIP.
    DropOwnership,
    /// DROPGUARDS.
    DropGuards,
    /// DROPTIMEOUTS.
    DropTimeouts,
    /// HSFETCH.
    HsFetch {
        /// The service.
        address: OnionAddress,
        /// The directories to ask, each the hexadecimal identity of a relay; none: the responsible ones.
        servers: Vec<String>,
    },
    /// HSPOST.
    HsPost {
        /// The directories to tell, each the hexadecimal identity of a relay; none: the responsible ones.
        servers: Vec<String>,
        /// The service, or the reply that is due if all servers are known.
        address: Result<OnionAddress, Reply>,
        /// The text.
        descriptor: String,
    },
    /// ADD_ONION.
    AddOnion(Box<AddOnion>),
    /// DEL_ONION.
    DelOnion(OnionAddress),
    /// ONION_CLIENT_AUTH_ADD.
    OnionClientAuthAdd(Box<ClientAuth>),
    /// ONION_CLIENT_AUTH_REMOVE.
    OnionClientAuthRemove(OnionAddress),
    /// ONION_CLIENT_AUTH_VIEW: of one service, or all.
    OnionClientAuthView(Option<OnionAddress>),
    /// X-SETEVENTS: SETEVENTS with history, filters and rate limits. [`Subscription::apply`] does it.
    SetSubscriptions(Vec<Subscription>),
    /// X-HISTORY: of each of these kinds so many events of the past are kept from now on; 0: none.
    KeepHistory(Vec<(EventKind, usize)>),
    /// X-EVENTLOG: events to a file; `None` ends it.
    SetEventLog(Option<EventLog>),
}

/// What a line means.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// For the client.
    Command(Command),
    /// Nothing is left to do but to answer.
    Answer(Reply),
    /// PROTOCOLINFO, with its first argument that is no number.
    ProtocolInfo(Option<Vec<u8>>),
    /// AUTHENTICATE, or the refusal that ends the connection.
    Authenticate(Result<Secret, Reply>),
    /// AUTHCHALLENGE, or the refusal that ends the connection.
    AuthChallenge(Result<Challenge, Reply>),
    /// QUIT.
    Quit,
}

impl Command {
    /// The names of all commands, in C Tor's order, then ours; with a plus those that take data.
    pub fn names() -> impl Iterator<Item = &'static str> {
        COMMANDS.iter().map(|(name, _)| *name)
    }

    /// Its name, in upper case, without the plus of those that take data.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GetInfo(_) => "GETINFO",
            Self::GetConf(_) => "GETCONF",
            Self::SetConf { reset: false, .. } => "SETCONF",
            Self::SetConf { reset: true, .. } => "RESETCONF",
            Self::SaveConf { .. } => "SAVECONF",
            Self::LoadConf(_) => "LOADCONF",
            Self::SetEvents(_) => "SETEVENTS",
            Self::Signal(_) => "SIGNAL",
            Self::MapAddress(_) => "MAPADDRESS",
            Self::ExtendCircuit { .. } => "EXTENDCIRCUIT",
            Self::SetCircuitPurpose { .. } => "SETCIRCUITPURPOSE",
            Self::CloseCircuit { .. } => "CLOSECIRCUIT",
            Self::AttachStream { .. } => "ATTACHSTREAM",
            Self::RedirectStream { .. } => "REDIRECTSTREAM",
            Self::CloseStream { .. } => "CLOSESTREAM",
            Self::Resolve { .. } => "RESOLVE",
            Self::PostDescriptor { .. } => "POSTDESCRIPTOR",
            Self::TakeOwnership => "TAKEOWNERSHIP",
            Self::DropOwnership => "DROPOWNERSHIP",
            Self::DropGuards => "DROPGUARDS",
            Self::DropTimeouts => "DROPTIMEOUTS",
            Self::HsFetch { .. } => "HSFETCH",
            Self::HsPost { .. } => "HSPOST",
            Self::AddOnion(_) => "ADD_ONION",
            Self::DelOnion(_) => "DEL_ONION",
            Self::OnionClientAuthAdd(_) => "ONION_CLIENT_AUTH_ADD",
            Self::OnionClientAuthRemove(_) => "ONION_CLIENT_AUTH_REMOVE",
            Self::OnionClientAuthView(_) => "ONION_CLIENT_AUTH_VIEW",
            Self::SetSubscriptions(_) => "X-SETEVENTS",
            Self::KeepHistory(_) => "X-HISTORY",
            Self::SetEventLog(_) => "X-EVENTLOG",
        }
    }

    /// Reads one command: its line and, after a `+`, its data; without the dot at the end.
    ///
    /// ```
    /// use tor_ctrl::Command;
    ///
    /// assert!(matches!(Command::parse(b"signal newnym\r\n"), Ok(Command::Signal(tor_ctrl::Signal::NewNym))));
    /// let refusal = Command::parse(b"SIGNAL\n").unwrap_err();
    /// assert_eq!(refusal.encode(), b"512 Bad arguments to SIGNAL: Need at least 1 argument(s)\r\n");
    /// ```
    ///
    /// # Errors
    ///
    /// The reply, where no client is needed for one. The commands that belong to the connection (AUTHENTICATE,
    /// AUTHCHALLENGE, PROTOCOLINFO, QUIT) are not known here: [`Session`](crate::Session) answers them.
    pub fn parse(command: &[u8]) -> Result<Self, Reply> {
        let (name, body) = split_name(command);
        match parse(name, body) {
            Ok(Parsed::Command(command)) => Ok(command),
            Ok(Parsed::Answer(reply)) | Err(reply) => Err(reply),
            Ok(
                Parsed::ProtocolInfo(_) | Parsed::Authenticate(_) | Parsed::AuthChallenge(_) | Parsed::Quit,
            ) => Err(unrecognized(name)),
        }
    }
}

#[cfg(not(test))]
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a command and what follows it. After the name of one with data only blanks are skipped: the line's end
/// separates its arguments from the data.
pub(crate) fn split_name(command: &[u8]) -> (&[u8], &[u8]) {
    let is_space = |byte: &u8| crate::quote::is_space(*byte);
    let end = command.iter().position(is_space).unwrap_or(command.len());
    let (name, rest) = command.split_at_checked(end).unwrap_or((command, &[]));
    let skipped =
        |byte: &u8| if command.starts_with(b"+") { matches!(byte, b' ' | b'\t') } else { is_space(byte) };
    let start = rest.iter().position(|byte| !skipped(byte)).unwrap_or(rest.len());
    (until_nul(name), rest.get(start..).unwrap_or_default())
}

/// What a command means.
///
/// # Errors
///
/// The refusal.
pub(crate) fn parse(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let parser = COMMANDS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
    match parser {
        Some((_, parser)) => parser(name, body),
        None => Err(unrecognized(name)),
    }
}

fn unrecognized(name: &[u8]) -> Reply {
    Reply::line(510, [b"Unrecognized command \"", name, b"\""].concat())
}

type Parser = fn(&[u8], &[u8]) -> Result<Parsed, Reply>;

/// All commands, in C Tor's order, then ours. With a plus: those that take data.
pub(crate) const COMMANDS: &[(&str, Parser)] = &[
    ("SETCONF", config::set_conf),
    ("RESETCONF", config::reset_conf),
    ("GETCONF", config::conf),
    ("+LOADCONF", config::load_conf),
    ("SETEVENTS", events::set_events),
    ("AUTHENTICATE", secret::authenticate),
    ("SAVECONF", config::save_conf),
    ("SIGNAL", signal::signal),
    ("TAKEOWNERSHIP", |name, body| any_words(name, body, Command::TakeOwnership)),
    ("DROPOWNERSHIP", |name, body| any_words(name, body, Command::DropOwnership)),
    ("MAPADDRESS", address::map_address),
    ("GETINFO", config::info),
    ("EXTENDCIRCUIT", circuit::extend),
    ("SETCIRCUITPURPOSE", circuit::set_purpose),
    ("SETROUTERPURPOSE", obsolete),
    ("ATTACHSTREAM", stream::attach),
    ("+POSTDESCRIPTOR", directory::post_descriptor),
    ("REDIRECTSTREAM", stream::redirect),
    ("CLOSESTREAM", stream::close),
    ("CLOSECIRCUIT", circuit::close),
    ("USEFEATURE", events::use_feature),
    ("RESOLVE", address::resolve),
    ("PROTOCOLINFO", secret::protocol_info),
    ("AUTHCHALLENGE", secret::challenge),
    ("DROPGUARDS", |name, body| no_words(name, body, Command::DropGuards)),
    ("DROPTIMEOUTS", |name, body| no_words(name, body, Command::DropTimeouts)),
    ("HSFETCH", onion::fetch),
    ("+HSPOST", onion::post),
    ("ADD_ONION", onion::add),
    ("DEL_ONION", onion::delete),
    ("ONION_CLIENT_AUTH_ADD", onion::auth_add),
    ("ONION_CLIENT_AUTH_REMOVE", onion::auth_remove),
    ("ONION_CLIENT_AUTH_VIEW", onion::auth_view),
    ("QUIT", |_, _| Ok(Parsed::Quit)),
    ("X-SETEVENTS", events::set_subscriptions),
    ("X-HISTORY", events::keep_history),
    ("X-EVENTLOG", events::set_event_log),
];

/// A command to which arguments are nothing.
fn any_words(name: &[u8], body: &[u8], command: Command) -> Result<Parsed, Reply> {
    args::Args::parse(name, &args::Syntax::words(0, usize::MAX), body).map(|_| Parsed::Command(command))
}

/// A command without arguments.
fn no_words(name: &[u8], body: &[u8], command: Command) -> Result<Parsed, Reply> {
    args::Args::parse(name, &args::Syntax::words(0, 0), body).map(|_| Parsed::Command(command))
}

/// A command of the past.
fn obsolete(name: &[u8], _: &[u8]) -> Result<Parsed, Reply> {
    Err(Reply::line(511, [name.to_ascii_uppercase().as_slice(), b" is obsolete."].concat()))
}

#[cfg(test)]
mod tests;
