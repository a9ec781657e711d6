//! What an event costs: to write it, next to a plain `write!` of the same text; to publish it to nobody, to one, to many.
//!
//! Published in two ways, since controllers are of two tempers: those who wait are woken by each event (and here they read
//! it, outside of what is measured), those who don't have something left to read anyway.

use std::{
    hint::black_box,
    io::Write,
    sync::Arc,
    task::{Context, Wake, Waker},
    time::{Duration, Instant, UNIX_EPOCH},
};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tor_ctrl_events::*;
use tor_id::RsaId;

fn circ() -> Circ {
    let hop = |byte, name: &str| LongName::new(RsaId::from_bytes([byte; 20]), Some(name));
    let mut info = CircInfo::new(CircPurpose::ConfluxLinked);
    info.path = vec![hop(0x5a, "auth1"), hop(0x7f, "auth2"), hop(0xc3, "exit1")];
    info.build_flags.need_capacity = true;
    info.build_flags.need_uptime = true;
    info.time_created = Some(UNIX_EPOCH + Duration::from_micros(1_795_352_101_033_570));
    info.conflux_id = Some([0xfc; 16]);
    Circ::new(CircuitId(42), CircStatus::Built, info)
}

fn format(c: &mut Criterion) {
    let event = Event::from(circ());
    let mut group = c.benchmark_group("format");
    let mut out = Vec::with_capacity(512);
    group.bench_function("CIRC", |b| {
        b.iter(|| {
            out.clear();
            black_box(&event).write(&mut out);
            out.len()
        });
    });
    let hops = ["5A", "7F", "C3"].map(|byte| byte.repeat(20));
    let id = "FC".repeat(16);
    let mut plain = Vec::with_capacity(512);
    let [status, auth1, auth2, exit1, capacity, uptime, purpose] =
        ["BUILT", "auth1", "auth2", "exit1", "NEED_CAPACITY", "NEED_UPTIME", "CONFLUX_LINKED"];
    let [first, second, third] = &hops;
    let mut write = || {
        plain.clear();
        let (number, [year, month, day, hour, minute, second_of], micros) =
            black_box((42_u64, [2026, 11, 22, 12, 55, 1], 33_570));
        write!(
            plain,
            "650 CIRC {number} {status} ${first}~{auth1},${second}~{auth2},${third}~{exit1} \
             BUILD_FLAGS={capacity},{uptime} PURPOSE={purpose} TIME_CREATED={year:04}-{month:02}-{day:02}T\
             {hour:02}:{minute:02}:{second_of:02}.{micros:06} CONFLUX_ID={id}\r\n"
        )
        .map(|()| plain.len())
    };
    group.bench_function("CIRC_by_write!", |b| b.iter(&mut write));
    drop(group);
    assert_eq!(String::from_utf8_lossy(&plain), event.to_text(), "the same text");
}

struct Nothing;

impl Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}

fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("publish");
    let event = Event::from(circ());
    let quiet = Dispatcher::new();
    group.bench_function("nobody", |b| {
        let sink: &dyn EventSink = &quiet;
        b.iter(|| black_box(sink).emit_with(EventKind::Circ, circ));
    });
    for count in [1, 100, 1_000] {
        let dispatcher = Dispatcher::new();
        let mut subscribers: Vec<Subscriber> = (0..count).map(|_| dispatcher.subscribe()).collect();
        subscribers.iter_mut().for_each(|subscriber| subscriber.set(EventKinds::all()));
        group.bench_function(format!("{count}_busy"), |b| {
            b.iter_batched(|| event.clone(), |event| dispatcher.emit(event), BatchSize::SmallInput);
        });
        let wakers: Vec<Waker> = subscribers.iter().map(|_| Waker::from(Arc::new(Nothing))).collect();
        let now = now();
        let mut read_all = || {
            for (subscriber, waker) in subscribers.iter_mut().zip(&wakers) {
                while subscriber.poll_next(now, &mut Context::from_waker(waker)).is_ready() {}
            }
            event.clone()
        };
        group.bench_function(format!("{count}_waiting"), |b| {
            b.iter_batched(&mut read_all, |event| dispatcher.emit(event), BatchSize::PerIteration);
        });
    }
}

criterion_group!(benches, format, publish);
criterion_main!(benches);
