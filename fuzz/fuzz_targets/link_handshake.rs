//! The digest of a TLS certificate, then whatever a relay sends in the link handshake.
#![no_main]
use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use tor_chan::{Expected, Handshake, Step, Target};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&tls_cert_sha256, mut rest)) = input.split_first_chunk() else { return };
    let (expected, address) = (Expected::default(), IpAddr::from([127, 0, 0, 1]).into());
    let mut out = Default::default();
    let target = Target { expected, tls_cert_sha256, address };
    let mut handshake = Handshake::start(target, Instant::now(), &mut out);
    while let Ok(Some(frame)) = handshake.frame(rest) {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_403_946);
        let Ok(Step::Next(next)) = handshake.on_frame(&frame, wall, &mut out) else { return };
        (handshake, rest) = (next, &rest[frame.len..]);
    }
});
