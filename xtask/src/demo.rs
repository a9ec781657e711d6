//! `cargo xtask demo`: a private network, our client on it, and one page fetched through three relays.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::lab::client::Client;
use crate::lab::socks::Target;
use crate::lab::{Lab, client_binary, web};

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The client's program; ours, freshly built, if left out.
    #[arg(long)]
    client: Option<PathBuf>,
    /// A running network's directory; one is brought up and taken down again if left out.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Leave after the page instead of waiting for Ctrl-C.
    #[arg(long)]
    once: bool,
}

/// Fetches the page, prints the path, and leaves the proxy running until it is interrupted.
pub(crate) fn demo(options: &Demo) -> Result<()> {
    let binary = client_binary(options.client.as_deref())?;
    let lab = Lab::open(options.dir.as_deref())?;
    let server = web::serve(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let client =
        Client::start(&binary, &lab.scratch.path().join("client"), &lab.network, "Log info stdout\n")?;
    client.listening(PATIENCE)?;
    let time = client.first_byte(server, PATIENCE)?;
    let url = format!("http://www.example.test:{}/{PAGE}", server.port());
    let mut page = Vec::new();
    web::get(&client.socks, Target::Name("www.example.test"), server.port(), PAGE, PATIENCE)?
        .read_to_end(&mut page)?;
    ensure!(u64::try_from(page.len())? == PAGE, "the page was cut short");

    println!("first byte {:.2} s after the client's start", time.as_secs_f64());
    println!("fetched {url}, {PAGE} bytes");
    for path in paths(&client)? {
        println!("path: {path}");
    }
    println!("the proxy listens on {}; try", client.socks.address());
    println!("  curl --socks5-hostname {} --output /dev/null {url}", client.socks.address());
    if options.once {
        return Ok(());
    }
    println!("Ctrl-C ends it");
    client.wait()
}

/// The circuits of three hops that the client has open, as nicknames from the guard to the exit.
fn paths(client: &Client) -> Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let paths: Vec<_> = client.log_text().lines().filter_map(path_in).collect();
        if !paths.is_empty() {
            return Ok(paths);
        }
        ensure!(Instant::now() < deadline, "the client's log names no circuit of three hops");
        sleep(Duration::from_millis(100));
    }
}

/// The nicknames in a line `circuit 3 open: $FP~nick, $FP~nick, $FP~nick`.
fn path_in(line: &str) -> Option<String> {
    let (before, hops) = line.split_once(" open: ")?;
    if !before.contains("circuit ") {
        return None;
    }
    let nicknames: Option<Vec<_>> =
        hops.split(", ").map(|hop| hop.split_once('~')?.1.split_whitespace().next()).collect();
    nicknames.filter(|hops| hops.len() == 3).map(|hops| hops.join(" → "))
}

const PAGE: u64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_a_log_line() {
        let line = "Nov 23 03:00:00.000 [info] circuit 3 open: $AA~guard, $BB~middle, $CC~exit";
        assert_eq!(path_in(line).unwrap(), "guard → middle → exit");
    }

    #[test]
    fn directory_circuits_and_other_lines_are_no_paths() {
        assert_eq!(path_in("[info] circuit 1 open: $AA~guard"), None);
        assert_eq!(path_in("[info] the door is open: $AA~a, $BB~b, $CC~c"), None);
        assert_eq!(path_in("[info] circuit 3 closed"), None);
    }
}
