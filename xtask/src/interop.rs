//! `cargo xtask interop`: one real client, real relays, and what applications do with a proxy.
//!
//! Each check is a function with a name; it prints `ok NAME` or `FAILED NAME: why`, and the last line counts
//! them. `--client` takes any program that reads a torrc, so the suite can be tried on C Tor itself.

mod bulk;
mod chat;
mod control;
mod events;
mod hostile;
mod nyx;
mod python;
mod refusals;
mod sides;
mod small;
mod stem;
mod transcript;
mod whole;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};

use crate::lab::client::Client;
use crate::lab::{Lab, client_binary, web};
use python::Unreachable;
use sides::Sides;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Interop {
    /// One of the proofs of the control port, instead of the scenarios of applications.
    #[command(subcommand)]
    proof: Option<Proof>,
    /// The short form: small files, no long waits.
    #[arg(long)]
    smoke: bool,
    /// The client's program; ours, freshly built, if left out.
    #[arg(long)]
    client: Option<PathBuf>,
    /// A running network's directory; one is brought up and taken down again if left out.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only checks whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Seconds of mixed traffic before the relays' logs are read.
    #[arg(long, default_value_t = 0)]
    soak: u64,
}

impl Interop {
    /// What CI runs.
    pub(crate) fn smoke() -> Self {
        Self { proof: None, smoke: true, client: None, dir: None, only: None, soak: 0 }
    }
}

/// What shows that the control port is C Tor's: each runs on C Tor, then on ours.
#[derive(Debug, Subcommand)]
enum Proof {
    /// All of them.
    All(Sides),
    /// What events tell, against what has happened.
    Events(events::Events),
    /// Controllers that mean harm.
    Hostile(hostile::Hostile),
    /// nyx in a terminal: all five pages.
    Nyx(nyx::Nyx),
    /// stem's own integration suite, in two columns.
    Stem(stem::Stem),
    /// The same commands to both; the replies are equal, line for line.
    Transcript(transcript::Transcript),
}

fn prove(proof: &Proof) -> Result<()> {
    match proof {
        Proof::All(sides) => prove_all(sides),
        Proof::Events(options) => events::events(options),
        Proof::Hostile(options) => hostile::hostile(options),
        Proof::Nyx(options) => nyx::nyx(options),
        Proof::Stem(options) => stem::stem(options),
        Proof::Transcript(options) => transcript::transcript(options),
    }
}

/// A proof: the whole of it, or the short form.
type Run = fn(Sides) -> Result<()>;

/// One after the other on one network, all of them even if one fails.
fn prove_all(sides: &Sides) -> Result<()> {
    let lab = Lab::open(sides.dir.as_deref())?;
    let sides = sides.on(&lab.network.dir);
    // The last one kills a relay.
    let proofs: [(&str, Run); 5] = [
        ("transcript", transcript::with),
        ("stem", stem::with),
        ("nyx", nyx::with),
        ("hostile", hostile::with),
        ("events", events::with),
    ];
    let mut failed = Vec::new();
    for (name, proof) in proofs {
        let start = Instant::now();
        println!("--- {name}");
        let outcome = proof(sides.clone());
        let seconds = start.elapsed().as_secs();
        match outcome {
            Ok(()) => println!("ok {name} [{seconds} s]"),
            Err(error) if error.downcast_ref::<Unreachable>().is_some() => {
                println!("{name}: not run, its source cannot be reached from here");
            }
            Err(error) => {
                println!("FAILED {name}: {error:#} [{seconds} s]");
                failed.push(name);
            }
        }
    }
    ensure!(failed.is_empty(), "not proved: {}", failed.join(", "));
    Ok(())
}

/// The proofs as CI runs them.
pub(crate) fn smoke_proofs() -> Result<()> {
    prove_all(&Sides::smoke())
}

/// Runs the suite; fails if a check fails.
pub(crate) fn interop(options: &Interop) -> Result<()> {
    if let Some(proof) = &options.proof {
        return prove(proof);
    }
    let binary = client_binary(options.client.as_deref())?;
    let lab = Lab::open(options.dir.as_deref())?;
    let mut suite = Suite::new(&lab, binary, options)?;
    suite.run()?;
    suite.finish()
}

/// How much data each check moves.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// One large file, bytes.
    file: u64,
    /// How many downloads at once.
    streams: u16,
    /// Bytes of each of those.
    each: u64,
}

/// The checks' surroundings.
struct Suite<'a> {
    lab: &'a Lab,
    binary: PathBuf,
    /// The client's directory, which lasts over restarts.
    home: PathBuf,
    /// The web server on 127.0.0.1.
    web: SocketAddr,
    /// The web server on ::1.
    web6: SocketAddr,
    scale: Scale,
    options: &'a Interop,
    passed: u32,
    failed: u32,
}

/// What a check reports beside success; empty for nothing.
type Verdict = Result<String>;

impl<'a> Suite<'a> {
    fn new(lab: &'a Lab, binary: PathBuf, options: &'a Interop) -> Result<Self> {
        let mib = 1024 * 1024;
        Ok(Self {
            lab,
            binary,
            home: lab.scratch.path().join("client"),
            web: web::serve(IpAddr::V4(Ipv4Addr::LOCALHOST))?,
            web6: web::serve(IpAddr::V6(Ipv6Addr::LOCALHOST))?,
            scale: if options.smoke {
                Scale { file: 8 * mib, streams: 8, each: mib / 2 }
            } else {
                Scale { file: 100 * mib, streams: 50, each: 2 * mib }
            },
            options,
            passed: 0,
            failed: 0,
        })
    }

    fn run(&mut self) -> Result<()> {
        let logs = self.log_sizes();
        let client = self.start()?;
        self.check("cold-start", |suite| whole::first_byte(suite, &client));
        self.check("download", |suite| bulk::download(suite, &client));
        self.check("upload", |suite| bulk::upload(suite, &client));
        self.check("parallel-downloads", |suite| bulk::parallel(suite, &client));
        self.check("keep-alive", |suite| small::keep_alive(suite, &client));
        self.check("interactive-echo", |_| small::echo(&client));
        self.check("closed-by-application", |_| small::closed_by_application(&client));
        self.check("closed-by-server", |_| small::closed_by_server(&client));
        self.check("socks4a", |suite| small::socks4a(suite, &client));
        self.check("socks5-ipv4", |suite| small::ipv4_literal(suite, &client));
        self.check("socks5-ipv6", |suite| small::ipv6_literal(suite, &client));
        self.check("ipv6-only-name", |suite| small::ipv6_name(suite, &client));
        self.check("resolve", |_| small::resolve(&client));
        self.check("resolve-reverse", |_| small::resolve_reverse(&client));
        self.check("torsocks", |_| small::torsocks(&client));
        self.check("http-on-socks-port", |_| refusals::plain_http(&client));
        self.check("refused", |_| refusals::refused(&client));
        self.check("unresolvable", |_| refusals::unresolvable(&client));
        if !self.options.smoke {
            self.check("name-server-silent", |_| refusals::silent_name_server(&client));
            self.check("exit-policy", |suite| refusals::exit_policy(suite, &client));
        }
        if self.options.soak > 0 {
            let time = Duration::from_secs(self.options.soak);
            self.check("soak", |suite| whole::soak(suite, &client, time));
        }
        self.check("control-port", |suite| chat::conversation(suite, &client));
        self.check("stops-on-sigint", |_| whole::stop(client));

        let client = self.start()?;
        self.check("warm-start", |suite| whole::first_byte(suite, &client));
        drop(client);
        if !self.options.smoke {
            self.check("server-silent", refusals::silent_server);
        }
        self.check("relay-logs", |suite| whole::relay_logs(suite, &logs));
        Ok(())
    }

    /// Starts the client with what earlier starts left in its directory, until its port is open.
    fn start(&self) -> Result<Client> {
        let client = Client::start(&self.binary, &self.home, &self.lab.network, &chat::torrc(self))?;
        client.listening(PATIENCE)?;
        Ok(client)
    }

    fn check(&mut self, name: &str, what: impl FnOnce(&Self) -> Verdict) {
        // The ends of a run always happen: others depend on them.
        let wanted = self.options.only.as_deref().is_none_or(|part| name.contains(part));
        if !wanted {
            return;
        }
        let start = Instant::now();
        match what(self) {
            Ok(detail) => {
                self.passed += 1;
                let space = if detail.is_empty() { "" } else { "  " };
                println!("ok {name}{space}{detail}  [{:.1} s]", start.elapsed().as_secs_f64());
            }
            Err(error) => {
                self.failed += 1;
                println!("FAILED {name}: {error:#}");
            }
        }
    }

    fn finish(self) -> Result<()> {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed > 0 {
            bail!("{} interop checks failed", self.failed);
        }
        Ok(())
    }

    /// How long each node's log is now, so that only what comes later is judged.
    fn log_sizes(&self) -> BTreeMap<PathBuf, usize> {
        let logs = self.lab.network.nodes.iter().map(|node| self.lab.network.log_of(node));
        logs.map(|path| (path.clone(), fs::read(path).unwrap_or_default().len())).collect()
    }
}

/// Runs a program that ought to succeed, and that is killed when it takes too long; returns its standard output.
fn output_of(command: &Command) -> Result<String> {
    let program = command.get_program();
    let mut bounded = Command::new("timeout");
    bounded.arg(TOO_LONG.as_secs().to_string()).arg(program).args(command.get_args());
    let output = bounded.output().context("starting coreutils' timeout")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let program = Path::new(program).display();
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Some(124) => bail!("{program} took more than {} s: {}", TOO_LONG.as_secs(), said.trim()),
        _ => bail!("{program}: {}: {}", output.status, said.trim()),
    }
}

/// Longer than any program that works.
const TOO_LONG: Duration = Duration::from_secs(300);
/// How long one step of a check may take.
const PATIENCE: Duration = Duration::from_secs(120);
