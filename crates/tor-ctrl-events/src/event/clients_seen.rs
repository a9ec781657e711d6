//! CLIENTS_SEEN: where a bridge's users come from. A client never says it.

use std::time::SystemTime;

use serde::Serialize;

use super::{
    Form,
    cell_stats::{parse_counts, put_count},
};
use crate::{
    ParseError, json,
    text::{Raw, put, put_list, put_pair, put_time},
};

/// A bridge's users, by country and IP version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ClientsSeen {
    /// `TimeStarted`: since when they were counted, in whole seconds.
    #[serde(serialize_with = "json::whole_time")]
    pub time_started: SystemTime,
    /// `CountrySummary`: `us=16`; counts are rounded up to eights.
    pub countries: Vec<(String, u64)>,
    /// `IPVersions`: `v4=16`.
    pub ip_versions: Vec<(String, u64)>,
}

impl Form for ClientsSeen {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 CLIENTS_SEEN TimeStarted=\"");
        put_time(out, self.time_started);
        out.push(b'"');
        for (key, counts) in [(" CountrySummary=", &self.countries), (" IPVersions=", &self.ip_versions)] {
            put_pair(out, key, Some(counts), |out, counts| {
                put_list(out, counts, |out, (name, count)| put_count(out, name, b'=', *count));
            });
        }
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let (mut time_started, mut countries, mut ip_versions) = (None, Vec::new(), Vec::new());
        for pair in raw.args().pairs() {
            match pair.key {
                "TimeStarted" => time_started = Some(pair.time("TimeStarted")?),
                "CountrySummary" => countries = parse_counts(&pair, '=', "CountrySummary")?,
                "IPVersions" => ip_versions = parse_counts(&pair, '=', "IPVersions")?,
                _ => {}
            }
        }
        let time_started = time_started.ok_or(ParseError::Missing { what: "TimeStarted" })?;
        Ok(Self { time_started, countries, ip_versions })
    }
}
