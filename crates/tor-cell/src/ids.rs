//! Numbers that name a circuit on a channel, and a stream on a circuit.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
};

/// Names one circuit on one channel. Never zero: zero addresses the channel itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CircId(NonZeroU32);

/// Names one stream on one circuit (towards one hop). Never zero: zero addresses the circuit itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(NonZeroU16);

impl CircId {
    /// The id that the wire says, `None` for zero.
    pub const fn from_wire(raw: u32) -> Option<Self> {
        match NonZeroU32::new(raw) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The id as the wire says it.
    pub const fn to_wire(self) -> u32 {
        self.0.get()
    }
}

impl StreamId {
    /// The id that the wire says, `None` for zero.
    pub const fn from_wire(raw: u16) -> Option<Self> {
        match NonZeroU16::new(raw) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The id as the wire says it.
    pub const fn to_wire(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for CircId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for CircId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CircId({:#x})", self.0)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.0)
    }
}
