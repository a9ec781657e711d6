//! The command line, as far as it ends here: versions, lists, checks, dumps, and what is wrong with it.
//!
//! Everything that a tool reads goes to standard output, messages too, and the exit code is 0 or 1, as C Tor's.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use tor_client::{C_TOR_VERSION, Log, log::say_notices};
use tor_config::{
    BadCommandLine, CommandLine, CommandLineError, ConfigError, Disk, Environment, Extent, Invocation,
    Loaded, LogConfig, Notice, Verbosity, load, table, torrc_option_names,
};
use tracing::{error, info, warn};

/// What is left to do.
pub(crate) enum Next {
    /// Run the client.
    Run(Box<Loaded>),
    /// Nothing.
    Exit(ExitCode),
}

/// Reads the command line and the files that it names, and does what it asks for short of running.
pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Next {
    let invocation = match Invocation::parse(args) {
        Ok(invocation) => invocation,
        Err(bad) => return Next::Exit(misread(&bad)),
    };
    Next::Exit(match invocation {
        Invocation::Run(line) => match load(&line, &Disk, &Environment::from_process()) {
            Ok(loaded) => return Next::Run(Box::new(loaded)),
            Err(error) => refuse(line.verbosity, &error),
        },
        Invocation::Version => print(&version()),
        Invocation::Help => print(HELP),
        Invocation::ListTorrcOptions => print_lines(torrc_option_names()),
        Invocation::ListDeprecatedOptions => print_lines(table::deprecated_names()),
        Invocation::ListModules => print("relay: no\ndirauth: no\ndircache: no\npow: no\n"),
        Invocation::HashPassword(_, password) => {
            let hashed = tor_ctrl::hash_password(password.as_bytes(), &mut tor_net::clock::rng());
            print(&format!("{hashed}\n"))
        }
        Invocation::VerifyConfig(line) => with_loaded(&line, |_| match line.verbosity {
            Verbosity::Normal => print("Configuration was valid\n"),
            Verbosity::Hush | Verbosity::Quiet => ExitCode::SUCCESS,
        }),
        Invocation::DumpConfig(line, extent) => with_loaded(&line, |loaded| dump(loaded, &extent)),
        Invocation::ListFingerprint(line, key) => with_loaded(&line, |_| {
            if matches!(key.as_str(), "" | "rsa" | "ed25519") {
                error!("Clients don't have long-term identity keys. Exiting.");
            } else {
                error!("If you give a key type, you must specify 'rsa' or 'ed25519'. Exiting.");
            }
            ExitCode::FAILURE
        }),
    })
}

/// The first thing in every log.
pub(crate) fn announce(notices: &[Notice]) {
    info!(
        "Tor {C_TOR_VERSION} ({} {}) running on {}.",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS
    );
    say_notices(notices);
    if rustix::process::geteuid().is_root() {
        warn!("You are running Tor as root. You don't need to, and you probably shouldn't.");
    }
}

/// What stands in the way of a start.
pub(crate) fn fail(what: &str) -> ExitCode {
    start_plain_log(Verbosity::Normal);
    warn!("{what}");
    reading_failed()
}

fn refuse(verbosity: Verbosity, error: &ConfigError) -> ExitCode {
    start_plain_log(verbosity);
    error.log_lines().iter().for_each(|line| warn!("{line}"));
    reading_failed()
}

fn misread(bad: &BadCommandLine) -> ExitCode {
    start_plain_log(bad.verbosity);
    if bad.error == CommandLineError::TwoTorrcs {
        error!("{bad}");
    } else {
        warn!("{bad}");
    }
    reading_failed()
}

fn reading_failed() -> ExitCode {
    error!("Reading config failed--see warnings above.");
    ExitCode::FAILURE
}

/// Does something with a configuration other than to run by it. Its log files stay closed.
fn with_loaded(line: &CommandLine, what: impl FnOnce(&Loaded) -> ExitCode) -> ExitCode {
    match load(line, &Disk, &Environment::from_process()) {
        Ok(loaded) => {
            start_plain_log(line.verbosity);
            announce(loaded.notices());
            what(&loaded)
        }
        Err(error) => refuse(line.verbosity, &error),
    }
}

#[expect(clippy::print_stderr, reason = "standard output is for the configuration")]
fn dump(loaded: &Loaded, extent: &str) -> ExitCode {
    match extent {
        "short" => print(&loaded.config_text()),
        "non-builtin" => {
            eprintln!("'non-builtin' is deprecated; use 'short' instead.");
            print(&loaded.config_text())
        }
        "full" => print(&loaded.settings.config_text(Extent::Full)),
        _ => {
            eprintln!("No valid argument to --dump-config found!\nPlease select 'short' or 'full'.");
            ExitCode::FAILURE
        }
    }
}

/// Before there is a log that the configuration asks for, it is standard output, as loud as the command line says.
/// If there is a log already, this changes nothing.
fn start_plain_log(verbosity: Verbosity) {
    let _standard_output_is_there = Log::start(&LogConfig::without_log_lines(verbosity));
}

fn version() -> String {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    format!("Tor version {C_TOR_VERSION}.\n{name} {version}, a Tor client in Rust.\n")
}

fn print_lines<'a>(lines: impl Iterator<Item = &'a str>) -> ExitCode {
    print(&lines.map(|line| format!("{line}\n")).collect::<String>())
}

/// A reader that has seen enough (`| head`) is no reason to panic.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The first words and the last two lines are what programs look for in C Tor's.
const HELP: &str = "\
Copyright (c) 2001-2021, for the command line and the options: Roger Dingledine, Nick Mathewson, The Tor Project, Inc.

tor-client [-f FILE] [--defaults-torrc FILE] [--ignore-missing-torrc] [--quiet | --hush] [--OPTION VALUE]...

Runs a Tor client: a SOCKS proxy, on 127.0.0.1:9050 unless SocksPort says otherwise.
Options are C Tor's, on the command line (--SocksPort 9150) or in a torrc (SocksPort 9150).

  -f FILE                    read this torrc ('-': standard input)
  --verify-config            check the configuration
  --dump-config short|full   print the configuration: what differs from the defaults, or all
  --hash-password PASSWORD   print what HashedControlPassword wants
  --list-torrc-options       print the options that a torrc may have
  --version

tor -f <torrc> [args]
See man page for options, or https://www.torproject.org/ for documentation.
";
