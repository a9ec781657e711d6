//! One task a channel: it owns the TLS connection and the channel engine, cuts what arrives into batches of
//! cells for the circuits' tasks, and writes what they send.
//!
//! ```text
//!           Down (bounded: the circuits wait)                Batch (never waits: bounded by the windows)
//!  circuits ──────────────> channel task ──> TLS    TLS ──> channel task ──────────────> circuits
//! ```
//!
//! Waiting goes down only. A circuit's inbox can hold [`INBOX_CELLS`] cells, more than its windows let the
//! relay send; a relay that fills it breaks the protocol, and loses that circuit.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Buf, BytesMut};
use tokio::sync::{mpsc, oneshot, watch};
use tor_cell::{
    CELL_LEN, CircId,
    frame::{CircIdWidth, Frame},
};
use tor_chan::{Action, Channel, Route, Stats, Usage};
use tor_id::RelayIds;
use tracing::{debug, trace};

use crate::{ChannelError, Ledger, clock, ledger::ConnRecord, tls::TlsLink};

/// Cells that may wait for one circuit's task: the circuit window (1000), and as much again for what the
/// windows do not count.
const INBOX_CELLS: usize = 2000;
/// Messages from circuits that may wait for the channel's task.
const DOWN_QUEUE: usize = 16;
/// Encrypted bytes that may wait for the socket before the task stops taking more from its circuits.
const UNFLUSHED: usize = 64 * 1024;
/// Room made for plaintext before each read.
const PLAIN: usize = 80 * 1024;

/// Whole cells of one circuit, one behind the other: a multiple of [`CELL_LEN`] bytes.
pub(crate) type Batch = BytesMut;

/// What circuits ask of their channel.
pub(crate) enum Down {
    /// Send these cells.
    Cells(BytesMut),
    /// Make room for a new circuit.
    Open(oneshot::Sender<Result<NewCircuit, ChannelError>>),
    /// The circuit's task is gone.
    Closed(CircId),
    /// The channel's use changes, which its padding follows.
    Usage(Usage),
    /// Link padding parameters changed.
    Padding(tor_chan::PaddingParams),
    /// What is configured of channels changed.
    Config(Box<tor_chan::ChannelConfig>),
    /// Somebody wants to know what has passed.
    Stats(oneshot::Sender<Stats>),
}

/// A circuit's way to its channel and back.
pub(crate) struct NewCircuit {
    pub(crate) id: CircId,
    pub(crate) inbox: Inbox,
    pub(crate) down: mpsc::Sender<Down>,
}

/// The receiving end of a circuit's queue of batches.
pub(crate) struct Inbox {
    batches: mpsc::UnboundedReceiver<Batch>,
    cells: Arc<AtomicUsize>,
}

impl Inbox {
    /// The next batch; `None` once the channel is gone.
    pub(crate) async fn recv(&mut self) -> Option<Batch> {
        let batch = self.batches.recv().await;
        self.account(batch)
    }

    /// The next batch if one is here already.
    pub(crate) fn try_recv(&mut self) -> Option<Batch> {
        let batch = self.batches.try_recv().ok();
        self.account(batch)
    }

    fn account(&self, batch: Option<Batch>) -> Option<Batch> {
        batch.inspect(|batch| {
            self.cells.fetch_sub(batch.len() / CELL_LEN, Ordering::Relaxed);
        })
    }
}

struct Outbox {
    batches: mpsc::UnboundedSender<Batch>,
    cells: Arc<AtomicUsize>,
}

/// An open channel to a relay. Clones share it; it closes by itself when it was idle for a while.
#[derive(Clone)]
pub struct ChannelHandle {
    peer: RelayIds,
    ledger: Arc<Ledger>,
    down: mpsc::Sender<Down>,
    closed: watch::Receiver<Option<ChannelError>>,
}

impl ChannelHandle {
    /// Starts the task of a channel whose link handshake is done.
    pub(crate) fn start(
        link: TlsLink,
        plain: BytesMut,
        engine: Channel,
        peer: RelayIds,
        record: ConnRecord,
    ) -> Self {
        record.connected();
        let ledger = Arc::clone(record.ledger());
        let (down, from_circuits) = mpsc::channel(DOWN_QUEUE);
        let (closing, closed) = watch::channel(None);
        let weak = down.downgrade();
        let task = ChannelTask {
            link,
            plain,
            engine,
            circuits: HashMap::new(),
            from_circuits,
            down: weak,
            out: BytesMut::new(),
        };
        let handle = Self { peer, ledger, down, closed };
        clock::spawn(async move {
            let error = match task.run(record).await {
                Ok(reason) => {
                    debug!(relay = %peer, "Channel closed: {reason}");
                    ChannelError::Closed
                }
                Err(error) => {
                    debug!(relay = %peer, "Channel failed: {error}");
                    error
                }
            };
            let _nobody_waits = closing.send(Some(error));
        });
        handle
    }

    /// Who the relay proved to be.
    pub const fn peer(&self) -> &RelayIds {
        &self.peer
    }

    /// Where its circuits are kept account of.
    pub(crate) const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// True until the channel is closed.
    pub fn is_open(&self) -> bool {
        self.closed.borrow().is_none() && !self.down.is_closed()
    }

    /// Waits until the channel is closed, and says why: [`ChannelError::Closed`] if nobody needed it any more.
    pub async fn closed(&self) -> ChannelError {
        let mut closed = self.closed.clone();
        let error = closed.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        error.unwrap_or(ChannelError::Closed)
    }

    /// What has passed so far.
    ///
    /// # Errors
    /// If the channel is closed.
    pub async fn stats(&self) -> Result<Stats, ChannelError> {
        let (reply, answer) = oneshot::channel();
        self.down.send(Down::Stats(reply)).await.map_err(|_| ChannelError::Closed)?;
        answer.await.map_err(|_| ChannelError::Closed)
    }

    /// Tells the channel the link padding that the consensus and the configuration ask for.
    pub async fn set_padding(&self, params: tor_chan::PaddingParams) {
        let _closed = self.down.send(Down::Padding(params)).await;
    }

    /// Tells the channel what is configured of channels.
    pub async fn set_config(&self, config: tor_chan::ChannelConfig) {
        let _closed = self.down.send(Down::Config(Box::new(config))).await;
    }

    /// Makes room for a circuit.
    pub(crate) async fn open_circuit(&self) -> Result<NewCircuit, ChannelError> {
        let (reply, answer) = oneshot::channel();
        self.down.send(Down::Open(reply)).await.map_err(|_| ChannelError::Closed)?;
        answer.await.map_err(|_| ChannelError::Closed)?
    }
}

impl fmt::Debug for ChannelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelHandle").field("peer", &self.peer).finish_non_exhaustive()
    }
}

struct ChannelTask {
    link: TlsLink,
    /// Plaintext that is not a whole cell yet.
    plain: BytesMut,
    engine: Channel,
    circuits: HashMap<CircId, Outbox>,
    from_circuits: mpsc::Receiver<Down>,
    /// For new circuits; weak, so that the last handle's end is seen.
    down: mpsc::WeakSender<Down>,
    /// Cells of the channel's own, on their way to the TLS buffer.
    out: BytesMut,
}

impl ChannelTask {
    /// Works until the channel closes; says why, where that is nobody's fault. The end of the connection is told
    /// before its circuits learn of it.
    async fn run(mut self, record: ConnRecord) -> Result<&'static str, ChannelError> {
        let ended = self.work().await;
        match &ended {
            Ok(_) => record.over(&ChannelError::Closed),
            Err(error) => record.over(error),
        }
        ended
    }

    async fn work(&mut self) -> Result<&'static str, ChannelError> {
        // Whatever came right behind the link handshake.
        self.dispatch()?;
        loop {
            let may_take = self.link.unflushed() < UNFLUSHED;
            let deadline = self.engine.deadline();
            tokio::select! {
                ready = self.link.ready() => {
                    ready?;
                    self.flush()?;
                    self.receive()?;
                }
                down = self.from_circuits.recv(), if may_take => match down {
                    Some(down) => self.serve(down)?,
                    None if self.circuits.is_empty() => return Ok("nobody uses it any more"),
                    // Handles are gone but circuits live on: they hold senders, so this cannot be.
                    None => return Ok("its users are gone"),
                },
                () = clock::at(deadline) => {
                    if let Some(reason) = self.on_timer()? {
                        return Ok(reason);
                    }
                }
            }
        }
    }

    fn receive(&mut self) -> Result<(), ChannelError> {
        self.plain.reserve(PLAIN);
        if self.link.try_read(&mut self.plain)? {
            self.dispatch()?;
        }
        self.link.check_open()?;
        Ok(())
    }

    /// Cuts what was received into cells, and hands each run of cells of one circuit over in one piece.
    fn dispatch(&mut self) -> Result<(), ChannelError> {
        let now = clock::now();
        let mut run: Option<CircId> = None;
        let mut run_len = 0;
        loop {
            let rest = self.plain.get(run_len..).unwrap_or_default();
            let Some(frame) = Frame::read(rest, CircIdWidth::Four) else { break };
            let len = frame.len;
            match self.engine.on_frame(now, &frame)? {
                Route::Circuit(id) => {
                    if run != Some(id) {
                        self.deliver(run, run_len);
                        run = Some(id);
                        run_len = 0;
                    }
                    run_len += len;
                }
                Route::Ended(_) | Route::Handled => {
                    self.deliver(run, run_len);
                    (run, run_len) = (None, 0);
                    self.plain.advance(len);
                }
            }
        }
        self.deliver(run, run_len);
        Ok(())
    }

    /// Gives the first `len` bytes of `plain` to a circuit.
    fn deliver(&mut self, circuit: Option<CircId>, len: usize) {
        let Some(id) = circuit else { return };
        let batch = self.plain.split_to(len);
        let Some(outbox) = self.circuits.get(&id) else { return };
        let cells = len / CELL_LEN;
        if outbox.cells.fetch_add(cells, Ordering::Relaxed) + cells > INBOX_CELLS {
            // More than all windows allow: dropping the queue tells the circuit, which says DESTROY.
            debug!(circ = %id, "The relay sent more than the windows allow; closing the circuit");
            self.circuits.remove(&id);
            return;
        }
        trace!(circ = %id, cells, "cells received");
        let _the_circuit_is_gone = outbox.batches.send(batch);
    }

    fn serve(&mut self, down: Down) -> Result<(), ChannelError> {
        self.take(down)?;
        // One flush for all that is there already.
        while self.link.unflushed() < UNFLUSHED {
            match self.from_circuits.try_recv() {
                Ok(down) => self.take(down)?,
                Err(_) => break,
            }
        }
        self.flush()
    }

    fn take(&mut self, down: Down) -> Result<(), ChannelError> {
        match down {
            Down::Cells(cells) => {
                self.link.queue(&cells)?;
                self.engine.on_written(clock::now(), cells.len());
            }
            Down::Open(reply) => {
                let _caller_is_gone = reply.send(self.open_circuit());
            }
            Down::Closed(id) => {
                self.circuits.remove(&id);
                self.engine.release(clock::now(), id);
            }
            Down::Usage(usage) => self.engine.on_usage(clock::now(), usage),
            Down::Padding(params) => self.engine.set_padding_params(clock::now(), params),
            Down::Config(config) => {
                self.engine.set_config(clock::now(), &config, &mut self.out);
                let cells = self.out.split();
                self.link.queue(&cells)?;
            }
            Down::Stats(reply) => {
                let _caller_is_gone = reply.send(self.engine.stats());
            }
        }
        Ok(())
    }

    fn open_circuit(&mut self) -> Result<NewCircuit, ChannelError> {
        let down = self.down.upgrade().ok_or(ChannelError::Closed)?;
        let id = self.engine.allocate(clock::now(), &mut clock::rng())?;
        let (outbox, batches) = mpsc::unbounded_channel();
        let cells = Arc::new(AtomicUsize::new(0));
        self.circuits.insert(id, Outbox { batches: outbox, cells: Arc::clone(&cells) });
        Ok(NewCircuit { id, inbox: Inbox { batches, cells }, down })
    }

    fn on_timer(&mut self) -> Result<Option<&'static str>, ChannelError> {
        let action = self.engine.on_timer(clock::now(), &mut clock::rng(), &mut self.out);
        if !self.out.is_empty() {
            let cells = self.out.split();
            self.link.queue(&cells)?;
            self.flush()?;
        }
        Ok(action.map(|action| match action {
            Action::CloseIdle => "it was not used for a while",
            Action::CloseStuck => "nothing could be written for too long",
        }))
    }

    fn flush(&mut self) -> Result<(), ChannelError> {
        self.link.try_flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
