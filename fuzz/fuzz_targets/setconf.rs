//! A controller's assignments on top of a torrc, and the text that is saved of them, read back.
#![no_main]
use tor_config::{Extent, Named, Origin, Settings, torrc::Entries};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let assignments: Vec<_> =
        Entries::new(input).flatten().map(|entry| (entry.key, Some(entry.value))).collect();
    let (mut settings, defaults) = (Settings::default(), Settings::default());
    if settings.assign_named(&assignments, Named::Clear, &mut Vec::new()).is_ok() {
        let (text, mut again) = (settings.config_text(Extent::Changed(&defaults)), Settings::default());
        let lines: Vec<_> =
            Entries::new(text.as_bytes()).map(|entry| entry.unwrap().at(Origin::CommandLine)).collect();
        again.assign(&lines, &mut Vec::new()).unwrap();
        assert_eq!(again.config_text(Extent::Changed(&defaults)), text);
    }
});
