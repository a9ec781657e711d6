//! `cargo xtask test` and `cargo xtask ci`: what has to pass before a change goes in.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::fuzz::{Fuzz, fuzz};
use crate::interop::{Interop, interop, smoke_proofs};
use crate::layers;
use crate::shell::{cargo, run, succeeds};

#[derive(Debug, Args)]
pub(crate) struct Ci {
    /// The tests have run already.
    #[arg(long)]
    no_test: bool,
    /// Leave out the proofs of the control port, which fetch stem and nyx from PyPI.
    #[arg(long)]
    no_proofs: bool,
    /// Seconds for each fuzz target.
    #[arg(long, default_value_t = 5)]
    fuzz_seconds: u32,
}

/// All tests of the workspace, the examples in its documentation included.
pub(crate) fn test() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--all-features"]))
}

/// Everything, cheapest first; stops at the first failure.
pub(crate) fn ci(options: &Ci) -> Result<()> {
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    run(&mut cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    run(&mut cargo(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))?;
    run(cargo(["doc", "--workspace", "--all-features", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    layers::check()?;
    deny()?;
    if !options.no_test {
        test()?;
    }
    interop(&Interop::smoke())?;
    if !options.no_proofs {
        smoke_proofs()?;
    }
    fuzz(&Fuzz::all(options.fuzz_seconds))
}

/// Licences, duplicate versions and sources of the dependencies; known vulnerabilities too, where their
/// database can be reached.
fn deny() -> Result<()> {
    if !succeeds(&mut cargo(["deny", "--version"])) {
        // Unoptimised, it is built in half the time and still fast enough.
        run(&mut cargo(["install", "--locked", "--debug", "cargo-deny"]))?;
    }
    run(&mut cargo(["deny", "--all-features", "check", "bans", "licenses", "sources"]))?;
    if advisory_database_is_reachable() {
        run(&mut cargo(["deny", "--all-features", "check", "advisories"]))
    } else {
        println!("advisories: not checked, their database cannot be reached from here");
        Ok(())
    }
}

fn advisory_database_is_reachable() -> bool {
    let mut command = Command::new("timeout");
    command.args(["20", "git", "ls-remote", "--heads", "https://github.com/RustSec/advisory-db", "main"]);
    succeeds(command.env("GIT_TERMINAL_PROMPT", "0"))
}
