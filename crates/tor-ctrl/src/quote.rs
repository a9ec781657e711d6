//! Strings in quotes: C escapes in commands and replies, and the plainer QuotedString of AUTHENTICATE.
//! Spec: <https://spec.torproject.org/control-spec/message-format.html#description-format>
//!
//! C Tor reads the two in different ways and so do we: `"\n"` is a line feed in `SETCONF Nickname="\n"` but the letter
//! `n` in `AUTHENTICATE "\n"`. Everything is bytes, because nothing says that a password or a path is UTF-8.

/// White space as C Tor's character table has it, whatever the locale.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// `text` between double quotes with C escapes, as C Tor writes names that others chose.
///
/// Control characters and everything beyond ASCII become three octal digits, so the result is always one line of ASCII.
///
/// ```
/// assert_eq!(tor_ctrl::escape(b"/home/\"me\"/caf\xc3\xa9"), r#""/home/\"me\"/caf\303\251""#);
/// ```
pub fn escape(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for &byte in text {
        match byte {
            b'\\' | b'"' | b'\'' => out.extend(['\\', char::from(byte)]),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                out.push('\\');
                out.extend([byte >> 6, byte >> 3, byte].map(|digit| char::from(b'0' + (digit & 7))));
            }
        }
    }
    out.push('"');
    out
}

/// Reads a string with C escapes that begins at `input`'s first byte, which must be the quote: the string and what
/// follows it. `None` if it is badly formed, does not end, or runs over a line's end.
pub(crate) fn unescape(input: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = input.strip_prefix(b"\"")?;
    let mut out = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((out, rest)),
            b'\0' | b'\n' => return None,
            b'\\' => {
                let (byte, after) = escaped_byte(rest)?;
                out.push(byte);
                rest = after;
            }
            _ => out.push(byte),
        }
    }
}

/// What stands after a backslash.
fn escaped_byte(input: &[u8]) -> Option<(u8, &[u8])> {
    let (&kind, rest) = input.split_first()?;
    match kind {
        b'n' => Some((b'\n', rest)),
        b'r' => Some((b'\r', rest)),
        b't' => Some((b'\t', rest)),
        b'"' | b'\\' | b'\'' => Some((kind, rest)),
        b'x' | b'X' => {
            let (digits, rest) = rest.split_at_checked(2)?;
            Some((*hex::decode(digits).ok()?.first()?, rest))
        }
        b'0'..=b'7' => {
            let length = input.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            let (digits, rest) = input.split_at_checked(length)?;
            let value = digits.iter().fold(0u16, |value, digit| value * 8 + u16::from(digit - b'0'));
            Some((u8::try_from(value).ok()?, rest))
        }
        _ => None,
    }
}

/// Reads a QuotedString: a backslash makes the next byte itself, nothing more. The string and what follows it.
pub(crate) fn quoted_string(input: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = input.strip_prefix(b"\"")?;
    let mut out = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        match byte {
            b'"' => return Some((out, after)),
            b'\\' => {
                let (&byte, after) = after.split_first()?;
                out.push(byte);
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn c_escapes() {
        assert_eq!(
            unescape(br#""a\n\t\r\"\\\'\x41\X4a\101\7\18"rest"#),
            Some((b"a\n\t\r\"\\'AJA\x07\x018".to_vec(), &b"rest"[..]))
        );
        for bad in [
            &br#"x"#[..],
            br#"""#.get(..0).unwrap(),
            br#""a"#,
            br#""\"#,
            br#""\q""#,
            br#""\x1""#,
            br#""\xg0""#,
            br#""\400""#,
            b"\"\n\"",
            b"\"\0\"",
        ] {
            assert_eq!(unescape(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn quoted_strings_know_no_letters() {
        assert_eq!(quoted_string(br#""a\n\"\\" x"#), Some((b"an\"\\".to_vec(), &b" x"[..])));
        assert_eq!(quoted_string(br#""a\"#), None);
        assert_eq!(quoted_string(b"\"a\nb\""), Some((b"a\nb".to_vec(), &b""[..])));
    }

    proptest! {
        #[test]
        fn escaped_text_reads_back(text in prop::collection::vec(1u8.., 0..60)) {
            let quoted = escape(&text);
            prop_assert!(quoted.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(unescape(quoted.as_bytes()), Some((text, &b""[..])));
        }

        #[test]
        fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = (unescape(&text), quoted_string(&text));
        }
    }
}
