//! What can be wrong with a configuration. Every error says where it is and which option it concerns.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::Origin;
use crate::dirline::DirLineError;
use crate::log::LogError;
use crate::policy::PolicyError;
use crate::port::PortError;
use crate::torrc::SyntaxError;
use crate::value::ValueError;

/// A configuration that can't be used.
///
/// Its `Display` form is one line that begins with the file and line (or `command line`) and the option.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{at}{}{problem}", self.prefix())]
pub struct ConfigError {
    /// Where.
    pub at: Origin,
    /// The option as it was written, or its canonical name; empty if it is not about one.
    pub option: String,
    /// What.
    pub problem: Problem,
}

impl ConfigError {
    pub(crate) fn new(at: Origin, option: impl Into<String>, problem: impl Into<Problem>) -> Self {
        Self { at, option: option.into(), problem: problem.into() }
    }

    fn prefix(&self) -> String {
        if self.option.is_empty() { String::new() } else { format!("{}: ", self.option) }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// No option has this name.
    #[error("unknown option{}", nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    Unknown {
        /// The known name that looks most like it.
        nearest: Option<&'static str>,
    },
    /// More than one option begins like this.
    #[error("ambiguous option: it may be {0}, {1} or another")]
    Ambiguous(&'static str, &'static str),
    /// It is a view of other options.
    #[error("this name shows several options at once and can't be set")]
    Virtual,
    /// Its value is not of its type.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A `SocksPort` line is wrong.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A `SocksPolicy` line is wrong.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A `Log` line is wrong.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A line that describes an authority or a fallback is wrong.
    #[error(transparent)]
    DirLine(#[from] DirLineError),
    /// A known option, whose engine this version does not have.
    #[error("this version can't do that yet, and ignoring it would not be what you asked for: {0}")]
    NotBuilt(&'static str),
    /// Two options don't go together, or a value is out of its range.
    #[error("{0}")]
    Rule(&'static str),
    /// The text of a torrc can't be read.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A file can't be read.
    #[error("can't read {}: {kind}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// Files include each other more than 31 deep.
    #[error("%include is nested too deeply")]
    TooDeep,
}
