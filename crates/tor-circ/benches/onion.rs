//! The price of one relay cell on three hops: what the client sends, and what it receives.

#![expect(clippy::expect_used, reason = "a bench may stop")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tor_cell::CellBody;
use tor_circ::{End, HopCipher, Tor1};
use tor_ntor::Tor1Keys;

const HOPS: [u8; 3] = [1, 2, 3];

fn layers(end: End) -> Vec<Box<dyn HopCipher>> {
    let layer = |hop| -> Box<dyn HopCipher> {
        Box::new(Tor1::new(
            end,
            &Tor1Keys {
                forward_digest: [hop; 20],
                backward_digest: [hop; 20],
                forward_key: [hop; 16],
                backward_key: [hop; 16],
            },
        ))
    };
    HOPS.map(layer).into()
}

fn seal(hops: &mut [Box<dyn HopCipher>], cell: &mut CellBody) {
    let (last, near) = hops.split_last_mut().expect("three hops");
    black_box(last.seal(cell));
    near.iter_mut().rev().for_each(|hop| hop.wrap(cell));
}

fn onion(c: &mut Criterion) {
    let mut group = c.benchmark_group("onion");
    group.throughput(Throughput::Bytes(498));
    group.bench_function("seal, 3 hops", |b| {
        let (mut client, mut cell) = (layers(End::Client), [0; 509]);
        b.iter(|| seal(&mut client, black_box(&mut cell)));
    });
    group.bench_function("peel, 3 hops", |b| {
        let (mut client, mut relays) = (layers(End::Client), layers(End::Relay));
        let sealed = || {
            let mut cell = [0; 509];
            seal(&mut relays, &mut cell);
            cell
        };
        let peel =
            |mut cell: CellBody| client.iter_mut().find_map(|hop| hop.peel(&mut cell)).expect("recognised");
        b.iter_batched(sealed, peel, BatchSize::NumIterations(64));
    });
    group.finish();
}

criterion_group!(benches, onion);
criterion_main!(benches);
