//! The two clients that the proofs of the control port compare: C Tor, the measure, and ours.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::lab::client_binary;
use crate::testnet::network::c_tor;

/// Which clients a proof runs, and where.
#[derive(Clone, Debug, Args)]
pub(super) struct Sides {
    /// Which clients to run.
    #[arg(long, value_enum, default_value_t = Which::Both)]
    side: Which,
    /// Our client's program; freshly built, if left out.
    #[arg(long)]
    client: Option<PathBuf>,
    /// A running network's directory; one is brought up and taken down again if left out.
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
    /// The short form.
    #[arg(long)]
    pub(super) smoke: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
enum Which {
    Both,
    Tor,
    Ours,
}

/// One client: what the tables call it, and its program.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) name: &'static str,
    pub(super) binary: PathBuf,
}

impl Side {
    /// Whether this is the one that proofs are about; the other is the measure.
    pub(super) fn is_ours(&self) -> bool {
        self.name == OURS
    }
}

impl Sides {
    /// What CI runs.
    pub(super) fn smoke() -> Self {
        Self { side: Which::Both, client: None, dir: None, smoke: true }
    }

    /// The same on a network that runs.
    pub(super) fn on(&self, dir: &Path) -> Self {
        Self { dir: Some(dir.to_owned()), ..self.clone() }
    }

    /// The clients that are wanted, C Tor first.
    pub(super) fn all(&self) -> Result<Vec<Side>> {
        let mut all = Vec::new();
        if self.side != Which::Ours {
            all.push(Side { name: "C Tor", binary: PathBuf::from(c_tor("tor")?.get_program()) });
        }
        if self.side != Which::Tor {
            all.push(Side { name: OURS, binary: client_binary(self.client.as_deref())? });
        }
        Ok(all)
    }
}

const OURS: &str = "ours";
