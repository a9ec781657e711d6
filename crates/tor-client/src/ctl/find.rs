//! Where the control port is: said on the command line, in the torrc, or where it usually is.

use std::{ffi::OsString, fs, net::SocketAddr, path::Path};

use anyhow::{Context, Result, anyhow};
use tor_config::{Bind, CommandLine, Config, Disk, Environment, Invocation, load};

use super::{Way, link::Place};

/// The port that tools expect.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9051);

/// The place that was named; else the first control port of the torrc; else 127.0.0.1:9051.
pub(crate) fn place(way: &Way) -> Result<Place> {
    if let Some(named) = &way.port {
        return parse(named);
    }
    let config = configuration(way.torrc.as_deref());
    match (config, &way.torrc) {
        (Ok(config), _) => Ok(of_config(&config).unwrap_or(Place::Tcp(USUAL))),
        // The usual torrc may not be for our eyes; the usual port is worth a try.
        (Err(_), None) => Ok(Place::Tcp(USUAL)),
        (Err(error), Some(_)) => Err(error),
    }
}

/// The password, if one was given.
pub(crate) fn password(way: &Way) -> Result<Option<String>> {
    let Some(file) = &way.password_file else { return Ok(std::env::var("TOR_CONTROL_PASSWD").ok()) };
    let text = fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

fn configuration(torrc: Option<&Path>) -> Result<Config> {
    let arguments = torrc.map(|torrc| [OsString::from("-f"), torrc.into()]);
    let invocation = Invocation::parse(arguments.into_iter().flatten())?;
    let Invocation::Run(command_line): Invocation = invocation else {
        return Err(anyhow!("not a torrc"));
    };
    let command_line: CommandLine = command_line;
    Ok(load(&command_line, &Disk, &Environment::from_process())?.config)
}

/// A port that the system chose is written to the file of `ControlPortWriteToFile`.
fn of_config(config: &Config) -> Option<Place> {
    let listeners = &config.control.listeners;
    let fixed = listeners.iter().find_map(|bind| match bind {
        Bind::Tcp { address, port } => port.map(|port| Place::Tcp((*address, port.get()).into())),
        Bind::Unix { path, .. } => Some(Place::Unix(path.clone())),
    });
    fixed.or_else(|| {
        let file = fs::read_to_string(config.control.port_file.as_ref()?).ok()?;
        let line = file.lines().next()?;
        match line.split_once('=')? {
            ("PORT", address) => address.parse().ok().map(Place::Tcp),
            ("UNIX_PORT", path) => Some(Place::Unix(path.into())),
            _ => None,
        }
    })
}

/// `ADDRESS:PORT`, `PORT`, `unix:PATH`.
fn parse(named: &str) -> Result<Place> {
    if let Some(path) = named.strip_prefix("unix:") {
        return Ok(Place::Unix(path.into()));
    }
    if let Ok(port) = named.parse::<u16>() {
        return Ok(Place::Tcp(SocketAddr::new(USUAL.ip(), port)));
    }
    let address = named.replace("localhost:", "127.0.0.1:");
    address.parse().map(Place::Tcp).map_err(|_| anyhow!("{named:?} is no ADDRESS:PORT, PORT or unix:PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        let local = |port: u16| Place::Tcp(SocketAddr::new(USUAL.ip(), port));
        assert_eq!(parse("9151").unwrap(), local(9151));
        assert_eq!(parse("localhost:9051").unwrap(), local(9051));
        assert_eq!(parse("[::1]:9051").unwrap(), Place::Tcp("[::1]:9051".parse().unwrap()));
        assert_eq!(parse("unix:/run/tor/control").unwrap(), Place::Unix("/run/tor/control".into()));
        assert!(parse("example.com").is_err());
    }

    #[test]
    fn the_torrc_says_where_the_port_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let torrc = file("torrc", "ControlPort 127.0.0.1:9951\n");
        let place = |torrc| of_config(&configuration(Some(torrc)).unwrap());
        assert_eq!(place(&torrc), Some(Place::Tcp("127.0.0.1:9951".parse().unwrap())));
        let written = file("port", "PORT=127.0.0.1:40123\n");
        let torrc =
            file("auto", &format!("ControlPort auto\nControlPortWriteToFile {}\n", written.display()));
        assert_eq!(place(&torrc), Some(Place::Tcp("127.0.0.1:40123".parse().unwrap())));
    }
}
