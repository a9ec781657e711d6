//! The client as a process: starting, lasting, stopping, and what the relays say about it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{PATIENCE, Suite, Verdict};
use crate::lab::client::Client;
use crate::lab::socks::Target;
use crate::lab::web;

/// From the start of the process to the first byte of a page.
pub(super) fn first_byte(suite: &Suite<'_>, client: &Client) -> Verdict {
    let time = client.first_byte(suite.web, PATIENCE)?;
    Ok(format!("{:.2} s to the first byte", time.as_secs_f64()))
}

/// Ctrl-C ends the client, in time and without an error.
pub(super) fn stop(client: Client) -> Verdict {
    let status = client.stop(Duration::from_secs(10))?;
    ensure!(status.success(), "{status}");
    Ok(String::new())
}

/// Downloads and uploads of all sizes, one after the other, for as long as asked.
pub(super) fn soak(suite: &Suite<'_>, client: &Client, time: Duration) -> Verdict {
    let start = Instant::now();
    let (mut streams, mut bytes) = (0_u32, 0_u64);
    let target = Target::Name("www.example.test");
    while start.elapsed() < time {
        for length in [1, 497, 498, 499, 30_000, 300_000, 3_000_000] {
            let port = suite.web.port();
            let body = web::get(&client.socks, target, port, length, PATIENCE)
                .with_context(|| format!("after {streams} streams"))?;
            let (got, hash) = web::read_hash(body)?;
            ensure!(got == length && hash == web::pattern_hash(length), "stream {streams} was damaged");
            web::put(&client.socks, target, port, length, PATIENCE)?;
            streams += 2;
            bytes += 2 * length;
        }
    }
    Ok(format!("{streams} streams, {} MiB", bytes / 1024 / 1024))
}

/// The relays have found no fault with us (`ProtocolWarnings 1`).
pub(super) fn relay_logs(suite: &Suite<'_>, before: &BTreeMap<PathBuf, usize>) -> Verdict {
    let mut found = Vec::new();
    for node in &suite.lab.network.nodes {
        let path = suite.lab.network.log_of(node);
        let start = before.get(&path).copied().unwrap_or_default();
        found.extend(complaints(&path, start)?.into_iter().map(|line| format!("{}: {line}", node.nickname)));
    }
    ensure!(found.is_empty(), "{} warnings:\n  {}", found.len(), found.join("\n  "));
    Ok(String::new())
}

/// The warnings in a log from `start` on, without those that a relay makes about itself.
fn complaints(path: &PathBuf, start: usize) -> Result<Vec<String>> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let text = String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned();
    let is_bad = |line: &&str| line.contains(" [warn] ") || line.contains(" [err] ");
    let lines = text.lines().filter(is_bad).filter(|line| !OWN_AFFAIRS.iter().any(|own| line.contains(own)));
    Ok(lines.map(str::to_owned).collect())
}

/// What relays and authorities of a private network warn of that clients have no part in.
const OWN_AFFAIRS: &[&str] = &[
    "TestingTorNetwork is set",
    "You have used DirAuthority",
    "Your log may contain sensitive information",
    "You are running Tor as root",
    "while fetching consensus directory",
    "approved-routers",
    "sr-state",
    "SR: ",
    "We just marked ourself as down",
    "Your system clock just jumped",
];
