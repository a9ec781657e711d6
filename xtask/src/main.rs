//! Development commands of the workspace: `cargo xtask --help` lists them.
//!
//! What a command prints is its interface, so this crate writes to standard output, and it is the one place
//! beside the network edge that reads clocks: it measures and waits.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a command line tool prints its results and waits for processes"
)]

mod bench;
mod ci;
mod demo;
mod fuzz;
mod interop;
mod lab;
mod layers;
mod process;
mod shell;
mod testnet;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development commands of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All tests of the workspace.
    Test,
    /// Everything that has to pass: format, lints, documentation, dependencies, tests, interop, fuzzing.
    Ci(ci::Ci),
    /// Checks that each crate depends only on crates above it, and that engines do without tokio.
    Layers,
    /// Tries a client on a private network as applications would use it.
    Interop(interop::Interop),
    /// Measures a client beside C Tor.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Brings up a network and our client, and fetches a page through it.
    Demo(demo::Demo),
    /// Runs the fuzz targets.
    Fuzz(fuzz::Fuzz),
    /// A private network of real C Tor processes on loopback.
    #[command(subcommand)]
    Testnet(testnet::Command),
    /// Answers DNS questions for the private network's exits; started by `testnet up`.
    #[command(hide = true)]
    DnsServe { listen: SocketAddr },
}

fn main() -> ExitCode {
    if let Err(error) = run(Args::parse().command) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Test => ci::test(),
        Command::Ci(options) => ci::ci(&options),
        Command::Layers => layers::check(),
        Command::Interop(options) => interop::interop(&options),
        Command::Bench(command) => bench::bench(&command),
        Command::Demo(options) => demo::demo(&options),
        Command::Fuzz(options) => fuzz::fuzz(&options),
        Command::Testnet(command) => testnet::run(command),
        Command::DnsServe { listen } => testnet::dns::serve(listen),
    }
}
