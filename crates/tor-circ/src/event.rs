//! What a cell meant to the layer above.

use tor_cell::{DestroyReason, relay::RelayMsg};

use crate::HopIndex;

/// What came of one cell. The message borrows the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing to do.
    Nothing,
    /// The circuit has one hop more.
    Extended {
        /// The new, last hop.
        hop: HopIndex,
    },
    /// A message of a stream: DATA, END, CONNECTED, RESOLVED, or a SENDME that names a stream. The layer above
    /// must know that stream *at that hop*, and close the circuit if it does not.
    Message {
        /// Who wrote it.
        hop: HopIndex,
        /// The message; `stream` is never `None`.
        msg: RelayMsg<'a>,
    },
    /// 100 more DATA cells may be sent to this hop.
    WindowOpened {
        /// The hop.
        hop: HopIndex,
    },
    /// The hops behind this one are gone, and so the circuit is closed; the DESTROY is written.
    Truncated {
        /// Who said so.
        hop: HopIndex,
        /// Why.
        reason: DestroyReason,
    },
    /// The first hop closed the circuit. No DESTROY goes back.
    Destroyed {
        /// Why.
        reason: DestroyReason,
    },
}

/// Cells and bytes of a circuit so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Cells that came, of any command and whether they meant something or not.
    pub cells_read: u64,
    /// Cells that were written.
    pub cells_written: u64,
    /// Relay cells among those that came, in order or not.
    pub relay_cells_read: u64,
    /// Relay cells among those that were written; each carries one message.
    pub relay_cells_written: u64,
    /// Relay messages that came and were in order; DROP, which is padding, does not count.
    pub messages_read: u64,
    /// Bytes in the bodies of relay messages that came and were in order.
    pub delivered_read: u64,
    /// Bytes in the bodies of relay messages that were written.
    pub delivered_written: u64,
}
