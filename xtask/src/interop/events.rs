//! `cargo xtask interop events`: do events tell the truth?
//!
//! A hundred downloads, a NEWNYM and a relay that dies, while a controller writes down every event. Then
//! [`checker`], which knows only control-spec, rebuilds circuits and streams from the text, and what it finds is
//! compared with what the application did:
//!
//! | count | has to be, within 1 % |
//! |---|---|
//! | STREAM_BW of one stream | what that connection of the application read and wrote |
//! | sum of STREAM_BW | what the application read and wrote |
//! | sum of DELIVERED_READ of CIRC_BW, of circuits that were not cut off | what the application read over them |
//! | sum of BW | `GETINFO traffic/read` and `traffic/written` |
//!
//! C Tor passes with two exceptions. Its last STREAM_BW leaves out what it had yet to hand to the application when
//! the exit closed the stream (a twentieth, here), so that of C Tor only an upper bound of that is asked. And with
//! conflux its DELIVERED_READ counts for one leg what came over the other, so that conflux is off for both.

mod checker;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::control::{Controlled, Controller, Message, until};
use super::sides::{Side, Sides};
use crate::lab::socks::{Reply, Socks, Target};
use crate::lab::{Lab, web};
use crate::testnet::network::{Network, Role};
use checker::{Checker, Moved};

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    sides: Sides,
    /// Downloads.
    #[arg(long, default_value_t = 100)]
    downloads: usize,
    /// Writes the events of each client here.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Leave all relays alive: for a network that others use, too.
    #[arg(long)]
    spare_relays: bool,
}

/// The whole of it, or the short form.
pub(super) fn with(sides: Sides) -> Result<()> {
    let downloads = if sides.smoke { 40 } else { 100 };
    events(&Events { sides, downloads, keep: None, spare_relays: false })
}

/// Runs it with each client; fails if a checker finds fault.
pub(super) fn events(options: &Events) -> Result<()> {
    let sides = options.sides.all()?;
    let lab = Lab::open(options.sides.dir.as_deref())?;
    let mut faulty = Vec::new();
    for side in &sides {
        let faults = run(&lab, side, options).with_context(|| side.name)?;
        for fault in faults.iter().take(20) {
            println!("{}: {fault}", side.name);
        }
        if faults.len() > 20 {
            println!("{}: ... {} faults in all", side.name, faults.len());
        }
        if !faults.is_empty() {
            faulty.push(side.name);
        }
    }
    ensure!(faulty.is_empty(), "events and truth differ: {}", faulty.join(", "));
    Ok(())
}

/// What the application knows of one connection: its own address, and how much it moved.
#[derive(Clone, Debug)]
struct Download {
    source: String,
    moved: Moved,
    is_complete: bool,
}

fn run(lab: &Lab, side: &Side, options: &Events) -> Result<Vec<String>> {
    let home = lab.scratch.path().join(format!("events-{}", side.name.replace(' ', "-")));
    let server = web::serve(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    // The network stays off until the events are subscribed to, so that none is missed. A build time that was
    // learned on loopback would have half of the circuits fail.
    let extra = "DisableNetwork 1\nLearnCircuitBuildTimeout 0\nConfluxEnabled 0\n";
    let client = Controlled::listening(&side.binary, &home, &lab.network, extra)?;
    let mut asking = client.controller()?;
    let record = Record::start(&client)?;
    let reply = asking.ask("SETCONF DisableNetwork=0")?;
    ensure!(reply == ["250 OK"], "SETCONF DisableNetwork=0: {reply:?}");
    client.client.bootstrapped(Duration::from_secs(120))?;

    let downloads = traffic(&client.client.socks, server, options, lab, &mut asking)?;
    // Whether they all end is for the checker to say.
    let _ = until(Duration::from_secs(60), "the end of all streams", || {
        let mut checker = Checker::default();
        for line in &record.status()?.0 {
            checker.event(line);
        }
        checker.finish();
        sleep(Duration::from_secs(1));
        Ok(!checker.faults.iter().any(|fault| fault.contains(" ended as ")))
    });
    // The last of the second's events.
    sleep(Duration::from_millis(2500));
    // A circuit may be on its way between the list and the event about it: then the next answer tells.
    let mut checker = Checker::default();
    let mut seen = 0;
    for attempt in 0..5 {
        let (events, circuits) = record.status()?;
        for line in events.get(seen..).unwrap_or_default() {
            checker.event(line);
        }
        seen = events.len();
        if let Some(dir) = &options.keep {
            fs::create_dir_all(dir)?;
            fs::write(dir.join(format!("{}.txt", side.name.replace(' ', "-"))), events.join("\n"))?;
        }
        let odd = checker.unlike(&circuits);
        if odd.is_empty() || attempt == 4 {
            checker.faults.extend(odd);
            break;
        }
        sleep(Duration::from_millis(300));
    }
    let totals = Moved {
        read: asking.info("traffic/read")?.parse()?,
        written: asking.info("traffic/written")?.parse()?,
    };
    Ok(judge(side, checker, &downloads, totals))
}

/// The downloads, eight at a time; after some of them a NEWNYM, and after more the death of a relay.
fn traffic(
    socks: &Socks,
    server: SocketAddr,
    options: &Events,
    lab: &Lab,
    asking: &mut Controller,
) -> Result<Vec<Download>> {
    let count = options.downloads;
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let lock = || done.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| -> Result<()> {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    // A relay's death may cut one off: what matters is that both sides count the same.
                    let length = 20_000 + u64::try_from(index * 7919 % 400_000).unwrap_or_default();
                    if let Ok(download) = download(socks, server, length) {
                        lock().push(download);
                    }
                    sleep(Duration::from_millis(300));
                }
            });
        }
        until(Duration::from_secs(120), "a third of the downloads", || {
            Ok(next.load(Ordering::Relaxed) > count / 3)
        })?;
        let reply = asking.ask("SIGNAL NEWNYM")?;
        ensure!(reply == ["250 OK"], "SIGNAL NEWNYM: {reply:?}");
        until(Duration::from_secs(120), "two thirds", || Ok(next.load(Ordering::Relaxed) > count * 2 / 3))?;
        if !options.spare_relays {
            kill_a_relay(&lab.network, asking)?;
        }
        Ok(())
    })?;
    let downloads = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(downloads.len() * 2 >= count, "only {} of {count} downloads began", downloads.len());
    Ok(downloads)
}

/// One request for `length` bytes, in a connection of its own; a connection that is cut off is no error.
fn download(socks: &Socks, server: SocketAddr, length: u64) -> Result<Download> {
    let reply = socks.connect5(Target::Name("www.example.test"), server.port(), Duration::from_secs(60))?;
    let Reply::Open(mut stream) = reply else { anyhow::bail!("refused") };
    let source = stream.local_addr()?.to_string();
    let request = format!("GET /{length} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut moved = Moved { read: 0, written: u64::try_from(request.len())? };
    let mut buffer = vec![0; 64 * 1024];
    let is_complete = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break moved.read > length,
            Ok(got) => moved.read += u64::try_from(got)?,
            Err(_) => break false,
        }
    };
    Ok(Download { source, moved, is_complete })
}

/// Kills a relay in the middle of a circuit that is open, one that neither votes nor exits.
fn kill_a_relay(network: &Network, asking: &mut Controller) -> Result<()> {
    let circuits = asking.info("circuit-status")?;
    let middle = |line: &str| -> Option<String> {
        let path = line.split(' ').nth(2)?;
        let hops: Vec<_> = path.split(',').collect();
        (hops.len() > 2 && line.contains(" BUILT ")).then(|| hops.get(1).map(|hop| (*hop).to_owned()))?
    };
    let named: Vec<_> = circuits.lines().filter_map(middle).collect();
    let is_in_use = |fingerprint: &str| named.iter().any(|hop| hop.contains(fingerprint));
    let mut relays = network
        .nodes
        .iter()
        .filter(|node| node.role == Role::Relay && node.process.is_some_and(crate::process::Pid::is_alive));
    let relay = relays.clone().find(|node| is_in_use(&node.fingerprint)).or_else(|| relays.next());
    let relay = relay.context("no relay is left to kill")?;
    println!("killing {}", relay.nickname);
    relay.process.context("a relay that runs")?.signal(rustix::process::Signal::KILL)?;
    Ok(())
}

/// The events of a client as they come, and the answers to what is asked meanwhile on the same connection.
struct Record {
    messages: Arc<Mutex<Vec<Message>>>,
    output: TcpStream,
    is_over: Arc<AtomicBool>,
}

impl Record {
    fn start(client: &Controlled) -> Result<Self> {
        let mut controller = client.controller()?;
        let reply =
            controller.ask("SETEVENTS CIRC CIRC_MINOR STREAM STREAM_BW CIRC_BW BW ORCONN SIGNAL ADDRMAP")?;
        ensure!(reply == ["250 OK"], "SETEVENTS: {reply:?}");
        let (messages, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (sink, stop, output) = (Arc::clone(&messages), Arc::clone(&is_over), controller.writer()?);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match controller.event(Duration::from_millis(200)) {
                    Ok(Some(message)) => sink.lock().unwrap_or_else(PoisonError::into_inner).push(message),
                    Ok(None) => {}
                    Err(_) => break,
                }
            }
        });
        Ok(Self { messages, output, is_over })
    }

    /// The events up to an answer to `GETINFO circuit-status`, without `650 `, and that answer's lines.
    fn status(&self) -> Result<(Vec<String>, Vec<String>)> {
        let is_event = |message: &Message| message.first().is_some_and(|line| line.starts_with("650"));
        let lock = || self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = || lock().iter().filter(|message| !is_event(message)).count();
        let before = answers();
        (&self.output).write_all(b"GETINFO circuit-status\r\n")?;
        until(Duration::from_secs(10), "an answer among events", || Ok(answers() > before))?;
        let (mut events, mut answer) = (Vec::new(), Vec::new());
        let mut left = before + 1;
        for message in lock().iter() {
            if is_event(message) {
                events.extend(message.first().and_then(|line| line.get(4..)).map(str::to_owned));
                continue;
            }
            left -= 1;
            if left == 0 {
                answer.clone_from(message);
                break;
            }
        }
        // One circuit stands in the first line, several in lines of their own.
        let strip = |line: &String| line.strip_prefix("250-circuit-status=").unwrap_or(line).to_owned();
        Ok((events, answer.iter().map(strip).collect()))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Compares what events say with what the application did; returns what does not fit.
fn judge(side: &Side, mut checker: Checker, downloads: &[Download], totals: Moved) -> Vec<String> {
    checker.finish();
    let mut faults = std::mem::take(&mut checker.faults);
    let mut by_source = BTreeMap::new();
    for (id, stream) in checker.streams.iter().filter(|(_, stream)| stream.is_an_applications()) {
        by_source.insert(stream.source.as_str(), (id, stream));
    }
    let (mut application, mut told) = (Moved::default(), Moved::default());
    let mut carried: BTreeMap<&str, Moved> = BTreeMap::new();
    for download in downloads {
        application.add(download.moved);
        let Some((id, stream)) = by_source.get(download.source.as_str()) else {
            faults.push(format!("no stream has SOURCE_ADDR={}", download.source));
            continue;
        };
        told.add(stream.moved);
        carried.entry(stream.carrier.as_str()).or_default().add(download.moved);
        if download.is_complete && stream.carrier.is_empty() {
            faults.push(format!("stream {id} carried a download and never was SUCCEEDED"));
        }
        // The proxy's own words, some twenty bytes, are the application's, too.
        let slack = if download.is_complete { HANDSHAKE } else { 70_000 };
        if side.is_ours() && !is_near(stream.moved.read, download.moved.read, slack) {
            let (by_event, read) = (stream.moved.read, download.moved.read);
            faults
                .push(format!("stream {id}: {by_event} bytes read by STREAM_BW, {read} by the application"));
        }
        if !is_near(stream.moved.written, download.moved.written, HANDSHAKE) {
            let (by_event, written) = (stream.moved.written, download.moved.written);
            faults.push(format!(
                "stream {id}: {by_event} bytes written by STREAM_BW, {written} by the application"
            ));
        }
    }
    // What a circuit moved in its last second is told a second later: not of one that was cut off.
    let (mut delivered, mut on_circuits) = (Moved::default(), Moved::default());
    for (id, moved) in carried {
        let circuit = checker.circuits.get(id);
        if let Some(circuit) = circuit.filter(|circuit| matches!(circuit.reason.as_str(), "" | "FINISHED")) {
            delivered.add(circuit.delivered);
            on_circuits.add(moved);
        }
    }
    let mut compare = |what: &str, told: u64, truth: u64, slack: u64| {
        println!("{:<6} {what:<34} {told:>12} of {truth:>12}", side.name);
        if !is_near(told, truth, slack) {
            faults.push(format!("{what}: {told} by events, {truth} in truth"));
        }
    };
    let streams = u64::try_from(downloads.len()).unwrap_or_default();
    // C Tor does not tell what it still had in hand when the exit closed the stream.
    let slack = streams * if side.is_ours() { HANDSHAKE } else { UNTOLD };
    compare("read, by STREAM_BW", told.read, application.read, slack);
    compare("written, by STREAM_BW", told.written, application.written, streams * HANDSHAKE);
    compare("read, by CIRC_BW DELIVERED_READ", delivered.read, on_circuits.read, streams * HANDSHAKE);
    compare("read, by BW", checker.total.read, totals.read, 20_000);
    compare("written, by BW", checker.total.written, totals.written, 20_000);
    let complete = downloads.iter().filter(|download| download.is_complete).count();
    println!(
        "{:<6} {} downloads, {complete} complete; {} circuits, {} streams, {} NEWNYM; events: {:?}",
        side.name,
        downloads.len(),
        checker.circuits.len(),
        checker.streams.len(),
        checker.newnyms,
        checker.events,
    );
    if checker.newnyms != 1 {
        faults.push(format!("{} SIGNAL NEWNYM events for one NEWNYM", checker.newnyms));
    }
    println!("{:<6} {} faults", side.name, faults.len());
    faults
}

/// Within one percent, or within `slack` bytes.
fn is_near(told: u64, truth: u64, slack: u64) -> bool {
    told.abs_diff(truth) <= (truth / 100).max(slack)
}

/// More than a SOCKS greeting and request.
const HANDSHAKE: u64 = 64;
/// More than C Tor holds back of one stream.
const UNTOLD: u64 = 70_000;
