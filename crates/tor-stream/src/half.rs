//! Half-closed streams: we sent END, and the peer may not have seen it yet.
//! <https://spec.torproject.org/tor-spec/closing-streams.html>
//!
//! "In the meantime, the sender SHOULD remember how many cells of which types (CONNECTED, SENDME, DATA) that it
//! would have accepted on that stream, and SHOULD kill the circuit if it receives more than permitted." The
//! entry goes away with the peer's own END (or RESOLVED), and with the circuit otherwise: a peer that heard our
//! END answers nothing, so the id stays taken.

use tor_cell::relay::RelayCmd;

use crate::{flow::Flow, window::ReceiveWindow};

/// What the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HalfClosed {
    /// BEGIN is not answered: CONNECTED, and then as `Open`.
    Connecting(Allowance),
    /// RESOLVE is not answered: only that answer.
    Resolving,
    /// The stream was open.
    Open(Allowance),
}

/// Bounds for an open stream, taken at the moment of our END.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    data: ReceiveWindow,
    sendmes: u16,
}

/// What becomes of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The peer may say more.
    Stay(HalfClosed),
    /// The peer is done with the id.
    Forget,
}

impl Allowance {
    pub(crate) const fn of(flow: &Flow) -> Self {
        Self { data: flow.receive(), sendmes: flow.send().sendmes_due() }
    }

    fn on_data(mut self) -> Option<Self> {
        self.data.on_data().ok()?;
        Some(self)
    }

    fn on_sendme(self) -> Option<Self> {
        Some(Self { sendmes: self.sendmes.checked_sub(1)?, ..self })
    }
}

impl HalfClosed {
    /// Accounts for a message, `None` if the peer must not send it. An END's body is the caller's to check.
    pub(crate) fn on_message(self, command: RelayCmd) -> Option<Then> {
        match (self, command) {
            (_, RelayCmd::END) | (Self::Resolving, RelayCmd::RESOLVED) => Some(Then::Forget),
            (Self::Connecting(allowance), RelayCmd::CONNECTED) => Some(Then::Stay(Self::Open(allowance))),
            (Self::Connecting(allowance), RelayCmd::SENDME) => {
                allowance.on_sendme().map(|left| Then::Stay(Self::Connecting(left)))
            }
            (Self::Open(allowance), RelayCmd::DATA) => {
                allowance.on_data().map(|left| Then::Stay(Self::Open(left)))
            }
            (Self::Open(allowance), RelayCmd::SENDME) => {
                allowance.on_sendme().map(|left| Then::Stay(Self::Open(left)))
            }
            (Self::Connecting(_) | Self::Resolving | Self::Open(_), _) => None,
        }
    }
}
