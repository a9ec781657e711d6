//! What a client tells an onion service, and its extensions.
#![no_main]
use tor_cell::{
    Body,
    relay::{DosParams, IntroducePlaintext, ProofOfWork},
};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for extension in IntroducePlaintext::decode(input).map_or(vec![], |message| message.extensions) {
        let _ = ProofOfWork::decode(extension.body);
    }
    let _ = DosParams::decode(input);
});
