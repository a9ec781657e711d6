//! The `tor-client` program: arguments, log, signals, exit code. Everything else is in the library.

mod cli;
#[cfg(feature = "ctl")]
mod ctl;
mod run;

use std::process::ExitCode;

use tor_client::Log;

use crate::cli::Next;

fn main() -> ExitCode {
    #[cfg(feature = "ctl")]
    if std::env::args_os().nth(1).is_some_and(|word| word == "ctl") {
        return ctl::run(std::env::args_os().skip(2));
    }
    let loaded = match cli::read(std::env::args_os().skip(1)) {
        Next::Run(loaded) => loaded,
        Next::Exit(code) => return code,
    };
    match Log::start(&loaded.config.log) {
        Ok(log) => {
            cli::announce(loaded.notices());
            run::run(*loaded, log)
        }
        Err(failed) => cli::fail(&failed.detail()),
    }
}
