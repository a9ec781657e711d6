//! Writing text: the pieces that events are made of, appended to a `Vec<u8>` without an allocation for each.
//!
//! What comes from outside (a target's name, a nickname, a log message) can never end a line or an argument: a word's
//! blanks and control characters become `?`, a line's line ends become blanks. C Tor trusts its own; we need not.

mod quote;
mod read;
mod time;

pub(crate) use self::{
    quote::{put_quoted, unquote},
    read::{Args, Pair, Raw},
    time::{parse_time, put_time, put_time_usec},
};

/// A value with a text form.
pub(crate) trait Text {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// It alone.
    fn to_text(&self) -> String {
        let mut out = Vec::new();
        self.put(&mut out);
        lossless(out)
    }
}

/// What the `put` functions wrote is UTF-8, since it was put together of whole `str`s and ASCII.
pub(crate) fn lossless(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

pub(crate) fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// A word: an argument, or a value without quotes. Never empty, so that the words after it keep their place.
pub(crate) fn put_word(out: &mut Vec<u8>, word: &str) {
    if word.is_empty() {
        out.push(b'?');
    } else if is_word(word) {
        put(out, word);
    } else {
        out.extend(word.bytes().map(|b| if is_word_byte(b) { b } else { b'?' }));
    }
}

fn is_word(text: &str) -> bool {
    // Sixteen at a time, without a branch for each: onion addresses are long.
    let (blocks, rest) = text.as_bytes().as_chunks::<16>();
    let all_are = |block: &[u8; 16]| block.iter().fold(true, |all, byte| all & is_word_byte(*byte));
    blocks.iter().all(all_are) && rest.iter().all(|byte| is_word_byte(*byte))
}

/// A quote would open a quoted string, and swallow the words after it.
fn is_word_byte(byte: u8) -> bool {
    byte > b' ' && byte != b'"' && byte != 0x7f
}

/// Text up to the end of a line.
pub(crate) fn put_line(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(is_line_end) {
        out.extend(text.bytes().map(|byte| if is_line_end(byte) { b' ' } else { byte }));
    } else {
        put(out, text);
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

/// ` KEY=value`, if there is a value. The key comes with its blank and its sign, so that it is written at once.
#[inline]
pub(crate) fn put_pair<T>(
    out: &mut Vec<u8>,
    key: &str,
    value: Option<T>,
    write: impl FnOnce(&mut Vec<u8>, T),
) {
    if let Some(value) = value {
        put(out, key);
        write(out, value);
    }
}

/// ` KEY=number`.
pub(crate) fn put_number(out: &mut Vec<u8>, key: &str, number: u64) {
    put_pair(out, key, Some(number), put_u64);
}

pub(crate) fn put_u64(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut used = 0;
    for place in digits.iter_mut().rev() {
        *place = digit(number % 10);
        used += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

pub(crate) fn put_i64(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    put_u64(out, number.unsigned_abs());
}

/// As C's `%f`.
pub(crate) fn put_f64(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() {
        put(out, "nan");
    } else {
        put(out, &format!("{number:.6}"));
    }
}

/// The decimal digit of a number below ten.
fn digit(number: u64) -> u8 {
    let [digit, ..] = (number % 10).to_le_bytes();
    b'0' + digit
}

/// Of a length that the compiler knows, so that it needs no checks and can do many digits at a time: half of a CIRC event
/// is fingerprints.
pub(crate) fn put_hex_upper<const N: usize>(out: &mut Vec<u8>, bytes: &[u8; N]) {
    let digits = bytes.map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]);
    out.extend_from_slice(digits.as_flattened());
}

fn hex_digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'A' - 10 }
}

/// Appends the values, with commas between them.
pub(crate) fn put_list<T>(
    out: &mut Vec<u8>,
    values: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, value);
    }
}

/// The lines of a data block after its first line, with leading dots doubled, and the dot that ends it. As in C Tor, no
/// data at all is one empty line.
pub(crate) fn put_data(out: &mut Vec<u8>, data: &str) {
    for line in data.strip_suffix('\n').unwrap_or(data).split('\n') {
        if line.starts_with('.') {
            out.push(b'.');
        }
        put(out, line.strip_suffix('\r').unwrap_or(line));
        put(out, "\r\n");
    }
    put(out, ".\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers() {
        for number in [0, 1, 9, 10, 99, 100, 18_446_744_073_709_551_615_u64] {
            assert_eq!(written(|out| put_u64(out, number)), number.to_string());
        }
        for number in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(written(|out| put_i64(out, number)), number.to_string());
        }
        assert_eq!(written(|out| put_f64(out, 0.83)), "0.830000");
        assert_eq!(written(|out| put_f64(out, f64::NAN)), "nan");
        assert_eq!(written(|out| put_f64(out, f64::INFINITY)), "inf");
    }

    #[test]
    fn words_and_lines_stay_in_their_place() {
        assert_eq!(written(|out| put_word(out, "a b\r\n250 OK\0\x7f")), "a?b??250?OK??");
        assert_eq!(written(|out| put_word(out, "")), "?");
        assert_eq!(written(|out| put_line(out, "a\r\n650 X")), "a  650 X");
    }

    #[test]
    fn data_blocks() {
        assert_eq!(written(|out| put_data(out, "")), "\r\n.\r\n");
        assert_eq!(written(|out| put_data(out, "a\n.b\n")), "a\r\n..b\r\n.\r\n");
        assert_eq!(written(|out| put_data(out, ".")), "..\r\n.\r\n");
        assert_eq!(written(|out| put_data(out, "a\r\n\r\nb")), "a\r\n\r\nb\r\n.\r\n");
    }
}
