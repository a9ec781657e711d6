//! Reading text: the lines of an event, and the words of a line.

use std::{borrow::Cow, str::FromStr, time::SystemTime};

use super::{parse_time, unquote};
use crate::ParseError;

/// One event as it came, taken apart into lines.
#[derive(Clone, Debug)]
pub(crate) struct Raw<'a> {
    /// The keyword.
    pub(crate) name: &'a str,
    /// What follows it in the first line.
    pub(crate) rest: &'a str,
    /// The lines between the first and `650 OK`, where the first line said that there are more.
    pub(crate) lines: Vec<&'a str>,
    /// The data block, if there is one: lines that each end with `\n`.
    pub(crate) data: Option<String>,
}

impl<'a> Raw<'a> {
    /// Takes one event apart. Lines may end with CRLF or LF.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ParseError> {
        let mut lines = text.split_terminator('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let (divider, first) = lines.next().and_then(body).ok_or(ParseError::NotAnEvent)?;
        let (name, rest) = first.split_once(' ').unwrap_or((first, ""));
        let mut raw = Self { name, rest, lines: Vec::new(), data: None };
        match divider {
            Divider::Last => {}
            Divider::More => raw.lines = more(&mut lines)?,
            Divider::Data => {
                raw.data = Some(data(&mut lines)?);
                more(&mut lines)?;
            }
        }
        if lines.next().is_some() { Err(ParseError::NotAnEvent) } else { Ok(raw) }
    }

    /// The words of the first line, after the keyword.
    pub(crate) fn args(&self) -> Args<'a> {
        Args { rest: self.rest }
    }

    /// The data block.
    pub(crate) fn data(&self) -> Result<String, ParseError> {
        self.data.clone().ok_or(ParseError::Missing { what: "data" })
    }
}

/// What stands between the code and the text of a line.
pub(crate) enum Divider {
    /// Blank: the last line.
    Last,
    /// Hyphen: another follows.
    More,
    /// Plus: data follow.
    Data,
}

/// The divider and the text of a line with the code 650.
pub(crate) fn body(line: &str) -> Option<(Divider, &str)> {
    let mut rest = line.strip_prefix("650")?.chars();
    let divider = match rest.next()? {
        ' ' => Divider::Last,
        '-' => Divider::More,
        '+' => Divider::Data,
        _ => return None,
    };
    Some((divider, rest.as_str()))
}

/// The lines up to the last one, without the last one, which says `OK`, or something that belongs to a later version.
fn more<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>, ParseError> {
    let mut found = Vec::new();
    loop {
        match lines.next().and_then(body).ok_or(ParseError::NotAnEvent)? {
            (Divider::Last, _) => return Ok(found),
            (Divider::More, line) => found.push(line),
            (Divider::Data, _) => drop(data(lines)?),
        }
    }
}

/// The data up to the line that is a dot.
fn data<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<String, ParseError> {
    let mut data = String::new();
    loop {
        let line = lines.next().ok_or(ParseError::NotAnEvent)?;
        if line == "." {
            break;
        }
        data.push_str(line.strip_prefix('.').unwrap_or(line));
        data.push('\n');
    }
    // One empty line is how "no data" is written.
    Ok(if data == "\n" { String::new() } else { data })
}

/// The words of a line: separated by single blanks, except within quotes.
#[derive(Clone, Debug)]
pub(crate) struct Args<'a> {
    rest: &'a str,
}

impl<'a> Args<'a> {
    /// The next word, which must be there.
    pub(crate) fn word(&mut self, what: &'static str) -> Result<&'a str, ParseError> {
        self.next().filter(|word| !word.is_empty()).ok_or(ParseError::Missing { what })
    }

    /// The next word, if it is there and isn't a `KEY=value`.
    pub(crate) fn positional(&mut self) -> Option<&'a str> {
        let mut ahead = self.clone();
        let word = ahead.next().filter(|word| !word.is_empty() && !is_pair(word))?;
        *self = ahead;
        Some(word)
    }

    /// The next word as something with a `FromStr`: a number.
    pub(crate) fn number<T: FromStr>(&mut self, what: &'static str) -> Result<T, ParseError> {
        number(self.word(what)?, what)
    }

    /// The other words, as `KEY=value`. Words without a `=` are left out: later versions may add them.
    pub(crate) fn pairs(self) -> impl Iterator<Item = Pair<'a>> {
        self.filter_map(|word| {
            let (key, value) = word.split_once('=')?;
            Some(Pair { key, value })
        })
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = word_end(self.rest);
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix(' ').unwrap_or(rest);
        Some(word)
    }
}

/// Where a word ends: at a blank that isn't within quotes. Quotes open at the beginning of a word or of a value.
fn word_end(text: &str) -> usize {
    let mut before = b'=';
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if quoted => quoted = false,
            b'"' if before == b'=' => quoted = true,
            b' ' if !quoted => return at,
            _ => {}
        }
        before = byte;
    }
    text.len()
}

/// True for `KEY=value`, where the key is a keyword: `$FP=nick` and `a=b` of a target aren't.
fn is_pair(word: &str) -> bool {
    word.split_once('=').is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// One `KEY=value`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'a> {
    /// The key.
    pub(crate) key: &'a str,
    /// The value, with its quotes if it has any.
    pub(crate) value: &'a str,
}

impl Pair<'_> {
    /// True if the value stands in quotes.
    pub(crate) fn is_quoted(&self) -> bool {
        self.value.starts_with('"')
    }

    /// The value without quotes, as bytes.
    pub(crate) fn bytes(&self, what: &'static str) -> Result<Vec<u8>, ParseError> {
        if self.is_quoted() {
            unquote(self.value).ok_or(ParseError::Bad { what })
        } else {
            Ok(self.value.as_bytes().to_vec())
        }
    }

    /// The value without quotes, as text.
    pub(crate) fn text(&self, what: &'static str) -> Result<String, ParseError> {
        String::from_utf8(self.bytes(what)?).map_err(|_| ParseError::Bad { what })
    }

    /// The value as a number.
    pub(crate) fn number<T: FromStr>(&self, what: &'static str) -> Result<T, ParseError> {
        number(self.value, what)
    }

    /// The value as a time.
    pub(crate) fn time(&self, what: &'static str) -> Result<SystemTime, ParseError> {
        let text = self.text(what)?;
        parse_time(&text).ok_or(ParseError::Bad { what })
    }

    /// The words of a list with commas; none if the value is empty.
    pub(crate) fn list(&self) -> impl Iterator<Item = &str> {
        self.value.split(',').filter(|word| !word.is_empty())
    }
}

/// A number in digits, with no plus sign.
fn number<T: FromStr>(text: &str, what: &'static str) -> Result<T, ParseError> {
    let text: Cow<'_, str> = if text.starts_with('+') { "".into() } else { text.into() };
    text.parse().map_err(|_| ParseError::Bad { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        Args { rest: text }.collect()
    }

    #[test]
    fn words_of_a_line() {
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words("a b  c"), ["a", "b", "", "c"]);
        assert_eq!(words(r#"a K="b c" "d e" f"g h"#), ["a", r#"K="b c""#, r#""d e""#, "f\"g", "h"]);
        assert_eq!(words(r#"K="a\" b\\" c"#), [r#"K="a\" b\\""#, "c"]);
        assert_eq!(words(r#"K="never ends"#), [r#"K="never ends"#]);
    }

    #[test]
    fn lines_of_an_event() {
        let raw = Raw::parse("650+NS\r\nr a\r\n..\r\n.\r\n650 OK\r\n").unwrap();
        assert_eq!((raw.name, raw.rest, raw.data.as_deref()), ("NS", "", Some("r a\n.\n")));
        let raw = Raw::parse("650-CONF_CHANGED\n650-A=b\n650 OK\n").unwrap();
        assert_eq!((raw.name, raw.lines), ("CONF_CHANGED", vec!["A=b"]));
        for bad in ["", "650", "650CIRC", "250 OK", "650-A", "650+A\n.\n", "650+A\nx\n650 OK", "650 A\n650 B"]
        {
            assert!(Raw::parse(bad).is_err(), "{bad}");
        }
    }
}
