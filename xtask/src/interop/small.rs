//! What applications do with single connections and names.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::bulk::curl;
use super::{PATIENCE, Suite, Verdict, output_of};
use crate::lab::client::Client;
use crate::lab::socks::Target;
use crate::lab::web;
use crate::shell::{program, succeeds};
use crate::testnet::network::c_tor;

/// Two requests over one connection.
pub(super) fn keep_alive(suite: &Suite<'_>, client: &Client) -> Verdict {
    let url = format!("http://www.example.test:{}/10", suite.web.port());
    let discard = ["--output", "/dev/null", "--write-out", "%{num_connects} "];
    let counts = output_of(curl(&client.socks).args(discard).arg(&url).args(discard).arg(&url))?;
    ensure!(counts == "1 0", "curl opened these numbers of connections: {counts}");
    Ok(String::new())
}

/// One line after the other, each answered before the next is sent.
pub(super) fn echo(client: &Client) -> Verdict {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut buffer = [0; 1024];
        loop {
            let length = stream.read(&mut buffer)?;
            stream.write_all(buffer.get(..length).filter(|bytes| !bytes.is_empty()).context("end")?)?;
        }
    });
    let mut stream = client.socks.connect5(Target::V4(Ipv4Addr::LOCALHOST), port, PATIENCE)?.open()?;
    let mut worst = std::time::Duration::ZERO;
    for round in 0..ROUNDS {
        let line = format!("{round}: {}\n", "x".repeat(round * 7 % 900));
        let start = Instant::now();
        stream.write_all(line.as_bytes())?;
        let mut back = vec![0; line.len()];
        stream.read_exact(&mut back)?;
        ensure!(back == line.as_bytes(), "line {round} came back changed");
        worst = worst.max(start.elapsed());
    }
    Ok(format!("{ROUNDS} lines, the slowest {} ms", worst.as_millis()))
}

/// The application sends, then closes its direction: the server gets everything, then the end.
pub(super) fn closed_by_application(client: &Client) -> Verdict {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || -> Result<()> {
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(tell.send(web::read_hash(stream)?)?)
    });
    let mut stream = client.socks.connect5(Target::V4(Ipv4Addr::LOCALHOST), port, PATIENCE)?.open()?;
    web::write_pattern(CLOSED_AFTER, |bytes| stream.write_all(bytes))?;
    stream.shutdown(Shutdown::Write)?;
    let (got, hash) = told.recv_timeout(PATIENCE).context("the server saw no end")?;
    ensure!(got == CLOSED_AFTER, "{got} bytes of {CLOSED_AFTER} arrived before the end");
    ensure!(hash == web::pattern_hash(CLOSED_AFTER), "the content differs");
    Ok(String::new())
}

/// The server sends, then closes its direction: the application gets everything, then the end.
pub(super) fn closed_by_server(client: &Client) -> Verdict {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        web::write_pattern(CLOSED_AFTER, |bytes| stream.write_all(bytes))?;
        stream.shutdown(Shutdown::Write)?;
        // Hold the other direction open until the client closes it.
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    });
    let stream = client.socks.connect5(Target::V4(Ipv4Addr::LOCALHOST), port, PATIENCE)?.open()?;
    let (got, hash) = web::read_hash(&stream).context("the application saw no end")?;
    ensure!(got == CLOSED_AFTER, "{got} bytes of {CLOSED_AFTER} arrived before the end");
    ensure!(hash == web::pattern_hash(CLOSED_AFTER), "the content differs");
    Ok(String::new())
}

/// A name by SOCKS4a.
pub(super) fn socks4a(suite: &Suite<'_>, client: &Client) -> Verdict {
    let mut stream = client.socks.connect4a("www.example.test", suite.web.port(), PATIENCE)?.open()?;
    stream.write_all(b"GET /5 HTTP/1.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "odd answer {:?}", String::from_utf8_lossy(&answer));
    Ok(String::new())
}

/// An IPv4 address by SOCKS5.
pub(super) fn ipv4_literal(suite: &Suite<'_>, client: &Client) -> Verdict {
    let target = Target::V4(Ipv4Addr::LOCALHOST);
    web::fetch_first_byte(&client.socks, target, suite.web.port(), PATIENCE)?;
    Ok(String::new())
}

/// An IPv6 address by SOCKS5.
pub(super) fn ipv6_literal(suite: &Suite<'_>, client: &Client) -> Verdict {
    let target = Target::V6(Ipv6Addr::LOCALHOST);
    web::fetch_first_byte(&client.socks, target, suite.web6.port(), PATIENCE)?;
    Ok(String::new())
}

/// A name that has only an IPv6 address.
pub(super) fn ipv6_name(suite: &Suite<'_>, client: &Client) -> Verdict {
    let target = Target::Name("v6.example.test");
    web::fetch_first_byte(&client.socks, target, suite.web6.port(), PATIENCE)?;
    Ok(String::new())
}

/// Tor's RESOLVE, by C Tor's own tool.
pub(super) fn resolve(client: &Client) -> Verdict {
    let address = tor_resolve(client, &["www.example.test"])?;
    ensure!(address == "127.0.0.1", "it resolved to {address:?}");
    Ok(String::new())
}

/// Tor's RESOLVE_PTR.
pub(super) fn resolve_reverse(client: &Client) -> Verdict {
    let name = tor_resolve(client, &["-x", "198.51.100.7"])?;
    ensure!(name == "ptr.example.test", "it resolved to {name:?}");
    Ok(String::new())
}

/// A program that knows nothing of proxies, under torsocks. Since torsocks refuses loopback, the server listens
/// on another address of this machine.
pub(super) fn torsocks(client: &Client) -> Verdict {
    let here = OutsideAddress::find()?;
    let server = web::serve(here.address)?;
    let got = output_of(
        Command::new("torsocks")
            .args(["--address", "127.0.0.1", "--port", &client.socks.port.to_string()])
            .args(["curl", "-sS", "--fail", "--max-time", "120", "--output", "/dev/null"])
            .args(["--write-out", "%{size_download}"])
            .arg(format!("http://{server}/1000")),
    )?;
    ensure!(got == "1000", "curl under torsocks got {got:?} bytes of 1000");
    Ok(String::new())
}

/// An address of this machine that is not loopback: that of the way out, or one that root adds for a while.
struct OutsideAddress {
    address: IpAddr,
    is_added: bool,
}

impl OutsideAddress {
    fn find() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // Connecting a datagram socket sends nothing; it only chooses the address.
        if socket.connect((DOCUMENTATION, 9)).is_ok() {
            let address = socket.local_addr()?.ip();
            if !address.is_loopback() {
                return Ok(Self { address, is_added: false });
            }
        }
        ensure!(
            change_address("add"),
            "this machine has no address but loopback, which torsocks refuses, and adding one needs root"
        );
        Ok(Self { address: IpAddr::V4(DOCUMENTATION), is_added: true })
    }
}

impl Drop for OutsideAddress {
    fn drop(&mut self) {
        if self.is_added {
            change_address("del");
        }
    }
}

fn change_address(verb: &str) -> bool {
    let ip = program("ip").unwrap_or_else(|| "ip".into());
    succeeds(Command::new(ip).args(["address", verb, &format!("{DOCUMENTATION}/32"), "dev", "lo"]))
}

fn tor_resolve(client: &Client, arguments: &[&str]) -> Result<String> {
    let port = client.socks.port.to_string();
    output_of(c_tor("tor-resolve")?.args(["-p", &port]).args(arguments))
}

/// TEST-NET-3: never anybody's.
const DOCUMENTATION: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const ROUNDS: usize = 100;
/// More than a stream's window, less than a circuit's worth of patience.
const CLOSED_AFTER: u64 = 1_000_003;
