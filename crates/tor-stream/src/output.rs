//! What the streams want sent, and what they tell their owner.

use std::fmt;

use tor_cell::{
    StreamId,
    relay::{Connected, End, RelayCmd, RelayMsg, Resolved},
};

use crate::Phase;

/// A control message to seal towards the hop: BEGIN, BEGIN_DIR, RESOLVE, END or SENDME, never DATA.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub(crate) command: RelayCmd,
    pub(crate) stream: StreamId,
    pub(crate) body: Vec<u8>,
}

impl Outgoing {
    /// The message, borrowed.
    pub fn message(&self) -> RelayMsg<'_> {
        RelayMsg { command: self.command, stream: Some(self.stream), body: &self.body }
    }
}

/// The body may name a target: only its length is shown.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} on {:?}, {} bytes)", self.command.0, self.stream, self.body.len())
    }
}

/// What a message from the hop means to its stream.
#[derive(PartialEq, Eq)]
pub enum StreamEvent<'a, T> {
    /// The stream is open. Whether the address is one to believe (not 0.0.0.0, not internal) is for the owner.
    Connected {
        /// The stream.
        id: StreamId,
        /// Its owner's property.
        local: &'a mut T,
        /// Where the exit connected to, if it says so.
        connected: Connected,
    },
    /// Bytes for the application; report them with [`crate::Streams::consumed`] when they are read.
    Data {
        /// The stream.
        id: StreamId,
        /// Its owner's property.
        local: &'a mut T,
        /// At most 498 bytes, borrowed from the cell. May be empty, which is not an end of file.
        bytes: &'a [u8],
    },
    /// 50 more DATA cells may be sent.
    WindowOpened {
        /// The stream.
        id: StreamId,
        /// Its owner's property.
        local: &'a mut T,
    },
    /// The peer ended the stream: in phase `Connected` it is closed, before that it failed. The id is free.
    Ended {
        /// The stream that was.
        id: StreamId,
        /// Its owner's property.
        local: T,
        /// How far it came.
        phase: Phase,
        /// Why.
        end: End,
    },
    /// The answer to RESOLVE. The id is free.
    Resolved {
        /// The stream that was.
        id: StreamId,
        /// Its owner's property.
        local: T,
        /// The answers, possibly none.
        resolved: Resolved<'a>,
    },
    /// Late traffic of a stream that we ended: within its bounds, and of no further interest.
    Nothing,
}

/// Shows neither what the application reads nor where it is connected to.
impl<T> fmt::Debug for StreamEvent<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { id, .. } => write!(f, "Connected({id:?})"),
            Self::Data { id, bytes, .. } => write!(f, "Data({id:?}, {} bytes)", bytes.len()),
            Self::WindowOpened { id, .. } => write!(f, "WindowOpened({id:?})"),
            Self::Ended { id, phase, end, .. } => write!(f, "Ended({id:?}, {phase:?}, {:?})", end.reason),
            Self::Resolved { id, resolved, .. } => {
                write!(f, "Resolved({id:?}, {} answers)", resolved.answers.len())
            }
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}
