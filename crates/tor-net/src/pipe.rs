//! The byte buffers between an application's stream and the task of its circuit.
//!
//! ```text
//!  application            Pipe (one lock, held for a copy at most)          circuit task
//!  DataStream ── write ──> outbound: chunks, at most OUTBOUND bytes ──────> cells, as credit allows
//!             <── read ─── inbound: one buffer, bounded by the window <──── DATA payloads
//! ```
//!
//! Payload is copied once on the way up, from the decrypted cell into `inbound`, and the application can take
//! the whole buffer instead of copying it again ([`DataStream::poll_take`]). On the way down a chunk is moved
//! in and copied once, into its cell. The circuit is told at most once that a stream wants attention until it
//! looks ([`Attention`]); the application's wakers fire once a batch, since a waker is spent by waking.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};
use tor_cell::StreamId;
use tor_circ::HopIndex;

use crate::{
    StreamEnd,
    ledger::{StreamCard, StreamRecord},
};

/// Bytes that an application can write ahead of the circuit.
const OUTBOUND: usize = 64 * 1024;
/// A reader that took less than this since the circuit last looked does not disturb it: half of what one
/// stream-level SENDME (50 cells) stands for.
const WORTH_TELLING: usize = 25 * 498;

/// Names a stream of a circuit: each hop counts its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamKey {
    pub(crate) hop: HopIndex,
    pub(crate) id: StreamId,
}

/// The streams of a circuit that want its task to look at them.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    wanting: Mutex<Vec<StreamKey>>,
    notify: Notify,
}

impl Attention {
    /// Waits until a stream wants attention. A notice that came before is not lost.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }

    /// Moves the waiting streams into `into`, which is emptied first.
    pub(crate) fn take(&self, into: &mut Vec<StreamKey>) {
        into.clear();
        std::mem::swap(&mut *lock(&self.wanting), into);
    }

    /// Wakes the task though no stream wants anything: the circuit itself does.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    fn call(&self, key: StreamKey) {
        lock(&self.wanting).push(key);
        self.notify.notify_one();
    }
}

/// Both ends' shared state.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// The stream's name, 0 until it has one.
    name: AtomicU32,
    attention: Arc<Attention>,
    /// What the ledger has of the stream.
    card: Option<StreamCard>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inbound: BytesMut,
    /// Bytes taken by the application and not yet reported to the circuit.
    consumed: usize,
    reader: Option<Waker>,
    /// Why nothing more comes, once that is so.
    end: Option<StreamEnd>,

    outbound: Chunks,
    writer: Option<Waker>,
    /// The application will write no more.
    finished: bool,
    /// The application has let go of the stream.
    dropped: bool,

    /// The circuit was called and has not looked yet.
    called: bool,
}

impl StreamKey {
    /// Never 0: no stream id is.
    fn pack(self) -> u32 {
        u32::from(self.hop.0) << 16 | u32::from(self.id.to_wire())
    }

    fn unpack(packed: u32) -> Option<Self> {
        let [_, hop, high, low] = packed.to_be_bytes();
        let id = StreamId::from_wire(u16::from_be_bytes([high, low]))?;
        Some(Self { hop: HopIndex(hop), id })
    }
}

/// Bytes in the pieces in which they came.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// None is empty.
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Chunks {
    fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.pieces.push_back(piece);
    }
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn advance(&mut self, mut count: usize) {
        self.len = self.len.saturating_sub(count);
        while let Some(piece) = self.pieces.front_mut() {
            let part = count.min(piece.len());
            piece.advance(part);
            count -= part;
            if piece.has_remaining() {
                break;
            }
            self.pieces.pop_front();
        }
    }
}

/// What the circuit finds when it looks at a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Bytes that the application took since the last look.
    pub(crate) consumed: usize,
    /// Bytes that wait to be sent.
    pub(crate) outbound: usize,
    /// The application will write no more than that.
    pub(crate) finished: bool,
    /// The application let go of the stream.
    pub(crate) dropped: bool,
}

impl Pipe {
    /// Appends to what is to be sent, in the application's place.
    pub(crate) fn say(&self, chunk: Bytes) {
        if !chunk.is_empty() {
            lock(&self.state).outbound.push(chunk);
        }
    }

    /// The stream has its id, and calls for attention at once: much may have happened before.
    pub(crate) fn name(&self, key: StreamKey) {
        self.name.store(key.pack(), Ordering::Relaxed);
        self.call(lock(&self.state));
    }

    /// Appends received bytes. Whoever calls has checked the window, which bounds this buffer.
    pub(crate) fn deliver(&self, bytes: &[u8]) {
        let waker = {
            let mut state = lock(&self.state);
            if state.dropped {
                return;
            }
            state.inbound.extend_from_slice(bytes);
            state.reader.take()
        };
        wake(waker);
    }

    /// Whom to tell how the stream fares.
    pub(crate) const fn card(&self) -> Option<&StreamCard> {
        self.card.as_ref()
    }

    /// The application is to get no more, and the exit to hear no more.
    pub(crate) fn cut(&self) {
        {
            let mut state = lock(&self.state);
            state.inbound = BytesMut::new();
            state.outbound = Chunks::default();
            state.finished = true;
        }
        self.end(StreamEnd::Done);
        self.call(lock(&self.state));
    }

    /// No more bytes will come, nor be accepted. The first reason stays.
    pub(crate) fn end(&self, end: StreamEnd) {
        let (reader, writer) = {
            let mut state = lock(&self.state);
            state.end.get_or_insert(end);
            state.outbound = Chunks::default();
            (state.reader.take(), state.writer.take())
        };
        wake(reader);
        wake(writer);
    }

    /// What the application did since the last look.
    pub(crate) fn look(&self) -> Look {
        let mut state = lock(&self.state);
        state.called = false;
        Look {
            consumed: std::mem::take(&mut state.consumed),
            outbound: state.outbound.remaining(),
            finished: state.finished,
            dropped: state.dropped,
        }
    }

    /// Lends what waits to be sent to `take`; returns its result and how many bytes still wait.
    pub(crate) fn outbound<R>(&self, take: impl FnOnce(&mut Chunks) -> R) -> (R, usize) {
        let (result, left, waker) = {
            let mut state = lock(&self.state);
            let result = take(&mut state.outbound);
            let left = state.outbound.remaining();
            let waker = if left <= OUTBOUND / 2 { state.writer.take() } else { None };
            (result, left, waker)
        };
        wake(waker);
        (result, left)
    }

    /// Calls the circuit unless it is called already.
    fn call(&self, mut state: MutexGuard<'_, State>) {
        let key = StreamKey::unpack(self.name.load(Ordering::Relaxed));
        let call = key.is_some() && !std::mem::replace(&mut state.called, true);
        drop(state);
        if let Some(key) = key.filter(|_| call) {
            self.attention.call(key);
        }
    }
}

/// The application's end of a stream through Tor: an [`AsyncRead`] and [`AsyncWrite`].
///
/// Reading ends with end-of-file when the other end closed the stream in good order, and with an error
/// otherwise. Tor streams can't be half closed: shutting down the writing side sends what was written, then
/// closes the stream. Dropping it closes it at once.
#[derive(Debug)]
pub struct DataStream {
    pipe: Arc<Pipe>,
    /// The stream is over, for the ledger, when the application lets go of it.
    record: Option<StreamRecord>,
}

impl DataStream {
    /// Both ends of a stream that has no id yet, and so can't call for attention.
    pub(crate) fn new(attention: Arc<Attention>, card: Option<StreamCard>) -> (Self, Arc<Pipe>) {
        let pipe = Arc::new(Pipe { name: AtomicU32::new(0), attention, card, state: Mutex::default() });
        (Self { pipe: Arc::clone(&pipe), record: None }, pipe)
    }

    /// Keeps the stream's record, and counts its bytes there.
    pub(crate) fn keep(&mut self, record: StreamRecord) {
        self.record = Some(record);
    }

    /// Takes all received bytes at once: `Ok(None)` at the end of the stream. Give the buffer back with
    /// [`DataStream::give_back`] once its bytes are dealt with: that is what lets the other end send more.
    ///
    /// # Errors
    /// If the stream ended otherwise than in good order.
    pub fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<BytesMut>>> {
        let mut state = lock(&self.pipe.state);
        if state.inbound.is_empty() {
            return match &state.end {
                Some(end) => Poll::Ready(end.to_read_result().map(|()| None)),
                None => {
                    set(&mut state.reader, cx);
                    Poll::Pending
                }
            };
        }
        Poll::Ready(Ok(Some(std::mem::take(&mut state.inbound))))
    }

    /// Reports `count` bytes as dealt with, and lends the buffer for what comes next.
    pub fn give_back(&mut self, mut buffer: BytesMut, count: usize) {
        let mut state = lock(&self.pipe.state);
        if state.inbound.is_empty() && buffer.capacity() > state.inbound.capacity() {
            buffer.clear();
            state.inbound = buffer;
        }
        self.consume(state, count);
    }

    fn consume(&self, mut state: MutexGuard<'_, State>, count: usize) {
        if let Some(record) = &self.record {
            record.read(count);
        }
        state.consumed += count;
        if state.consumed >= WORTH_TELLING || state.inbound.is_empty() {
            self.pipe.call(state);
        }
    }

    /// Waits until there is room to send.
    ///
    /// # Errors
    /// If the stream is closed.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.pipe.state);
        if state.end.is_some() || state.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match OUTBOUND.saturating_sub(state.outbound.remaining()) {
            0 => {
                set(&mut state.writer, cx);
                Poll::Pending
            }
            room => Poll::Ready(Ok(room)),
        }
    }

    /// Sends a chunk without copying it. Wait for [`DataStream::poll_room`] first.
    pub fn send(&mut self, chunk: Bytes) {
        let mut state = lock(&self.pipe.state);
        if chunk.is_empty() || state.end.is_some() || state.finished {
            return;
        }
        if let Some(record) = &self.record {
            record.wrote(chunk.len());
        }
        state.outbound.push(chunk);
        self.pipe.call(state);
    }

    /// Closes the stream after what was sent.
    pub fn finish(&mut self) {
        let mut state = lock(&self.pipe.state);
        if !std::mem::replace(&mut state.finished, true) {
            self.pipe.call(state);
        }
    }

    /// Why the stream ended, once it has.
    pub fn ended(&self) -> Option<StreamEnd> {
        lock(&self.pipe.state).end
    }
}

impl Drop for DataStream {
    fn drop(&mut self) {
        let mut state = lock(&self.pipe.state);
        state.dropped = true;
        state.inbound = BytesMut::new();
        self.pipe.call(state);
    }
}

impl AsyncRead for DataStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.pipe.state);
        if state.inbound.is_empty() {
            return match &state.end {
                Some(end) => Poll::Ready(end.to_read_result()),
                None => {
                    set(&mut state.reader, cx);
                    Poll::Pending
                }
            };
        }
        let count = buf.remaining().min(state.inbound.len());
        buf.put_slice(&state.inbound.split_to(count));
        self.consume(state, count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for DataStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let room = ready!(self.poll_room(cx))?;
        let chunk = buf.get(..room.min(buf.len())).unwrap_or_default();
        self.send(Bytes::copy_from_slice(chunk));
        Poll::Ready(Ok(chunk.len()))
    }

    /// Bytes leave by themselves; there is nothing to push.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

/// Nothing panics while one of these locks is held, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        Some(_) | None => *slot = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
