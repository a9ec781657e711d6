//! Events as JSON: one object a line, for programs that would rather not parse the control protocol.
//!
//! `{"time":"2026-11-22T12:55:01.033570","event":"CIRC","id":7,"status":"BUILT", …}`: the fields by the names that they
//! have in this crate, words as the protocol writes them, relays and addresses as text, times in UTC. What an event lacks
//! is left out.

use std::time::SystemTime;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    Event,
    text::{lossless, put_hex_upper, put_time, put_time_usec},
};

impl Event {
    /// The event as one line of JSON, with its line end; `at` is the time that the line tells.
    ///
    /// ```
    /// use std::time::UNIX_EPOCH;
    /// use tor_ctrl_events::{Bw, Event};
    ///
    /// let line = Event::from(Bw { read: 7, written: 8 }).to_json_line(UNIX_EPOCH);
    /// assert_eq!(line, "{\"time\":\"1970-01-01T00:00:00.000000\",\"event\":\"BW\",\"read\":7,\"written\":8}\n");
    /// ```
    pub fn to_json_line(&self, at: SystemTime) -> String {
        let time = written(at, put_time_usec);
        let mut line = format!("{{\"time\":\"{time}\",\"event\":\"{}\"", self.kind());
        // Serialising plain values into memory can't fail.
        let mut fields = self.fields().unwrap_or_default();
        drop_nulls(&mut fields);
        let fields = fields.to_string();
        match fields.strip_prefix('{').filter(|rest| *rest != "}") {
            Some(rest) => {
                line.push(',');
                line.push_str(rest);
            }
            None => line.push('}'),
        }
        line.push('\n');
        line
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn written(time: SystemTime, put: fn(&mut Vec<u8>, SystemTime)) -> String {
    let mut out = Vec::new();
    put(&mut out, time);
    lossless(out)
}

/// To the microsecond.
pub(crate) fn time<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| written(time, put_time_usec)).serialize(serializer)
}

/// To the second.
pub(crate) fn whole_time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    written(*time, put_time).serialize(serializer)
}

/// As text; what is no UTF-8 becomes `U+FFFD`.
pub(crate) fn credential<S: Serializer>(text: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().map(String::from_utf8_lossy).serialize(serializer)
}

/// In hexadecimal.
pub(crate) fn conflux_id<S: Serializer>(id: &Option<[u8; 16]>, serializer: S) -> Result<S::Ok, S::Error> {
    let hex = |id: &[u8; 16]| {
        let mut out = Vec::new();
        put_hex_upper(&mut out, id);
        lossless(out)
    };
    id.as_ref().map(hex).serialize(serializer)
}
