//! What `interop`, `bench` and `demo` share: a private network, a client process on it, a web server behind it
//! and a SOCKS client before it.

pub(crate) mod client;
pub(crate) mod socks;
pub(crate) mod web;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::exit;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use crate::shell::{cargo, run, target_dir};
use crate::testnet::network::{Network, Size};

/// A network to try a client on: one of its own, taken down at the end, or one that runs already.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) network: Network,
    /// For the clients' directories.
    pub(crate) scratch: TempDir,
    is_ours: bool,
}

impl Lab {
    /// Uses the network in `dir`, or brings one up if there is none given; returns when clients can use it.
    pub(crate) fn open(dir: Option<&Path>) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("tor-lab-").tempdir()?;
        let network = if let Some(dir) = dir {
            Network::load(dir)?
        } else {
            println!("bringing up a private network");
            let size = Size { authorities: 3, relays: 4, exits: 3 };
            Network::up(&target_dir().join("lab"), &size, free_ports(30)?, false)?
        };
        let lab = Self { network, scratch, is_ours: dir.is_none() };
        lab.leave_nothing_behind()?;
        lab.network.wait(PATIENCE)?;
        Ok(lab)
    }

    /// Cleans up when the command is interrupted, too.
    fn leave_nothing_behind(&self) -> Result<()> {
        let network = self.is_ours.then(|| self.network.clone());
        let scratch = self.scratch.path().to_owned();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                client::stop_all();
                if let Some(Err(error)) = network.map(|network| network.down()) {
                    println!("taking the network down: {error:#}");
                }
                let _ = fs::remove_dir_all(scratch);
                exit(128 + signal);
            }
        });
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = self.network.down()
        {
            println!("taking the network down: {error:#}");
        }
    }
}

/// The client to try: the one given, or ours, built for release.
pub(crate) fn client_binary(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return path.canonicalize().with_context(|| format!("no client at {}", path.display()));
    }
    run(&mut cargo(["build", "--release", "-p", "tor-client"]))?;
    Ok(target_dir().join("release/tor-client"))
}

/// The first of `count` ports on loopback that are all free now.
fn free_ports(count: u16) -> Result<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let mut bases = (LOWEST_PORT..HIGHEST_PORT).step_by(usize::from(count));
    let base = bases.find(|&base| (base..base + count).all(is_free));
    base.context("no free range of ports on loopback")
}

/// Below the range from which the kernel hands out ports.
const LOWEST_PORT: u16 = 23_000;
const HIGHEST_PORT: u16 = 32_000;
const PATIENCE: Duration = Duration::from_secs(180);
