//! Why a client can't start, or can't change.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a client can't start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another client uses the data directory.
    #[error("It looks like another Tor process is running with the same data directory ({})", .0.display())]
    Locked(PathBuf),
    /// A directory or a file of ours can't be used.
    #[error("Can't use {}: {error}", .path.display())]
    Storage {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// An option asks for what this machine or this client does not give.
    #[error(transparent)]
    Config(#[from] ReconfigureError),
    /// TLS can't be used.
    #[error("TLS is not available: {0}")]
    Tls(io::Error),
}

/// Why a configuration can't be acted on. Nothing has changed then.
///
/// What is displayed is C Tor's text, which a controller gets behind `553 Unable to set option: ` (or, for
/// [`Self::is_transition`], `553 Transition not allowed: `); [`Self::detail`] says what exactly is wrong, and is in the
/// log as a warning.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReconfigureError {
    /// A port can't be listened on.
    #[error("Failed to bind one of the listener ports.")]
    Bind {
        /// The option that names it.
        option: &'static str,
        /// Where.
        place: String,
        /// Why.
        error: io::Error,
    },
    /// A log file can't be written.
    #[error("Failed to init Log options. See logs for details.")]
    Log {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Only a new start can change this one.
    #[error("While Tor is running, changing {option} is not allowed")]
    Fixed {
        /// Which.
        option: &'static str,
    },
    /// A `DirAuthority`, `AlternateDirAuthority` or `FallbackDir` line.
    #[error("Bad directory server line {line:?}: {error}")]
    Server {
        /// The option.
        option: &'static str,
        /// The line.
        line: String,
        /// What is wrong.
        error: tor_dir::ServerLineError,
    },
    /// There is nobody to ask for a consensus.
    #[error("No directory server is configured")]
    NoServers,
    /// Another part of the program can't act on an option.
    #[error("{text}")]
    Other {
        /// Which option.
        option: &'static str,
        /// What to tell a controller.
        text: String,
    },
}

impl ReconfigureError {
    /// The option that is the reason.
    pub const fn option(&self) -> &'static str {
        match self {
            Self::Bind { option, .. }
            | Self::Fixed { option }
            | Self::Server { option, .. }
            | Self::Other { option, .. } => option,
            Self::Log { .. } => "Log",
            Self::NoServers => "DirAuthority",
        }
    }

    /// True if the value would be good at the next start.
    pub const fn is_transition(&self) -> bool {
        matches!(self, Self::Fixed { .. })
    }

    /// What is wrong, with all that is known of it.
    pub fn detail(&self) -> String {
        match self {
            Self::Bind { place, error, .. } => {
                let running =
                    if error.kind() == io::ErrorKind::AddrInUse { " Is Tor already running?" } else { "" };
                format!("Could not bind to {place}: {}.{running}", described(error))
            }
            Self::Log { path, error } => {
                format!("Couldn't open file for 'Log': {}: {}", path.display(), described(error))
            }
            Self::Fixed { .. } | Self::Server { .. } | Self::NoServers | Self::Other { .. } => {
                self.to_string()
            }
        }
    }
}

/// What the system says, without its number.
fn described(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
