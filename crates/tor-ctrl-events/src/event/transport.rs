//! TRANSPORT_LAUNCHED, PT_LOG, PT_STATUS: pluggable transports.

use std::net::SocketAddr;

use serde::Serialize;

use super::{
    Form,
    arguments::{Argument, put_arguments},
};
use crate::{
    ParseError,
    text::{Raw, put, put_u64, put_word},
    words::words,
};

words! {
    /// Which side a pluggable transport serves.
    open TransportMode {
        /// A client's.
        Client = "client",
        /// A bridge's.
        Server = "server",
    }
}

/// A pluggable transport listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TransportLaunched {
    /// Which side it serves.
    pub mode: TransportMode,
    /// Its name: `obfs4`.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Form for TransportLaunched {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 TRANSPORT_LAUNCHED ");
        TransportMode::put(out, &self.mode);
        out.push(b' ');
        put_word(out, &self.name);
        out.push(b' ');
        put(out, &self.address.ip().to_string());
        out.push(b' ');
        put_u64(out, self.address.port().into());
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        let mode = TransportMode::from_word(args.word("mode")?);
        let name = args.word("name")?.to_owned();
        let ip = args.word("address")?.trim_start_matches('[').trim_end_matches(']').parse();
        let ip = ip.map_err(|_| ParseError::Bad { what: "address" })?;
        Ok(Self { mode, name, address: SocketAddr::new(ip, args.number("port")?) })
    }
}

/// What a pluggable transport logs: `PT=…` and what its LOG line said. [`Argument::if_needed`] quotes as C Tor does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PtLog {
    /// `PT`, `SEVERITY`, `MESSAGE`.
    pub arguments: Vec<Argument>,
}

/// A pluggable transport's status: `PT=…` and what its STATUS line said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PtStatus {
    /// `PT`, `TRANSPORT` and others.
    pub arguments: Vec<Argument>,
}

impl Form for PtLog {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 PT_LOG");
        put_arguments(out, &self.arguments);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        Ok(Self { arguments: Argument::parse_all(raw.args())? })
    }
}

impl Form for PtStatus {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 PT_STATUS");
        put_arguments(out, &self.arguments);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        Ok(Self { arguments: Argument::parse_all(raw.args())? })
    }
}
