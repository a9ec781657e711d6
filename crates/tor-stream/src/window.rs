//! Windows: how many DATA cells one side may still send on a stream.
//! <https://spec.torproject.org/tor-spec/flow-control.html#stream-level>
//!
//! Both directions start at [`START`] cells. The receiver gives back [`INCREMENT`] cells with each SENDME, and
//! never so many that the window would be above its start. Cells are counted, not bytes: a DATA cell that
//! carries one byte costs as much as a full one.

/// Cells of a fresh window.
pub(crate) const START: u16 = 500;
/// Cells that one SENDME gives back.
pub(crate) const INCREMENT: u16 = 50;

/// What we may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SendWindow(u16);

/// What the peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceiveWindow(u16);

/// The window does not allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded;

impl SendWindow {
    pub(crate) const fn new() -> Self {
        Self(START)
    }

    /// Cells that may be sent now.
    pub(crate) const fn credit(self) -> u16 {
        self.0
    }

    /// Accounts for `cells` that were sent.
    pub(crate) fn spend(&mut self, cells: u16) -> Result<(), Exceeded> {
        self.0 = self.0.checked_sub(cells).ok_or(Exceeded)?;
        Ok(())
    }

    /// Takes a SENDME in. One that acknowledges more than was sent is refused.
    pub(crate) fn on_sendme(&mut self) -> Result<(), Exceeded> {
        let opened = self.0.saturating_add(INCREMENT);
        if opened > START {
            return Err(Exceeded);
        }
        self.0 = opened;
        Ok(())
    }

    /// SENDMEs that an honest peer may still send for what we sent so far.
    pub(crate) const fn sendmes_due(self) -> u16 {
        START.saturating_sub(self.0) / INCREMENT
    }
}

impl ReceiveWindow {
    pub(crate) const fn new() -> Self {
        Self(START)
    }

    /// Takes a DATA cell in.
    pub(crate) fn on_data(&mut self) -> Result<(), Exceeded> {
        self.0 = self.0.checked_sub(1).ok_or(Exceeded)?;
        Ok(())
    }

    /// Opens the window as far as whole increments go; the answer is how many SENDMEs that takes.
    pub(crate) const fn replenish(&mut self) -> u16 {
        let sendmes = START.saturating_sub(self.0) / INCREMENT;
        self.0 = self.0.saturating_add(sendmes.saturating_mul(INCREMENT));
        sendmes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sendme_opens_the_window_only_for_what_was_sent() {
        let mut window = SendWindow::new();
        assert_eq!(window.on_sendme(), Err(Exceeded), "nothing was sent");
        window.spend(49).unwrap();
        assert_eq!((window.sendmes_due(), window.on_sendme()), (0, Err(Exceeded)));
        window.spend(1).unwrap();
        assert_eq!((window.sendmes_due(), window.on_sendme()), (1, Ok(())));
        assert_eq!(window.credit(), START);
        window.spend(START).unwrap();
        assert_eq!(window.spend(1), Err(Exceeded));
        assert_eq!((window.credit(), window.sendmes_due()), (0, 10));
    }

    #[test]
    fn the_receiver_replenishes_in_whole_increments() {
        let mut window = ReceiveWindow::new();
        for _ in 0..49 {
            window.on_data().unwrap();
        }
        assert_eq!(window.replenish(), 0);
        for _ in 0..62 {
            window.on_data().unwrap();
        }
        assert_eq!((window.replenish(), window), (2, ReceiveWindow(START - 11)));
        for _ in 0..START - 11 {
            window.on_data().unwrap();
        }
        assert_eq!(window.on_data(), Err(Exceeded));
    }
}
