//! One stream's bytes in flight: both windows, and what the application has not read yet.

use crate::window::{Exceeded, ReceiveWindow, SendWindow};

/// Windows of a stream that carries data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    send: SendWindow,
    receive: ReceiveWindow,
    /// Bytes received that the application has not taken.
    unread: usize,
}

/// With more unread bytes than this the peer is not told to go on: ten cell bodies, as in C Tor.
pub(crate) const FLUSHED: usize = 10 * 509;

impl Flow {
    pub(crate) const fn new() -> Self {
        Self { send: SendWindow::new(), receive: ReceiveWindow::new(), unread: 0 }
    }

    pub(crate) const fn send(&self) -> SendWindow {
        self.send
    }

    pub(crate) const fn receive(&self) -> ReceiveWindow {
        self.receive
    }

    pub(crate) fn on_sendme(&mut self) -> Result<(), Exceeded> {
        self.send.on_sendme()
    }

    pub(crate) fn on_sent(&mut self, cells: u16) -> Result<(), Exceeded> {
        self.send.spend(cells)
    }

    /// Takes a DATA cell in; the answer is how many SENDMEs to send.
    pub(crate) fn on_data(&mut self, bytes: usize) -> Result<u16, Exceeded> {
        self.receive.on_data()?;
        self.unread = self.unread.saturating_add(bytes);
        Ok(self.replenish())
    }

    /// The application took `bytes`; the answer is how many SENDMEs to send.
    pub(crate) const fn consumed(&mut self, bytes: usize) -> u16 {
        self.unread = self.unread.saturating_sub(bytes);
        self.replenish()
    }

    const fn replenish(&mut self) -> u16 {
        if self.unread > FLUSHED { 0 } else { self.receive.replenish() }
    }
}
