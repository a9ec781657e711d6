//! Development commands of the workspace: `cargo xtask --help` lists them.
//!
//! What a command prints is its interface, so this crate writes to standard output, and it is the one place
//! beside the network edge that reads clocks: it measures and waits.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a command line tool prints its results and waits for processes"
)]

mod process;
mod testnet;

use std::net::SocketAddr;

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
    /// A private network of real C Tor processes on loopback.
    #[command(subcommand)]
    Testnet(testnet::Command),
    /// Answers DNS questions for the private network's exits; started by `testnet up`.
    #[command(hide = true)]
    DnsServe { listen: SocketAddr },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().command {
        Command::Testnet(command) => testnet::run(command),
        Command::DnsServe { listen } => testnet::dns::serve(listen),
    }
}
