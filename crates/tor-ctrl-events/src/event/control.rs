//! SIGNAL, CONF_CHANGED, NETWORK_LIVENESS: what was done to the client, and whether the network works.

use serde::Serialize;

use super::Form;
use crate::{
    ParseError,
    text::{Raw, put, put_line, put_word},
    words::words,
};

words! {
    /// A signal, by the name that C Tor's events give it.
    open SignalName {
        /// Read the configuration again: also SIGHUP.
        Reload = "RELOAD",
        /// End in an orderly way: also SIGINT.
        Shutdown = "SHUTDOWN",
        /// Log what there is: also SIGUSR1.
        Dump = "DUMP",
        /// Log everything: also SIGUSR2.
        Debug = "DEBUG",
        /// End at once: also SIGTERM.
        Halt = "HALT",
        /// Use new circuits from now on.
        NewNym = "NEWNYM",
        /// Forget names and addresses.
        ClearDnsCache = "CLEARDNSCACHE",
        /// Log a heartbeat.
        Heartbeat = "HEARTBEAT",
        /// Be awake.
        Active = "ACTIVE",
        /// Sleep.
        Dormant = "DORMANT",
    }
}

/// A signal was acted on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Signal {
    /// Which.
    pub signal: SignalName,
}

impl Form for Signal {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 SIGNAL ");
        SignalName::put(out, &self.signal);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        Ok(Self { signal: SignalName::from_word(raw.args().word("signal")?) })
    }
}

/// One option's new value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ConfChange {
    /// The option.
    pub key: String,
    /// Its value, without quotes; none if it is back at its default.
    pub value: Option<String>,
}

/// Options changed. An option with several values has a line for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ConfChanged {
    /// The changes.
    pub changes: Vec<ConfChange>,
}

impl Form for ConfChanged {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650-CONF_CHANGED\r\n");
        for change in &self.changes {
            put(out, "650-");
            put_word(out, &change.key);
            if let Some(value) = &change.value {
                out.push(b'=');
                put_line(out, value);
            }
            put(out, "\r\n");
        }
        put(out, "650 OK\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let change = |line: &&str| {
            let (key, value) = line.split_once('=').map_or((*line, None), |(key, value)| (key, Some(value)));
            ConfChange { key: key.to_owned(), value: value.map(str::to_owned) }
        };
        let changes = raw.lines.iter().filter(|line| !line.is_empty()).map(change).collect();
        Ok(Self { changes })
    }
}

/// Whether the network works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct NetworkLiveness {
    /// `UP` or `DOWN`.
    pub up: bool,
}

impl Form for NetworkLiveness {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, if self.up { "650 NETWORK_LIVENESS UP\r\n" } else { "650 NETWORK_LIVENESS DOWN\r\n" });
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        match raw.args().word("status")? {
            "UP" => Ok(Self { up: true }),
            "DOWN" => Ok(Self { up: false }),
            _ => Err(ParseError::Bad { what: "status" }),
        }
    }
}
