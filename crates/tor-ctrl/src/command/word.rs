//! An argument that names something, kept as it was written.

use std::fmt;

use tor_ctrl_events::{CircuitId, StreamId};

use crate::{Reply, command::args, number::parse_unsigned};

/// What the controller wrote, and what it means, if it means anything.
///
/// Refusals quote the text, so it is kept; what cannot be read gets the answer of what does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<T> {
    text: String,
    value: Option<T>,
}

impl<T: Copy> Word<T> {
    /// What it means.
    pub fn value(&self) -> Option<T> {
        self.value
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn new(bytes: &[u8], value: Option<T>) -> Self {
        Self { text: args::text(bytes), value }
    }
}

impl<T: Copy> From<T> for Word<T>
where
    T: fmt::Display,
{
    /// For a command that no controller wrote.
    fn from(value: T) -> Self {
        Self { text: value.to_string(), value: Some(value) }
    }
}

impl Word<CircuitId> {
    pub(super) fn circuit(bytes: &[u8]) -> Self {
        Self::new(bytes, parse_unsigned(bytes, u32::MAX.into()).map(CircuitId))
    }

    /// Whether it is `0`, which is no circuit but has a meaning in EXTENDCIRCUIT and ATTACHSTREAM. `00` is only a
    /// circuit that does not exist.
    pub fn is_zero(&self) -> bool {
        self.text == "0"
    }

    /// The reply if there is no such circuit.
    pub fn unknown(&self) -> Reply {
        Reply::line(552, format!("Unknown circuit \"{}\"", self.text))
    }
}

impl Word<StreamId> {
    pub(super) fn stream(bytes: &[u8]) -> Self {
        Self::new(bytes, parse_unsigned(bytes, u64::MAX).map(StreamId))
    }

    /// The reply if there is no such stream.
    pub fn unknown(&self) -> Reply {
        Reply::line(552, format!("Unknown stream \"{}\"", self.text))
    }
}

impl Word<u32> {
    /// The hop of ATTACHSTREAM.
    pub(super) fn hop(bytes: &[u8]) -> Self {
        let hop = parse_unsigned(bytes, i32::MAX.unsigned_abs().into());
        Self::new(bytes, hop.and_then(|hop| u32::try_from(hop).ok()))
    }

    /// The reply if it is no number, due once stream and circuit are known to exist.
    pub fn bad_hop(&self) -> Reply {
        Reply::line(552, format!("Bad value hop={}", self.text))
    }
}

impl Word<u16> {
    /// The port of REDIRECTSTREAM: 1 or more.
    pub(super) fn port(bytes: &[u8]) -> Self {
        let port = parse_unsigned(bytes, u16::MAX.into()).filter(|port| *port > 0);
        Self::new(bytes, port.and_then(|port| u16::try_from(port).ok()))
    }

    /// The reply if it is no port, due once the stream is known to exist.
    pub fn bad_port(&self) -> Reply {
        Reply::line(512, format!("Cannot parse port \"{}\"", self.text))
    }
}

impl Word<u8> {
    /// The reason of CLOSESTREAM.
    pub(super) fn reason(bytes: &[u8]) -> Self {
        let reason = parse_unsigned(bytes, u8::MAX.into());
        Self::new(bytes, reason.and_then(|reason| u8::try_from(reason).ok()))
    }

    /// The reply if it is no reason, due once the stream is known to exist.
    pub fn bad_reason(&self) -> Reply {
        Reply::line(552, format!("Unrecognized reason \"{}\"", self.text))
    }
}
