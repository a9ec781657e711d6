//! ADDRMAP: an address became another.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::Form;
use crate::{
    ParseError, StreamId, json,
    text::{Raw, parse_time, put, put_pair, put_time, put_u64, put_word, unquote},
};

/// When a mapping ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Expiry {
    /// The time, in whole seconds. `EXPIRES` says it in UTC.
    #[serde(serialize_with = "json::whole_time")]
    pub at: SystemTime,
    /// Seconds by which the local clock is ahead of UTC: C Tor says the time in local time first.
    pub utc_offset: i32,
}

/// An address became another, or can't be found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct AddrMap {
    /// The name or address that was asked for.
    pub from: String,
    /// What it is now; none if resolving failed (the text says `<error>` and `error=yes`).
    pub to: Option<String>,
    /// Until when; none for ever.
    pub expires: Option<Expiry>,
    /// `CACHED`: whether the client will use the mapping for other streams.
    pub cached: bool,
    /// `STREAMID`: the stream that asked.
    pub stream: Option<StreamId>,
}

impl Expiry {
    /// The time of the local clock, as if it were UTC.
    fn local(self) -> SystemTime {
        let offset = Duration::from_secs(self.utc_offset.unsigned_abs().into());
        let local =
            if self.utc_offset < 0 { self.at.checked_sub(offset) } else { self.at.checked_add(offset) };
        local.unwrap_or(self.at)
    }

    /// From the two times of the text.
    fn from_texts(local: SystemTime, utc: Option<SystemTime>) -> Self {
        let at = utc.unwrap_or(local);
        let seconds = |gap: Duration| i32::try_from(gap.as_secs()).unwrap_or_default();
        let utc_offset = match local.duration_since(at) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        Self { at, utc_offset }
    }
}

const ERROR: &str = "<error>";

impl Form for AddrMap {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 ADDRMAP ");
        put_word(out, &self.from);
        out.push(b' ');
        put_word(out, self.to.as_deref().unwrap_or(ERROR));
        match self.expires {
            Some(expiry) => {
                put(out, " \"");
                put_time(out, expiry.local());
                out.push(b'"');
            }
            None => put(out, " NEVER"),
        }
        if self.to.is_none() {
            put(out, " error=yes");
        }
        if let Some(expiry) = self.expires {
            put(out, " EXPIRES=\"");
            put_time(out, expiry.at);
            out.push(b'"');
        }
        put(out, if self.cached { " CACHED=\"YES\"" } else { " CACHED=\"NO\"" });
        put_pair(out, " STREAMID=", self.stream.map(|id| id.0), put_u64);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        let from = args.word("address")?.to_owned();
        let to = Some(args.word("new address")?).filter(|to| *to != ERROR).map(str::to_owned);
        let bad = ParseError::Bad { what: "expiry" };
        let local = match args.word("expiry")? {
            "NEVER" => None,
            text => {
                let text = unquote(text).and_then(|text| String::from_utf8(text).ok()).ok_or(bad)?;
                Some(parse_time(&text).ok_or(bad)?)
            }
        };
        let (mut utc, mut cached, mut stream) = (None, false, None);
        for pair in args.pairs() {
            match pair.key {
                "EXPIRES" => utc = Some(pair.time("EXPIRES")?),
                "CACHED" => cached = pair.text("CACHED")? == "YES",
                "STREAMID" => stream = Some(StreamId(pair.number("STREAMID")?)),
                _ => {}
            }
        }
        let expires = local.map(|local| Expiry::from_texts(local, utc));
        Ok(Self { from, to, expires, cached, stream })
    }
}
