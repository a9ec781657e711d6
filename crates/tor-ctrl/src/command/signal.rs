//! SIGNAL.

use super::{
    Command, Parsed,
    args::{Args, Syntax},
};
use crate::Reply;

/// What SIGNAL asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Read the configuration again. Also `HUP`.
    Reload,
    /// End, at once for a client. (C Tor's relays wait.)
    Shutdown,
    /// Log what is open. Also `USR1`.
    Dump,
    /// Log everything from now on. Also `USR2`.
    Debug,
    /// End at once. Also `TERM` and, unlike the Unix signal, `INT`.
    Halt,
    /// New circuits for new streams.
    NewNym,
    /// Forget resolved names.
    ClearDnsCache,
    /// Log a heartbeat.
    Heartbeat,
    /// End dormant mode.
    Active,
    /// Begin dormant mode.
    Dormant,
}

impl Signal {
    /// The names in the order of C Tor's table, which `GETINFO signal/names` tells. The first of a signal is the one
    /// that events use.
    pub const NAMES: [(&str, Self); 15] = [
        ("RELOAD", Self::Reload),
        ("HUP", Self::Reload),
        ("SHUTDOWN", Self::Shutdown),
        ("DUMP", Self::Dump),
        ("USR1", Self::Dump),
        ("DEBUG", Self::Debug),
        ("USR2", Self::Debug),
        ("HALT", Self::Halt),
        ("TERM", Self::Halt),
        ("INT", Self::Halt),
        ("NEWNYM", Self::NewNym),
        ("CLEARDNSCACHE", Self::ClearDnsCache),
        ("HEARTBEAT", Self::Heartbeat),
        ("ACTIVE", Self::Active),
        ("DORMANT", Self::Dormant),
    ];

    /// The signal of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, signal)| *signal)
    }
}

pub(super) fn signal(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(1, 1), body)?;
    let word = args.word(0);
    match std::str::from_utf8(word).ok().and_then(Signal::from_name) {
        Some(signal) => Ok(Parsed::Command(Command::Signal(signal))),
        None => Err(Reply::line(552, [b"Unrecognized signal code \"", word, b"\""].concat())),
    }
}
