//! NS, NEWCONSENSUS, NEWDESC, DESCCHANGED: new directory documents.

use serde::Serialize;

use super::Form;
use crate::{
    LongName, ParseError,
    text::{Raw, Text, put, put_data},
};

/// Relays whose entry in the consensus changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Ns {
    /// Their entries, as `GETINFO ns/id/…` answers, one after the other: lines that end with `\n`.
    pub entries: String,
}

/// A new consensus.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct NewConsensus {
    /// The entries of all relays, as `GETINFO ns/all` answers: lines that end with `\n`.
    pub entries: String,
}

/// New router descriptors (never microdescriptors).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct NewDesc {
    /// The relays.
    pub relays: Vec<LongName>,
}

/// Our own descriptor changed. A client has none, and never says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct DescChanged;

impl Form for Ns {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650+NS\r\n");
        put_data(out, &self.entries);
        put(out, "650 OK\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        Ok(Self { entries: raw.data()? })
    }
}

impl Form for NewConsensus {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650+NEWCONSENSUS\r\n");
        put_data(out, &self.entries);
        put(out, "650 OK\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        Ok(Self { entries: raw.data()? })
    }
}

impl Form for NewDesc {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 NEWDESC");
        for relay in &self.relays {
            out.push(b' ');
            relay.put(out);
        }
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let relays = raw.args().map(LongName::parse).collect::<Option<_>>();
        Ok(Self { relays: relays.ok_or(ParseError::Bad { what: "relay" })? })
    }
}

impl Form for DescChanged {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 DESCCHANGED\r\n");
    }

    fn parse(_: &Raw<'_>) -> Result<Self, ParseError> {
        Ok(Self)
    }
}
