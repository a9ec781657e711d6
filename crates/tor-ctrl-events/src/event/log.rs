//! DEBUG, INFO, NOTICE, WARN, ERR: lines of the log.

use serde::Serialize;

use super::Form;
use crate::{
    EventKind, ParseError,
    text::{Raw, put, put_line},
    words::words,
};

words! {
    /// How much a line of the log matters.
    closed LogLevel {
        /// For those who search for an error in the client itself.
        Debug = "DEBUG",
        /// Details.
        Info = "INFO",
        /// What a user may care for.
        Notice = "NOTICE",
        /// What a user should know.
        Warn = "WARN",
        /// What ends the client.
        Err = "ERR",
    }
}

impl LogLevel {
    /// The event that carries such lines.
    pub const fn kind(self) -> EventKind {
        match self {
            Self::Debug => EventKind::Debug,
            Self::Info => EventKind::Info,
            Self::Notice => EventKind::Notice,
            Self::Warn => EventKind::Warn,
            Self::Err => EventKind::Err,
        }
    }
}

/// A line of the log.
///
/// The specification has a form for messages of several lines; C Tor never uses it: it turns line ends into blanks and
/// cuts off those at the end, and so does this. Both forms parse.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Log {
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
}

impl Form for Log {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 ");
        put(out, self.level.as_str());
        out.push(b' ');
        let several = self.text.contains(['\r', '\n']);
        put_line(out, if several { self.text.trim_end_matches(['\r', '\n', ' ']) } else { &self.text });
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let level = LogLevel::from_word(raw.name).ok_or(ParseError::Bad { what: "level" })?;
        let text = match &raw.data {
            Some(data) => [raw.rest, data.trim_end_matches('\n')].concat(),
            None => raw.rest.to_owned(),
        };
        Ok(Self { level, text })
    }
}
