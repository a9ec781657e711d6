//! The `tor-client` program: arguments, log, signals, exit code. Everything else is in the library.

mod cli;
mod run;

use std::process::ExitCode;

use tor_client::Log;

use crate::cli::Next;

fn main() -> ExitCode {
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
