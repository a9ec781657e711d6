//! Any order of what both ends do keeps all bytes in order, loses no waker, and calls the circuit when it must.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use proptest::{collection::vec, prelude::*};

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Debug)]
enum Op {
    // The circuit.
    Deliver(usize),
    Outbound(usize),
    Look,
    // The application.
    Read(usize),
    Take,
    GiveBack,
    Write(usize),
    Send(usize),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..2000_usize).prop_map(Op::Deliver),
        (1..40_000_usize).prop_map(Op::Outbound),
        Just(Op::Look),
        (1..3000_usize).prop_map(Op::Read),
        Just(Op::Take),
        Just(Op::GiveBack),
        (1..50_000_usize).prop_map(Op::Write),
        (0..50_000_usize).prop_map(Op::Send),
    ]
}

/// Bytes that tell where they belong.
fn bytes(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// Both ends, and what each has got so far.
struct Both {
    stream: DataStream,
    pipe: Arc<Pipe>,
    key: StreamKey,
    attention: Arc<Attention>,
    reader: Arc<Bell>,
    writer: Arc<Bell>,
    delivered: usize,
    read: usize,
    taken: Option<BytesMut>,
    written: usize,
    sent: usize,
    /// Bytes that the circuit has not heard to be read.
    unreported: usize,
    /// The circuit was called and has not looked.
    called: bool,
}

impl Both {
    fn new() -> Self {
        let attention = Arc::<Attention>::default();
        let (stream, pipe) = DataStream::new(Arc::clone(&attention), None);
        let key = StreamKey { hop: HopIndex(2), id: StreamId::from_wire(7).unwrap() };
        pipe.name(key);
        let mut both = Self {
            stream,
            pipe,
            key,
            attention,
            reader: Arc::default(),
            writer: Arc::default(),
            delivered: 0,
            read: 0,
            taken: None,
            written: 0,
            sent: 0,
            unreported: 0,
            called: false,
        };
        assert!(both.heard(), "a new stream is looked at");
        both.look();
        both
    }

    /// True if the circuit was called since it last listened. It is called once at most until it looks.
    fn heard(&mut self) -> bool {
        let mut calls = Vec::new();
        self.attention.take(&mut calls);
        assert!(calls.len() + usize::from(self.called) <= 1, "called twice without a look");
        assert!(calls.iter().all(|call| *call == self.key));
        self.called |= !calls.is_empty();
        self.called
    }

    fn look(&mut self) {
        let look = self.pipe.look();
        assert_eq!(look.consumed, std::mem::take(&mut self.unreported));
        assert_eq!(look.outbound, self.written - self.sent);
        assert!(!look.finished && !look.dropped);
        self.called = false;
    }

    fn got(&mut self, got: &[u8]) {
        assert_eq!(got, bytes(self.read, got.len()));
        self.read += got.len();
        self.unreported += got.len();
    }

    fn outstanding(&self) -> usize {
        self.delivered - self.read - self.taken.as_ref().map_or(0, BytesMut::len)
    }

    fn apply(&mut self, op: &Op) {
        let reader = Waker::from(Arc::clone(&self.reader));
        let writer = Waker::from(Arc::clone(&self.writer));
        let (to_read, to_write) = (&mut Context::from_waker(&reader), &mut Context::from_waker(&writer));
        match *op {
            Op::Deliver(count) => {
                let waits = pending_reader(&self.pipe);
                let rung = self.reader.rung();
                self.pipe.deliver(&bytes(self.delivered, count));
                self.delivered += count;
                assert_eq!(self.reader.rung() - rung, usize::from(waits), "whoever waits is woken, once");
            }
            Op::Outbound(count) => {
                let waits = pending_writer(&self.pipe);
                let rung = self.writer.rung();
                let (got, left) = self.pipe.outbound(|chunks| {
                    let count = count.min(chunks.remaining());
                    chunks.copy_to_bytes(count)
                });
                assert_eq!(got, bytes(self.sent, got.len()));
                self.sent += got.len();
                assert_eq!(left, self.written - self.sent);
                let woken = waits && left <= OUTBOUND / 2;
                assert_eq!(self.writer.rung() - rung, usize::from(woken));
            }
            Op::Look => {
                self.heard();
                self.look();
            }
            Op::Read(count) if self.taken.is_none() => {
                let mut room = vec![0; count];
                let mut buf = ReadBuf::new(&mut room);
                match Pin::new(&mut self.stream).poll_read(to_read, &mut buf) {
                    Poll::Ready(result) => {
                        result.unwrap();
                        let got = buf.filled().to_vec();
                        assert_eq!(got.len(), count.min(self.outstanding()));
                        self.got(&got);
                        if self.unreported >= WORTH_TELLING || self.outstanding() == 0 {
                            assert!(self.heard(), "the peer may send more, if the circuit knows");
                        }
                    }
                    Poll::Pending => assert_eq!(self.outstanding(), 0),
                }
            }
            Op::Take if self.taken.is_none() => match self.stream.poll_take(to_read) {
                Poll::Ready(taken) => {
                    let taken = taken.unwrap().expect("the stream is open");
                    assert_eq!(taken.len(), self.outstanding());
                    self.taken = Some(taken);
                }
                Poll::Pending => assert_eq!(self.outstanding(), 0),
            },
            Op::GiveBack => {
                if let Some(taken) = self.taken.take() {
                    self.got(&taken.clone());
                    let count = taken.len();
                    self.stream.give_back(taken, count);
                    if self.unreported >= WORTH_TELLING || self.outstanding() == 0 {
                        assert!(self.heard());
                    }
                }
            }
            // An application that has taken the buffer reads nothing else meanwhile.
            Op::Read(_) | Op::Take => {}
            Op::Write(count) => {
                let bytes = bytes(self.written, count);
                match Pin::new(&mut self.stream).poll_write(to_write, &bytes) {
                    Poll::Ready(accepted) => self.wrote(accepted.unwrap()),
                    Poll::Pending => assert!(self.written - self.sent >= OUTBOUND),
                }
            }
            Op::Send(count) => match self.stream.poll_room(to_write) {
                Poll::Ready(room) => {
                    let count = count.min(room.unwrap());
                    self.stream.send(bytes(self.written, count).into());
                    self.wrote(count);
                }
                Poll::Pending => assert!(self.written - self.sent >= OUTBOUND),
            },
        }
        assert!(self.written - self.sent <= OUTBOUND, "more than there is room for");
    }

    fn wrote(&mut self, count: usize) {
        self.written += count;
        if count > 0 {
            assert!(self.heard(), "there is something to send");
        }
    }
}

fn pending_reader(pipe: &Pipe) -> bool {
    lock(&pipe.state).reader.is_some()
}

fn pending_writer(pipe: &Pipe) -> bool {
    lock(&pipe.state).writer.is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_order_keeps_the_bytes_in_order(ops in vec(any_op(), 1..200)) {
        let mut both = Both::new();
        for op in &ops {
            both.apply(op);
        }
        // And at the end nothing is lost.
        both.apply(&Op::GiveBack);
        both.pipe.end(StreamEnd::Done);
        let reader = Waker::from(Arc::clone(&both.reader));
        let cx = &mut Context::from_waker(&reader);
        while let Poll::Ready(Ok(Some(rest))) = both.stream.poll_take(cx) {
            both.got(&rest.clone());
        }
        prop_assert_eq!(both.read, both.delivered);
        prop_assert!(matches!(both.stream.poll_take(cx), Poll::Ready(Ok(None))));
    }
}

#[test]
fn an_end_wakes_both_sides_and_the_first_reason_stays() {
    let mut both = Both::new();
    both.apply(&Op::Read(1));
    for _ in 0..2 {
        both.apply(&Op::Send(OUTBOUND / 2 + 1));
    }
    both.apply(&Op::Send(1));
    assert!(pending_reader(&both.pipe) && pending_writer(&both.pipe));
    both.pipe.end(StreamEnd::CircuitClosed);
    both.pipe.end(StreamEnd::Done);
    assert_eq!((both.reader.rung(), both.writer.rung()), (1, 1));
    assert_eq!(both.stream.ended(), Some(StreamEnd::CircuitClosed));
    assert_eq!(both.pipe.look().outbound, 0, "nobody will send it");
}

#[test]
fn what_came_before_a_bad_end_is_read_first() {
    let mut both = Both::new();
    both.apply(&Op::Deliver(10));
    both.pipe.end(StreamEnd::Ended(tor_cell::EndReason::TIMEOUT));
    both.apply(&Op::Read(100));
    let cx = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Err(error)) = both.stream.poll_take(cx) else { panic!("no error") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn finishing_calls_the_circuit_and_takes_no_more() {
    let mut both = Both::new();
    both.apply(&Op::Write(10));
    both.look();
    both.stream.finish();
    assert!(both.heard());
    both.stream.send(Bytes::from_static(b"too late"));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(matches!(both.stream.poll_room(cx), Poll::Ready(Err(_))));
    let look = both.pipe.look();
    assert_eq!((look.outbound, look.finished, look.dropped), (10, true, false));
}

#[test]
fn dropping_calls_the_circuit_and_frees_what_came() {
    let Both { stream, pipe, attention, key, .. } = Both::new();
    pipe.deliver(&[1; 100]);
    drop(stream);
    let mut calls = Vec::new();
    attention.take(&mut calls);
    assert_eq!(calls, [key]);
    assert!(pipe.look().dropped);
    pipe.deliver(&[1; 100]);
    assert!(lock(&pipe.state).inbound.is_empty(), "nobody will read it");
}

/// What happens before the stream has its id is not lost.
#[test]
fn a_stream_dropped_before_it_has_its_id_is_noticed_then() {
    let attention = Arc::<Attention>::default();
    let (stream, pipe) = DataStream::new(Arc::clone(&attention), None);
    pipe.say(Bytes::from_static(b"early"));
    drop(stream);
    let mut calls = Vec::new();
    attention.take(&mut calls);
    assert!(calls.is_empty());
    let key = StreamKey { hop: HopIndex::FIRST, id: StreamId::from_wire(3).unwrap() };
    pipe.name(key);
    attention.take(&mut calls);
    assert_eq!(calls, [key]);
    let look = pipe.look();
    assert_eq!((look.dropped, look.outbound), (true, 5));
}
