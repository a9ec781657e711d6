//! The line tokenizer of directory documents. <https://spec.torproject.org/dir-spec/netdoc.html>
//!
//! ```text
//! keyword SP arguments NL
//! -----BEGIN NAME-----        an object may follow its line
//! base64
//! -----END NAME-----
//! ```
//!
//! Items borrow from the text. As in C Tor, blank lines and leading blanks are skipped, a leading `opt` is
//! ignored, and lines that start with `#` are comments. Objects are only delimited here; whoever wants one
//! decodes it. Which keywords may come how often is the business of each document's parser: [`once`] and
//! [`need`] are the two rules that they share.

use std::ops::Range;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::DocError;

/// Longest line, and longest object, that C Tor reads.
const MAX_LINE: usize = 128 * 1024;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Base64 with or without padding, as documents mix both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// One line with its object.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// The first word.
    pub(crate) keyword: &'a str,
    /// The rest of the line, without the blanks around it.
    pub(crate) rest: &'a str,
    /// The object below the line.
    pub(crate) object: Option<Object<'a>>,
    /// Where keyword, line and object lie in the text, with the final newline.
    pub(crate) span: Range<usize>,
    /// The number of the line, from 1.
    pub(crate) line: u32,
}

/// A `-----BEGIN` block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    /// What stands after `BEGIN`.
    pub(crate) name: &'a str,
    /// The base64 lines.
    pub(crate) body: &'a str,
}

impl<'a> Item<'a> {
    /// The words of the line after the keyword.
    pub(crate) fn args(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.rest.split([' ', '\t', '\r']).filter(|word| !word.is_empty())
    }

    /// The first `N` words; more may follow.
    pub(crate) fn first<const N: usize>(&self, what: &'static str) -> Result<[&'a str; N], DocError> {
        let mut words = [""; N];
        let mut args = self.args();
        for word in &mut words {
            *word = args.next().ok_or_else(|| self.malformed(what))?;
        }
        Ok(words)
    }

    /// Exactly `N` words.
    pub(crate) fn exactly<const N: usize>(&self, what: &'static str) -> Result<[&'a str; N], DocError> {
        let words = self.first(what)?;
        if self.args().nth(N).is_some() { Err(self.malformed(what)) } else { Ok(words) }
    }

    /// The decoded object, which must have this name.
    pub(crate) fn object(&self, name: &'static str) -> Result<Vec<u8>, DocError> {
        match self.object {
            Some(object) if object.name == name => {
                object.decode().ok_or_else(|| self.malformed("base64 object"))
            }
            Some(_) | None => Err(self.malformed(name)),
        }
    }

    /// An error on this line.
    pub(crate) const fn malformed(&self, what: &'static str) -> DocError {
        DocError::Malformed { what, line: self.line }
    }
}

impl Object<'_> {
    pub(crate) fn decode(&self) -> Option<Vec<u8>> {
        let compact: Vec<u8> =
            self.body.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r' | b' ' | b'\t')).collect();
        BASE64.decode(compact).ok()
    }
}

/// The items of a text, in order.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Items<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 0 }
    }

    /// The next item, without its newline consumed from `self` on failure.
    fn step(&mut self) -> Option<Result<Item<'a>, DocError>> {
        let (keyword, rest, start) = loop {
            let (start, line) = self.take_line()?;
            let trimmed = line.trim_start_matches([' ', '\t', '\r']);
            let start = start + (line.len() - trimmed.len());
            if trimmed.len() > MAX_LINE {
                return Some(Err(DocError::TooLong { what: "line" }));
            }
            let (keyword, rest) = split_word(trimmed);
            if keyword == "opt" {
                let (keyword, rest) = split_word(rest);
                break (keyword, rest, start);
            }
            if !keyword.is_empty() && !keyword.starts_with('#') {
                break (keyword, rest, start);
            }
        };
        let line = self.line;
        let object = match self.take_object() {
            Ok(object) => object,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(Item {
            keyword,
            rest: rest.trim_end_matches([' ', '\t', '\r']),
            object,
            span: start..self.at,
            line,
        }))
    }

    /// Where the next line begins, and the line without its newline.
    fn take_line(&mut self) -> Option<(usize, &'a str)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let start = self.at;
        let length = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        self.at = (start + length + 1).min(self.text.len());
        self.line = self.line.saturating_add(1);
        Some((start, rest.get(..length)?))
    }

    fn take_object(&mut self) -> Result<Option<Object<'a>>, DocError> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(BEGIN)) {
            return Ok(None);
        }
        let malformed = |line| DocError::Malformed { what: "object", line };
        let begin = self.take_line().map_or("", |(_, line)| line.trim_end_matches('\r'));
        let name = begin
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.strip_suffix(DASHES))
            .filter(|name| !name.is_empty())
            .ok_or_else(|| malformed(self.line))?;
        let body_start = self.at;
        loop {
            let (start, line) = self.take_line().ok_or_else(|| malformed(self.line))?;
            if start - body_start > MAX_LINE {
                return Err(DocError::TooLong { what: "object" });
            }
            if let Some(end) = line.trim_end_matches('\r').strip_prefix(END) {
                let body = self.text.get(body_start..start).unwrap_or_default();
                return match end.strip_suffix(DASHES) {
                    Some(end) if end == name => Ok(Some(Object { name, body })),
                    Some(_) | None => Err(malformed(self.line)),
                };
            }
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, DocError>;
    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if matches!(step, Some(Err(_))) {
            self.at = self.text.len();
        }
        step
    }
}

/// Stores an item that may come at most once.
pub(crate) fn once<'a>(
    slot: &mut Option<Item<'a>>,
    keyword: &'static str,
    item: Item<'a>,
) -> Result<(), DocError> {
    if slot.is_some() {
        return Err(DocError::Repeated { keyword, line: item.line });
    }
    *slot = Some(item);
    Ok(())
}

/// An item that must be there.
pub(crate) fn need<'i, 'a>(
    slot: &'i Option<Item<'a>>,
    keyword: &'static str,
) -> Result<&'i Item<'a>, DocError> {
    slot.as_ref().ok_or(DocError::Missing { keyword })
}

/// Base64 of exactly `N` bytes.
pub(crate) fn base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut buffer = [0; 64];
    let room = buffer.get_mut(..N.next_multiple_of(3).min(64))?;
    match BASE64.decode_slice(text, room) {
        Ok(length) if length == N => buffer.get(..N)?.try_into().ok(),
        Ok(_) | Err(_) => None,
    }
}

/// Hex of exactly `N` bytes, in either case.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

/// A decimal number, digits only.
pub(crate) fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) { None } else { text.parse().ok() }
}

fn split_word(line: &str) -> (&str, &str) {
    match line.find([' ', '\t', '\r']) {
        Some(at) => {
            let (word, rest) = line.split_at(at);
            (word, rest.trim_start_matches([' ', '\t', '\r']))
        }
        None => (line, ""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Result<Vec<Item<'_>>, DocError> {
        Items::new(text).collect()
    }

    #[test]
    fn lines_words_and_objects() {
        let text = "first a  b\tc\r\n\n# remark\nopt second\n-----BEGIN X Y-----\nAAEC\nAw==\n-----END X Y-----\nthird ";
        let items = all(text).unwrap();
        assert_eq!(items.iter().map(|item| item.keyword).collect::<Vec<_>>(), ["first", "second", "third"]);
        assert_eq!(items[0].args().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(items[0].line, 1);
        assert_eq!(items[1].line, 4);
        assert_eq!(items[1].object("X Y").unwrap(), [0, 1, 2, 3]);
        assert!(items[1].object("X").is_err());
        assert_eq!(
            &text[items[1].span.clone()],
            &text[text.find("opt").unwrap()..text.find("third").unwrap()]
        );
        assert_eq!(items[2].rest, "");
    }

    #[test]
    fn broken_objects() {
        for text in [
            "k\n-----BEGIN A-----\nAAAA\n",
            "k\n-----BEGIN A-----\nAAAA\n-----END B-----\n",
            "k\n-----BEGIN A\nAAAA\n-----END A-----\n",
            "k\n-----BEGIN -----\n-----END -----\n",
        ] {
            assert!(all(text).is_err(), "{text}");
        }
        let long = format!("k\n-----BEGIN A-----\n{}-----END A-----\n", "AAAA\n".repeat(MAX_LINE / 4));
        assert_eq!(all(&long).unwrap_err(), DocError::TooLong { what: "object" });
        let long = "k".repeat(MAX_LINE + 1);
        assert_eq!(all(&long).unwrap_err(), DocError::TooLong { what: "line" });
        assert!(all(&long[1..]).is_ok());
    }

    #[test]
    fn fixed_base64() {
        assert_eq!(base64::<3>("AAEC"), Some([0, 1, 2]));
        assert_eq!(base64::<4>("AAECAw"), Some([0, 1, 2, 3]));
        assert_eq!(base64::<4>("AAECAw=="), Some([0, 1, 2, 3]));
        assert_eq!(base64::<4>("AAEC"), None);
        assert_eq!(base64::<3>("AAECAw"), None);
        assert_eq!(base64::<32>("!"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s)([a-c \n#]|opt|-----BEGIN A-----\n|-----END A-----\n|é){0,60}") {
            let mut end = 0;
            for item in Items::new(&text).flatten() {
                prop_assert!(item.span.start >= end && item.span.end <= text.len());
                end = item.span.end;
            }
        }
    }
}
