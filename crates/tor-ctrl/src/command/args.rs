//! The arguments of a command: words, then `Key=Value` pairs, then data, each as far as the command takes them.
//!
//! Each command says what it takes in a [`Syntax`]; what does not fit is refused with `512 Bad arguments to …`, in the
//! words of C Tor (`control_cmd_parse_args`, `kvline_parse`). Its oddities are kept where a controller could depend on
//! them: only blanks separate words, a value may be quoted only where the command says so, and a string ends at a NUL.

use zeroize::Zeroize;

use crate::{
    Reply,
    quote::{is_space, quoted_string, unescape},
    reply::decode_data,
};

/// What a command takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syntax {
    /// Fewest words.
    pub(super) min: usize,
    /// Most words; more are refused, or are pairs.
    pub(super) max: usize,
    /// What is allowed after the words.
    pub(super) pairs: Pairs,
    /// The keys that are allowed; all if empty.
    pub(super) keys: &'static [&'static str],
    /// Whether it takes data: its name then begins with a plus.
    pub(super) data: bool,
}

/// How pairs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairs {
    /// Not at all.
    None,
    /// `K=V`.
    Plain,
    /// `K=V` and `K`.
    Flags,
    /// `K=V`, `K="V"` with C escapes, and `K`.
    QuotedFlags,
    /// `V`, `K=V` and `"V"` as a QuotedString: authentication only.
    Secrets,
}

impl Syntax {
    /// Words, from `min` to `max`.
    pub(super) const fn words(min: usize, max: usize) -> Self {
        Self { min, max, pairs: Pairs::None, keys: &[], data: false }
    }

    /// After the words, pairs.
    pub(super) const fn pairs(self, pairs: Pairs) -> Self {
        Self { pairs, ..self }
    }

    /// No other keys than these.
    pub(super) const fn keys(self, keys: &'static [&'static str]) -> Self {
        Self { keys, ..self }
    }

    /// With data.
    pub(super) const fn data(self) -> Self {
        Self { data: true, ..self }
    }
}

/// One `Key=Value`. The key is empty if there was only a value, the value if there was only a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// The arguments of one command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) words: Vec<Vec<u8>>,
    pub(super) pairs: Vec<Pair>,
    pub(super) data: Vec<u8>,
    /// Whether a quote stands anywhere: authentication cares.
    pub(super) quote: bool,
}

impl Args {
    /// Reads what follows the name of a command.
    ///
    /// # Errors
    ///
    /// The refusal, if it is not what the command takes.
    pub(super) fn parse(name: &[u8], syntax: &Syntax, body: &[u8]) -> Result<Self, Reply> {
        Self::read(syntax, body).map_err(|why| {
            let mut text = b"Bad arguments to ".to_vec();
            text.extend_from_slice(until_nul(name));
            text.extend_from_slice(b": ");
            text.extend_from_slice(&why);
            Reply::line(512, text)
        })
    }

    fn read(syntax: &Syntax, body: &[u8]) -> Result<Self, Vec<u8>> {
        let line_end = body.iter().position(|byte| *byte == b'\n');
        let after = |end: usize| body.get(end + 1..).unwrap_or_default();
        let (line, data) = match (syntax.data, line_end) {
            (true, Some(end)) if !after(end).is_empty() => {
                (body.get(..end).unwrap_or_default(), decode_data(after(end)))
            }
            (true, _) => return Err(b"Empty body".to_vec()),
            (false, Some(end)) if !after(end).is_empty() => return Err(b"Unexpected body".to_vec()),
            (false, _) => (body, Vec::new()),
        };
        let line = until_nul(line);
        let mut words = split(line, syntax.max.saturating_add(1));
        if words.len() < syntax.min {
            return Err(format!("Need at least {} argument(s)", syntax.min).into());
        }
        let mut pairs = Vec::new();
        if words.len() > syntax.max {
            if syntax.pairs == Pairs::None {
                return Err(format!("Cannot accept more than {} argument(s)", syntax.max).into());
            }
            let rest = words.pop().unwrap_or_default();
            pairs = Pair::parse_all(rest, syntax.pairs).ok_or("Cannot parse keyword argument(s)")?;
            if let Some(pair) = pairs.iter().find(|pair| !syntax.allows(&pair.key)) {
                return Err(format!("Unrecognized keyword argument {}", crate::escape(&pair.key)).into());
            }
        }
        let words = words.into_iter().map(<[u8]>::to_vec).collect();
        Ok(Self { words, pairs, data, quote: line.contains(&b'"') })
    }

    /// The first pair with this key, whatever its case.
    pub(super) fn value(&self, key: &str) -> Option<&[u8]> {
        self.pairs.iter().find(|pair| pair.is(key)).map(|pair| pair.value.as_slice())
    }

    /// Whether this key stands without a value.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.value(key).is_some_and(<[u8]>::is_empty)
    }

    /// The words as text.
    pub(super) fn texts(&self) -> Vec<String> {
        self.words.iter().map(|word| text(word)).collect()
    }

    /// A word as bytes; empty if it isn't there, which `min` says cannot be.
    pub(super) fn word(&self, index: usize) -> &[u8] {
        self.words.get(index).map_or(&[], Vec::as_slice)
    }
}

/// Arguments may be passwords and keys.
impl Drop for Args {
    fn drop(&mut self) {
        self.words.zeroize();
        self.pairs.iter_mut().for_each(|pair| pair.value.zeroize());
        self.data.zeroize();
    }
}

impl Syntax {
    fn allows(&self, key: &[u8]) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(key))
    }
}

impl Pair {
    pub(super) fn is(&self, key: &str) -> bool {
        self.key.eq_ignore_ascii_case(key.as_bytes())
    }

    /// All pairs of a line; `None` if it is badly formed.
    fn parse_all(mut line: &[u8], style: Pairs) -> Option<Vec<Self>> {
        let separates = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | b'\n');
        let word = |line: &[u8]| line.iter().position(separates).unwrap_or(line.len());
        let mut pairs = Vec::new();
        while let Some(start) = line.iter().position(|byte| !separates(byte)) {
            line = line.get(start..)?;
            let mut key = Vec::new();
            if !line.starts_with(b"\"") {
                let (name, rest) = line.split_at_checked(word(line))?;
                match name.iter().position(|byte| *byte == b'=') {
                    Some(at) => {
                        key = name.get(..at)?.to_vec();
                        if key.is_empty() {
                            return None;
                        }
                        line = line.get(at + 1..)?;
                    }
                    None if matches!(style, Pairs::Flags | Pairs::QuotedFlags) => {
                        pairs.push(Self { key: name.to_vec(), value: Vec::new() });
                        line = rest;
                        continue;
                    }
                    None if style == Pairs::Secrets => {}
                    None => return None,
                }
            }
            let (value, rest) = match (line.starts_with(b"\""), style) {
                (true, Pairs::QuotedFlags) => unescape(line)?,
                (true, Pairs::Secrets) => quoted_string(line)?,
                (true, _) => return None,
                (false, _) => {
                    line.split_at_checked(word(line)).map(|(value, rest)| (value.to_vec(), rest))?
                }
            };
            pairs.push(Self { key, value });
            line = rest;
        }
        pairs.iter().all(|pair| pair.is_allowed(style)).then_some(pairs)
    }

    /// C Tor refuses what it could not write again: a value with quotes inside where none may be quoted, a key that
    /// is missing or is more than a name.
    fn is_allowed(&self, style: Pairs) -> bool {
        let plain = |text: &[u8]| {
            text.iter().all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'\'' | b'"'))
        };
        match style {
            Pairs::Secrets => true,
            Pairs::QuotedFlags => !self.value.contains(&0) && !self.key.is_empty() && plain(&self.key),
            Pairs::Flags | Pairs::Plain | Pairs::None => {
                plain(&self.value) && !self.key.is_empty() && plain(&self.key)
            }
        }
    }
}

/// Splits at blanks into at most `max` pieces, the last of which is all the rest. White space around a piece goes;
/// a tab inside one stays.
fn split(line: &[u8], max: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = line.trim_ascii_start_all();
    while !rest.is_empty() {
        let end = if pieces.len() + 1 == max { None } else { rest.iter().position(|byte| *byte == b' ') };
        let (piece, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
        pieces.push(piece.trim_ascii_end_all());
        rest = after.trim_ascii_start_all();
    }
    pieces
}

/// White space here includes the vertical tab, which `trim_ascii` leaves.
trait Trim {
    fn trim_ascii_start_all(&self) -> &Self;
    fn trim_ascii_end_all(&self) -> &Self;
}

impl Trim for [u8] {
    fn trim_ascii_start_all(&self) -> &Self {
        let start = self.iter().position(|byte| !is_space(*byte)).unwrap_or(self.len());
        self.get(start..).unwrap_or_default()
    }

    fn trim_ascii_end_all(&self) -> &Self {
        let end = self.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        self.get(..end).unwrap_or_default()
    }
}

/// A C string: everything up to the first NUL.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Words are text for all that comes after; what is not UTF-8 names nothing, so it may as well be replaced.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
