//! A control connection, all at once and byte by byte: the same comes back.
#![no_main]
use std::{sync::Arc, time::Instant};
use tor_ctrl::{AuthConfig, Input, Output, Reply, Session};

fn talk<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut session, now, mut sent) =
        (Session::new(Arc::new(AuthConfig::new("0")), [0; 32]), Instant::now(), vec![]);
    for input in pieces.map(Input::Bytes).chain([Input::Closed]) {
        session.handle(now, input);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Send(bytes) => sent.extend(bytes),
                Output::Execute(_) => session.handle(now, Input::Reply(Reply::ok())),
                _ => {}
            }
        }
        session.deadline().into_iter().for_each(|at| session.handle(at, Input::Timer));
    }
    sent
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| assert_eq!(talk([input].into_iter()), talk(input.chunks(1))));
