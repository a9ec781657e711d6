//! One assignment, and where it came from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// `Option value`, as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The option's name as written, without its mark.
    pub key: String,
    /// The value, decoded; empty where there is none.
    pub value: String,
    /// How it joins what is there.
    pub mark: Mark,
    /// Where it stands.
    pub origin: Origin,
}

/// How a line joins what lower layers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Replaces it.
    #[default]
    Set,
    /// `+Option`: adds to a list from a lower layer.
    Append,
    /// `/Option`: clears it.
    Clear,
}

/// Where an assignment came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// From nowhere: it is the default.
    #[default]
    Default,
    /// From the command line.
    CommandLine,
    /// From a controller, while the client runs.
    Controller,
    /// From a file.
    File {
        /// Its name; `-` is the standard input.
        path: Arc<Path>,
        /// The first line of the entry, counted from 1.
        line: u32,
    },
}

/// Writes what goes before a message: `torrc:12: `, `command line: ` or nothing.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => Ok(()),
            Self::CommandLine => f.write_str("command line: "),
            Self::Controller => f.write_str("controller: "),
            Self::File { path, line } => write!(f, "{}:{line}: ", path.display()),
        }
    }
}

/// Something that the client should log when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub severity: NoticeLevel,
    /// What, in one line. It holds option names, file names and values from the user's own configuration.
    pub text: String,
}

impl Notice {
    pub(crate) fn warn(text: impl Into<String>) -> Self {
        Self { severity: NoticeLevel::Warn, text: text.into() }
    }

    pub(crate) fn tell(text: impl Into<String>) -> Self {
        Self { severity: NoticeLevel::Notice, text: text.into() }
    }

    pub(crate) fn info(text: impl Into<String>) -> Self {
        Self { severity: NoticeLevel::Info, text: text.into() }
    }
}

/// How loud a [`Notice`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeLevel {
    /// For the curious.
    Info,
    /// A user would want to know.
    Notice,
    /// Something deserves attention.
    Warn,
}
