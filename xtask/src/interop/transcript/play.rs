//! Says the script to one client and writes down what came back.
//!
//! | line of the script | meaning |
//! |---|---|
//! | `A TEXT` | on connection A, opened if need be: send the line, note the reply |
//! | `A! TEXT` | on a new connection A that is expected to end: note all that comes until it is closed |
//! | `A*3 TEXT` | note three replies |
//! | `A =name TEXT` | keep the first number in the reply as `{name}` |
//! | `A =name @stream` | keep the number of the stream that the next event is about |
//! | `@close A` | the client has closed A, or does so now: note whether it did by itself |
//! | `@event A` | note the next event |
//! | `@events A N` | note which events come within N seconds, without those that repeat |
//! | `@built ID`, `@noncircuits` | wait until a circuit is built; close all circuits and wait until they are gone |
//! | `@connect NAME HOST`, `@disconnect NAME` | an application opens or closes a connection through the client |
//! | `@getconf`, `@getinfo` | ask for every option, every key |
//!
//! `¶` is the end of a line within a command; `{fp:relay0}` a relay's fingerprint; `{cookie}` the cookie in hex.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::keys;
use super::mask::Names;
use crate::interop::control::{Controlled, Controller, Message, until};
use crate::lab::client::connect;
use crate::lab::socks::Target;
use crate::testnet::network::Network;

/// One thing that was said, and the masked answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) said: String,
    pub(super) heard: Vec<String>,
    /// Before masking, for who wants the very bytes.
    pub(super) raw: Vec<String>,
}

/// One client in conversation.
pub(super) struct Player<'a> {
    client: &'a Controlled,
    network: &'a Network,
    names: Names,
    cookie: PathBuf,
    /// The options and keys to ask for, the same for both clients.
    pub(super) options: &'a [String],
    pub(super) keys: &'a [String],
    web_port: u16,
    connections: BTreeMap<String, Controller>,
    /// Which connections have authenticated: they are opened anew, and do again, after a client has closed them.
    authenticated: BTreeSet<String>,
    /// Which connections get events.
    subscribed: BTreeSet<String>,
    applications: BTreeMap<String, thread::JoinHandle<()>>,
    values: BTreeMap<String, String>,
    pub(super) heard: Vec<Exchange>,
}

impl<'a> Player<'a> {
    pub(super) fn new(
        client: &'a Controlled,
        network: &'a Network,
        home: &std::path::Path,
        (options, keys): (&'a [String], &'a [String]),
        web_port: u16,
    ) -> Self {
        let mut names = Names::default();
        names.add(home.display().to_string(), "HOME");
        names.add(format!("127.0.0.1:{}", client.control.port()), "CONTROL");
        names.add(format!("127.0.0.1:{}", client.client.socks.port), "SOCKS");
        names.add(format!(":{web_port}"), ":WEB");
        let mut values: BTreeMap<_, _> = network
            .nodes
            .iter()
            .map(|node| (format!("fp:{}", node.nickname), format!("${}", node.fingerprint)))
            .collect();
        values.insert("onion".to_owned(), ONION.to_owned());
        values.insert("long".to_owned(), format!(" {}", "x".repeat(3000)));
        Self {
            client,
            network,
            names,
            cookie: home.join("data/control_auth_cookie"),
            options,
            keys,
            web_port,
            connections: BTreeMap::new(),
            authenticated: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            applications: BTreeMap::new(),
            values,
            heard: Vec::new(),
        }
    }

    /// The whole script.
    pub(super) fn play(&mut self, script: &str) -> Result<()> {
        let cookie = fs::read(&self.cookie).unwrap_or_default();
        self.values.insert("cookie".to_owned(), cookie.iter().map(|byte| format!("{byte:02x}")).collect());
        for (number, line) in script.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(error) = self.step(line) {
                // The rest is worth knowing, too; that this differs will be told.
                let problem = format!("<line {} of the script: {error:#}>", number + 1);
                self.note(line, vec![problem], false);
            }
        }
        Ok(())
    }

    fn step(&mut self, line: &str) -> Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "@close" => {
                let mut connection = self.connections.remove(rest).context("not open")?;
                self.authenticated.remove(rest);
                let is_closed = connection.is_closed_within(Duration::from_secs(2))?;
                self.note(line, vec![if is_closed { "<closed>" } else { "<open>" }.to_owned()], false);
            }
            "@event" => {
                let event = self.connection(rest)?.event(Duration::from_secs(2))?;
                self.note(line, event.unwrap_or_else(|| vec!["<nothing>".to_owned()]), true);
            }
            "@events" => {
                let (name, seconds) = rest.split_once(' ').context("how long?")?;
                self.events(line, name, Duration::from_secs(seconds.parse()?))?;
            }
            "@built" => {
                let id = self.expand(rest)?;
                let mut asking = self.client.controller()?;
                let start = format!("{id} BUILT");
                let built = until(Duration::from_secs(10), "a circuit", || {
                    Ok(asking.info("circuit-status")?.lines().any(|line| line.starts_with(&start)))
                });
                self.note(
                    line,
                    vec![if built.is_ok() { "<built>" } else { "<never built>" }.to_owned()],
                    false,
                );
            }
            "@noncircuits" => {
                let closed = self.close_circuits();
                self.note(
                    line,
                    vec![if closed.is_ok() { "<gone>" } else { "<never gone>" }.to_owned()],
                    false,
                );
            }
            "@connect" => {
                let (name, host) = rest.split_once(' ').context("where to?")?;
                self.application(name, host);
            }
            // The thread is let go: its connection ends when the client closes it, or with the test.
            "@disconnect" => drop(self.applications.remove(rest)),
            "@getconf" => {
                for option in self.options {
                    self.say("A", &format!("GETCONF {option}"), 1, None)?;
                }
            }
            "@getinfo" => {
                for key in self.keys {
                    self.say("A", &format!("GETINFO {key}"), 1, None)?;
                }
            }
            _ => return self.line(word, rest),
        }
        Ok(())
    }

    fn line(&mut self, word: &str, rest: &str) -> Result<()> {
        if let Some(name) = word.strip_suffix('!') {
            self.connections.remove(name);
            return self.until_the_end(rest);
        }
        let (name, count) = match word.split_once('*') {
            Some((name, count)) => (name, count.parse()?),
            None => (word, 1),
        };
        let (keep, text) = match rest.strip_prefix('=').and_then(|rest| rest.split_once(' ')) {
            Some((keep, text)) => (Some(keep), text),
            None => (None, rest),
        };
        if text == "@stream" {
            return self.keep_stream(name, keep.context("no name for the stream")?);
        }
        self.say(name, text, count, keep)
    }

    /// A connection, which is opened if it is not open.
    fn connection(&mut self, name: &str) -> Result<&mut Controller> {
        if !self.connections.contains_key(name) {
            let connection = if self.authenticated.contains(name) {
                self.client.controller()?
            } else {
                Controller::connect(self.client.control)?
            };
            self.connections.insert(name.to_owned(), connection);
        }
        self.connections.get_mut(name).context("a connection that is open")
    }

    fn say(&mut self, name: &str, text: &str, count: usize, keep: Option<&str>) -> Result<()> {
        let said = self.expand(text)?;
        let bytes = format!("{}\r\n", said.replace('¶', "\r\n"));
        let mut lines = Vec::new();
        let is_subscribed = self.subscribed.contains(name);
        let connection = self.connection(name)?;
        if is_subscribed {
            // An event that is noted after this was caused by this.
            connection.forget_events(Duration::from_millis(20))?;
        }
        let sent = connection.send(bytes.as_bytes());
        for _ in 0..count {
            match connection.reply() {
                Ok(Some(reply)) if sent.is_ok() => lines.extend(reply),
                Ok(_) => {
                    lines.push("<closed>".to_owned());
                    self.connections.remove(name);
                    self.subscribed.remove(name);
                    break;
                }
                Err(error) => {
                    lines.push(format!("<{error:#}>"));
                    self.connections.remove(name);
                    break;
                }
            }
        }
        if said.starts_with("SETEVENTS") {
            self.subscribed.remove(name);
            if said != "SETEVENTS" {
                self.subscribed.insert(name.to_owned());
            }
        }
        if said.to_ascii_uppercase().starts_with("AUTHENTICATE") && lines == ["250 OK"] {
            self.authenticated.insert(name.to_owned());
        }
        if let Some(keep) = keep {
            let number = lines.first().and_then(|line| first_number(line.get(4..).unwrap_or_default()));
            self.values.insert(keep.to_owned(), number.unwrap_or_else(|| "0".to_owned()));
        }
        // A number that was kept is another for each client.
        let numbers = text.contains('{') || keep.is_some() || keys::measures(&said);
        if keys::is_a_set(&said) {
            lines = as_set(&lines, |line| self.names.mask(line, true));
        }
        self.note(text, lines, numbers);
        Ok(())
    }

    /// Sends a line on a new connection, and takes whatever comes until it is closed or silent for long.
    fn until_the_end(&mut self, text: &str) -> Result<()> {
        let said = self.expand(text)?;
        let mut stream = connect(self.client.control, Duration::from_millis(2500))?;
        stream.write_all(format!("{said}\r\n").as_bytes())?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        let end = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break "<closed>",
                Ok(length) => bytes.extend_from_slice(buffer.get(..length).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    break "<open>";
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break "<closed>",
                Err(error) => return Err(error.into()),
            }
        };
        let heard = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<_> = heard.split("\r\n").map(str::to_owned).collect();
        if lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.push(end.to_owned());
        self.note(&format!("! {text}"), lines, false);
        Ok(())
    }

    fn events(&mut self, line: &str, name: &str, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let mut lines: Vec<String> = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let Some(event) = self.connection(name)?.event(left)? else { break };
            for part in event {
                let masked = self.names.mask(&part, true);
                if lines.last().is_none_or(|last| self.names.mask(last, true) != masked) {
                    lines.push(part);
                }
            }
        }
        self.note(line, lines, true);
        Ok(())
    }

    fn keep_stream(&mut self, name: &str, keep: &str) -> Result<()> {
        let event = self.connection(name)?.event(Duration::from_secs(5))?;
        let event = event.unwrap_or_else(|| vec!["<nothing>".to_owned()]);
        let id = event.first().and_then(|line| line.split(' ').nth(2)).unwrap_or("0");
        self.values.insert(keep.to_owned(), id.to_owned());
        self.note("@stream", event, true);
        Ok(())
    }

    fn close_circuits(&self) -> Result<()> {
        let mut asking = self.client.controller()?;
        until(Duration::from_secs(20), "no circuits", || {
            let circuits = asking.info("circuit-status")?;
            for id in circuits.lines().filter_map(|line| line.split(' ').next()).filter(|id| !id.is_empty()) {
                asking.ask(&format!("CLOSECIRCUIT {id}"))?;
            }
            Ok(circuits.is_empty())
        })
    }

    fn application(&mut self, name: &str, host: &str) {
        let (socks, host, port) = (self.client.client.socks.clone(), host.to_owned(), self.web_port);
        let thread = thread::spawn(move || {
            // A refusal is part of the script.
            let stream: Option<TcpStream> = socks
                .connect5(Target::Name(&host), port, Duration::from_secs(60))
                .and_then(crate::lab::socks::Reply::open)
                .ok();
            thread::sleep(Duration::from_secs(30));
            drop(stream);
        });
        self.applications.insert(name.to_owned(), thread);
    }

    fn expand(&self, text: &str) -> Result<String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').context("a { without a }")?;
            let value = self.values.get(name).with_context(|| format!("nothing is called {name}"))?;
            expanded.push_str(before);
            expanded.push_str(value);
            rest = after;
        }
        ensure!(self.network.nodes.len() > 7, "the script's relays are those of a whole network");
        Ok(expanded + rest)
    }

    fn note(&mut self, said: &str, raw: Message, numbers: bool) {
        let heard = raw.iter().map(|line| self.names.mask(line, numbers)).collect();
        self.heard.push(Exchange { said: said.to_owned(), heard, raw });
    }
}

/// The options that a client knows and the keys that can be asked for, from its own lists.
pub(super) fn what_to_ask(client: &Controlled, network: &Network) -> Result<(Vec<String>, Vec<String>)> {
    let mut controller = client.controller()?;
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let options: Vec<_> = controller.info("config/names")?.lines().map(first).collect();
    let listed: Vec<_> = controller.info("info/names")?.lines().map(first).collect();
    let Some(relay) = network.nodes.iter().find(|node| node.nickname == "relay0") else {
        bail!("no relay0 in the network");
    };
    let keys = listed.iter().flat_map(|key| keys::samples(key, &relay.fingerprint)).collect();
    Ok((options, keys))
}

/// A list of which the length says nothing: each different line once, in order of the alphabet, whether it came as
/// one line or as a block of data.
fn as_set(lines: &[String], mask: impl Fn(&str) -> String) -> Vec<String> {
    let [first, rest @ ..] = lines else { return Vec::new() };
    let Some((key, value)) = first.split_once('=').filter(|_| first.starts_with("250")) else {
        return lines.to_vec();
    };
    let mut different: BTreeMap<String, String> = BTreeMap::new();
    let values = rest.iter().map(String::as_str).filter(|line| !matches!(*line, "." | "250 OK"));
    for line in std::iter::once(value).chain(values).filter(|line| !line.is_empty()) {
        // Bandwidths of many seconds in one line; descriptions, which are our own words.
        let line = line.split(" -- ").next().unwrap_or(line);
        for item in
            if line.contains(',') && !line.contains('$') { line.split(' ').collect() } else { vec![line] }
        {
            different.entry(mask(item)).or_insert_with(|| item.to_owned());
        }
    }
    let heading = format!("250 {}=", key.get(4..).unwrap_or_default());
    std::iter::once(heading).chain(different.into_values()).collect()
}

fn first_number(text: &str) -> Option<String> {
    let is_number = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).find(is_number).map(str::to_owned)
}

/// A valid address of nobody's service.
const ONION: &str = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid";
