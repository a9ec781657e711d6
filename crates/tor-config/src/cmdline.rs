//! The command line, by C Tor's rules.
//!
//! It is not shaped like other programs', so it is read by hand: every option of a torrc is an option here, by
//! any unambiguous beginning of its name, with one dash, two or none, with `+` or `/` before the name; each
//! takes the next argument whatever that looks like; and `--verify-config` or `--version` may stand anywhere.
//! A parser that knows its options beforehand (clap) can't say that.
//!
//! Left out until their subjects arrive: `--hash-password`, `--dump-config`, and what concerns relays
//! (`--list-fingerprint`, `--keygen` and its companions). They are refused by name.

use std::ffi::OsString;
use std::path::PathBuf;

use thiserror::Error;

use crate::{Line, Mark, Notice, Origin, table};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Run the client.
    Run(CommandLine),
    /// `--verify-config`: read the configuration, say whether it is valid, and exit.
    VerifyConfig(CommandLine),
    /// `--version`.
    Version,
    /// `--help` or `-h`.
    Help,
    /// `--list-torrc-options`: print [`torrc_option_names`](crate::torrc_option_names), one a line.
    ListTorrcOptions,
    /// `--list-deprecated-options`: print [`deprecated_names`](crate::table::deprecated_names), one a line.
    ListDeprecatedOptions,
}

/// Where the configuration comes from, and what the command line adds to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Which torrc is read.
    pub torrc: Torrc,
    /// `--defaults-torrc`: read before it; `None` is the system's, if there is one.
    pub defaults_torrc: Option<PathBuf>,
    /// `--ignore-missing-torrc` or `--allow-missing-torrc`: a torrc that isn't there is empty.
    pub ignore_missing_torrc: bool,
    /// What is logged if no `Log` line says.
    pub verbosity: Verbosity,
    /// `--Option value`, in order; above every file.
    pub options: Vec<Line>,
    /// What to log about the command line itself.
    pub notices: Vec<Notice>,
}

/// Which torrc is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Torrc {
    /// The system's, else `~/.torrc`; neither needs to be there.
    #[default]
    Default,
    /// `-f FILE`.
    File(PathBuf),
    /// `-f -`.
    Stdin,
}

/// What is logged if no `Log` line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Notices and worse, to stdout.
    #[default]
    Normal,
    /// `--hush`: warnings and worse.
    Hush,
    /// `--quiet`: nothing.
    Quiet,
}

/// A command line that can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// The last argument wants a value.
    #[error("command-line option '{0}' with no value")]
    NoValue(String),
    /// An argument isn't UTF-8.
    #[error("command-line argument {0:?} is not UTF-8")]
    NotUtf8(OsString),
    /// Two names of one thing, with different values perhaps.
    #[error("-f and --torrc-file can't be used together")]
    TwoTorrcs,
    /// One of C Tor's commands that this version does not have.
    #[error("this version does not have {0}")]
    NotBuilt(&'static str),
}

impl Invocation {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// Where C Tor fails as well: a missing value, `-f` beside `--torrc-file`. And for its commands that this
    /// version does not have. Unknown options are found later, by [`load`](crate::load()).
    pub fn parse<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Result<Self, CommandLineError> {
        let mut args =
            args.into_iter().map(|arg| arg.into().into_string().map_err(CommandLineError::NotUtf8));
        let mut reader = Reader::default();
        while let Some(arg) = args.next().transpose()? {
            match Word::of(&arg) {
                Word::Flag(flag) => reader.on_flag(flag),
                Word::File(flag) => {
                    let value = args.next().transpose()?.ok_or(CommandLineError::NoValue(arg))?;
                    reader.on_file(flag, value);
                }
                Word::NotBuilt(name) => return Err(CommandLineError::NotBuilt(name)),
                Word::Option { mark: Mark::Clear, name } => {
                    reader.on_option(name, Mark::Clear, String::new())
                }
                Word::Option { mark, name } => {
                    let value = args.next().transpose()?;
                    let value = value.ok_or_else(|| CommandLineError::NoValue(arg.clone()))?;
                    reader.on_option(name, mark, value);
                }
            }
        }
        reader.finish()
    }
}

/// What one argument is.
enum Word<'a> {
    Flag(Flag),
    File(FileFlag),
    NotBuilt(&'static str),
    Option { mark: Mark, name: &'a str },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    VerifyConfig,
    Version,
    Help,
    ListTorrcOptions,
    ListDeprecatedOptions,
    IgnoreMissingTorrc,
    Hush,
    Quiet,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FileFlag {
    Short,
    Long,
    Defaults,
}

impl<'a> Word<'a> {
    fn of(arg: &'a str) -> Self {
        if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == arg) {
            return Self::Flag(*flag);
        }
        if let Some((_, flag)) = FILES.iter().find(|(name, _)| *name == arg) {
            return Self::File(*flag);
        }
        if let Some(name) = NOT_BUILT.iter().find(|name| **name == arg) {
            return Self::NotBuilt(name);
        }
        let name = arg.strip_prefix('-').unwrap_or(arg);
        let name = name.strip_prefix('-').unwrap_or(name);
        match (name.strip_prefix('+'), name.strip_prefix('/')) {
            (Some(name), _) => Self::Option { mark: Mark::Append, name },
            (None, Some(name)) => Self::Option { mark: Mark::Clear, name },
            (None, None) => Self::Option { mark: Mark::Set, name },
        }
    }
}

#[derive(Default)]
struct Reader {
    line: CommandLine,
    flags: Vec<Flag>,
    files: Vec<FileFlag>,
}

impl Reader {
    fn on_flag(&mut self, flag: Flag) {
        match flag {
            Flag::IgnoreMissingTorrc => self.line.ignore_missing_torrc = true,
            Flag::Hush => self.line.verbosity = self.line.verbosity.max(Verbosity::Hush),
            Flag::Quiet => self.line.verbosity = Verbosity::Quiet,
            Flag::VerifyConfig
            | Flag::Version
            | Flag::Help
            | Flag::ListTorrcOptions
            | Flag::ListDeprecatedOptions => self.flags.push(flag),
        }
    }

    fn on_file(&mut self, flag: FileFlag, value: String) {
        if self.files.contains(&flag) {
            self.line
                .notices
                .push(Notice::warn("A torrc is named twice on the command line; the last counts."));
        }
        self.files.push(flag);
        match flag {
            FileFlag::Defaults => self.line.defaults_torrc = Some(value.into()),
            FileFlag::Short | FileFlag::Long if value == "-" => self.line.torrc = Torrc::Stdin,
            FileFlag::Short | FileFlag::Long => self.line.torrc = Torrc::File(value.into()),
        }
    }

    fn on_option(&mut self, name: &str, mark: Mark, value: String) {
        let key = match table::expand_alias(name, true) {
            Some((full, deprecated)) => {
                if deprecated {
                    self.line
                        .notices
                        .push(Notice::warn(format!("{name} is deprecated; use {full} instead.")));
                }
                full.to_owned()
            }
            None => name.to_owned(),
        };
        self.line.options.push(Line { key, value, mark, origin: Origin::CommandLine });
    }

    fn finish(self) -> Result<Invocation, CommandLineError> {
        let asked = |flag| self.flags.contains(&flag);
        if asked(Flag::Help) {
            return Ok(Invocation::Help);
        }
        if asked(Flag::ListTorrcOptions) {
            return Ok(Invocation::ListTorrcOptions);
        }
        if asked(Flag::ListDeprecatedOptions) {
            return Ok(Invocation::ListDeprecatedOptions);
        }
        if asked(Flag::Version) {
            return Ok(Invocation::Version);
        }
        if self.files.contains(&FileFlag::Short) && self.files.contains(&FileFlag::Long) {
            return Err(CommandLineError::TwoTorrcs);
        }
        Ok(if asked(Flag::VerifyConfig) {
            Invocation::VerifyConfig(self.line)
        } else {
            Invocation::Run(self.line)
        })
    }
}

const FLAGS: &[(&str, Flag)] = &[
    ("--verify-config", Flag::VerifyConfig),
    ("--version", Flag::Version),
    ("--help", Flag::Help),
    ("-h", Flag::Help),
    ("--list-torrc-options", Flag::ListTorrcOptions),
    ("--list-deprecated-options", Flag::ListDeprecatedOptions),
    ("--ignore-missing-torrc", Flag::IgnoreMissingTorrc),
    ("--allow-missing-torrc", Flag::IgnoreMissingTorrc),
    ("--hush", Flag::Hush),
    ("--quiet", Flag::Quiet),
];

const FILES: &[(&str, FileFlag)] =
    &[("-f", FileFlag::Short), ("--torrc-file", FileFlag::Long), ("--defaults-torrc", FileFlag::Defaults)];

const NOT_BUILT: &[&str] = &[
    "--hash-password",
    "--dump-config",
    "--list-fingerprint",
    "--keygen",
    "--keygen-family",
    "--key-expiration",
    "--format",
    "--newpass",
    "--no-passphrase",
    "--passphrase-fd",
    "--list-modules",
    "--library-versions",
    "--nt-service",
    "-nt-service",
    "--dbg-dump-subsystem-list",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Invocation, CommandLineError> {
        Invocation::parse(args)
    }

    fn run(args: &[&str]) -> CommandLine {
        match parse(args) {
            Ok(Invocation::Run(line)) => line,
            other => panic!("{args:?} gave {other:?}"),
        }
    }

    #[test]
    fn options_take_the_next_argument_with_any_dashes() {
        for name in ["--SocksPort", "-SocksPort", "SocksPort"] {
            let line = run(&[name, "9999"]);
            assert_eq!(line.options.len(), 1);
            assert_eq!((line.options[0].key.as_str(), line.options[0].value.as_str()), ("SocksPort", "9999"));
        }
        assert_eq!(run(&["--Log", "--SafeLogging"]).options[0].value, "--SafeLogging");
    }

    #[test]
    fn marks_are_read_and_clear_takes_no_value() {
        let line = run(&["--+Log", "debug stderr", "--/SocksPolicy", "--SocksPort", "0"]);
        let marks: Vec<_> = line.options.iter().map(|line| line.mark).collect();
        assert_eq!(marks, [Mark::Append, Mark::Clear, Mark::Set]);
        assert_eq!(line.options[1].value, "");
    }

    #[test]
    fn a_missing_value_is_an_error() {
        assert_eq!(parse(&["--SocksPort"]), Err(CommandLineError::NoValue("--SocksPort".into())));
        assert_eq!(parse(&["-f"]), Err(CommandLineError::NoValue("-f".into())));
        // Even help waits until every argument is understood.
        assert!(parse(&["--help", "--SocksPort"]).is_err());
    }

    #[test]
    fn commands_stand_anywhere() {
        assert_eq!(parse(&["--SocksPort", "0", "--version"]), Ok(Invocation::Version));
        assert_eq!(parse(&["-h", "--version"]), Ok(Invocation::Help));
        assert!(matches!(parse(&["--verify-config", "-f", "x"]), Ok(Invocation::VerifyConfig(_))));
        assert_eq!(parse(&["--keygen"]), Err(CommandLineError::NotBuilt("--keygen")));
    }

    #[test]
    fn files_are_named() {
        let line = run(&["-f", "a", "--defaults-torrc", "b", "--ignore-missing-torrc", "--hush"]);
        assert_eq!(line.torrc, Torrc::File("a".into()));
        assert_eq!(line.defaults_torrc, Some("b".into()));
        assert!(line.ignore_missing_torrc);
        assert_eq!(line.verbosity, Verbosity::Hush);
        assert_eq!(run(&["-f", "-"]).torrc, Torrc::Stdin);
        assert_eq!(run(&["-f", "a", "-f", "b"]).notices.len(), 1);
        assert_eq!(parse(&["-f", "a", "--torrc-file", "b"]), Err(CommandLineError::TwoTorrcs));
    }

    #[test]
    fn aliases_of_the_command_line_are_expanded() {
        assert_eq!(run(&["-l", "info"]).options[0].key, "Log");
        assert_eq!(run(&["--hashedcontrolpassword", "x"]).options[0].key, "__HashedControlSessionPassword");
        assert_eq!(run(&["--quiet", "--hush"]).verbosity, Verbosity::Quiet);
    }
}
