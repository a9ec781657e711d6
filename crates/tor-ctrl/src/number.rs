//! Numbers as `strtol` and `strtoul` take them, because controllers write `+5` and ` 5`, and C Tor minds neither.

use crate::quote::is_space;

/// A whole decimal number from 0 to `max`; white space and `+` may precede it, nothing may follow.
pub(crate) fn parse_unsigned(text: &[u8], max: u64) -> Option<u64> {
    let start = text.iter().position(|byte| !is_space(*byte))?;
    let text = text.get(start..)?;
    // strtoul takes a minus sign too and wraps around. Of its results only "-0" and, where `max` is the type's own,
    // the negatives would be in range: no controller means that, but zero is zero.
    let (digits, negative) = match text.split_first()? {
        (b'+', rest) => (rest, false),
        (b'-', rest) => (rest, true),
        _ => (text, false),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (value <= max && (!negative || value == 0)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, value) in [("0", 0), ("7", 7), (" +7", 7), ("007", 7), ("-0", 0), ("100", 100)] {
            assert_eq!(parse_unsigned(text.as_bytes(), 100), Some(value), "{text}");
        }
        for text in ["", " ", "+", "-", "-1", "101", "7 ", "7x", "0x7", "99999999999999999999999", "\u{661}"]
        {
            assert_eq!(parse_unsigned(text.as_bytes(), 100), None, "{text}");
        }
    }
}
