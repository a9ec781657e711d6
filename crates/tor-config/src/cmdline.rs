//! The command line, by C Tor's rules.
//!
//! It is not shaped like other programs', so it is read by hand: every option of a torrc is an option here, by
//! any unambiguous beginning of its name, with one dash, two or none, with `+` or `/` before the name; each
//! takes the next argument whatever that looks like; and `--verify-config` or `--version` may stand anywhere.
//! A parser that knows its options beforehand (clap) can't say that.
//!
//! Left out: what concerns relays' keys (`--keygen` and its companions), and the versions of libraries that this
//! version does not have. They are refused by name.

use std::ffi::OsString;
use std::fmt;
use std::iter::Peekable;
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
    /// `--dump-config`: read the configuration, print as much of it as the argument says, and exit.
    DumpConfig(CommandLine, String),
    /// `--list-fingerprint`, perhaps with a kind of key. A client has no identity.
    ListFingerprint(CommandLine, String),
    /// `--hash-password`: print the hash of this password. It reads no file.
    HashPassword(CommandLine, Password),
    /// `--version`.
    Version,
    /// `--help` or `-h`.
    Help,
    /// `--list-torrc-options`: print [`torrc_option_names`](crate::torrc_option_names), one a line.
    ListTorrcOptions,
    /// `--list-deprecated-options`: print [`deprecated_names`](crate::table::deprecated_names), one a line.
    ListDeprecatedOptions,
    /// `--list-modules`: which optional parts of C Tor there are.
    ListModules,
}

/// A password as it was typed. It is not shown when it is debugged.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Its bytes, to be hashed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
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

/// A command line that can't be understood, and how loud to say so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct BadCommandLine {
    /// What `--hush` or `--quiet` asked for before the error.
    pub verbosity: Verbosity,
    /// What is wrong.
    pub error: CommandLineError,
}

/// What is wrong with a command line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// The last argument wants a value.
    #[error("Command-line option '{0}' with no value. Failing.")]
    NoValue(String),
    /// An argument isn't UTF-8.
    #[error("Command-line argument {0:?} is not UTF-8. Failing.")]
    NotUtf8(OsString),
    /// Two names of one thing, with different values perhaps.
    #[error("-f and --torrc-file cannot be used together.")]
    TwoTorrcs,
    /// One of C Tor's commands that this version does not have.
    #[error("This version does not have {0}.")]
    NotBuilt(&'static str),
}

impl Invocation {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// Where C Tor fails as well: a missing value, `-f` beside `--torrc-file`. And for its commands that this
    /// version does not have. Unknown options are found later, by [`load`](crate::load()).
    pub fn parse<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Result<Self, BadCommandLine> {
        let mut reader = Reader::default();
        let invocation = reader.read(args.into_iter().map(Into::into).peekable());
        invocation.map_err(|error| BadCommandLine { verbosity: reader.line.verbosity, error })
    }
}

/// What one argument is.
enum Word<'a> {
    Flag(Flag),
    File(FileFlag),
    Command(Command),
    NotBuilt(&'static str),
    Option { mark: Mark, name: &'a str },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    Version,
    Help,
    ListTorrcOptions,
    ListDeprecatedOptions,
    ListModules,
    IgnoreMissingTorrc,
    Hush,
    Quiet,
}

/// What to do instead of running. The last one counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    VerifyConfig,
    /// Its argument may be missing.
    DumpConfig,
    /// The same.
    ListFingerprint,
    HashPassword,
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
        if let Some((_, command)) = COMMANDS.iter().find(|(name, _)| *name == arg) {
            return Self::Command(*command);
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
    command: Option<(Command, String)>,
}

impl Reader {
    fn read(
        &mut self,
        mut args: Peekable<impl Iterator<Item = OsString>>,
    ) -> Result<Invocation, CommandLineError> {
        while let Some(arg) = args.next() {
            let arg = text(arg)?;
            let value = |next: Option<OsString>| {
                next.map_or_else(|| Err(CommandLineError::NoValue(arg.clone())), text)
            };
            match Word::of(&arg) {
                Word::Flag(flag) => self.on_flag(flag),
                Word::File(flag) => self.on_file(&arg, flag, value(args.next())?),
                Word::Command(Command::VerifyConfig) => self.on_command(Command::VerifyConfig, String::new()),
                Word::Command(Command::HashPassword) => {
                    self.on_command(Command::HashPassword, value(args.next())?);
                }
                Word::Command(command @ (Command::DumpConfig | Command::ListFingerprint)) => {
                    let optional = args.next_if(|next| !next.as_encoded_bytes().starts_with(b"-"));
                    self.on_command(command, optional.map_or_else(|| Ok(String::new()), text)?);
                }
                Word::NotBuilt(name) => return Err(CommandLineError::NotBuilt(name)),
                Word::Option { mark: Mark::Clear, name } => self.on_option(name, Mark::Clear, String::new()),
                Word::Option { mark, name } => self.on_option(name, mark, value(args.next())?),
            }
        }
        self.finish()
    }

    fn on_flag(&mut self, flag: Flag) {
        match flag {
            Flag::IgnoreMissingTorrc => self.line.ignore_missing_torrc = true,
            Flag::Hush => self.at_most(Verbosity::Hush),
            Flag::Quiet => self.at_most(Verbosity::Quiet),
            Flag::Version
            | Flag::Help
            | Flag::ListTorrcOptions
            | Flag::ListDeprecatedOptions
            | Flag::ListModules => self.flags.push(flag),
        }
    }

    /// What is printed by a command is not to be mixed with a log.
    fn on_command(&mut self, command: Command, value: String) {
        match command {
            Command::VerifyConfig | Command::ListFingerprint => {}
            Command::HashPassword => self.at_most(Verbosity::Hush),
            Command::DumpConfig => self.at_most(Verbosity::Quiet),
        }
        self.command = Some((command, value));
    }

    fn at_most(&mut self, verbosity: Verbosity) {
        self.line.verbosity = self.line.verbosity.max(verbosity);
    }

    fn on_file(&mut self, name: &str, flag: FileFlag, value: String) {
        if self.files.contains(&flag) {
            self.line.notices.push(Notice::warn(format!("Duplicate {name} options on command line.")));
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

    fn finish(&mut self) -> Result<Invocation, CommandLineError> {
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
        if asked(Flag::ListModules) {
            return Ok(Invocation::ListModules);
        }
        let line = self.line.clone();
        let command = self.command.take();
        if let Some((Command::HashPassword, password)) = command {
            return Ok(Invocation::HashPassword(line, Password(password)));
        }
        if self.files.contains(&FileFlag::Short) && self.files.contains(&FileFlag::Long) {
            return Err(CommandLineError::TwoTorrcs);
        }
        Ok(match command {
            None => Invocation::Run(line),
            Some((Command::VerifyConfig, _)) => Invocation::VerifyConfig(line),
            Some((Command::DumpConfig, extent)) => Invocation::DumpConfig(line, extent),
            Some((Command::ListFingerprint, key)) => Invocation::ListFingerprint(line, key),
            Some((Command::HashPassword, password)) => Invocation::HashPassword(line, Password(password)),
        })
    }
}

fn text(arg: OsString) -> Result<String, CommandLineError> {
    arg.into_string().map_err(CommandLineError::NotUtf8)
}

const FLAGS: &[(&str, Flag)] = &[
    ("--version", Flag::Version),
    ("--help", Flag::Help),
    ("-h", Flag::Help),
    ("--list-torrc-options", Flag::ListTorrcOptions),
    ("--list-deprecated-options", Flag::ListDeprecatedOptions),
    ("--list-modules", Flag::ListModules),
    ("--ignore-missing-torrc", Flag::IgnoreMissingTorrc),
    ("--allow-missing-torrc", Flag::IgnoreMissingTorrc),
    ("--hush", Flag::Hush),
    ("--quiet", Flag::Quiet),
];

const FILES: &[(&str, FileFlag)] =
    &[("-f", FileFlag::Short), ("--torrc-file", FileFlag::Long), ("--defaults-torrc", FileFlag::Defaults)];

const COMMANDS: &[(&str, Command)] = &[
    ("--verify-config", Command::VerifyConfig),
    ("--dump-config", Command::DumpConfig),
    ("--list-fingerprint", Command::ListFingerprint),
    ("--hash-password", Command::HashPassword),
];

const NOT_BUILT: &[&str] = &[
    "--keygen",
    "--keygen-family",
    "--key-expiration",
    "--format",
    "--newpass",
    "--no-passphrase",
    "--passphrase-fd",
    "--library-versions",
    "--nt-service",
    "-nt-service",
    "--dbg-dump-subsystem-list",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Invocation, CommandLineError> {
        Invocation::parse(args).map_err(|bad| bad.error)
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
    fn the_last_command_counts_and_its_argument_may_be_missing() {
        let dumped = |args: &[&str]| match parse(args) {
            Ok(Invocation::DumpConfig(line, extent)) => (line.options.len(), extent),
            other => panic!("{args:?} gave {other:?}"),
        };
        assert_eq!(dumped(&["--dump-config", "short", "--Log", "info"]), (1, "short".to_owned()));
        assert_eq!(dumped(&["--dump-config", "--Log", "info"]), (1, String::new()));
        assert_eq!(dumped(&["--verify-config", "--dump-config"]), (0, String::new()));
        assert!(matches!(
            parse(&["--dump-config", "full", "--verify-config"]),
            Ok(Invocation::VerifyConfig(_))
        ));
        assert!(
            matches!(parse(&["--list-fingerprint", "-f", "x"]), Ok(Invocation::ListFingerprint(_, key)) if key.is_empty())
        );
        assert!(
            matches!(parse(&["--hash-password", "-x"]), Ok(Invocation::HashPassword(_, word)) if word.as_bytes() == b"-x")
        );
        assert_eq!(parse(&["--hash-password"]), Err(CommandLineError::NoValue("--hash-password".into())));
    }

    #[test]
    fn an_error_is_as_quiet_as_it_was_asked_to_be() {
        let verbosity = |args: &[&str]| Invocation::parse(args).unwrap_err().verbosity;
        assert_eq!(verbosity(&["--quiet", "--x"]), Verbosity::Quiet);
        assert_eq!(verbosity(&["--hush", "--x"]), Verbosity::Hush);
        assert_eq!(verbosity(&["--dump-config", "--x"]), Verbosity::Quiet);
        assert_eq!(verbosity(&["--x"]), Verbosity::Normal);
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
