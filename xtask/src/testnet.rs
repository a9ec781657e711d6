//! `cargo xtask testnet`: a private network of real C Tor processes on loopback.
//!
//! Authorities, relays and exits run as daemons of their own and outlive the command. Everything is in one
//! directory: a sub-directory a node (torrc, keys, `notice.log`), `testnet.json` with ports, fingerprints and
//! processes, and `client.torrc.inc` with the lines that a client needs. [`dns`] lists the names that resolve.

pub(crate) mod dns;
pub(crate) mod network;
mod torrc;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};

use network::{Network, Size};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes keys and configurations, and starts the nodes; then `wait` for their first consensus.
    Up(Up),
    /// Waits until clients can use the network.
    Wait {
        #[command(flatten)]
        place: Place,
        /// Seconds to wait at most.
        #[arg(long, default_value_t = 180)]
        timeout: u64,
    },
    /// Says what runs.
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// Stops the nodes that `up` started; their directories stay.
    Down {
        #[command(flatten)]
        place: Place,
    },
}

/// Where the network lives.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The network's directory.
    #[arg(long, default_value = "target/testnet")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    place: Place,
    /// Directory authorities; they relay as well.
    #[arg(long, default_value_t = 3)]
    auth: u16,
    /// Relays that are no exits.
    #[arg(long, default_value_t = 4)]
    relay: u16,
    /// Exits.
    #[arg(long, default_value_t = 3)]
    exit: u16,
    /// The first port; two for each node and one more are used.
    #[arg(long, default_value_t = 20_000)]
    base_port: u16,
    /// Has each node write an `info.log` too (SIGUSR2 switches a running one to `debug`).
    #[arg(long)]
    info_log: bool,
}

/// Runs one of the `testnet` commands.
pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Up(up) => {
            let size = Size { authorities: up.auth, relays: up.relay, exits: up.exit };
            let network = Network::up(&up.place.dir, &size, up.base_port, up.info_log)?;
            println!("# {} nodes run in {}", network.nodes.len(), network.dir.display());
            println!("# A client needs these lines (%include {}):", network.client_torrc().display());
            print!("{}", network.client_lines()?);
        }
        Command::Wait { place, timeout } => {
            Network::load(&place.dir)?.wait(Duration::from_secs(timeout))?;
            println!("every relay is in the consensus");
        }
        Command::Status { place } => {
            let network = Network::load(&place.dir)?;
            print!("{}", network.status());
            println!("{}", network.missing().unwrap_or_else(|| "ready for clients".to_owned()));
        }
        Command::Down { place } => {
            let stopped = Network::load(&place.dir)?.down()?;
            println!("stopped {stopped} processes");
        }
    }
    Ok(())
}
