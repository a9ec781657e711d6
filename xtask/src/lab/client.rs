//! A client process under test: ours or C Tor, which are configured and asked in the same way.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::param::clock_ticks_per_second;
use rustix::process::Signal;

use super::socks::{Socks, Target};
use super::web;
use crate::process::Pid;
use crate::testnet::network::Network;

/// A running client. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Client {
    child: Child,
    process: Pid,
    log: PathBuf,
    started: Instant,
    pub(crate) socks: Socks,
}

impl Client {
    /// Starts `binary` on `network` with its files in `home`, which may have served an earlier start, and the
    /// further torrc lines `extra`.
    pub(crate) fn start(binary: &Path, home: &Path, network: &Network, extra: &str) -> Result<Self> {
        fs::create_dir_all(home)?;
        fs::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let port = free_port()?;
        let torrc = home.join("torrc");
        let lines = network.client_lines()?;
        let data = home.join("data");
        fs::write(
            &torrc,
            format!(
                "{lines}DataDirectory {}\nSocksPort 127.0.0.1:{port}\nLog notice stdout\n{extra}",
                data.display()
            ),
        )?;
        let log = home.join("client.log");
        let output = File::create(&log)?;
        let started = Instant::now();
        let child = Command::new(binary)
            .arg("-f")
            .arg(&torrc)
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let process = Pid::of(i32::try_from(child.id())?)?;
        lock(&RUNNING).push(process);
        Ok(Self { child, process, log, started, socks: Socks::at(port) })
    }

    /// Waits until the SOCKS port accepts connections.
    pub(crate) fn listening(&self, patience: Duration) -> Result<()> {
        while TcpStream::connect_timeout(&self.socks.address(), patience).is_err() {
            self.check_alive()?;
            if self.started.elapsed() > patience {
                bail!("no SOCKS port within {} s\n{}", patience.as_secs(), self.log_tail());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Asks for a small page as soon as the SOCKS port answers, until the first byte comes; returns the time
    /// since the process was started.
    pub(crate) fn first_byte(&self, server: SocketAddr, patience: Duration) -> Result<Duration> {
        let deadline = self.started + patience;
        let mut last = None;
        while Instant::now() < deadline {
            self.check_alive()?;
            match web::fetch_first_byte(
                &self.socks,
                Target::Name("www.example.test"),
                server.port(),
                patience,
            ) {
                Ok(()) => return Ok(self.started.elapsed()),
                Err(error) => last = Some(error),
            }
            sleep(Duration::from_millis(10));
        }
        let why = last.map_or_else(String::new, |error| format!("{error:#}"));
        bail!("no byte within {} s: {why}\n{}", patience.as_secs(), self.log_tail())
    }

    /// Waits until the client says that it is ready; returns the time since the process was started, to the
    /// grain of ten milliseconds.
    pub(crate) fn bootstrapped(&self, patience: Duration) -> Result<Duration> {
        loop {
            if self.log_text().contains("Bootstrapped 100%") {
                return Ok(self.started.elapsed());
            }
            self.check_alive()?;
            if self.started.elapsed() > patience {
                bail!("not bootstrapped within {} s\n{}", patience.as_secs(), self.log_tail());
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Processor time, user and system, that the process has used so far, to a clock tick (10 ms).
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.number()))?;
        let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
        // Fields 14 and 15 of the whole line, counted from 1; the third is the first after the name.
        let mut fields = fields.split(' ').skip(11);
        let mut next = || -> Result<u64> { Ok(fields.next().context("/proc/PID/stat")?.parse()?) };
        let ticks = next()? + next()?;
        Ok(Duration::from_millis(ticks * 1000 / clock_ticks_per_second()))
    }

    /// The process's number, for `/proc`.
    pub(crate) fn pid(&self) -> i32 {
        self.process.number()
    }

    /// The most memory that was resident at once, in KiB.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.number()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Everything that the client has logged.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Interrupts the client as Ctrl-C does and waits for it to leave by itself.
    pub(crate) fn stop(mut self, patience: Duration) -> Result<ExitStatus> {
        self.process.signal(Signal::INT)?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(Duration::from_millis(10));
        }
        bail!("still there {} s after SIGINT", patience.as_secs())
    }

    /// Waits until the client ends by itself.
    pub(crate) fn wait(mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }

    fn check_alive(&self) -> Result<()> {
        if !self.process.is_alive() {
            bail!("the client has exited:\n{}", self.log_tail());
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Both fail only if the process has ended and been waited for, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stops every client that runs: for an exit that drops nothing.
pub(crate) fn stop_all() {
    for process in lock(&RUNNING).drain(..) {
        // There is nobody left to tell.
        let _ = process.stop(Duration::from_secs(5));
    }
}

/// The clients that were started; one that has ended is told from a later process by its start time.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn lock(list: &Mutex<Vec<Pid>>) -> MutexGuard<'_, Vec<Pid>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port on loopback that nobody listens on now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A connection with time limits on both directions.
pub(crate) fn connect(address: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
