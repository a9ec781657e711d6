//! What can be wrong with a configuration. Every error says where it is and which option it concerns.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::Origin;
use crate::dirline::DirLineError;
use crate::log::LogError;
use crate::policy::PolicyError;
use crate::port::PortError;
use crate::table::Kind;
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

    /// What C Tor says of it, without a place and without advice: the text of a controller's error.
    pub fn plain(&self) -> String {
        let option = &self.option;
        match &self.problem {
            Problem::Unknown { .. } => format!("Unknown option '{option}'.  Failing."),
            Problem::Ambiguous(..) => format!("Ambiguous option '{option}'.  Failing."),
            Problem::Virtual => "Cannot assign directly to virtual option.".to_owned(),
            Problem::Value { kind, value, error } => {
                format!("Could not parse {option}: {}", error.explain(*kind, value))
            }
            Problem::Port(_) => format!("Invalid {} configuration", option.trim_start_matches('_')),
            Problem::Policy(_) => format!("Error in {option} entry."),
            Problem::Log(_) => "Failed to validate Log options. See logs for details.".to_owned(),
            Problem::DirLine(_) => {
                "Directory authority/fallback line did not parse. See logs for details.".to_owned()
            }
            Problem::Says(text) => text.clone(),
            Problem::NotBuilt(_) => format!("{option}: {}", self.problem),
            Problem::Unreadable { path, .. } => {
                format!("Unable to open configuration file \"{}\".", path.display())
            }
            Problem::Syntax(_) | Problem::TooDeep => self.problem.to_string(),
        }
    }

    /// What the log says of it, a warning a line: where it is and what may help, then what C Tor says, which is what
    /// tools read.
    pub fn log_lines(&self) -> Vec<String> {
        let plain = self.plain();
        if matches!(self.problem, Problem::Syntax(_) | Problem::TooDeep) {
            vec![format!("Error while parsing configuration: {self}")]
        } else if !matches!(self.problem, Problem::Unreadable { .. }) {
            vec![self.to_string(), format!("Failed to parse/validate config: {plain}")]
        } else if self.at == Origin::CommandLine {
            vec![plain]
        } else {
            vec![self.to_string(), plain]
        }
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
    #[error("{error}")]
    Value {
        /// The type.
        kind: Kind,
        /// The value, from the user's own configuration.
        value: String,
        /// What is wrong with it.
        error: ValueError,
    },
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
    /// Two options don't go together, or a value is out of its range, in the words that C Tor has for it and tools
    /// know.
    #[error("{0}")]
    Says(String),
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
