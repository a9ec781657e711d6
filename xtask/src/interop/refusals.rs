//! What the application is told when something cannot be done.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

use super::{PATIENCE, Suite, Verdict};
use crate::lab::client::{Client, connect, free_port};
use crate::lab::socks::Target;
use crate::lab::web;

/// A port that nobody listens on. C Tor's exits often lose the errno of a connection that is refused at once
/// and report MISC, which is the general failure.
pub(super) fn refused(client: &Client) -> Verdict {
    let port = free_port()?;
    let code = client.socks.connect5(Target::Name("www.example.test"), port, PATIENCE)?.refused()?;
    ensure!(matches!(code, GENERAL_FAILURE | CONNECTION_REFUSED), "reply code {code}, not 5 (or 1)");
    Ok(format!("code {code}"))
}

/// A name that does not exist.
pub(super) fn unresolvable(client: &Client) -> Verdict {
    let code = client.socks.connect5(Target::Name("nowhere.example.test"), 80, PATIENCE)?.refused()?;
    ensure!(code == HOST_UNREACHABLE, "reply code {code}, not 4");
    Ok(String::new())
}

/// A name whose name server never answers: the exit gives up.
pub(super) fn silent_name_server(client: &Client) -> Verdict {
    let code = client.socks.connect5(Target::Name("timeout.example.test"), 80, PATIENCE)?.refused()?;
    ensure!(matches!(code, HOST_UNREACHABLE | TTL_EXPIRED), "reply code {code}, not 4 or 6");
    Ok(format!("code {code}"))
}

/// A server that never answers a connection: the client gives up after its SocksTimeout. C Tor replies 6 or 1,
/// as this limit strikes while the stream waits for an exit's answer or for yet another circuit.
pub(super) fn silent_server(suite: &Suite<'_>) -> Verdict {
    let (address, _held) = black_hole()?;
    let home = suite.lab.scratch.path().join("impatient");
    let client = Client::start(&suite.binary, &home, &suite.lab.network, "SocksTimeout 20 seconds\n")?;
    client.bootstrapped(PATIENCE)?;
    let start = Instant::now();
    let code = client.socks.connect5(Target::V4(Ipv4Addr::LOCALHOST), address.port(), PATIENCE)?.refused()?;
    ensure!(matches!(code, GENERAL_FAILURE | TTL_EXPIRED), "reply code {code}, not 6 (or 1)");
    let waited = start.elapsed();
    ensure!(waited < Duration::from_secs(40), "it took {} s", waited.as_secs());
    Ok(format!("code {code}"))
}

/// One exit rejects the address, which its policy's summary does not tell: the client has to try another. C Tor
/// asks the same circuit again and again when it has seen only the summary, so it may fail this.
pub(super) fn exit_policy(_suite: &Suite<'_>, client: &Client) -> Verdict {
    let server = web::serve(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)))?;
    for _ in 0..5 {
        let target = Target::Name("reject-some.example.test");
        web::fetch_first_byte(&client.socks, target, server.port(), Duration::from_secs(30))?;
    }
    Ok(String::new())
}

/// A browser that takes the SOCKS port for an HTTP proxy is told so in its own language.
pub(super) fn plain_http(client: &Client) -> Verdict {
    let mut stream = connect(client.socks.address(), PATIENCE)?;
    stream.write_all(b"GET http://www.example.test/ HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.0 501 "), "odd answer {answer:?}");
    Ok(String::new())
}

/// An address whose queue of connections is full, so that a further SYN is dropped; it stays so while the
/// second value lives.
fn black_hole() -> Result<(SocketAddr, (impl Drop + use<>, Vec<TcpStream>))> {
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    listen(&listener, 0)?;
    let address = SocketAddr::try_from(getsockname(&listener)?)?;
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        held.push(stream);
        ensure!(held.len() < 100, "the queue of a listener does not fill");
    }
    Ok((address, (listener, held)))
}

const GENERAL_FAILURE: u8 = 1;
const HOST_UNREACHABLE: u8 = 4;
const CONNECTION_REFUSED: u8 = 5;
const TTL_EXPIRED: u8 = 6;
