//! The `tor-client` program: arguments, log, signals, exit code. Everything else is in the library.

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tor_client::{Client, Config, Log, StartError, Surroundings, log::say_notices};
use tor_config::{Disk, Environment, Invocation, load, table, torrc_option_names};
use tracing::{error, info, warn};

/// The C Tor whose options, files and answers this client has.
const C_TOR_VERSION: &str = "0.4.9.11";

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
                run(loaded.config, log)
            }
            Err(error) => fail(&error.to_string()),
        },
    }
}

/// One thread: what one thread does needs no hand-over, and the bytes stay in its caches.
fn run(config: Config, log: Log) -> ExitCode {
    raise_file_limit();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(failed) => return fail(&format!("can't start: {failed}")),
    };
    let code = runtime.block_on(serve(config, log));
    // What still runs on blocking threads (a document being read) is of no more use.
    runtime.shutdown_background();
    code
}

/// Each application's connection is an open file, and the limit that a shell gives is often 1024: takes as many as
/// the system allows.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, ..limit };
    if let Err(failed) = setrlimit(Resource::Nofile, most) {
        tracing::debug!("The limit on open files stays: {failed}");
    }
}

async fn serve(config: Config, log: Log) -> ExitCode {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(failed) => return fail(&format!("can't wait for signals: {failed}")),
    };
    let pid_file = config.process.pid_file.clone();
    if let Some(path) = &pid_file
        && let Err(failed) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        warn!("Unable to open \"{}\" for writing: {failed}", path.display());
    }
    let owner = config.process.owner;
    let surroundings = Surroundings { log: Some(log), ..Surroundings::default() };
    let client = match start(config, surroundings).await {
        Ok(client) => client,
        Err(StartError::Config(refused)) => {
            warn!("Failed to parse/validate config: {refused}");
            error!("Reading config failed--see warnings above. For usage, try -h.");
            return ExitCode::FAILURE;
        }
        Err(failed) => {
            error!("{failed}");
            return ExitCode::FAILURE;
        }
    };
    let ports = client.socks_ports().join(", ");
    let ready = async {
        client.ready().await;
        if !ports.is_empty() {
            info!("The SOCKS proxy is ready on {ports}.");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = signals.stop() => {}
        () = owner_gone(owner) => info!("Owning controller process has vanished. Exiting now."),
        () = ready => {}
    }
    // Circuits are closed in good order; who is in a hurry sends the signal again.
    tokio::select! {
        () = client.shut_down() => {}
        () = signals.stop() => {}
    }
    if let Some(path) = pid_file {
        let _nothing_more_to_do = std::fs::remove_file(path);
    }
    ExitCode::SUCCESS
}

async fn start(config: Config, surroundings: Surroundings) -> Result<Client, StartError> {
    let client = Client::new(config, surroundings).await?;
    client.go()?;
    Ok(client)
}

/// The signals that C Tor knows and a client can obey.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for a signal that asks the client to stop.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return info!("Interrupt: exiting cleanly."),
                _ = self.terminate.recv() => return info!("Catching signal TERM, exiting cleanly."),
                _ = self.hang_up.recv() => {
                    warn!("Received reload signal (hup). This version reads its configuration only when it starts.");
                }
                // What they ask for is left out; without an answer here, they would end the process.
                _ = self.user1.recv() => warn!("Received signal USR1. This version has no statistics to log."),
                _ = self.user2.recv() => {
                    warn!("Received signal USR2. This version's log levels are set only when it starts.");
                }
            }
        }
    }
}

/// Waits until the process of `__OwningControllerProcess` is gone; for ever if there is none. C Tor looks every
/// 15 seconds too.
async fn owner_gone(owner: Option<u32>) {
    let Some(owner) = owner else { return std::future::pending().await };
    let place = format!("/proc/{owner}");
    while std::path::Path::new(&place).exists() {
        tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    }
}

/// Before there is a log, an error goes to stdout in the log's form, as C Tor's does.
fn fail(what: &str) -> ExitCode {
    Log::start_plain();
    warn!("{what}");
    error!("Reading config failed--see warnings above.");
    ExitCode::FAILURE
}
