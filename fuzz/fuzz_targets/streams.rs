//! A hop's streams under any calls and any messages: four bytes an operation.
#![no_main]
use std::time::Instant;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tor_cell::{
    StreamId,
    relay::{RelayCmd, RelayMsg, Resolve},
};
use tor_stream::{EarlyData, Streams};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (mut streams, now) = (Streams::new(&mut ChaCha20Rng::seed_from_u64(0)), Instant::now());
    let name = Resolve::new("a").unwrap();
    let first = streams.begin_dir(now, EarlyData::Allowed, ()).unwrap().to_wire();
    for &[operation, stream, low, high] in input.as_chunks().0 {
        let Some(id) = StreamId::from_wire(first.wrapping_add(stream.into())) else { continue };
        let amount = u16::from_le_bytes([low, high]);
        match operation {
            100 => drop(streams.begin_dir(now, EarlyData::Held, ())),
            101 => drop(streams.resolve(now, &name, ())),
            102 => drop(streams.end(id)),
            103 => streams.consumed(id, amount.into()),
            104 => streams.sent_data(id, amount.min(streams.credit(id))),
            105 => while streams.poll_output().is_some() {},
            command => {
                let body = &input[..input.len().min(amount.into())];
                let msg = RelayMsg { command: RelayCmd(command), stream: Some(id), body };
                if streams.on_message(&msg).is_err() {
                    return;
                }
            }
        }
        assert!(streams.credit(id) <= 500 && streams.len() <= input.len() + 1);
    }
});
