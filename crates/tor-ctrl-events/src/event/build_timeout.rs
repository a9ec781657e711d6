//! BUILDTIMEOUT_SET: how long a circuit may take from now on.

use serde::Serialize;

use super::Form;
use crate::{
    ParseError,
    text::{Raw, put, put_f64, put_number, put_pair},
    words::words,
};

words! {
    /// Why the timeout changed.
    closed BuildTimeoutChange {
        /// Learned from many circuits.
        Computed = "COMPUTED",
        /// What was learned is forgotten.
        Reset = "RESET",
        /// The network seems to be down.
        Suspended = "SUSPENDED",
        /// What was learned is of no use.
        Discard = "DISCARD",
        /// The network is back.
        Resume = "RESUME",
    }
}

/// A new circuit build timeout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BuildTimeoutSet {
    /// Why.
    pub change: BuildTimeoutChange,
    /// `TOTAL_TIMES`: how many circuits were measured.
    pub total_times: u64,
    /// `TIMEOUT_MS`: the timeout.
    pub timeout_ms: u64,
    /// `XM` of the Pareto distribution, milliseconds.
    pub xm: u64,
    /// `ALPHA` of the Pareto distribution.
    pub alpha: f64,
    /// `CUTOFF_QUANTILE`: the share of circuits that should be in time.
    pub cutoff_quantile: f64,
    /// `TIMEOUT_RATE`: the share that wasn't.
    pub timeout_rate: f64,
    /// `CLOSE_MS`: how long a circuit that is too late is left open to be measured.
    pub close_ms: u64,
    /// `CLOSE_RATE`: the share that was too late even for that.
    pub close_rate: f64,
}

impl Form for BuildTimeoutSet {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 BUILDTIMEOUT_SET ");
        put(out, self.change.as_str());
        put_number(out, " TOTAL_TIMES=", self.total_times);
        put_number(out, " TIMEOUT_MS=", self.timeout_ms);
        put_number(out, " XM=", self.xm);
        put_pair(out, " ALPHA=", Some(self.alpha), put_f64);
        put_pair(out, " CUTOFF_QUANTILE=", Some(self.cutoff_quantile), put_f64);
        put_pair(out, " TIMEOUT_RATE=", Some(self.timeout_rate), put_f64);
        put_number(out, " CLOSE_MS=", self.close_ms);
        put_pair(out, " CLOSE_RATE=", Some(self.close_rate), put_f64);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        let change = BuildTimeoutChange::from_word(args.word("type")?);
        let mut set = Self {
            change: change.ok_or(ParseError::Bad { what: "type" })?,
            total_times: 0,
            timeout_ms: 0,
            xm: 0,
            alpha: 0.0,
            cutoff_quantile: 0.0,
            timeout_rate: 0.0,
            close_ms: 0,
            close_rate: 0.0,
        };
        for pair in args.pairs() {
            match pair.key {
                "TOTAL_TIMES" => set.total_times = pair.number("TOTAL_TIMES")?,
                "TIMEOUT_MS" => set.timeout_ms = pair.number("TIMEOUT_MS")?,
                "XM" => set.xm = pair.number("XM")?,
                "ALPHA" => set.alpha = pair.number("ALPHA")?,
                "CUTOFF_QUANTILE" => set.cutoff_quantile = pair.number("CUTOFF_QUANTILE")?,
                "TIMEOUT_RATE" => set.timeout_rate = pair.number("TIMEOUT_RATE")?,
                "CLOSE_MS" => set.close_ms = pair.number("CLOSE_MS")?,
                "CLOSE_RATE" => set.close_rate = pair.number("CLOSE_RATE")?,
                _ => {}
            }
        }
        Ok(set)
    }
}
