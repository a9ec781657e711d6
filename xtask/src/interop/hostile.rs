//! `cargo xtask interop hostile`: controllers that mean harm, or know no better.
//!
//! None may bring the client down, have it hold much memory, or slow down who uses the proxy. The same is done to
//! C Tor, so that what is asked of us is known to be possible.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::control::{Controlled, Controller};
use super::sides::{Side, Sides};
use crate::lab::client::connect;
use crate::lab::socks::Target;
use crate::lab::{Lab, web};

#[derive(Debug, Args)]
pub(crate) struct Hostile {
    #[command(flatten)]
    sides: Sides,
}

/// The whole of it, or the short form.
pub(super) fn with(sides: Sides) -> Result<()> {
    hostile(&Hostile { sides })
}

/// Runs every attack on each client; fails if ours does not stand one.
pub(super) fn hostile(options: &Hostile) -> Result<()> {
    let sides = options.sides.all()?;
    let lab = Lab::open(options.sides.dir.as_deref())?;
    let mut fallen = Vec::new();
    for side in &sides {
        let attacked = Attacked::start(&lab, side, options.sides.smoke)?;
        for fault in attacked.run()? {
            println!("{}: FAILED {fault}", side.name);
            fallen.push(format!("{}: {fault}", side.name));
        }
    }
    let ours = fallen.iter().filter(|fault| !fault.starts_with("C Tor")).count();
    if ours < fallen.len() {
        println!("(what C Tor does not stand is told, and does not fail the run)");
    }
    ensure!(ours == 0, "{ours} attacks succeeded");
    Ok(())
}

/// A client under attack.
struct Attacked<'a> {
    side: &'a Side,
    client: Controlled,
    server: SocketAddr,
    /// Connections of the attack of many.
    crowd: usize,
    /// Controllers that subscribe to everything and never read.
    silent: u32,
    /// Bytes of the download that measures the proxy.
    bytes: u64,
}

type Attack = (&'static str, fn(&Attacked<'_>) -> Result<()>);

const ATTACKS: &[Attack] = &[
    ("random bytes", random_bytes),
    ("half lines", half_lines),
    ("a line of 10 MB", long_line),
    ("a data block of 100 MB", long_block),
    ("all commands before authentication", commands_before_authentication),
    ("guessing the password", guessing),
    ("1,000 connections", crowd),
    ("never reading, subscribed to everything", never_reading),
    ("never reading answers", unread_answers),
];

impl<'a> Attacked<'a> {
    fn start(lab: &Lab, side: &'a Side, is_smoke: bool) -> Result<Self> {
        let home = lab.scratch.path().join(format!("hostile-{}", side.name.replace(' ', "-")));
        let client = Controlled::ready_with_password(&side.binary, &home, &lab.network, "")
            .with_context(|| side.name)?;
        let server = web::serve(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        let mib = 1024 * 1024;
        Ok(Self {
            side,
            client,
            server,
            crowd: 1000,
            // C Tor keeps everything for them: gigabytes, with twenty.
            silent: if side.is_ours() { 20 } else { 1 },
            bytes: if is_smoke { 8 * mib } else { 32 * mib },
        })
    }

    /// What did not hold.
    fn run(&self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        // The first is always slow: circuits are new.
        self.download()?;
        let calm = self.download()?.min(self.download()?);
        let before = self.memory()?;
        for (name, attack) in ATTACKS {
            let start = Instant::now();
            let outcome = attack(self);
            let memory = self.memory().unwrap_or_default();
            let alive = self.answers();
            println!(
                "{:<6} {name:<42} {:>5.1} s, {memory:>7} KiB resident (+{})",
                self.side.name,
                start.elapsed().as_secs_f64(),
                memory.saturating_sub(before)
            );
            if let Err(error) = outcome {
                faults.push(format!("{name}: {error:#}"));
            }
            if let Err(error) = alive {
                faults.push(format!("{name}: it does not answer afterwards: {error:#}"));
                return Ok(faults);
            }
            if memory.saturating_sub(before) > MEMORY {
                faults.push(format!("{name}: {} KiB more than before", memory.saturating_sub(before)));
            }
        }
        let under_attack = self.under_attack()?;
        // What else the machine does may have changed meanwhile.
        let calm = calm.max(self.download()?.min(self.download()?));
        let ratio = under_attack.as_secs_f64() / calm.as_secs_f64();
        println!(
            "{:<6} a download takes {:.2} s, and {:.2} s under attack: {ratio:.2} times as long",
            self.side.name,
            calm.as_secs_f64(),
            under_attack.as_secs_f64()
        );
        // The attackers work on the same processors: some of it is theirs.
        if ratio > SLOWER && under_attack > calm + Duration::from_secs(1) {
            faults.push(format!("the proxy is {ratio:.2} times slower under attack"));
        }
        Ok(faults)
    }

    /// The best of some downloads while attacks go on.
    fn under_attack(&self) -> Result<Duration> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let silent = self.subscribed_to_everything(self.silent);
            for attack in [half_lines, random_bytes, guessing] {
                let is_over = &is_over;
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        // Whether the attack goes well is judged elsewhere.
                        let _ = attack(self);
                        thread::sleep(Duration::from_millis(100));
                    }
                });
            }
            let times: Result<Vec<_>> = (0..3).map(|_| self.download()).collect();
            is_over.store(true, Ordering::Relaxed);
            drop(silent);
            Ok(times?.into_iter().min().unwrap_or_default())
        })
    }

    fn download(&self) -> Result<Duration> {
        let start = Instant::now();
        let target = Target::Name("www.example.test");
        let mut body = web::get(&self.client.client.socks, target, self.server.port(), self.bytes, PATIENCE)?;
        let got = std::io::copy(&mut body, &mut std::io::sink())?;
        ensure!(got == self.bytes, "{got} bytes of {} arrived", self.bytes);
        Ok(start.elapsed())
    }

    /// KiB that are resident.
    fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.client.client.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// A well-behaved controller is served, and soon.
    fn answers(&self) -> Result<()> {
        let start = Instant::now();
        let mut controller = self.client.controller()?;
        ensure!(controller.info("version")?.starts_with("0.4.9"), "odd version");
        let took = start.elapsed();
        ensure!(took < Duration::from_secs(5), "an answer took {:.1} s", took.as_secs_f64());
        Ok(())
    }

    fn connect(&self) -> Result<TcpStream> {
        connect(self.client.control, PATIENCE)
    }

    fn subscribed_to_everything(&self, count: u32) -> Result<Vec<Controller>> {
        let mut asking = self.client.controller()?;
        let names = asking.info("events/names")?;
        (0..count)
            .map(|_| {
                let mut controller = self.client.controller()?;
                controller.send(format!("SETEVENTS {names}\r\n").as_bytes())?;
                Ok(controller)
            })
            .collect()
    }
}

/// Noise, before and after authentication.
fn random_bytes(on: &Attacked<'_>) -> Result<()> {
    let mut state = 0x1234_5678_9abc_def1_u64;
    for round in 0..40 {
        let mut stream = on.connect()?;
        if round % 2 == 1 {
            stream.write_all(b"AUTHENTICATE \"pw\"\r\n")?;
        }
        let mut bytes = Vec::with_capacity(20_000);
        while bytes.len() < 20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        // It may have been closed on us, which is a fine answer.
        let _ = stream.write_all(&bytes);
        let _ = drain(&mut stream, Duration::from_millis(20));
    }
    Ok(())
}

/// Commands that never end, and connections that leave in the middle of one.
fn half_lines(on: &Attacked<'_>) -> Result<()> {
    let mut held = Vec::new();
    for round in 0..60 {
        let mut stream = on.connect()?;
        let text: &[u8] = match round % 4 {
            0 => b"AUTHENTICATE \"p",
            1 => b"AUTHENTICATE \"pw\"\r\nGETINFO ver",
            2 => b"AUTHENTICATE \"pw\"\r\n+LOADCONF\r\nSocksPort 0\r\n",
            _ => b"\r",
        };
        stream.write_all(text)?;
        if round % 3 == 0 {
            held.push(stream);
        }
    }
    on.answers()
}

/// Ten million bytes without an end of line: refused, not kept.
fn long_line(on: &Attacked<'_>) -> Result<()> {
    for start in ["", "AUTHENTICATE \"pw\"\r\nGETINFO "] {
        let mut stream = on.connect()?;
        stream.write_all(start.as_bytes())?;
        flood(&mut stream, b'x', 10_000_000);
        let _ = stream.write_all(b"\r\n");
        drain(&mut stream, Duration::from_millis(500))?;
    }
    Ok(())
}

/// A block of data that does not end.
fn long_block(on: &Attacked<'_>) -> Result<()> {
    let mut stream = on.connect()?;
    stream.write_all(b"AUTHENTICATE \"pw\"\r\n+POSTDESCRIPTOR\r\n")?;
    flood(&mut stream, b'\n', 1);
    let line = format!("{}\r\n", "y".repeat(998));
    for _ in 0..100_000 {
        if stream.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    drain(&mut stream, Duration::from_millis(500))?;
    Ok(())
}

/// Every command without having authenticated: 514 and an end, and nothing is done.
fn commands_before_authentication(on: &Attacked<'_>) -> Result<()> {
    for command in COMMANDS {
        let mut stream = on.connect()?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let answer = drain(&mut stream, Duration::from_secs(3))?;
        if answer != b"514 Authentication required.\r\n" {
            bail!("{command}: {:?}", String::from_utf8_lossy(&answer));
        }
    }
    on.answers()
}

/// Wrong passwords, wrong cookies, from several connections at once.
fn guessing(on: &Attacked<'_>) -> Result<()> {
    thread::scope(|scope| -> Result<()> {
        let guessers: Vec<_> = (0..8)
            .map(|guesser| {
                scope.spawn(move || -> Result<()> {
                    for guess in 0..8 {
                        let mut stream = on.connect()?;
                        let line = if guess % 2 == 0 {
                            format!("AUTHENTICATE \"{guesser}-{guess}\"\r\n")
                        } else {
                            format!("AUTHENTICATE {guess:064x}\r\n")
                        };
                        stream.write_all(line.as_bytes())?;
                        let answer = drain(&mut stream, Duration::from_secs(10))?;
                        ensure!(answer.starts_with(b"515 "), "{:?}", String::from_utf8_lossy(&answer));
                    }
                    Ok(())
                })
            })
            .collect();
        for guesser in guessers {
            guesser.join().map_err(|_| anyhow::anyhow!("a guesser's thread failed"))??;
        }
        Ok(())
    })
}

/// A thousand connections at once, half of them authenticated and asking.
fn crowd(on: &Attacked<'_>) -> Result<()> {
    let mut held = Vec::new();
    for index in 0..on.crowd {
        let mut stream = on.connect().with_context(|| format!("connection {index}"))?;
        let text: &[u8] = if index % 2 == 0 {
            b"PROTOCOLINFO 1\r\n"
        } else {
            b"AUTHENTICATE \"pw\"\r\nGETINFO config-text\r\n"
        };
        stream.write_all(text)?;
        held.push(stream);
    }
    on.answers()
}

/// Controllers that want every event and read none, while much happens.
fn never_reading(on: &Attacked<'_>) -> Result<()> {
    let held = on.subscribed_to_everything(on.silent)?;
    on.download()?;
    let mut asking = on.client.controller()?;
    for _ in 0..200 {
        asking.ask("SETCONF MaxCircuitDirtiness=700")?;
        asking.ask("RESETCONF MaxCircuitDirtiness")?;
    }
    drop(held);
    Ok(())
}

/// Questions with long answers, whose answers nobody reads.
fn unread_answers(on: &Attacked<'_>) -> Result<()> {
    let mut stream = on.connect()?;
    stream.set_write_timeout(Some(Duration::from_millis(300)))?;
    stream.write_all(b"AUTHENTICATE \"pw\"\r\n")?;
    for _ in 0..20_000 {
        // A client that reads no further commands until its answers are read does well.
        if stream.write_all(b"GETINFO config/names\r\n").is_err() {
            break;
        }
    }
    on.answers()
}

fn flood(stream: &mut TcpStream, byte: u8, length: usize) {
    let piece = [byte; 4096];
    let mut left = length;
    while left > 0 {
        let some = left.min(piece.len());
        if stream.write_all(piece.get(..some).unwrap_or_default()).is_err() {
            return;
        }
        left -= some;
    }
}

/// All that comes until the connection is closed or silent for `patience`.
fn drain(stream: &mut TcpStream, patience: Duration) -> Result<Vec<u8>> {
    stream.set_read_timeout(Some(patience))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(bytes),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(bytes);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

const COMMANDS: &[&str] = &[
    "GETINFO version",
    "GETCONF SocksPort",
    "SETCONF SocksPort=0",
    "RESETCONF SocksPort",
    "SAVECONF",
    "SIGNAL HALT",
    "SIGNAL SHUTDOWN",
    "SETEVENTS CIRC",
    "MAPADDRESS a=b",
    "EXTENDCIRCUIT 0",
    "SETCIRCUITPURPOSE 1 purpose=general",
    "CLOSECIRCUIT 1",
    "ATTACHSTREAM 1 0",
    "REDIRECTSTREAM 1 a",
    "CLOSESTREAM 1 1",
    "RESOLVE a",
    "USEFEATURE VERBOSE_NAMES",
    "DROPGUARDS",
    "DROPTIMEOUTS",
    "HSFETCH x",
    "ADD_ONION NEW:BEST Port=80",
    "DEL_ONION x",
    "TAKEOWNERSHIP",
    "DROPOWNERSHIP",
    "ONION_CLIENT_AUTH_VIEW",
    "SETROUTERPURPOSE a b",
    "NONSENSE",
    "X-SETEVENTS CIRC",
];
/// More KiB than this must no attack have a client hold.
const MEMORY: u64 = 96 * 1024;
/// How many times as long a download may take under attack, on two processors that the attackers use as well.
const SLOWER: f64 = 2.5;
const PATIENCE: Duration = Duration::from_secs(60);
