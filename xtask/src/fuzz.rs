//! `cargo xtask fuzz`: builds and runs the targets in `fuzz/` by cargo-fuzz.
//!
//! The seeds in `fuzz/corpus` are only read; what a run discovers goes to the target directory, and an input
//! that crashes to `fuzz/artifacts`.

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;

use crate::shell::{cargo, root, run, succeeds, target_dir};

#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// The target to run; all of them in turn if left out.
    target: Option<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
}

impl Fuzz {
    /// Every target for so long.
    pub(crate) fn all(seconds: u32) -> Self {
        Self { target: None, seconds }
    }
}

/// Runs one target or all.
pub(crate) fn fuzz(options: &Fuzz) -> Result<()> {
    let (toolchain, sanitizer) = toolchain();
    if !succeeds(&mut cargo(["fuzz", "--version"])) {
        run(&mut cargo(["install", "--locked", "cargo-fuzz"]))?;
    }
    let mut targets = targets()?;
    if let Some(wanted) = &options.target {
        ensure!(targets.contains(wanted), "no target {wanted}; there are: {}", targets.join(", "));
        targets = vec![wanted.clone()];
    }
    // One build for all, so that a target that does not compile is known before any has run.
    let fuzz = |verb: &str| -> Command {
        let mut command = Command::new("cargo");
        command
            .current_dir(root())
            .args(toolchain)
            .args(["fuzz", verb, "--fuzz-dir", "fuzz"])
            .args(sanitizer);
        command
    };
    let mut build = fuzz("build");
    build.args(&options.target);
    run(&mut build)?;
    let (count, queue) = (targets.len(), Mutex::new(targets.into_iter()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<()> {
        while let Some(target) = next() {
            let found = target_dir().join("fuzz-corpus").join(&target);
            fs::create_dir_all(&found)?;
            let seeds = root().join("fuzz/corpus").join(&target);
            fs::create_dir_all(&seeds)?;
            let mut command = fuzz("run");
            command.arg(&target).arg(found).arg(seeds).arg("--");
            command.arg(format!("-max_total_time={}", options.seconds));
            command.args(["-timeout=10", "-rss_limit_mb=2048"]);
            println!("{}", summary(&target, &mut command)?);
        }
        Ok(())
    };
    // Each target uses one processor.
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker failed"))?);
        ends.collect()
    })?;
    println!("{count} fuzz targets ran for {} s each, nothing found", options.seconds);
    Ok(())
}

/// Runs one target and returns libFuzzer's last line; all that it said, if it found something.
fn summary(target: &str, command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{target}: {}\n{said}", output.status);
    let done = said.lines().find(|line| line.starts_with("Done ")).unwrap_or("Done");
    Ok(format!("{target}: {done}"))
}

/// The names of the files in `fuzz/fuzz_targets`, which must be those of the binaries in `fuzz/Cargo.toml`.
fn targets() -> Result<Vec<String>> {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml"))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        let path: PathBuf = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).context("a target with an odd name")?;
        if !manifest.contains(&format!("name = \"{name}\"")) {
            bail!("fuzz/Cargo.toml has no [[bin]] for {}", path.display());
        }
        names.push(name.to_owned());
    }
    names.sort();
    Ok(names)
}

/// What selects the nightly toolchain, which alone has sanitizers; without one, what does without them.
fn toolchain() -> (&'static [&'static str], &'static [&'static str]) {
    if succeeds(Command::new("cargo").args(["+nightly", "--version"])) {
        return (&["+nightly"], &[]);
    }
    let version = Command::new("rustc").arg("--version").output();
    if version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).contains("nightly")) {
        return (&[], &[]);
    }
    println!("no address sanitizer here; for one: rustup toolchain install nightly --profile minimal");
    (&[], &["--sanitizer", "none"])
}
