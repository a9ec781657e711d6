//! Quoted strings with C escapes, as C Tor writes them.

/// Writes `"…"`: backslash, both quotes, line ends and tabs with a backslash, other bytes that aren't printable ASCII as
/// three octal digits. A NUL ends the text, as in C Tor.
pub(crate) fn put_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text.iter().take_while(|byte| **byte != 0) {
        match byte {
            b'\\' | b'"' | b'\'' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b' '..=b'~' => out.push(byte),
            _ => {
                out.extend_from_slice(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)])
            }
        }
    }
    out.push(b'"');
}

/// The bytes of a quoted string; `None` if it isn't one. Knows octal (one to three digits) and hexadecimal escapes.
pub(crate) fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut rest = text.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => return None,
            b'\\' => rest = unescape(rest, &mut out)?,
            _ => out.push(byte),
        }
    }
    Some(out)
}

/// Reads what follows a backslash.
fn unescape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&byte, rest) = text.split_first()?;
    let (value, rest) = match byte {
        b'n' => (b'\n', rest),
        b't' => (b'\t', rest),
        b'r' => (b'\r', rest),
        b'x' => number(rest, 16, 2)?,
        b'0'..=b'7' => number(text, 8, 3)?,
        _ => (byte, rest),
    };
    out.push(value);
    Some(rest)
}

/// One to `most` digits.
fn number(text: &[u8], radix: u32, most: usize) -> Option<(u8, &[u8])> {
    let digits = text.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let value = u8::from_str_radix(str::from_utf8(digits).ok()?, radix).ok()?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_c_tor_writes_them() {
        let mut out = Vec::new();
        put_quoted(&mut out, b"a \"b\" 'c' \\ \r\n\t \x01\x7f\xff\0lost");
        assert_eq!(out, br#""a \"b\" \'c\' \\ \r\n\t \001\177\377""#);
        assert_eq!(unquote(str::from_utf8(&out).unwrap()).unwrap(), b"a \"b\" 'c' \\ \r\n\t \x01\x7f\xff");
    }

    #[test]
    fn what_is_no_quoted_string() {
        for bad in ["", "\"", "a", "\"a", "\"a\\\"", "\"a\"b\"", "\"\\400\"", "\"\\x\"", "\"\\xg\""] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
        assert_eq!(unquote(r#""\1a\x41\q""#).unwrap(), b"\x01aAq");
    }
}
