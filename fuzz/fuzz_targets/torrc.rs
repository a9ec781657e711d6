//! A whole torrc: text, types, layers, meaning.
#![no_main]
use tor_config::{Config, Origin, Settings, Verbosity, torrc::Entries};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let lines: Vec<_> = Entries::new(input).flatten().map(|entry| entry.at(Origin::CommandLine)).collect();
    let (mut settings, mut notices) = (Settings::default(), Vec::new());
    let _ = settings.assign(&lines, &mut notices);
    let _ = Config::from_settings(&settings, None, Verbosity::Normal, &mut notices);
});
