//! SETEVENTS and USEFEATURE; X-SETEVENTS, X-HISTORY and X-EVENTLOG, which C Tor does not have.

use std::collections::{BTreeMap, BTreeSet};

use tor_ctrl_events::{CircuitId, EventKind, EventKinds, Filter, RateLimit, StreamId, Subscriber};

use super::{
    Command, Parsed,
    args::{Args, Pair, Pairs, Syntax, text},
};
use crate::{Reply, escape, number::parse_unsigned};

/// The most events of the past that are kept of a kind, or asked for.
const MAX_HISTORY: u64 = 10_000;

/// The most names in one filter.
const MAX_FILTER: usize = 256;

/// One event that X-SETEVENTS asks for, with what narrows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The event.
    pub kind: EventKind,
    /// `REPLAY=`: at most so many events of the past come first, of those that X-HISTORY keeps.
    pub replay: usize,
    /// `RATE=`: at most so many a second; what is withheld is counted. None: no limit.
    pub rate: Option<u32>,
    /// `CIRCUIT=`, `STREAM=`, `PURPOSE=`, `STATUS=`: only of these circuits and streams, and only with one of these
    /// purposes or states, which are in upper case.
    pub filter: Filter,
}

/// The file that X-EVENTLOG asks for: a JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog {
    /// `FILE=`: its absolute path.
    pub file: String,
    /// `EVENTS=`: which events.
    pub kinds: EventKinds,
    /// `MAXSIZE=`: bytes after which a new file begins; 16 MiB where nothing is said.
    pub max_size: u64,
    /// `KEEP=`: how many full files remain, as `FILE.1`, `FILE.2` …; 1 where nothing is said.
    pub keep: u32,
}

impl Subscription {
    /// All events of a kind.
    pub fn new(kind: EventKind) -> Self {
        let filter = Filter { kinds: EventKinds::NONE.with(kind), ..Filter::default() };
        Self { kind, replay: 0, rate: None, filter }
    }

    /// Makes a subscriber get these events and no others, the past first. SETEVENTS is the same without conditions:
    /// what X-SETEVENTS set before is over.
    pub fn apply(subscriptions: &[Self], subscriber: &mut Subscriber) {
        EventKind::ALL.into_iter().for_each(|kind| subscriber.unlimit(kind));
        let limit = |wanted: &Self| wanted.rate.map(|per_second| RateLimit { kind: wanted.kind, per_second });
        subscriptions.iter().filter_map(limit).for_each(|limit| subscriber.limit(limit));
        subscriber.set_filters(subscriptions.iter().map(|wanted| wanted.filter.clone()).collect());
        subscriber.set(subscriptions.iter().map(|wanted| wanted.kind).collect());
        // Kinds of which as much is wanted come in the order in which they were.
        let mut replays = BTreeMap::<usize, EventKinds>::new();
        for wanted in subscriptions.iter().filter(|wanted| wanted.replay > 0) {
            let kinds = replays.entry(wanted.replay).or_default();
            *kinds = kinds.with(wanted.kind);
        }
        for (most, kinds) in replays {
            subscriber.replay(kinds, most);
        }
    }

    /// # Errors
    ///
    /// The refusal.
    fn narrow(&mut self, pair: &Pair) -> Result<(), Reply> {
        let bad = || bad_value(&pair.key, &pair.value);
        let number = |max| parse_unsigned(&pair.value, max).ok_or_else(bad);
        let ids = || list(&pair.value).map(|id| parse_unsigned(id, u64::MAX)).collect::<Option<Vec<_>>>();
        let names = || list(&pair.value).map(|name| text(name).to_ascii_uppercase()).collect::<BTreeSet<_>>();
        if list(&pair.value).count() > MAX_FILTER || list(&pair.value).any(<[u8]>::is_empty) {
            return Err(bad());
        }
        if pair.is("REPLAY") {
            self.replay = usize::try_from(number(MAX_HISTORY)?).unwrap_or(usize::MAX);
        } else if pair.is("RATE") {
            let rate = u32::try_from(number(u32::MAX.into())?).ok().filter(|rate| *rate > 0);
            self.rate = Some(rate.ok_or_else(bad)?);
        } else if pair.is("CIRCUIT") {
            self.filter.circuits = ids().ok_or_else(bad)?.into_iter().map(CircuitId).collect();
        } else if pair.is("STREAM") {
            self.filter.streams = ids().ok_or_else(bad)?.into_iter().map(StreamId).collect();
        } else if pair.is("PURPOSE") {
            self.filter.purposes = names();
        } else if pair.is("STATUS") {
            self.filter.statuses = names();
        } else {
            let why = format!("Unrecognized keyword argument {}", escape(&pair.key));
            return Err(bad_arguments("X-SETEVENTS", &why));
        }
        Ok(())
    }
}

pub(super) fn set_events(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, usize::MAX), body)?;
    // These two once meant something; C Tor ignores them and so do we.
    let ignored = |word: &[u8]| {
        word.eq_ignore_ascii_case(b"EXTENDED") || word.eq_ignore_ascii_case(b"AUTHDIR_NEWDESCS")
    };
    let named = args.words.iter().filter(|word| !ignored(word)).map(|word| kind(word));
    Ok(Parsed::Command(Command::SetEvents(named.collect::<Result<_, _>>()?)))
}

pub(super) fn set_subscriptions(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 0).pairs(Pairs::QuotedFlags), body)?;
    let mut subscriptions: Vec<Subscription> = Vec::new();
    for pair in &args.pairs {
        if pair.value.is_empty() {
            let kind = kind(&pair.key)?;
            if subscriptions.iter().any(|subscription| subscription.kind == kind) {
                return Err(Reply::line(512, format!("Event \"{kind}\" is named twice")));
            }
            subscriptions.push(Subscription::new(kind));
        } else {
            let Some(last) = subscriptions.last_mut() else {
                return Err(bad_arguments("X-SETEVENTS", "Keyword argument before an event"));
            };
            last.narrow(pair)?;
        }
    }
    Ok(Parsed::Command(Command::SetSubscriptions(subscriptions)))
}

pub(super) fn keep_history(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 0).pairs(Pairs::Plain), body)?;
    let limit = |pair: &Pair| {
        let kind = kind(&pair.key)?;
        let events = parse_unsigned(&pair.value, MAX_HISTORY).and_then(|events| usize::try_from(events).ok());
        Ok((kind, events.ok_or_else(|| bad_value(&pair.key, &pair.value))?))
    };
    let limits = args.pairs.iter().map(limit).collect::<Result<_, Reply>>()?;
    Ok(Parsed::Command(Command::KeepHistory(limits)))
}

pub(super) fn set_event_log(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    const KEYS: &[&str] = &["FILE", "EVENTS", "MAXSIZE", "KEEP"];
    let args = Args::parse(name, &Syntax::words(0, 0).pairs(Pairs::QuotedFlags).keys(KEYS), body)?;
    if args.pairs.is_empty() {
        return Ok(Parsed::Command(Command::SetEventLog(None)));
    }
    let missing = |key| bad_arguments("X-EVENTLOG", &format!("Need {key}="));
    let file = args.value("FILE").filter(|file| !file.is_empty()).ok_or_else(|| missing("FILE"))?;
    let file = std::str::from_utf8(file).ok().filter(|file| file.starts_with('/'));
    let file = file.ok_or_else(|| Reply::line(513, "FILE must be an absolute path"))?.to_owned();
    let kinds =
        list(args.value("EVENTS").ok_or_else(|| missing("EVENTS"))?).map(kind).collect::<Result<_, _>>()?;
    let number = |key, min, max, default| match args.value(key) {
        Some(value) => match parse_unsigned(value, max) {
            Some(number) if number >= min => Ok(number),
            _ => Err(bad_value(key.as_bytes(), value)),
        },
        None => Ok(default),
    };
    let max_size = number("MAXSIZE", 1024, u64::MAX, 16 << 20)?;
    let keep = u32::try_from(number("KEEP", 0, 1000, 1)?).unwrap_or(1);
    Ok(Parsed::Command(Command::SetEventLog(Some(EventLog { file, kinds, max_size, keep }))))
}

pub(super) fn use_feature(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, usize::MAX), body)?;
    // Both are always on.
    let known = |word: &[u8]| {
        word.eq_ignore_ascii_case(b"VERBOSE_NAMES") || word.eq_ignore_ascii_case(b"EXTENDED_EVENTS")
    };
    match args.words.iter().find(|word| !known(word)) {
        Some(word) => Err(Reply::line(552, [b"Unrecognized feature \"", word.as_slice(), b"\""].concat())),
        None => Ok(Parsed::Answer(Reply::ok())),
    }
}

/// # Errors
///
/// The refusal of a name that is none.
fn kind(name: &[u8]) -> Result<EventKind, Reply> {
    let kind = std::str::from_utf8(name).ok().and_then(EventKind::from_name);
    kind.ok_or_else(|| Reply::line(552, [b"Unrecognized event \"", name, b"\""].concat()))
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',')
}

fn bad_value(key: &[u8], value: &[u8]) -> Reply {
    Reply::line(513, format!("Bad value {}={}", text(key), escape(value)))
}

fn bad_arguments(command: &str, why: &str) -> Reply {
    Reply::line(512, format!("Bad arguments to {command}: {why}"))
}
