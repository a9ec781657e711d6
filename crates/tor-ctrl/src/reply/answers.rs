//! Replies that are put together from several answers: GETINFO, GETCONF, MAPADDRESS.
//!
//! C Tor's rules for a question that cannot be answered differ between them, which is why they stand side by side here.

use super::Reply;

/// The answer to one GETINFO key: `Ok(None)` if there is no such key.
pub type InfoAnswer = Result<Option<String>, InfoError>;

/// Why a GETINFO key that exists has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoError {
    /// 551 for "can't be told now", which ends the reply; 552 for "no such thing", of which a reply may list several.
    pub code: u16,
    /// The text after the code.
    pub text: String,
}

impl InfoError {
    /// 551: the key exists, its value can't be told now.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self { code: 551, text: text.into() }
    }

    /// 552: the key names something that there isn't, and this text says so better than `Unrecognized key`.
    pub fn unknown(text: impl Into<String>) -> Self {
        Self { code: 552, text: text.into() }
    }
}

/// The answer to one GETCONF key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfAnswer {
    /// There is no option of this name.
    Unknown,
    /// The option has no value of its own: only its name, properly written, is told.
    Unset(String),
    /// Names and values, in order. Several for a list; names differ where the question was about a group.
    Set(Vec<(String, String)>),
}

/// The answer to one mapping of MAPADDRESS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapAnswer {
    /// Done. `from` is the address that was asked for, or the one that was made up.
    Mapped {
        /// The address that is replaced.
        from: String,
        /// The address that replaces it.
        to: String,
    },
    /// The new address is none: see [`Mapping::target_is_valid`](crate::Mapping::target_is_valid).
    BadTarget {
        /// What was asked for.
        to: String,
    },
    /// No virtual address is left.
    Exhausted {
        /// What was asked for.
        from: String,
        /// What was asked for.
        to: String,
    },
    /// The pair makes no sense, for instance a wildcard on one side only.
    BadPair {
        /// What was asked for.
        from: String,
        /// What was asked for.
        to: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Reply {
    /// The reply to GETINFO: the questions with their answers, in the order in which they were asked.
    ///
    /// The first answer that is an error other than 552 is the whole reply; else the unknown keys are, all of them;
    /// else the values.
    pub fn info<'a>(answers: impl IntoIterator<Item = (&'a str, InfoAnswer)>) -> Self {
        let (mut values, mut unknown) = (Self::default(), Self::default());
        for (key, answer) in answers {
            match answer {
                Ok(Some(value)) => values.push_value(250, key, &value),
                Ok(None) => unknown.push(552, format!("Unrecognized key \"{key}\"")),
                Err(error) if error.code == 552 => unknown.push(552, error.text),
                Err(error) => return Self::line(error.code, error.text),
            }
        }
        if unknown.lines.is_empty() { values.with(250, "OK") } else { unknown }
    }

    /// The reply to GETCONF: the questions with their answers, in the order in which they were asked. Unknown names
    /// refuse all; there is no `250 OK` after values, the last value is the last line.
    pub fn conf<'a>(answers: impl IntoIterator<Item = (&'a str, ConfAnswer)>) -> Self {
        let (mut values, mut unknown) = (Self::default(), Self::default());
        for (key, answer) in answers {
            match answer {
                ConfAnswer::Unknown => unknown.push(552, format!("Unrecognized configuration key \"{key}\"")),
                ConfAnswer::Unset(name) => values.push(250, name),
                ConfAnswer::Set(lines) => {
                    lines.iter().for_each(|(name, value)| values.push_value(250, name, value))
                }
            }
        }
        if unknown.lines.is_empty() { values } else { unknown }
    }

    /// The reply to MAPADDRESS: a line for each mapping, whether done or not.
    pub fn mapped(answers: impl IntoIterator<Item = MapAnswer>) -> Self {
        let mut reply = Self::default();
        for answer in answers {
            match answer {
                MapAnswer::Mapped { from, to } => reply.push(250, format!("{from}={to}")),
                MapAnswer::BadTarget { to } => {
                    reply.push(512, format!("syntax error: invalid address '{to}'"))
                }
                MapAnswer::Exhausted { from, to } => {
                    reply.push(451, format!("resource exhausted: skipping '{from}={to}'"));
                }
                // The two blanks are C Tor's.
                MapAnswer::BadPair { from, to, why } => {
                    reply.push(512, format!("syntax error: invalid address mapping  '{from}={to}': {why}"));
                }
            }
        }
        reply
    }
}
