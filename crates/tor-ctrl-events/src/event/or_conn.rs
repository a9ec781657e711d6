//! ORCONN, and the line of `GETINFO orconn-status`.

use serde::Serialize;

use super::Form;
use crate::{
    ConnId, Endpoint, LongName, ParseError,
    text::{Raw, Text, lossless, put, put_pair, put_u64},
    words::words,
};

words! {
    /// Where a connection to a relay is in its life.
    closed OrConnStatus {
        /// A relay connects to us.
        New = "NEW",
        /// We connect.
        Launched = "LAUNCHED",
        /// The handshake is done.
        Connected = "CONNECTED",
        /// Closed before the handshake was done.
        Failed = "FAILED",
        /// Closed.
        Closed = "CLOSED",
    }
}

words! {
    /// Why a connection to a relay ended.
    open OrConnReason {
        /// In peace.
        Done = "DONE",
        /// Refused.
        ConnectRefused = "CONNECTREFUSED",
        /// Another relay than it should have been.
        Identity = "IDENTITY",
        /// Broken.
        ConnectReset = "CONNECTRESET",
        /// It took too long.
        Timeout = "TIMEOUT",
        /// Not to be reached.
        NoRoute = "NOROUTE",
        /// Reading or writing failed.
        IoError = "IOERROR",
        /// Out of sockets, or the like.
        ResourceLimit = "RESOURCELIMIT",
        /// TLS failed.
        TlsError = "TLS_ERROR",
        /// No reason has a name.
        Misc = "MISC",
        /// No such pluggable transport.
        PtMissing = "PT_MISSING",
    }
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum OrTarget {
    /// A relay whose identity is known.
    Relay(LongName),
    /// An address: nobody knows yet who is there.
    Address(Endpoint),
}

impl OrTarget {
    fn parse(text: &str) -> Option<Self> {
        LongName::parse(text).map(Self::Relay).or_else(|| Endpoint::parse(text).map(Self::Address))
    }
}

impl Text for OrTarget {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Relay(name) => name.put(out),
            Self::Address(address) => address.put(out),
        }
    }
}

/// A connection to a relay changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct OrConn {
    /// With whom.
    pub target: OrTarget,
    /// Its status now.
    pub status: OrConnStatus,
    /// `REASON`, with FAILED and CLOSED.
    pub reason: Option<OrConnReason>,
    /// `NCIRCS`: the circuits that it takes with it, with FAILED and CLOSED; zero isn't told.
    pub ncircs: Option<u32>,
    /// `ID`.
    pub id: Option<ConnId>,
}

impl OrConn {
    /// Writes the line of `GETINFO orconn-status`, without its end: name and status.
    pub fn write_status(&self, out: &mut Vec<u8>) {
        self.target.put(out);
        out.push(b' ');
        put(out, self.status.as_str());
    }

    /// The line of `GETINFO orconn-status`, without its end. C Tor knows NEW, LAUNCHED and CONNECTED there.
    pub fn status_line(&self) -> String {
        let mut out = Vec::new();
        self.write_status(&mut out);
        lossless(out)
    }

    /// Reads a line of `GETINFO orconn-status`, or what follows `650 ORCONN`.
    ///
    /// # Errors
    /// If the text is no such line.
    pub fn parse_status_line(line: &str) -> Result<Self, ParseError> {
        Self::parse(&Raw { name: "", rest: line, lines: Vec::new(), data: None })
    }
}

impl Form for OrConn {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 ORCONN ");
        self.write_status(out);
        put_pair(out, " REASON=", self.reason.as_ref(), OrConnReason::put);
        put_pair(out, " NCIRCS=", self.ncircs.filter(|count| *count > 0).map(u64::from), put_u64);
        put_pair(out, " ID=", self.id.map(|id| id.0), put_u64);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        let target = OrTarget::parse(args.word("target")?).ok_or(ParseError::Bad { what: "target" })?;
        let status = OrConnStatus::from_word(args.word("status")?);
        let status = status.ok_or(ParseError::Bad { what: "status" })?;
        let mut conn = Self { target, status, reason: None, ncircs: None, id: None };
        for pair in args.pairs() {
            match pair.key {
                "REASON" => conn.reason = Some(OrConnReason::from_word(pair.value)),
                "NCIRCS" => conn.ncircs = Some(pair.number("NCIRCS")?),
                "ID" => conn.id = Some(ConnId(pair.number("ID")?)),
                _ => {}
            }
        }
        Ok(conn)
    }
}
