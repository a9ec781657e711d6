//! ATTACHSTREAM, REDIRECTSTREAM, CLOSESTREAM.

use super::{
    Command, Parsed,
    args::{Args, Pairs, Syntax, text},
    word::Word,
};
use crate::Reply;

pub(super) fn attach(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(2, 2).pairs(Pairs::Plain).keys(&["HOP"]), body)?;
    Ok(Parsed::Command(Command::AttachStream {
        stream: Word::stream(args.word(0)),
        circuit: Word::circuit(args.word(1)),
        hop: args.value("HOP").map(Word::hop),
    }))
}

pub(super) fn redirect(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(2, usize::MAX), body)?;
    Ok(Parsed::Command(Command::RedirectStream {
        stream: Word::stream(args.word(0)),
        address: text(args.word(1)),
        port: args.words.get(2).map(|port| Word::port(port)),
    }))
}

pub(super) fn close(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(2, usize::MAX), body)?;
    let (stream, reason) = (Word::stream(args.word(0)), Word::reason(args.word(1)));
    Ok(Parsed::Command(Command::CloseStream { stream, reason }))
}
