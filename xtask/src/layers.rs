//! The rule that keeps the crates apart: each depends only on crates above it, and the protocol's crates do not
//! know tokio.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::shell::cargo;

/// Top to bottom, as in the architecture's picture. A line may use the lines above it.
const ORDER: &[&str] = &[
    "tor-id",
    "tor-kdf",
    "tor-cell",
    "tor-netdoc",
    "tor-socks",
    "tor-ctrl-events",
    "tor-ntor",
    "tor-chan",
    "tor-circ",
    "tor-stream",
    "tor-ctrl",
    "tor-dir",
    "tor-path",
    "tor-config",
    "tor-circmgr",
    "tor-hs",
    "tor-net",
    "tor-client",
    "tor-testnet",
    "xtask",
];

/// The first crate of the list that may know about time and tasks.
const FIRST_WITH_TOKIO: &str = "tor-circmgr";

/// Fails if a crate breaks the rule, in what it is built with (tests may use more).
pub(crate) fn check() -> Result<()> {
    let output = cargo(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages =
        metadata.get("packages").and_then(Value::as_array).context("cargo metadata without packages")?;
    let position = |name: &str| ORDER.iter().position(|other| *other == name);
    let last_pure = position(FIRST_WITH_TOKIO).unwrap_or_default();
    for package in packages {
        let name = text(package, "name").unwrap_or_default();
        let here = position(name).with_context(|| {
            format!("{name} has no place yet: xtask/src/layers.rs and docs/architecture.md")
        })?;
        let is_pure = here < last_pure;
        for dependency in normal_dependencies(package) {
            if let Some(there) = position(dependency) {
                ensure!(there < here, "{name} depends on {dependency}, which is not above it");
            }
            ensure!(!(is_pure && dependency == "tokio"), "{name} is pure, but depends on tokio");
        }
        if is_pure {
            ensure!(
                !tree(name)?.contains("tokio"),
                "{name} is pure, but something that it uses pulls tokio in"
            );
        }
    }
    println!("{} crates depend only on crates above them", packages.len());
    Ok(())
}

fn normal_dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let all = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
    // The others are for tests ("dev") and build scripts ("build").
    all.filter(|dependency| text(dependency, "kind").is_none())
        .filter_map(|dependency| text(dependency, "name"))
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

/// The names of everything that the crate is built with.
fn tree(name: &str) -> Result<BTreeSet<String>> {
    let arguments = ["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", name];
    let output = cargo(arguments).output()?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim());
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}
