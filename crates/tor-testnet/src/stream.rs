//! A stream, with its windows.

use bytes::Bytes;

use crate::service::Service;

/// DATA cells of a fresh window.
const WINDOW: u16 = 500;
/// DATA cells that one SENDME stands for.
const INCREMENT: u16 = 50;
/// Bytes of a full DATA cell.
pub(crate) const DATA: usize = 498;

pub(crate) struct Stream {
    service: Service,
    /// DATA cells that we may send.
    send: u16,
    /// DATA cells that the client may send.
    receive: u16,
    received: u64,
}

impl Stream {
    pub(crate) const fn new(service: Service) -> Self {
        Self { service, send: WINDOW, receive: WINDOW, received: 0 }
    }

    /// Bytes that came.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// A DATA cell came; true if a SENDME is due.
    pub(crate) fn on_data(&mut self, bytes: &[u8]) -> Result<bool, &'static str> {
        self.receive = self.receive.checked_sub(1).ok_or("DATA beyond the stream's window")?;
        self.received += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.service.take(bytes);
        let due = self.receive <= WINDOW - INCREMENT;
        if due {
            self.receive += INCREMENT;
        }
        Ok(due)
    }

    pub(crate) fn on_sendme(&mut self) -> Result<(), &'static str> {
        self.send += INCREMENT;
        if self.send > WINDOW { Err("SENDME that acknowledges nothing on the stream") } else { Ok(()) }
    }

    /// What to send in the next DATA cell, as the window allows.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let left = self.send.checked_sub(1)?;
        let bytes = self.service.next(DATA)?;
        self.send = left;
        Some(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.service.is_over()
    }
}
