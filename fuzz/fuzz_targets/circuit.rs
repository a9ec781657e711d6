//! Whatever a relay sends on a circuit that it is the first hop of. Each cell of the input is a command, the length
//! of its body (2 bytes), and the body, which the relay seals if the command's high bit is set.
#![no_main]
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tor_cell::{
    CELL_BODY_LEN, CircId,
    frame::{ChanCmd, CircIdWidth, Frame},
};
use tor_circ::{
    CircParams, Circuit, HopHandshake, HopSpec,
    relay::{RelayCircuit, RelayKeys},
};
use tor_id::{Ed25519Id, RelayIds, RsaId};
use tor_ntor::{NtorKeys, NtorV3Keys};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (now, mut out, mut rng) = (Instant::now(), BytesMut::new(), ChaCha8Rng::seed_from_u64(1));
    let (rsa, ed25519, id) =
        (RsaId::from_bytes([1; 20]), Ed25519Id::from_bytes([2; 32]), CircId::from_wire(1).unwrap());
    let (ntor, ntor_v3) = (NtorKeys { rsa, onion_keys: vec![] }, NtorV3Keys { ed25519, onion_keys: vec![] });
    let hop = HopSpec { ids: RelayIds::new(rsa, None), addrs: vec![], handshake: HopHandshake::CreateFast };
    let mut circuit = Circuit::new(id, CircParams::default(), &mut rng);
    circuit.create(&hop, now + Duration::from_secs(1), &mut rng, &mut out).unwrap();
    let create = out.split();
    let create = Frame::read(&create, CircIdWidth::Four).unwrap();
    let keys = RelayKeys { ntor, ntor_v3 };
    let relay = RelayCircuit::answer(id, create.command, create.fixed().unwrap(), &keys, &mut rng, &mut out);
    let (mut relay, created) = (relay.unwrap(), out.split());
    let created = Frame::read(&created, CircIdWidth::Four).unwrap();
    circuit.on_cell(now, created.command, &mut created.fixed().unwrap().clone(), &mut out).unwrap();

    let mut rest = input;
    while let Some((&[command, high, low], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(CELL_BODY_LEN).min(after.len());
        let (bytes, after) = after.split_at(length);
        let mut body = [0; CELL_BODY_LEN];
        body[..length].copy_from_slice(bytes);
        if command & 0x80 != 0 {
            body[1..3].fill(0);
            body[5..9].fill(0);
            relay.seal(&mut body);
        }
        let failed = circuit.on_cell(now, ChanCmd(command & 0x7f), &mut body, &mut out).is_err();
        assert!(!failed || circuit.is_done());
        rest = after;
    }
});
