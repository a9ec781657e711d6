//! EXTENDCIRCUIT, SETCIRCUITPURPOSE, CLOSECIRCUIT.

use super::{
    Command, Parsed,
    args::{Args, Pairs, Syntax, text},
    word::Word,
};
use crate::Reply;

/// What a controller may use a circuit for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitPurpose {
    /// Like any other circuit: the client puts streams on it.
    General,
    /// Only the controller puts streams on it.
    Controller,
}

impl CircuitPurpose {
    /// # Errors
    ///
    /// The refusal.
    fn parse(value: &[u8]) -> Result<Self, Reply> {
        const PREFIX: &[u8] = b"purpose=";
        // `PURPOSE=purpose=general` is as good as `PURPOSE=general`, for the sake of old controllers.
        let name = match value.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            _ => value,
        };
        if name.eq_ignore_ascii_case(b"general") {
            Ok(Self::General)
        } else if name.eq_ignore_ascii_case(b"controller") {
            Ok(Self::Controller)
        } else {
            Err(Reply::line(552, [b"Unknown purpose \"", value, b"\""].concat()))
        }
    }
}

impl Reply {
    /// EXTENDCIRCUIT of a circuit that exists, without a path.
    pub fn path_required() -> Self {
        Self::line(512, "syntax error: path required.")
    }
}

pub(super) fn extend(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(1, 1).pairs(Pairs::Flags), body)?;
    // The path is a word that may be missing and may look like a pair: `$FINGERPRINT=nickname` was once a relay's name.
    let first = args.pairs.first();
    let path = first.and_then(|pair| match (pair.value.as_slice(), pair.key.first()) {
        (b"", _) => Some(pair.key.clone()),
        (value, Some(b'$')) => Some([&pair.key, &b"="[..], value].concat()),
        _ => None,
    });
    let rest = if path.is_some() { args.pairs.get(1..) } else { args.pairs.get(..) }.unwrap_or_default();
    let purpose = match rest.iter().find(|pair| pair.is("PURPOSE")) {
        Some(pair) => CircuitPurpose::parse(&pair.value)?,
        None => CircuitPurpose::General,
    };
    let path = path.map(|path| path.split(|byte| *byte == b',').map(text).collect());
    Ok(Parsed::Command(Command::ExtendCircuit { circuit: Word::circuit(args.word(0)), path, purpose }))
}

pub(super) fn set_purpose(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    // C Tor asks for no word at least, and then reads the first: without arguments it crashes.
    let args = Args::parse(name, &Syntax::words(1, 1).pairs(Pairs::Plain), body)?;
    let purpose = match args.value("PURPOSE") {
        Some(value) => CircuitPurpose::parse(value),
        None => Err(Reply::line(552, "No purpose given")),
    };
    Ok(Parsed::Command(Command::SetCircuitPurpose { circuit: Word::circuit(args.word(0)), purpose }))
}

pub(super) fn close(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(1, 1).pairs(Pairs::Flags), body)?;
    let circuit = Word::circuit(args.word(0));
    Ok(Parsed::Command(Command::CloseCircuit { circuit, if_unused: args.flag("IfUnused") }))
}
