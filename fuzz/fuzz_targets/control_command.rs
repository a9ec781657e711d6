//! Each command's parser: the first byte chooses the command, the rest are its arguments.
#![no_main]
use tor_ctrl::Command;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let [first, arguments @ ..] = input {
        let names: Vec<_> = Command::names().collect();
        let line = [names[usize::from(*first) % names.len()].as_bytes(), b" ", arguments].concat();
        let _ = Command::parse(&line).map_err(|reply| assert!(reply.encode().ends_with(b"\r\n")));
    }
});
