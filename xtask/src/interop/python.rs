//! stem and nyx, which are other people's programs: fetched from PyPI into the target directory, never into the
//! repository, and run in a virtual environment there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{program, run, target_dir};

/// PyPI does not give what is asked for: nothing that a change of ours could have broken.
#[derive(Debug, thiserror::Error)]
#[error("its source cannot be reached from here")]
pub(super) struct Unreachable;

/// Where everything of these two lives.
pub(super) fn cache() -> Result<PathBuf> {
    let dir = target_dir().join("interop");
    fs::create_dir_all(&dir)?;
    Ok(dir.canonicalize()?)
}

/// The virtual environment's Python with nyx, stem and what stem's tests use; made at the first call.
pub(super) fn python() -> Result<PathBuf> {
    let home = cache()?.join("venv");
    let python = home.join("bin/python3");
    let complete = home.join("complete");
    if !complete.exists() {
        let outer = program("python3").context("python3 is missing: install Debian's python3-venv")?;
        run(bounded(&outer, 120).args(["-m", "venv", "--clear"]).arg(&home))?;
        let mut install = bounded(&python, 300);
        install.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES);
        run(&mut install).map_err(|_| Unreachable)?;
        fs::write(complete, "")?;
    }
    Ok(python)
}

/// An unpacked copy of stem's source distribution, in `place`.
pub(super) fn stem_source(place: &Path) -> Result<PathBuf> {
    let cache = cache()?;
    let archive = cache.join(format!("{STEM}.tar.gz"));
    if !archive.exists() {
        let mut download = bounded(&python()?, 300);
        download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]);
        download.arg("--dest").arg(&cache).arg(STEM.replace('-', "=="));
        run(&mut download).map_err(|_| Unreachable)?;
    }
    fs::create_dir_all(place)?;
    run(Command::new("tar").arg("--extract").arg("--file").arg(&archive).arg("--directory").arg(place))?;
    Ok(place.join(STEM))
}

/// A program that is stopped, then killed, when it takes longer than `seconds`.
pub(super) fn bounded(program: &Path, seconds: u32) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after", "5", &seconds.to_string()]).arg(program);
    command
}

const STEM: &str = "stem-1.8.2";
/// `setuptools` is what pip makes stem's metadata with; `cryptography` what its tests of Ed25519 use.
const PACKAGES: &[&str] = &["stem==1.8.2", "nyx==2.1.0", "cryptography", "setuptools"];
