//! What a relay does wrong.

use std::{fmt, sync::Arc};

use bytes::BytesMut;
use tor_cell::{
    CellBody, EndReason, RelayBody,
    frame::ChanCmd,
    relay::{Connected, End, RelayCmd},
};

use crate::CertPlan;

/// One offence. The relay commits it once, at the first occasion, and is a good relay after that.
#[derive(Clone, Debug)]
pub enum Misbehave {
    /// Takes the TCP connection, and says nothing at all.
    SilentTcp,
    /// Speaks this instead of TLS.
    GarbageTls(Vec<u8>),
    /// Takes the TCP connection, and closes it.
    CloseTcp,
    /// Shows other certificates.
    Certs(Edit<CertPlan>),
    /// Says something else than VERSIONS, CERTS, AUTH_CHALLENGE and NETINFO, which are the cells to edit. Goes
    /// on when the client sends its NETINFO.
    Handshake(Edit<Vec<BytesMut>>),
    /// As [`Misbehave::Handshake`], and then closes the connection.
    HandshakeThenClose(Edit<Vec<BytesMut>>),
    /// Gives another reply: edits its body.
    Edit(Reply, Edit<Vec<u8>>),
    /// Does this instead of what was asked for.
    Instead(Request, Vec<Step>),
    /// Does what was asked for, and then this.
    Also(Request, Vec<Step>),
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// CREATE_FAST, CREATE2.
    Create,
    /// EXTEND2.
    Extend,
    /// BEGIN, BEGIN_DIR, RESOLVE.
    Begin,
    /// END.
    End,
}

/// What a relay replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// CREATED2 or CREATED_FAST: the whole body, 509 bytes.
    Created,
    /// EXTENDED2.
    Extended,
    /// A SENDME of the circuit.
    Sendme,
}

/// Something to do, in place of or after the right thing.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends a cell of the channel. A fixed one is padded with zeros.
    Cell {
        /// Which circuit it names.
        circ: OnCircuit,
        /// Its command.
        command: ChanCmd,
        /// Its body.
        body: Vec<u8>,
    },
    /// Sends a relay message.
    Message {
        /// The hop that says it, counted from 0; `None`: the last.
        from: Option<usize>,
        /// Its command.
        command: RelayCmd,
        /// Which stream it names.
        stream: OnStream,
        /// Its body, at most 498 bytes.
        body: Vec<u8>,
    },
    /// Seals these bytes by the last hop's key as if they were a message.
    Seal(Box<CellBody>),
    /// Sends a DROP, one bit of which flips on the way.
    FlippedBit,
    /// Sends a DROP with command RELAY_EARLY.
    RelayEarly,
    /// Sends so many DATA cells of 498 bytes on the stream, whatever the windows say.
    Flood(usize),
    /// Sends these bytes inside TLS.
    Bytes(Vec<u8>),
    /// Sends these bytes below TLS.
    BelowTls(Vec<u8>),
    /// Closes TLS in good order.
    CloseTls,
    /// Closes TCP.
    CloseTcp,
}

/// Which circuit a cell names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCircuit {
    /// The one that made the relay do this.
    This,
    /// None.
    Zero,
    /// This one.
    Id(u32),
}

/// Which stream a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStream {
    /// The one that made the relay do this.
    This,
    /// None.
    Zero,
    /// This far from the one that made the relay do this.
    Off(u16),
}

/// A change to something.
pub struct Edit<T>(Arc<dyn Fn(&mut T) + Send + Sync>);

impl<T> Edit<T> {
    /// Changes it so.
    pub fn new(edit: impl Fn(&mut T) + Send + Sync + 'static) -> Self {
        Self(Arc::new(edit))
    }

    pub(crate) fn apply(&self, to: &mut T) {
        (self.0)(to);
    }
}

impl<T> Clone for Edit<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Edit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit(..)")
    }
}

impl Misbehave {
    pub(crate) fn certs(&self) -> Option<Edit<CertPlan>> {
        if let Self::Certs(edit) = self { Some(edit.clone()) } else { None }
    }

    /// How to edit the cells of the handshake, and whether to close then.
    pub(crate) fn handshake(&self) -> Option<(Edit<Vec<BytesMut>>, bool)> {
        if let Self::Handshake(edit) = self {
            Some((edit.clone(), false))
        } else if let Self::HandshakeThenClose(edit) = self {
            Some((edit.clone(), true))
        } else {
            None
        }
    }

    pub(crate) fn edit_of(&self, reply: Reply) -> Option<Edit<Vec<u8>>> {
        if let Self::Edit(what, edit) = self { (*what == reply).then(|| edit.clone()) } else { None }
    }

    /// What to do when `request` comes, and whether to do the right thing first.
    pub(crate) fn steps_at(&self, request: Request) -> Option<(bool, Vec<Step>)> {
        if let Self::Also(what, steps) = self {
            (*what == request).then(|| (true, steps.clone()))
        } else if let Self::Instead(what, steps) = self {
            (*what == request).then(|| (false, steps.clone()))
        } else {
            None
        }
    }
}

impl Step {
    /// DESTROY of the circuit, without a reason.
    pub const fn destroy() -> Self {
        Self::cell(ChanCmd::DESTROY, Vec::new())
    }

    /// A cell of the circuit.
    pub const fn cell(command: ChanCmd, body: Vec<u8>) -> Self {
        Self::Cell { circ: OnCircuit::This, command, body }
    }

    /// A message of the last hop, on the stream.
    pub const fn message(command: RelayCmd, body: Vec<u8>) -> Self {
        Self::Message { from: None, command, stream: OnStream::This, body }
    }

    /// A message of the last hop to the circuit.
    pub const fn control(command: RelayCmd, body: Vec<u8>) -> Self {
        Self::Message { from: None, command, stream: OnStream::Zero, body }
    }

    /// CONNECTED.
    pub fn connected() -> Self {
        Self::body_of(&Connected { address: None })
    }

    /// END.
    pub fn end(reason: EndReason) -> Self {
        Self::body_of(&End::from(reason))
    }

    fn body_of<'m, M: RelayBody<'m>>(message: &M) -> Self {
        let mut body = Vec::new();
        let fits = message.encode(&mut body);
        debug_assert!(fits.is_ok(), "{fits:?}");
        Self::message(M::COMMAND, body)
    }
}
