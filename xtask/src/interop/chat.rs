//! The control port as a small script uses it, without a library: found by its file, opened by its cookie.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::control::{Controller, until};
use super::{Suite, Verdict};
use crate::lab::client::Client;

/// The lines that give a client a control port on a port that it chooses.
pub(super) fn torrc(suite: &Suite<'_>) -> String {
    format!("ControlPort auto\nControlPortWriteToFile {}\nCookieAuthentication 1\n", file(suite))
}

fn file(suite: &Suite<'_>) -> String {
    suite.home.join("control-port").display().to_string()
}

/// The port's file, the cookie, what every controller asks first, a NEWNYM that another hears of, QUIT.
pub(super) fn conversation(suite: &Suite<'_>, client: &Client) -> Verdict {
    let mut written = String::new();
    until(Duration::from_secs(10), "ControlPortWriteToFile", || {
        written = fs::read_to_string(file(suite)).unwrap_or_default();
        Ok(written.ends_with('\n'))
    })?;
    let address: SocketAddr = written.trim_end().strip_prefix("PORT=").context("no PORT=")?.parse()?;
    let mut listener = Controller::by_cookie(address)?;
    ensure!(listener.ask("SETEVENTS SIGNAL CIRC")? == ["250 OK"], "SETEVENTS was refused");
    let mut controller = Controller::by_cookie(address)?;
    let version = controller.info("version")?;
    ensure!(version.starts_with("0.4.9.11"), "version {version}");
    until(Duration::from_secs(60), "status/bootstrap-phase PROGRESS=100 TAG=done", || {
        Ok(controller.info("status/bootstrap-phase")?.contains("PROGRESS=100 TAG=done"))
    })?;
    let socks = controller.info("net/listeners/socks")?;
    ensure!(socks == format!("\"{}\"", client.socks.address()), "SOCKS listeners {socks}");
    until(Duration::from_secs(10), "a circuit in circuit-status", || {
        Ok(controller.info("circuit-status")?.contains(" BUILT $"))
    })?;
    // Two commands in one write, bare LF, lower case: so do shell scripts.
    controller.send(b"signal newnym\nquit\n")?;
    let answers = [controller.reply()?, controller.reply()?, controller.reply()?];
    ensure!(
        answers == [Some(vec!["250 OK".to_owned()]), Some(vec!["250 closing connection".to_owned()]), None],
        "signal newnym, quit: {answers:?}"
    );
    until(Duration::from_secs(12), "650 SIGNAL NEWNYM", || {
        Ok(listener.event(Duration::from_secs(12))?.is_some_and(|event| event == ["650 SIGNAL NEWNYM"]))
    })?;
    let mut stranger = Controller::connect(address)?;
    let refusal = stranger.ask("GETINFO version")?;
    ensure!(refusal == ["514 Authentication required."], "without a cookie: {refusal:?}");
    ensure!(stranger.reply()?.is_none(), "a stranger is kept");
    Ok(version)
}
