//! STATUS_GENERAL, STATUS_CLIENT, STATUS_SERVER, and the line of `GETINFO status/bootstrap-phase`.

use serde::Serialize;

use super::{
    Form,
    arguments::{Argument, put_arguments},
};
use crate::{
    EventKind, ParseError,
    text::{Raw, lossless, put, put_word},
    words::words,
};

words! {
    /// Whom a status event concerns.
    closed StatusType {
        /// Clients and relays.
        General = "STATUS_GENERAL",
        /// Clients.
        Client = "STATUS_CLIENT",
        /// Relays.
        Server = "STATUS_SERVER",
    }
}

words! {
    /// How much a status event matters.
    closed Severity {
        /// All is well.
        Notice = "NOTICE",
        /// Something is wrong.
        Warn = "WARN",
        /// It can't go on.
        Err = "ERR",
    }
}

impl StatusType {
    /// The event that carries them.
    pub const fn kind(self) -> EventKind {
        match self {
            Self::General => EventKind::StatusGeneral,
            Self::Client => EventKind::StatusClient,
            Self::Server => EventKind::StatusServer,
        }
    }
}

/// What the client wants its user to know, for programs.
///
/// ```
/// use tor_ctrl_events::{Event, Severity, Status, StatusType};
///
/// let status = Status::new(StatusType::Client, Severity::Notice, "BOOTSTRAP")
///     .arg("PROGRESS", 5)
///     .arg("TAG", "conn")
///     .quoted("SUMMARY", "Connecting to a relay");
/// assert_eq!(status.line(), "NOTICE BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY=\"Connecting to a relay\"");
/// assert_eq!(Event::from(status.clone()).to_text(), format!("650 STATUS_CLIENT {}\r\n", status.line()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Status {
    /// Whom it concerns.
    pub status_type: StatusType,
    /// How much it matters.
    pub severity: Severity,
    /// What happened: `BOOTSTRAP`, `CIRCUIT_ESTABLISHED`, `DANGEROUS_SOCKS` …
    pub action: String,
    /// The rest, in the order in which it is written.
    pub arguments: Vec<Argument>,
}

impl Status {
    /// One without arguments.
    pub fn new(status_type: StatusType, severity: Severity, action: impl Into<String>) -> Self {
        Self { status_type, severity, action: action.into(), arguments: Vec::new() }
    }

    /// With one more argument, without quotes.
    #[must_use]
    pub fn arg(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.arguments.push(Argument::bare(key, value));
        self
    }

    /// With one more argument, in quotes.
    #[must_use]
    pub fn quoted(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.arguments.push(Argument::quoted(key, value));
        self
    }

    /// What follows the type: as `GETINFO status/bootstrap-phase` answers.
    pub fn line(&self) -> String {
        let mut out = Vec::new();
        self.put_line(&mut out);
        lossless(out)
    }

    fn put_line(&self, out: &mut Vec<u8>) {
        put(out, self.severity.as_str());
        out.push(b' ');
        put_word(out, &self.action);
        put_arguments(out, &self.arguments);
    }
}

impl Form for Status {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 ");
        put(out, self.status_type.as_str());
        out.push(b' ');
        self.put_line(out);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let status_type = StatusType::from_word(raw.name).ok_or(ParseError::Bad { what: "type" })?;
        let mut args = raw.args();
        let severity = Severity::from_word(args.word("severity")?);
        let severity = severity.ok_or(ParseError::Bad { what: "severity" })?;
        let action = args.word("action")?.to_owned();
        Ok(Self { status_type, severity, action, arguments: Argument::parse_all(args)? })
    }
}
