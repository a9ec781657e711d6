//! A reader of events that knows control-spec and nothing else: it rebuilds circuits and streams from the raw
//! lines and notes whatever contradicts the specification or itself.
//!
//! ```text
//! circuit:  LAUNCHED ─► EXTENDED… ─► [GUARD_WAIT] ─► BUILT ─► (EXTENDED ─► BUILT)… ─► CLOSED
//!               └───────────┴──────────────┴─────────► FAILED or CLOSED, the end
//! stream:   NEW ─► [REMAP] ─► [CONTROLLER_WAIT] ─► SENTCONNECT ─► [REMAP] ─► SUCCEEDED ─► CLOSED
//!            ▲                                       │
//!            └──────────── DETACHED ◄────────────────┘        FAILED ─► CLOSED at any time
//! ```

use std::collections::BTreeMap;

/// Everything that events have told so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) circuits: BTreeMap<String, Circuit>,
    pub(super) streams: BTreeMap<String, Stream>,
    /// Bytes by BW events.
    pub(super) total: Moved,
    pub(super) newnyms: u32,
    pub(super) events: BTreeMap<String, u32>,
    pub(super) faults: Vec<String>,
}

/// Bytes, as seen from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) read: u64,
    pub(super) written: u64,
}

#[derive(Debug, Default)]
pub(super) struct Circuit {
    pub(super) status: String,
    path: Vec<String>,
    created: String,
    pub(super) purpose: String,
    /// The REASON of its end; empty while it lasts.
    pub(super) reason: String,
    pub(super) delivered: Moved,
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) status: String,
    circuit: String,
    /// `SOURCE_ADDR` of its NEW event: which of the application's connections this is.
    pub(super) source: String,
    purpose: String,
    /// On which circuit it was SUCCEEDED; empty before.
    pub(super) carrier: String,
    /// What the application read and wrote.
    pub(super) moved: Moved,
}

impl Circuit {
    pub(super) fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "CLOSED" | "FAILED")
    }
}

impl Stream {
    pub(super) fn is_an_applications(&self) -> bool {
        !self.source.is_empty() && self.purpose != "DIR_FETCH"
    }
}

impl Checker {
    /// One event of one line, without `650 `.
    pub(super) fn event(&mut self, line: &str) {
        let words = split(line);
        let mut words = words.iter().map(String::as_str);
        let name = words.next().unwrap_or_default().to_owned();
        *self.events.entry(name.clone()).or_default() += 1;
        let words: Vec<_> = words.collect();
        let outcome = match name.as_str() {
            "CIRC" => self.circ(&words),
            "CIRC_MINOR" => self.circ_minor(&words),
            "STREAM" => self.stream(&words),
            "STREAM_BW" => self.stream_bw(&words),
            "CIRC_BW" => self.circ_bw(&words),
            "BW" => self.bw(&words),
            "SIGNAL" => {
                self.newnyms += u32::from(words.first() == Some(&"NEWNYM"));
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(fault) = outcome {
            self.faults.push(format!("{fault}: {line}"));
        }
    }

    fn circ(&mut self, words: &[&str]) -> Result<(), String> {
        let [id, status, rest @ ..] = words else { return Err("too few words".to_owned()) };
        // The path is left out while there is none.
        let path: Vec<_> = match rest.first() {
            Some(path) if path.starts_with('$') => path.split(',').map(relay).collect::<Result<_, _>>()?,
            _ => Vec::new(),
        };
        let created = keyword(rest, "TIME_CREATED").ok_or("no TIME_CREATED")?;
        let purpose = keyword(rest, "PURPOSE").ok_or("no PURPOSE")?;
        let reason = keyword(rest, "REASON");
        let known = self.circuits.contains_key(*id);
        if (*status == "LAUNCHED") == known {
            return Err(if known { "launched twice" } else { "a circuit that was never launched" }.to_owned());
        }
        let circuit = self.circuits.entry((*id).to_owned()).or_default();
        let before = std::mem::replace(&mut circuit.status, (*status).to_owned());
        let legal = match (before.as_str(), *status) {
            ("", "LAUNCHED") => path.is_empty(),
            ("LAUNCHED" | "EXTENDED" | "BUILT", "EXTENDED") => {
                path.len() == circuit.path.len() + 1 && path.starts_with(&circuit.path)
            }
            ("EXTENDED", "GUARD_WAIT") | ("EXTENDED" | "GUARD_WAIT", "BUILT") => path == circuit.path,
            ("LAUNCHED" | "EXTENDED" | "GUARD_WAIT" | "BUILT", "FAILED" | "CLOSED") => {
                if reason.is_none() {
                    return Err("an end without a REASON".to_owned());
                }
                path == circuit.path && (*status == "CLOSED" || before != "BUILT")
            }
            _ => false,
        };
        circuit.path = path;
        reason.unwrap_or_default().clone_into(&mut circuit.reason);
        circuit.purpose = purpose.to_owned();
        let same_time = circuit.created.is_empty() || circuit.created == created;
        created.clone_into(&mut circuit.created);
        if !legal {
            return Err(format!("no transition of a circuit from {before:?}"));
        }
        if !same_time {
            return Err("TIME_CREATED has changed".to_owned());
        }
        Ok(())
    }

    fn circ_minor(&mut self, words: &[&str]) -> Result<(), String> {
        let [id, _, rest @ ..] = words else { return Err("too few words".to_owned()) };
        let circuit = self.circuits.get_mut(*id).ok_or("an unknown circuit")?;
        if circuit.is_over() {
            return Err("a circuit that is over".to_owned());
        }
        if keyword(rest, "OLD_PURPOSE").is_some_and(|old| old != circuit.purpose) {
            return Err(format!("its purpose was {}", circuit.purpose));
        }
        keyword(rest, "PURPOSE").ok_or("no PURPOSE")?.clone_into(&mut circuit.purpose);
        keyword(rest, "TIME_CREATED").ok_or("no TIME_CREATED")?.clone_into(&mut circuit.created);
        Ok(())
    }

    fn stream(&mut self, words: &[&str]) -> Result<(), String> {
        let [id, status, circuit, _target, rest @ ..] = words else { return Err("too few words".to_owned()) };
        let known = self.streams.contains_key(*id);
        let is_new = matches!(*status, "NEW" | "NEWRESOLVE");
        if is_new == known {
            return Err(if known { "new twice" } else { "a stream that was never new" }.to_owned());
        }
        let carrier = self.circuits.get(*circuit);
        if *circuit != "0" && carrier.is_none() {
            return Err("a stream on an unknown circuit".to_owned());
        }
        let stream = self.streams.entry((*id).to_owned()).or_default();
        let before = std::mem::replace(&mut stream.status, (*status).to_owned());
        let on = std::mem::replace(&mut stream.circuit, (*circuit).to_owned());
        let (same, attached) = (on == *circuit, *circuit != "0");
        let legal = match (before.as_str(), *status) {
            ("", "NEW" | "NEWRESOLVE") | ("NEW" | "NEWRESOLVE" | "DETACHED" | "REMAP", "CONTROLLER_WAIT") => {
                !attached
            }
            (
                "NEW" | "NEWRESOLVE" | "DETACHED" | "CONTROLLER_WAIT" | "REMAP",
                "SENTCONNECT" | "SENTRESOLVE",
            ) => carrier.is_some_and(|circuit| circuit.status == "BUILT"),
            ("NEW" | "NEWRESOLVE" | "DETACHED" | "CONTROLLER_WAIT", "REMAP") => true,
            ("SENTCONNECT" | "SENTRESOLVE" | "REMAP" | "SUCCEEDED", "REMAP")
            | ("SENTCONNECT" | "SENTRESOLVE" | "REMAP", "SUCCEEDED" | "DETACHED") => same && attached,
            (before, "FAILED") => !before.is_empty() && !matches!(before, "FAILED" | "CLOSED"),
            (before, "CLOSED") => !before.is_empty() && before != "CLOSED",
            _ => false,
        };
        if *status == "SUCCEEDED" {
            (*circuit).clone_into(&mut stream.carrier);
        }
        if is_new {
            keyword(rest, "SOURCE_ADDR").unwrap_or_default().clone_into(&mut stream.source);
            keyword(rest, "PURPOSE").unwrap_or_default().clone_into(&mut stream.purpose);
        }
        if matches!(*status, "FAILED" | "CLOSED" | "DETACHED") && keyword(rest, "REASON").is_none() {
            return Err("no REASON".to_owned());
        }
        if legal { Ok(()) } else { Err(format!("no transition of a stream from {before:?} on circuit {on}")) }
    }

    fn stream_bw(&mut self, words: &[&str]) -> Result<(), String> {
        let [id, written, read, ..] = words else { return Err("too few words".to_owned()) };
        let moved = Moved { read: number(read)?, written: number(written)? };
        let stream = self.streams.get_mut(*id).ok_or("an unknown stream")?;
        if stream.status == "CLOSED" {
            return Err("a stream that is over".to_owned());
        }
        stream.moved.add(moved);
        Ok(())
    }

    fn circ_bw(&mut self, words: &[&str]) -> Result<(), String> {
        let value = |key: &str| keyword(words, key).ok_or_else(|| format!("no {key}"));
        let moved =
            Moved { read: number(value("DELIVERED_READ")?)?, written: number(value("DELIVERED_WRITTEN")?)? };
        let all = Moved { read: number(value("READ")?)?, written: number(value("WRITTEN")?)? };
        let overhead =
            Moved { read: number(value("OVERHEAD_READ")?)?, written: number(value("OVERHEAD_WRITTEN")?)? };
        let id = value("ID")?;
        let circuit = self.circuits.get_mut(id).ok_or("an unknown circuit")?;
        circuit.delivered.add(moved);
        // Overhead belongs to a cell as a whole; nothing can be delivered that did not arrive.
        if moved.read + overhead.read > all.read || moved.written + overhead.written > all.written {
            return Err("more was delivered than moved".to_owned());
        }
        Ok(())
    }

    fn bw(&mut self, words: &[&str]) -> Result<(), String> {
        let [read, written, ..] = words else { return Err("too few words".to_owned()) };
        self.total.add(Moved { read: number(read)?, written: number(written)? });
        Ok(())
    }

    /// How the circuits that are open by events and those that the client itself lists differ.
    pub(super) fn unlike(&self, circuit_status: &[String]) -> Vec<String> {
        let mut listed: BTreeMap<&str, &str> = BTreeMap::new();
        for line in circuit_status {
            let mut words = line.split(' ');
            if let (Some(id), Some(status)) = (words.next(), words.next())
                && STATUSES.contains(&status)
            {
                listed.insert(id, status);
            }
        }
        let mut odd = Vec::new();
        for (id, circuit) in self.circuits.iter().filter(|(_, circuit)| !circuit.is_over()) {
            if listed.get(id.as_str()).is_none_or(|status| *status != circuit.status) {
                let said = listed.get(id.as_str()).unwrap_or(&"nothing");
                odd.push(format!("circuit {id} is {} by events, {said} by GETINFO", circuit.status));
            }
        }
        for id in listed.keys() {
            if self.circuits.get(*id).is_none_or(Circuit::is_over) {
                odd.push(format!("circuit {id} is listed by GETINFO and over, or unknown, by events"));
            }
        }
        odd
    }

    /// Every stream of an application has to be over now.
    pub(super) fn finish(&mut self) {
        for (id, stream) in &self.streams {
            if stream.status != "CLOSED" && stream.is_an_applications() {
                self.faults.push(format!("stream {id} ended as {}", stream.status));
            }
        }
    }
}

impl Moved {
    pub(super) fn add(&mut self, more: Self) {
        self.read += more.read;
        self.written += more.written;
    }
}

/// Words at blanks, but not within quotes.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for letter in line.chars() {
        if letter == ' ' && !quoted {
            words.push(std::mem::take(&mut word));
            continue;
        }
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        word.push(letter);
    }
    words.push(word);
    words
}

fn keyword<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

/// `$` and 40 hex digits, perhaps `~` and a nickname: the fingerprint.
fn relay(name: &str) -> Result<String, String> {
    let id = name.split(['~', '=']).next().unwrap_or_default();
    let digits = id.strip_prefix('$').unwrap_or_default();
    if digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(digits.to_owned())
    } else {
        Err(format!("{name:?} names no relay"))
    }
}

/// What a circuit can be.
const STATUSES: [&str; 6] = ["LAUNCHED", "BUILT", "GUARD_WAIT", "EXTENDED", "FAILED", "CLOSED"];

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(lines: &[&str]) -> Vec<String> {
        let mut checker = Checker::default();
        for line in lines {
            checker.event(line);
        }
        checker.faults
    }

    const LAUNCHED: &str = "CIRC 1 LAUNCHED PURPOSE=GENERAL TIME_CREATED=2026-11-22T12:55:01.033570";
    const EXTENDED: &str = "CIRC 1 EXTENDED $E73B4418B23D61B9875B073CB70E177288A838E8~a PURPOSE=GENERAL \
                            TIME_CREATED=2026-11-22T12:55:01.033570";

    #[test]
    fn a_circuit_cannot_be_built_before_it_is_extended() {
        assert_eq!(faults(&[LAUNCHED, EXTENDED, &EXTENDED.replace("EXTENDED", "BUILT")]), [""; 0]);
        assert_eq!(faults(&[LAUNCHED, &EXTENDED.replace("EXTENDED", "BUILT")]).len(), 1);
    }

    #[test]
    fn a_stream_needs_a_circuit_that_is_known() {
        let new = "STREAM 5 NEW 0 h:80 SOURCE_ADDR=127.0.0.1:4 PURPOSE=USER";
        assert_eq!(faults(&[new, "STREAM 5 SENTCONNECT 9 h:80"]).len(), 1);
        assert_eq!(faults(&[new, "STREAM 5 CLOSED 0 h:80 REASON=END"]), [""; 0]);
        assert_eq!(faults(&[new, "STREAM 5 SUCCEEDED 0 h:80"]).len(), 1);
    }

    #[test]
    fn blanks_within_quotes_do_not_split() {
        assert_eq!(split(r#"A B="c \" d" E"#), ["A", r#"B="c \" d""#, "E"]);
    }
}
