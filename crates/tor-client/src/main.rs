//! The `tor-client` program: arguments, log, signals, exit code. Everything else is in the library.

mod run;

use std::process::ExitCode;

use tor_client::{C_TOR_VERSION, Log, log::say_notices};
use tor_config::{Disk, Environment, Invocation, load, table, torrc_option_names};
use tracing::{error, info, warn};

const HELP: &str = "\
Usage: tor-client [-f FILE] [--defaults-torrc FILE] [--ignore-missing-torrc]
                  [--quiet | --hush] [--OPTION VALUE]...
       tor-client --verify-config | --version | --help | --list-torrc-options

Runs a Tor client: a SOCKS proxy, on 127.0.0.1:9050 unless SocksPort says otherwise.
Options are C Tor's, on the command line (--SocksPort 9150) or in a torrc (SocksPort 9150).

  -f FILE                  read this torrc ('-': standard input)
  --verify-config          check the configuration and exit
  --list-torrc-options     print the options that a torrc may have
";

#[expect(clippy::print_stdout, reason = "these answers are what the program is asked for")]
fn main() -> ExitCode {
    let invocation = match Invocation::parse(std::env::args_os().skip(1)) {
        Ok(invocation) => invocation,
        Err(error) => return fail(&error.to_string()),
    };
    match invocation {
        Invocation::Version => {
            println!("Tor version {C_TOR_VERSION}.");
            println!("{} {}, a Tor client in Rust.", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Invocation::Help => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Invocation::ListTorrcOptions => {
            torrc_option_names().for_each(|name| println!("{name}"));
            ExitCode::SUCCESS
        }
        Invocation::ListDeprecatedOptions => {
            table::deprecated_names().for_each(|name| println!("{name}"));
            ExitCode::SUCCESS
        }
        Invocation::VerifyConfig(command_line) => {
            match load(&command_line, &Disk, &Environment::from_process()) {
                Ok(loaded) => {
                    if let Err(failed) = Log::start(&loaded.config.log) {
                        return fail(&failed.detail());
                    }
                    say_notices(loaded.notices());
                    println!("Configuration was valid");
                    ExitCode::SUCCESS
                }
                Err(error) => fail(&error.to_string()),
            }
        }
        Invocation::Run(command_line) => match load(&command_line, &Disk, &Environment::from_process()) {
            Ok(loaded) => {
                let log = match Log::start(&loaded.config.log) {
                    Ok(log) => log,
                    Err(failed) => return fail(&failed.detail()),
                };
                info!(
                    "{} {} (options of Tor {C_TOR_VERSION}) running on {}.",
                    env!("CARGO_PKG_NAME"),
                    env!("CARGO_PKG_VERSION"),
                    std::env::consts::OS
                );
                say_notices(loaded.notices());
                run::run(loaded, log)
            }
            Err(error) => fail(&error.to_string()),
        },
    }
}

/// Before there is a log, an error goes to stdout in the log's form, as C Tor's does.
pub(crate) fn fail(what: &str) -> ExitCode {
    Log::start_plain();
    warn!("{what}");
    error!("Reading config failed--see warnings above.");
    ExitCode::FAILURE
}
