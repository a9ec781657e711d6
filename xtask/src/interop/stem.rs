//! `cargo xtask interop stem`: stem's own integration suite, against C Tor and then against us.
//!
//! `stem/driver.py` says what is changed in the suite and which tests cannot be for here. A test counts as
//! passed when it passed over each kind of control connection over which it ran.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::python::{bounded, python, stem_source};
use super::sides::{Side, Sides};
use crate::lab::client::free_port;
use crate::lab::{Lab, web};

#[derive(Debug, Args)]
pub(crate) struct Stem {
    #[command(flatten)]
    sides: Sides,
    /// A kind of control connection, as stem calls it: RUN_OPEN, RUN_COOKIE, ...; all of them if left out.
    #[arg(long)]
    kind: Vec<String>,
    /// Only tests whose name contains this.
    #[arg(long)]
    test: Vec<String>,
}

/// What we do not pass and why; the same list, for people, is in `docs/control.md`.
const EXCUSED: &[(&str, &str)] = &[
    ("test_transition_to_relay", "a client only: ORPort is refused"),
    ("test_list_fingerprint_argument", "a client only: there are no relay keys to list"),
    ("test_set_conf", "sets HiddenServiceDir: onion services are not built yet"),
    ("test_set_conf_for_usebridges", "sets UseBridges: bridges are not built yet"),
    ("test_ephemeral_hidden_services_v3", NO_ONIONS),
    ("test_with_detached_ephemeral_hidden_services", NO_ONIONS),
    ("test_with_ephemeral_hidden_services_v3_client_auth", NO_ONIONS),
];

const NO_ONIONS: &str = "onion services are not built yet";

/// Over one kind of connection, if it is to be short.
pub(super) fn with(sides: Sides) -> Result<()> {
    let kind = if sides.smoke { vec!["RUN_COOKIE".to_owned()] } else { Vec::new() };
    stem(&Stem { sides, kind, test: Vec::new() })
}

/// Prints the two columns; fails if C Tor passes what we do not and have no excuse for.
pub(super) fn stem(options: &Stem) -> Result<()> {
    let sides = options.sides.all()?;
    let lab = Lab::open(options.sides.dir.as_deref())?;
    let mut columns = Vec::new();
    for side in &sides {
        let start = Instant::now();
        let column = run(&lab, side, options).with_context(|| side.name)?;
        let (passed, counted) = (column.passed(), column.runs("ok"));
        let (failed, skipped) = (column.failed(), column.runs("skip"));
        let seconds = start.elapsed().as_secs();
        println!(
            "{}: {passed} distinct tests pass ({counted} runs), {failed} fail, {skipped} runs skipped [{seconds} s]",
            side.name
        );
        columns.push(column);
    }
    print_table(&sides, &columns, options.sides.smoke);
    judge(&sides, &columns)
}

/// One test over one kind of connection.
#[derive(Debug, Deserialize)]
struct Outcome {
    target: String,
    test: String,
    outcome: String,
    why: String,
}

/// One client's results.
struct Column(Vec<Outcome>);

impl Column {
    fn by_test(&self) -> BTreeMap<&str, Vec<&Outcome>> {
        let mut tests: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for outcome in &self.0 {
            tests.entry(outcome.test.trim_start_matches("test.integ.")).or_default().push(outcome);
        }
        tests
    }

    fn word(&self, test: &str) -> String {
        let all = self.by_test();
        let runs = all.get(test).map(Vec::as_slice).unwrap_or_default();
        let count = |outcome: &str| runs.iter().filter(|run| run.outcome == outcome).count();
        let (good, bad) = (count("ok"), count("fail") + count("error"));
        match (good, bad) {
            (0, 0) if runs.is_empty() => "-".to_owned(),
            (0, 0) => "skipped".to_owned(),
            (_, 0) => "ok".to_owned(),
            (_, _) => format!("FAILED {bad}/{}", good + bad),
        }
    }

    fn passed(&self) -> usize {
        self.by_test().keys().filter(|test| self.word(test) == "ok").count()
    }

    fn failed(&self) -> usize {
        self.by_test().keys().filter(|test| self.word(test).starts_with("FAILED")).count()
    }

    fn runs(&self, outcome: &str) -> usize {
        self.0.iter().filter(|run| run.outcome == outcome).count()
    }
}

fn run(lab: &Lab, side: &Side, options: &Stem) -> Result<Column> {
    let home = lab.scratch.path().join(format!("stem-{}", side.name.replace(' ', "-")));
    let source = stem_source(&home)?;
    // Not 127.0.0.1: C Tor prefers an exit on the very address that is asked for, and says so in the target.
    let server = web::serve(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)))?;
    let results = home.join("results");
    let kinds = if options.kind.is_empty() { vec!["RUN_ALL".to_owned()] } else { options.kind.clone() };
    let job = json!({
        "source": source,
        "tor": side.binary,
        "targets": kinds,
        "torrc": lab.network.client_lines()?,
        "ports": [free_port()?, free_port()?, free_port()?],
        "web": server.port(),
        "authority": lab.network.nodes.first().map(|node| &node.nickname),
        "results": results,
        "only": options.test,
    });
    // One of stem's tests looks for `run_tests.py` in the command line of its own process.
    let description = home.join("run_tests.py.json");
    fs::write(&description, job.to_string())?;
    let driver = home.join("driver.py");
    fs::write(&driver, DRIVER)?;
    let log = home.join("output");
    let output = File::create(&log)?;
    let limit = if kinds == ["RUN_ALL"] { LIMIT_ALL } else { LIMIT_ONE };
    let status = bounded(&python()?, limit)
        .arg(&driver)
        .arg(&description)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &home)
        .env("LANG", "C.UTF-8")
        .stdin(std::process::Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()?;
    let column = read(&results)?;
    if column.0.is_empty() || status.code() == Some(124) {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        println!("{}", lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n"));
        ensure!(!column.0.is_empty(), "stem's suite ran no test: {status}");
        println!("{}: stem's suite was stopped after {limit} s", side.name);
    }
    Ok(column)
}

fn read(results: &Path) -> Result<Column> {
    let text = fs::read_to_string(results).unwrap_or_default();
    let outcomes: Result<Vec<_>, _> = text.lines().map(serde_json::from_str).collect();
    Ok(Column(outcomes.context("a line of the driver's results")?))
}

/// All tests, or only those that are not passed by everybody.
fn print_table(sides: &[Side], columns: &[Column], is_short: bool) {
    let mut tests: Vec<_> = columns.iter().flat_map(|column| column.by_test().into_keys()).collect();
    tests.sort_unstable();
    tests.dedup();
    let heads: String = sides.iter().map(|side| format!("{:<14}", side.name)).collect();
    println!("{heads}test");
    for test in tests {
        let words: Vec<_> = columns.iter().map(|column| column.word(test)).collect();
        let same = |word: &str| words.iter().all(|other| other == word);
        if is_short && (same("ok") || same("skipped")) {
            continue;
        }
        let line: String = words.iter().map(|word| format!("{word:<14}")).collect();
        println!("{line}{test}");
    }
    for (side, column) in sides.iter().zip(columns) {
        for (test, runs) in column.by_test() {
            if let Some(bad) = runs.iter().find(|run| matches!(run.outcome.as_str(), "fail" | "error")) {
                println!("\n{} {test} over {}:\n{}", side.name, bad.target, bad.why);
            }
        }
    }
}

fn judge(sides: &[Side], columns: &[Column]) -> Result<()> {
    let (mut tor, mut ours) = (None, None);
    for (side, column) in sides.iter().zip(columns) {
        *(if side.is_ours() { &mut ours } else { &mut tor }) = Some(column);
    }
    if let Some(tor) = tor {
        ensure!(tor.failed() == 0, "C Tor fails {} of stem's tests: this harness is wrong", tor.failed());
    }
    let (Some(tor), Some(ours)) = (tor, ours) else { return Ok(()) };
    let mut missing = Vec::new();
    for test in tor.by_test().into_keys().filter(|test| tor.word(test) == "ok" && ours.word(test) != "ok") {
        match EXCUSED.iter().find(|(name, _)| test.ends_with(&format!(".{name}"))) {
            Some((_, why)) => println!("excused: {test}: {why}"),
            None => missing.push(test.to_owned()),
        }
    }
    if !missing.is_empty() {
        bail!("{} tests that C Tor passes and we do not: {}", missing.len(), missing.join(", "));
    }
    Ok(())
}

const DRIVER: &str = include_str!("stem/driver.py");
/// Seconds for eight kinds of connection; C Tor takes one minute.
const LIMIT_ALL: u32 = 480;
/// Seconds for one kind.
const LIMIT_ONE: u32 = 120;
