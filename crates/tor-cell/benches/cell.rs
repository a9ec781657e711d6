//! The two things that happen to every cell of a download in this crate: framing, and the relay cell's layout.
#![expect(clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tor_cell::{
    CELL_BODY_LEN, CELL_LEN, CircId, StreamId,
    frame::{ChanCmd, CircIdWidth, Frame, put_fixed},
    relay::{RelayCmd, RelayFormat, RelayMsg},
};

/// As many cells as one read of 64 KiB brings.
const CELLS: u64 = 127;

fn framing(c: &mut Criterion) {
    let mut wire = BytesMut::new();
    for _ in 0..CELLS {
        put_fixed(CircId::from_wire(7), ChanCmd::RELAY, &[1; CELL_BODY_LEN], &mut wire).unwrap();
    }
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Elements(CELLS));
    group.bench_function("read", |b| {
        b.iter(|| {
            let (mut rest, mut sum) = (black_box(&wire[..]), 0);
            while let Some(frame) = Frame::read(rest, CircIdWidth::Four) {
                sum += usize::from(frame.command.0) + frame.fixed().unwrap().len();
                rest = rest.get(frame.len..).unwrap_or_default();
            }
            assert!(sum > usize::try_from(CELLS).unwrap() * (CELL_LEN - 5));
        });
    });
    group.finish();
}

fn layout(c: &mut Criterion) {
    for (name, format) in [("v0", RelayFormat::V0), ("v1", RelayFormat::V1)] {
        let body = vec![1; format.max_body(RelayCmd::DATA)];
        let msg = RelayMsg { command: RelayCmd::DATA, stream: StreamId::from_wire(7), body: &body };
        let mut cell = [0; CELL_BODY_LEN];
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        group.bench_function("encode DATA", |b| {
            b.iter(|| format.encode(black_box(&msg), black_box(&mut cell), |_| ()).unwrap());
        });
        group.bench_function("decode DATA", |b| {
            b.iter(|| black_box(format.decode(black_box(&cell)).unwrap()));
        });
        group.finish();
    }
}

criterion_group!(benches, framing, layout);
criterion_main!(benches);
