//! `cargo xtask bench client`: our client and C Tor in turn on the same private network, as ratios.
//!
//! Relays, clients and the harness share one machine, so throughput says how much the whole of them moves;
//! processor time is the client's own, from `/proc`. Each figure is ours, C Tor's, and ours over C Tor's.

mod figures;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use crate::lab::client::Client;
use crate::lab::socks::{Socks, Target};
use crate::lab::{Lab, client_binary, web};
use crate::testnet::network::c_tor;
use figures::{Figures, Transfer};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What the client costs and how fast it is, beside C Tor.
    Client(ClientBench),
}

#[derive(Debug, Args)]
pub(crate) struct ClientBench {
    /// MiB for each of: one download, one upload, 20 downloads at once.
    #[arg(long, default_value_t = 512)]
    mib: u64,
    /// Seconds during which idle clients are watched.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Every measurement as small as it can be, to see that it works.
    #[arg(long)]
    smoke: bool,
    /// The client's program; ours, freshly built, if left out.
    #[arg(long)]
    client: Option<PathBuf>,
    /// A running network's directory; one is brought up and taken down again if left out.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Runs a benchmark.
pub(crate) fn bench(command: &Command) -> Result<()> {
    match command {
        Command::Client(options) => client(options),
    }
}

fn client(options: &ClientBench) -> Result<()> {
    let scale = if options.smoke {
        Scale { bytes: 4 * MIB, idle: Duration::from_secs(2), starts: 1, small: 5 }
    } else {
        Scale { bytes: options.mib * MIB, idle: Duration::from_secs(options.seconds), starts: 3, small: 50 }
    };
    let binary = client_binary(options.client.as_deref())?;
    let reference = PathBuf::from(c_tor("tor")?.get_program());
    let lab = Lab::open(options.dir.as_deref())?;
    let server = web::serve(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let measure = |name: &str, binary: &Path| {
        println!("measuring {name}: {}", binary.display());
        measure(&lab, binary, name, server, &scale).with_context(|| name.to_owned())
    };
    let ours = measure("ours", &binary)?;
    let theirs = measure("tor", &reference)?;
    print!("{}", figures::table(&ours, &theirs));
    Ok(())
}

struct Scale {
    /// Moved in each bulk measurement.
    bytes: u64,
    /// How long an idle client is watched.
    idle: Duration,
    /// Cold and warm starts each.
    starts: u32,
    /// Requests for the time to the first byte.
    small: u32,
}

fn measure(lab: &Lab, binary: &Path, name: &str, server: SocketAddr, scale: &Scale) -> Result<Figures> {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 0..scale.starts {
        let home = lab.scratch.path().join(format!("{name}-{round}"));
        for times in [&mut cold, &mut warm] {
            let client = Client::start(binary, &home, &lab.network, "")?;
            client.listening(PATIENCE)?;
            times.push(client.first_byte(server, PATIENCE)?);
            client.stop(STOPPING)?;
        }
    }
    // The next start is warm too, and serves all the rest.
    let client = Client::start(binary, &lab.scratch.path().join(format!("{name}-0")), &lab.network, "")?;
    client.listening(PATIENCE)?;
    client.first_byte(server, PATIENCE)?;
    let first_byte = small_requests(&client.socks, server, scale.small)?;
    let port = server.port();
    let down = transfer(&client, scale.bytes, |socks| fetch(socks, port, scale.bytes))?;
    let up = transfer(&client, scale.bytes, |socks| web::put(socks, NAME, port, scale.bytes, PATIENCE))?;
    let parallel = transfer(&client, scale.bytes, |socks| in_parallel(socks, port, scale.bytes / STREAMS))?;
    // Afterwards the client may still close streams and build circuits for what comes next.
    thread::sleep(Duration::from_secs(2).min(scale.idle));
    let before = client.cpu()?;
    thread::sleep(scale.idle);
    let idle = (client.cpu()? - before).as_secs_f64() / scale.idle.as_secs_f64();
    let memory = client.peak_memory()?;
    client.stop(STOPPING)?;
    Ok(Figures { down, up, parallel, first_byte, cold: median(cold), warm: median(warm), memory, idle })
}

/// The median time from the application's connection to the first byte of a page, on a client at rest.
fn small_requests(socks: &Socks, server: SocketAddr, count: u32) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        web::fetch_first_byte(socks, NAME, server.port(), PATIENCE)?;
        times.push(start.elapsed());
    }
    Ok(median(times))
}

/// What moving `bytes` costs the client.
fn transfer(client: &Client, bytes: u64, run: impl FnOnce(&Socks) -> Result<()>) -> Result<Transfer> {
    let before = client.cpu()?;
    let start = Instant::now();
    run(&client.socks)?;
    Ok(Transfer { bytes, time: start.elapsed(), cpu: client.cpu()? - before })
}

/// Downloads without looking at the content, which `interop` does: a hash would take processor time from the
/// relays.
fn fetch(socks: &Socks, port: u16, bytes: u64) -> Result<()> {
    let mut body = web::get(socks, NAME, port, bytes, PATIENCE)?;
    let got = std::io::copy(&mut body, &mut std::io::sink())?;
    ensure!(got == bytes, "{got} bytes of {bytes} arrived");
    Ok(())
}

fn in_parallel(socks: &Socks, port: u16, each: u64) -> Result<()> {
    let downloads: Vec<_> = (0..STREAMS)
        .map(|_| {
            let socks = socks.clone();
            thread::spawn(move || fetch(&socks, port, each))
        })
        .collect();
    for download in downloads {
        download.join().map_err(|_| anyhow::anyhow!("a download's thread failed"))??;
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

const NAME: Target<'_> = Target::Name("www.example.test");
const MIB: u64 = 1024 * 1024;
const STREAMS: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(120);
const STOPPING: Duration = Duration::from_secs(10);
