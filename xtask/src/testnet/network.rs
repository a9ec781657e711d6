//! One private network: making it, waiting for it, and taking it down.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::torrc;
use crate::process::Pid;
use crate::shell::program;

/// How large the network is and where it lives.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) authorities: u16,
    pub(crate) relays: u16,
    pub(crate) exits: u16,
}

/// What a node does.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Authority,
    Relay,
    Exit,
}

/// One C Tor process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Node {
    pub(crate) nickname: String,
    pub(crate) role: Role,
    /// Counts from zero within the role.
    pub(crate) index: u16,
    pub(crate) or_port: u16,
    /// Only authorities listen on it.
    pub(crate) dir_port: u16,
    /// RSA identity, 40 upper-case hex digits.
    pub(crate) fingerprint: String,
    /// Ed25519 identity, base64.
    pub(crate) ed25519: String,
    pub(crate) process: Option<Pid>,
}

/// The network, as `testnet.json` in its directory records it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Network {
    pub(crate) dir: PathBuf,
    pub(crate) nodes: Vec<Node>,
    pub(crate) dns_port: u16,
    dns_process: Option<Pid>,
}

impl Network {
    /// Makes keys and configurations in `dir` and starts every process. Ports are `base_port` and up, three a
    /// node and one for names.
    ///
    /// If something fails half-way, what was started is stopped again.
    pub(crate) fn up(dir: &Path, size: &Size, base_port: u16, info_log: bool) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        if let Ok(old) = Self::load(&dir) {
            let here = dir.display();
            ensure!(!old.anything_runs(), "a network runs in {here}: cargo xtask testnet down --dir {here}");
        }
        let mut network = Self::plan(dir, size, base_port)?;
        network.write_configuration(info_log)?;
        let started = network.start();
        if started.is_err() {
            network.down()?;
        }
        started.map(|()| network)
    }

    /// The network that was brought up in `dir`.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("no network here: reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("parsing {}", path.display()))
    }

    /// The torrc lines that a client of this network needs.
    pub(crate) fn client_lines(&self) -> Result<String> {
        Ok(fs::read_to_string(self.client_torrc())?)
    }

    /// The file that holds [`Self::client_lines`].
    pub(crate) fn client_torrc(&self) -> PathBuf {
        self.dir.join("client.torrc.inc")
    }

    /// Waits until every authority serves a consensus in which all nodes run, and every node has one.
    ///
    /// Nodes ask for a consensus before there is one and then back off for a minute or more, so those that
    /// still lack it when the authorities have agreed are told to try again (SIGHUP).
    pub(crate) fn wait(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let mut nudged = false;
        loop {
            let Some(problem) = self.disagreement() else {
                let late: Vec<_> = self.nodes.iter().filter(|node| !self.has_consensus(node)).collect();
                if late.is_empty() {
                    return Ok(());
                }
                if !nudged {
                    for process in late.iter().filter_map(|node| node.process) {
                        process.signal(rustix::process::Signal::HUP)?;
                    }
                    nudged = true;
                }
                if Instant::now() > deadline {
                    bail!("after {} s: {} nodes have no consensus", patience.as_secs(), late.len());
                }
                sleep(Duration::from_millis(200));
                continue;
            };
            for node in &self.nodes {
                ensure!(
                    node.process.is_some_and(Pid::is_alive),
                    "{} died: see {}",
                    node.nickname,
                    self.log_of(node).display()
                );
            }
            if Instant::now() > deadline {
                bail!("after {} s: {problem}", patience.as_secs());
            }
            sleep(Duration::from_millis(500));
        }
    }

    /// What is still missing before clients can use the network; `None` if nothing.
    pub(crate) fn missing(&self) -> Option<String> {
        self.disagreement().or_else(|| {
            let late = self.nodes.iter().find(|node| !self.has_consensus(node))?;
            Some(format!("{} has no consensus", late.nickname))
        })
    }

    fn has_consensus(&self, node: &Node) -> bool {
        self.dir.join(&node.nickname).join("cached-microdesc-consensus").exists()
    }

    /// What the authorities have not agreed on yet.
    fn disagreement(&self) -> Option<String> {
        for authority in self.nodes.iter().filter(|node| node.role == Role::Authority) {
            let running = match consensus_of(authority) {
                Err(error) => return Some(format!("{}: {error:#}", authority.nickname)),
                Ok(text) => {
                    text.lines().filter(|line| line.starts_with("s ") && line.contains(" Running")).count()
                }
            };
            if running < self.nodes.len() {
                let all = self.nodes.len();
                return Some(format!("{} lists {running} of {all} relays as running", authority.nickname));
            }
        }
        None
    }

    /// Stops every process of this network, and nothing else; returns how many were running.
    pub(crate) fn down(&self) -> Result<usize> {
        let all = self.nodes.iter().filter_map(|node| node.process).chain(self.dns_process);
        // Ask all of them first: a node takes a moment to leave.
        let mut stopped = 0;
        for process in all.clone() {
            stopped += usize::from(process.signal(rustix::process::Signal::INT)?);
        }
        for process in all {
            if !process.await_exit(Duration::from_secs(5)) {
                process.stop(Duration::from_secs(5))?;
            }
        }
        Ok(stopped)
    }

    /// One line a node.
    pub(crate) fn status(&self) -> String {
        let line = |name: &str, port: u16, process: Option<Pid>, id: &str| {
            let state = match process {
                Some(process) if process.is_alive() => format!("running, pid {}", process.number()),
                Some(_) => "stopped".to_owned(),
                None => "never started".to_owned(),
            };
            format!("{name:<8} port {port:<5} {id:<40} {state}\n")
        };
        let mut text: String = self
            .nodes
            .iter()
            .map(|node| line(&node.nickname, node.or_port, node.process, &node.fingerprint))
            .collect();
        text.push_str(&line("dns", self.dns_port, self.dns_process, ""));
        text
    }

    /// Where a node writes its notices and warnings.
    pub(crate) fn log_of(&self, node: &Node) -> PathBuf {
        self.dir.join(&node.nickname).join("notice.log")
    }

    /// Names the name server to the exits.
    pub(crate) fn resolv_conf(&self) -> PathBuf {
        self.dir.join("resolv.conf")
    }

    fn anything_runs(&self) -> bool {
        let mut all = self.nodes.iter().filter_map(|node| node.process).chain(self.dns_process);
        all.any(Pid::is_alive)
    }

    fn plan(dir: PathBuf, size: &Size, base_port: u16) -> Result<Self> {
        let roles =
            [(Role::Authority, size.authorities), (Role::Relay, size.relays), (Role::Exit, size.exits)];
        let mut nodes = Vec::new();
        let mut ports = base_port..;
        let mut port = || ports.next().context("ports ran out; choose a lower base port");
        for (role, count) in roles {
            for index in 0..count {
                let nickname = format!(
                    "{}{index}",
                    match role {
                        Role::Authority => "auth",
                        Role::Relay => "relay",
                        Role::Exit => "exit",
                    }
                );
                let (or_port, dir_port) = (port()?, port()?);
                let (fingerprint, ed25519) = make_identity(&dir.join(&nickname), &nickname)?;
                nodes.push(Node {
                    nickname,
                    role,
                    index,
                    or_port,
                    dir_port,
                    fingerprint,
                    ed25519,
                    process: None,
                });
            }
        }
        let dns_port = port()?;
        Ok(Self { dir, nodes, dns_port, dns_process: None })
    }

    fn write_configuration(&self, info_log: bool) -> Result<()> {
        let mut authorities = Vec::new();
        for node in self.nodes.iter().filter(|node| node.role == Role::Authority) {
            authorities.push((node, make_authority_keys(&self.dir.join(&node.nickname), node)?));
        }
        let authorities: Vec<_> = authorities.iter().map(|(node, v3)| (*node, v3.as_str())).collect();
        let shared = torrc::shared(&authorities);
        fs::write(self.client_torrc(), &shared)?;

        fs::write(self.resolv_conf(), format!("nameserver 127.0.0.1:{}\n", self.dns_port))?;
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        for node in &self.nodes {
            let home = self.dir.join(&node.nickname);
            fs::write(home.join("torrc"), torrc::node(self, node, &shared, info_log))?;
            if node.role == Role::Authority {
                fs::write(home.join("bandwidths"), torrc::bandwidths(&self.nodes, unix_time))?;
            }
        }
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        // This very program, even if a build has replaced its file since it was started.
        let dns = Command::new("/proc/self/exe")
            .arg("dns-serve")
            .arg(SocketAddr::from((Ipv4Addr::LOCALHOST, self.dns_port)).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.dir.join("dns.log"))?)
            .spawn()?;
        self.dns_process = Some(Pid::of(i32::try_from(dns.id())?)?);
        self.save()?;
        wait_for_a_whole_interval()?;
        for index in 0..self.nodes.len() {
            let Some(node) = self.nodes.get_mut(index) else { break };
            let home = self.dir.join(&node.nickname);
            // A daemon's parent returns when the configuration was accepted and the ports are bound.
            let output = c_tor("tor")?.arg("-f").arg(home.join("torrc")).output()?;
            check(&output, &format!("starting {}", node.nickname))?;
            node.process = Some(Pid::from_file(&home.join("pid"), Duration::from_secs(10))?);
            self.save()?;
        }
        Ok(())
    }

    fn save(&self) -> Result<()> {
        Ok(fs::write(self.dir.join(MANIFEST), serde_json::to_vec_pretty(self)?)?)
    }
}

/// The microdescriptor consensus that an authority serves.
fn consensus_of(authority: &Node) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, authority.dir_port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /tor/status-vote/current/consensus-microdesc HTTP/1.0\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    ensure!(reply.starts_with("HTTP/1.0 200"), "no consensus yet");
    Ok(reply)
}

/// Has `tor` make a node's identity keys, so that its fingerprints are known before anything starts.
fn make_identity(home: &Path, nickname: &str) -> Result<(String, String)> {
    // Nothing of an earlier network may survive, and the control socket wants a private directory.
    if home.exists() {
        fs::remove_dir_all(home)?;
    }
    fs::create_dir_all(home)?;
    fs::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let torrc = home.join("torrc");
    fs::write(&torrc, "")?;
    let output = c_tor("tor")?
        .args([
            "--quiet",
            "--list-fingerprint",
            "--ORPort",
            "1",
            "--Address",
            "127.0.0.1",
            "--Nickname",
            nickname,
        ])
        .arg("--DataDirectory")
        .arg(home)
        .arg("-f")
        .arg(torrc)
        .output()?;
    check(&output, "tor --list-fingerprint")?;
    let second_word = |file: &str| -> Result<String> {
        let text = fs::read_to_string(home.join(file))?;
        Ok(text.split_whitespace().nth(1).with_context(|| format!("{file} of {nickname}"))?.to_owned())
    };
    Ok((second_word("fingerprint")?, second_word("fingerprint-ed25519")?))
}

/// Makes an authority's signing certificate; returns the fingerprint of its identity key.
fn make_authority_keys(home: &Path, node: &Node) -> Result<String> {
    let keys = home.join("keys");
    let mut child = c_tor("tor-gencert")?
        .args(["--create-identity-key", "--passphrase-fd", "0", "-m", "12", "-a"])
        .arg(format!("127.0.0.1:{}", node.dir_port))
        .current_dir(&keys)
        .args(["-i", "authority_identity_key", "-s", "authority_signing_key", "-c", "authority_certificate"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("tor-gencert takes no passphrase")?.write_all(b"testnet\n")?;
    check(&child.wait_with_output()?, "tor-gencert")?;
    let certificate = fs::read_to_string(keys.join("authority_certificate"))?;
    let fingerprint = certificate.lines().find_map(|line| line.strip_prefix("fingerprint "));
    Ok(fingerprint.context("the authority certificate has no fingerprint")?.to_owned())
}

/// Sleeps, if need be, so that all descriptors arrive before the authorities' first vote: a relay that misses
/// it would have to wait five minutes for the next.
fn wait_for_a_whole_interval() -> Result<()> {
    let into =
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() % u128::from(1000 * torrc::FIRST_INTERVAL);
    let into = Duration::from_millis(u64::try_from(into)?);
    if into > Duration::from_secs(5) {
        sleep(Duration::from_secs(torrc::FIRST_INTERVAL) - into);
    }
    Ok(())
}

/// A command of C Tor's.
pub(crate) fn c_tor(name: &str) -> Result<Command> {
    let path = program(name)
        .with_context(|| format!("C Tor's `{name}` is missing: install Debian's package `tor`"))?;
    Ok(Command::new(path))
}

fn check(output: &Output, what: &str) -> Result<()> {
    let say = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    ensure!(
        output.status.success(),
        "{what} failed ({}):\n{}\n{}",
        output.status,
        say(&output.stdout),
        say(&output.stderr)
    );
    Ok(())
}

const MANIFEST: &str = "testnet.json";
