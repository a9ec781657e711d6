#![no_main]
//! A controller reads an event; what it understood is written so that it is understood again, to the same text.
libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(event) = tor_ctrl_events::Event::parse(text) else { return };
    let written = event.to_text();
    let again = tor_ctrl_events::Event::parse(&written).expect("what we write we read");
    assert_eq!(again.to_text(), written);
});
