//! A controller in its rawest form: lines out, lines in. It knows how a message ends and nothing else, so that
//! what the proofs judge is what was on the wire.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::lab::client::{Client, connect, free_port};
use crate::testnet::network::Network;

/// A client with a control port.
#[derive(Debug)]
pub(super) struct Controlled {
    pub(super) client: Client,
    pub(super) control: SocketAddr,
}

impl Controlled {
    /// Starts `binary` with a control port that asks for no authentication and the further lines `extra`; returns
    /// when the port answers.
    pub(super) fn start(binary: &Path, home: &Path, network: &Network, extra: &str) -> Result<Self> {
        let controlled = Self::listening(binary, home, network, extra)?;
        controlled.client.listening(PATIENCE)?;
        Ok(controlled)
    }

    /// [`Self::start`], but without waiting for the SOCKS port, which a client without a network does not open.
    pub(super) fn listening(binary: &Path, home: &Path, network: &Network, extra: &str) -> Result<Self> {
        let port = free_port()?;
        let lines = format!("ControlPort 127.0.0.1:{port}\n{extra}");
        let client = Client::start(binary, home, network, &lines)?;
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let answers = until(PATIENCE, "a control port", || Ok(TcpStream::connect(control).is_ok()));
        answers.with_context(|| client.log_text())?;
        Ok(Self { client, control })
    }

    /// [`Self::start`], and waits until the client is ready.
    pub(super) fn ready(binary: &Path, home: &Path, network: &Network, extra: &str) -> Result<Self> {
        let controlled = Self::start(binary, home, network, extra)?;
        controlled.client.bootstrapped(PATIENCE)?;
        Ok(controlled)
    }

    /// [`Self::ready`] with a password, `pw`, and a cookie.
    pub(super) fn ready_with_password(
        binary: &Path,
        home: &Path,
        network: &Network,
        extra: &str,
    ) -> Result<Self> {
        Self::ready(binary, home, network, &format!("CookieAuthentication 1\n{HASHED_PW}\n{extra}"))
    }

    /// An authenticated connection.
    pub(super) fn controller(&self) -> Result<Controller> {
        let mut controller = Controller::connect(self.control)?;
        // Where no authentication is asked for, any password will do.
        let reply = controller.ask("AUTHENTICATE \"pw\"")?;
        ensure!(reply == ["250 OK"], "AUTHENTICATE: {reply:?}");
        Ok(controller)
    }
}

/// One connection to a control port.
#[derive(Debug)]
pub(super) struct Controller {
    input: BufReader<TcpStream>,
    output: TcpStream,
    events: VecDeque<Message>,
}

/// The lines of one reply or event, without their ends; a data block is in it as it came, `.` included.
pub(super) type Message = Vec<String>;

impl Controller {
    pub(super) fn connect(address: SocketAddr) -> Result<Self> {
        let output = connect(address, ANSWER)?;
        let input = BufReader::with_capacity(64 * 1024, output.try_clone()?);
        Ok(Self { input, output, events: VecDeque::new() })
    }

    /// A connection that authenticates by the cookie whose file PROTOCOLINFO names.
    pub(super) fn by_cookie(address: SocketAddr) -> Result<Self> {
        let mut controller = Self::connect(address)?;
        let reply = controller.ask("PROTOCOLINFO 1")?;
        let line = reply.iter().find_map(|line| line.split_once("COOKIEFILE=\""));
        let (path, _) = line.and_then(|(_, rest)| rest.split_once('"')).context("no COOKIEFILE")?;
        let cookie: String = fs::read(path)?.iter().map(|byte| format!("{byte:02x}")).collect();
        let reply = controller.ask(&format!("AUTHENTICATE {cookie}"))?;
        ensure!(reply == ["250 OK"], "AUTHENTICATE by cookie: {reply:?}");
        Ok(controller)
    }

    /// Sends bytes as they are.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.output.write_all(bytes)?)
    }

    /// Sends a command and returns the reply to it; events that come meanwhile are kept for [`Self::event`].
    pub(super) fn ask(&mut self, command: &str) -> Result<Message> {
        self.send(format!("{command}\r\n").as_bytes())?;
        self.reply()?.with_context(|| format!("closed instead of an answer to {command}"))
    }

    /// The value of one key, its lines joined; fails if the answer is not 250.
    pub(super) fn info(&mut self, key: &str) -> Result<String> {
        let reply = self.ask(&format!("GETINFO {key}"))?;
        let first = reply.first().context("an empty reply")?;
        if let Some(value) = first.strip_prefix(&format!("250-{key}=")) {
            return Ok(value.to_owned());
        }
        ensure!(*first == format!("250+{key}="), "GETINFO {key}: {first}");
        Ok(reply.get(1..reply.len().saturating_sub(2)).unwrap_or_default().join("\n"))
    }

    /// The next reply; `None` if the connection was closed.
    pub(super) fn reply(&mut self) -> Result<Option<Message>> {
        loop {
            match self.message()? {
                Some(event) if event.first().is_some_and(|line| line.starts_with("650")) => {
                    self.events.push_back(event);
                }
                other => return Ok(other),
            }
        }
    }

    /// The next event; `None` if the connection was closed, or if nothing came in the time.
    pub(super) fn event(&mut self, patience: Duration) -> Result<Option<Message>> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        self.output.set_read_timeout(Some(patience))?;
        let got = self.message();
        self.output.set_read_timeout(Some(ANSWER))?;
        match got {
            Err(error) if is_timeout(&error) => Ok(None),
            other => other,
        }
    }

    /// Drops the events that have come, and those that come before it is quiet for this long.
    pub(super) fn forget_events(&mut self, quiet: Duration) -> Result<()> {
        while self.event(quiet)?.is_some() {}
        Ok(())
    }

    /// The other end's handle, for a thread that only writes.
    pub(super) fn writer(&self) -> Result<TcpStream> {
        Ok(self.output.try_clone()?)
    }

    /// Whether the peer closes within the time; what it still says is dropped.
    pub(super) fn is_closed_within(&mut self, patience: Duration) -> Result<bool> {
        self.output.set_read_timeout(Some(patience))?;
        let got = io::copy(&mut self.input, &mut io::sink());
        self.output.set_read_timeout(Some(ANSWER))?;
        match got {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn message(&mut self) -> Result<Option<Message>> {
        let mut lines = Vec::new();
        loop {
            let Some(line) = self.line()? else {
                ensure!(lines.is_empty(), "closed within a message: {lines:?}");
                return Ok(None);
            };
            let kind = line.as_bytes().get(3).copied();
            ensure!(
                line.get(..3).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit())),
                "not a line of a reply: {line:?}"
            );
            lines.push(line);
            match kind {
                Some(b' ') => return Ok(Some(lines)),
                Some(b'-') => {}
                Some(b'+') => loop {
                    let line = self.line()?.context("closed within a data block")?;
                    let is_last = line == ".";
                    lines.push(line);
                    if is_last {
                        break;
                    }
                },
                _ => bail!("not a line of a reply: {:?}", lines.last()),
            }
        }
    }

    fn line(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut limited = (&mut self.input).take(LONGEST_LINE);
        match limited.read_until(b'\n', &mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let line = bytes.strip_suffix(b"\r\n").context("a line that does not end in CRLF")?;
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }
}

/// Waits until `done` holds.
pub(super) fn until(patience: Duration, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !done()? {
        ensure!(Instant::now() < deadline, "{what}: not within {} s", patience.as_secs());
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn is_timeout(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
}

/// `pw`.
const HASHED_PW: &str = "HashedControlPassword 16:8C423A41EF4A542C6078985270AE28A4E04D056FB63F9F201505DB8E06";
/// More than any line of a client's.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;
/// How long one answer or a start may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a controller waits for an answer.
const ANSWER: Duration = Duration::from_secs(15);
