//! Joins an application's socket to its stream through Tor, in both directions, until both are over.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use crate::DataStream;

/// How much one read takes from the application.
const CHUNK: usize = 16 * 1024;

/// Moves bytes until the stream has ended and the application has got all of it. `early` is what the
/// application has sent already and the stream has not.
///
/// # Errors
/// If the application's socket breaks, or the stream ended otherwise than in good order.
pub(crate) async fn splice<S>(app: S, mut stream: DataStream, early: Bytes) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.send(early);
    Splice { app, stream, down: Some(BytesMut::new()), up: None }.await
}

struct Splice<S> {
    app: S,
    stream: DataStream,
    /// Room for the next read from the application; `None` once it has said all.
    down: Option<BytesMut>,
    /// What the application has not taken yet.
    up: Option<Up>,
}

struct Up {
    buffer: BytesMut,
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Splice<S> {
    /// Application → stream. Ready only with an error.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(buffer) = &mut self.down {
            if ready!(self.stream.poll_room(cx)).is_err() {
                // The stream takes no more; what the application still gets decides how this ends.
                self.down = None;
                break;
            }
            if buffer.capacity() < CHUNK / 4 {
                buffer.reserve(CHUNK);
            }
            match ready!(poll_read_buf(Pin::new(&mut self.app), cx, buffer))? {
                0 => {
                    self.stream.finish();
                    self.down = None;
                }
                _ => self.stream.send(buffer.split().freeze()),
            }
        }
        Poll::Pending
    }

    /// Stream → application. Ready at the stream's end, when all is written.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(up) = &mut self.up else {
                match ready!(self.stream.poll_take(cx))? {
                    Some(buffer) => self.up = Some(Up { buffer, written: 0 }),
                    None => return Pin::new(&mut self.app).poll_shutdown(cx),
                }
                continue;
            };
            while let Some(rest) = up.buffer.get(up.written..).filter(|rest| !rest.is_empty()) {
                match ready!(Pin::new(&mut self.app).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => up.written += count,
                }
            }
            if let Some(Up { buffer, written }) = self.up.take() {
                self.stream.give_back(buffer, written);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Splice<S> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Poll::Ready(Err(error)) = this.poll_down(cx) {
            return Poll::Ready(Err(error));
        }
        this.poll_up(cx)
    }
}

#[cfg(test)]
mod tests;
