//! Values in double quotes, with C's escapes, as torrc and the control port write them.
//!
//! Read: `\n` `\r` `\t` `\\` `\'` `\"`, `\x` with two hex digits, one to three octal digits. Anything else after
//! a backslash is an error, and so is a line break.

use thiserror::Error;

/// A quoted string that isn't one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("invalid escape sequence or no end in a quoted string")]
pub struct BadQuote;

/// Reads the quoted string at the beginning of `input`, and says how many bytes it takes with its quotes.
///
/// # Errors
/// If `input` does not begin with a whole quoted string.
pub fn unquote(input: &[u8]) -> Result<(Vec<u8>, usize), BadQuote> {
    let mut bytes = input.iter().copied().enumerate().peekable();
    if bytes.next().is_none_or(|(_, first)| first != b'"') {
        return Err(BadQuote);
    }
    let mut out = Vec::new();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((out, at.saturating_add(1))),
            0 | b'\n' => return Err(BadQuote),
            b'\\' => match bytes.next().ok_or(BadQuote)?.1 {
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                same @ (b'\\' | b'\'' | b'"') => out.push(same),
                b'x' | b'X' => {
                    let mut digit = || bytes.next().and_then(|(_, byte)| digit(byte, 16)).ok_or(BadQuote);
                    let (high, low) = (digit()?, digit()?);
                    out.push(high << 4 | low);
                }
                other => {
                    let mut value = u16::from(digit(other, 8).ok_or(BadQuote)?);
                    for _ in 0..2 {
                        let Some(next) = bytes.next_if(|(_, byte)| digit(*byte, 8).is_some()) else { break };
                        value = value * 8 + u16::from(digit(next.1, 8).ok_or(BadQuote)?);
                    }
                    out.push(u8::try_from(value).map_err(|_| BadQuote)?);
                }
            },
            other => out.push(other),
        }
    }
    Err(BadQuote)
}

/// Writes a value between quotes; [`unquote`] reads it back to the same bytes.
pub fn quote(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len().saturating_add(2));
    out.push('"');
    for &byte in value {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\\' | b'"' | b'\'' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("\\{other:03o}")),
        }
    }
    out.push('"');
    out
}

/// Whether a value would be read differently from a torrc if it stood there without quotes.
pub fn needs_quotes(value: &[u8]) -> bool {
    value.first() == Some(&b'"')
        || value.iter().any(|byte| matches!(byte, b'#' | 0x7f..) || *byte < b' ')
        || value.first().is_some_and(u8::is_ascii_whitespace)
        || value.last().is_some_and(|last| *last == b'\\' || last.is_ascii_whitespace())
}

fn digit(byte: u8, radix: u32) -> Option<u8> {
    char::from(byte).to_digit(radix).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_escape_is_read() {
        let all = br#""a\n\r\t\\\'\"\x41\X62\101\60\0z" rest"#;
        let (value, length) = unquote(all).unwrap();
        assert_eq!(value, b"a\n\r\t\\'\"AbA0\0z");
        assert_eq!(&all[length..], b" rest");
    }

    #[test]
    fn what_c_tor_refuses_is_refused() {
        for bad in
            ["", "x", "\"", "\"a\nb\"", "\"\\?\"", "\"\\xg0\"", "\"\\x4\"", "\"\\400\"", "\"\\a\"", "\"\\"]
        {
            assert_eq!(unquote(bad.as_bytes()), Err(BadQuote), "{bad:?}");
        }
    }

    #[test]
    fn only_values_that_would_change_need_quotes() {
        for plain in ["a b", "a\"b", "back\\slash", "", "it's"] {
            assert!(!needs_quotes(plain.as_bytes()), "{plain:?}");
        }
        for special in ["\"a", "a#b", "a\nb", "\u{e9}", " a", "a ", "a\\", "\t"] {
            assert!(needs_quotes(special.as_bytes()), "{special:?}");
        }
    }

    proptest! {
        #[test]
        fn quoting_is_undone(value in proptest::collection::vec(any::<u8>(), 0..60), tail in "[a-z ]{0,5}") {
            let text = quote(&value) + &tail;
            let (back, length) = unquote(text.as_bytes()).unwrap();
            prop_assert_eq!(back, value);
            prop_assert_eq!(&text[length..], tail);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = unquote(&bytes);
            let mut quoted = vec![b'"'];
            quoted.extend(bytes);
            let _ = unquote(&quoted);
        }
    }
}
