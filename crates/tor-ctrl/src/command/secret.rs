//! PROTOCOLINFO, AUTHCHALLENGE, AUTHENTICATE: their arguments. What is done with them is in `auth`.

use std::fmt;

use zeroize::Zeroizing;

use super::{
    Parsed,
    args::{Args, Pair, Pairs, Syntax},
};
use crate::{Reply, number::parse_unsigned};

/// What AUTHENTICATE brings: a password, a cookie, an answer to a challenge; empty if it brings nothing.
pub(crate) struct Secret {
    /// The bytes.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Whether it was written in quotes. If not, a hint is due that a password must be.
    pub(crate) quoted: bool,
}

/// What AUTHCHALLENGE brings. Whether cookies are in use is asked before its nonce is looked at.
#[derive(Debug)]
pub(crate) struct Challenge {
    /// The controller's nonce, or what is wrong with it.
    pub(crate) nonce: Result<Vec<u8>, Reply>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why AUTHENTICATE or AUTHCHALLENGE was refused before anything was compared. All but a syntax error end the
/// connection.
fn value(args: &Args) -> Result<Vec<u8>, Bad> {
    match args.pairs.as_slice() {
        [Pair { key, .. }] if !key.is_empty() => Err(Bad::Keyword),
        [Pair { value, .. }] if args.quote => Ok(value.clone()),
        [Pair { value, .. }] => hex::decode(value).map_err(|_| Bad::Hex),
        _ => Err(Bad::Count),
    }
}

enum Bad {
    Count,
    Keyword,
    Hex,
}

pub(super) fn authenticate(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 0).pairs(Pairs::Secrets), body)?;
    let bytes = if args.pairs.is_empty() { Ok(Vec::new()) } else { value(&args) };
    let quoted = args.quote;
    match bytes {
        Ok(bytes) => Ok(Parsed::Authenticate(Ok(Secret { bytes: Zeroizing::new(bytes), quoted }))),
        Err(Bad::Count) => refuse(512, "Too many arguments to AUTHENTICATE."),
        Err(Bad::Keyword) => refuse(512, "AUTHENTICATE does not accept keyword arguments."),
        Err(Bad::Hex) => refuse(
            551,
            "Invalid hexadecimal encoding.  Maybe you tried a plain text password?  If so, the standard requires \
             that you put it in double quotes.",
        ),
    }
}

fn refuse(code: u16, text: &str) -> Result<Parsed, Reply> {
    Ok(Parsed::Authenticate(Err(Reply::line(code, text))))
}

pub(super) fn challenge(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(1, 1).pairs(Pairs::Secrets), body)?;
    let nonce = if args.word(0).eq_ignore_ascii_case(b"SAFECOOKIE") {
        Challenge {
            nonce: value(&args).map_err(|bad| match bad {
                Bad::Count => Reply::line(512, "Wrong number of arguments for AUTHCHALLENGE"),
                Bad::Keyword => Reply::line(512, "AUTHCHALLENGE does not accept keyword arguments."),
                Bad::Hex => Reply::line(513, "Invalid base16 client nonce"),
            }),
        }
    } else {
        return Ok(Parsed::AuthChallenge(Err(Reply::line(
            513,
            "AUTHCHALLENGE only supports SAFECOOKIE authentication",
        ))));
    };
    Ok(Parsed::AuthChallenge(Ok(nonce)))
}

pub(super) fn protocol_info(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, usize::MAX), body)?;
    let is_number = |word: &&Vec<u8>| parse_unsigned(word, i64::MAX.unsigned_abs()).is_some();
    let bad = args.words.iter().find(|word| !is_number(word));
    Ok(Parsed::ProtocolInfo(bad.cloned()))
}
