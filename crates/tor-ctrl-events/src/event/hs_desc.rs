//! HS_DESC and HS_DESC_CONTENT: onion services' descriptors.

use serde::Serialize;

use super::Form;
use crate::{
    LongName, ParseError,
    text::{Raw, Text, put, put_data, put_pair, put_u64, put_word},
    words::words,
};

words! {
    /// What happened to a descriptor.
    closed HsDescAction {
        /// A directory is asked for it.
        Requested = "REQUESTED",
        /// It goes to a directory.
        Upload = "UPLOAD",
        /// It came.
        Received = "RECEIVED",
        /// A directory has taken it.
        Uploaded = "UPLOADED",
        /// It came, but was there already.
        Ignore = "IGNORE",
        /// It didn't come, or wasn't taken.
        Failed = "FAILED",
        /// Our service made it.
        Created = "CREATED",
    }
}

words! {
    /// How clients of the service prove who they are.
    open HsAuth {
        /// They need not.
        NoAuth = "NO_AUTH",
        /// With a key.
        RendV3Auth = "REND_V3_AUTH",
        /// Nobody knows, or it doesn't matter.
        Unknown = "UNKNOWN",
    }
}

words! {
    /// Why it failed.
    open HsDescReason {
        /// What came is no descriptor.
        BadDesc = "BAD_DESC",
        /// The directory rejects the request.
        QueryRejected = "QUERY_REJECTED",
        /// The directory rejects the descriptor.
        UploadRejected = "UPLOAD_REJECTED",
        /// The directory hasn't it.
        NotFound = "NOT_FOUND",
        /// No directory is left to ask.
        QueryNoHsDir = "QUERY_NO_HSDIR",
        /// Asked too often.
        QueryRateLimited = "QUERY_RATE_LIMITED",
        /// Nobody knows.
        Unexpected = "UNEXPECTED",
    }
}

const UNKNOWN: &str = "UNKNOWN";

/// An onion service's descriptor is asked for, came, was uploaded …
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct HsDesc {
    /// What happened.
    pub action: HsDescAction,
    /// The service's address without `.onion`; none is `UNKNOWN`.
    pub address: Option<String>,
    /// The service's authorisation. C Tor says [`HsAuth::Unknown`] when it uploads.
    pub auth: HsAuth,
    /// The directory; none is `UNKNOWN`.
    pub hsdir: Option<LongName>,
    /// The descriptor's id: the blinded key in base64. Left out when an upload ends.
    pub desc_id: Option<String>,
    /// `REASON`, if it failed.
    pub reason: Option<HsDescReason>,
    /// `REPLICA`: of version 2.
    pub replica: Option<u32>,
    /// `HSDIR_INDEX`: 64 hex digits, when it is requested and uploaded.
    pub hsdir_index: Option<String>,
}

impl Form for HsDesc {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 HS_DESC ");
        put(out, self.action.as_str());
        out.push(b' ');
        put_word(out, self.address.as_deref().unwrap_or(UNKNOWN));
        out.push(b' ');
        HsAuth::put(out, &self.auth);
        out.push(b' ');
        put_relay(out, self.hsdir.as_ref());
        if let Some(desc_id) = &self.desc_id {
            out.push(b' ');
            put_word(out, desc_id);
        }
        put_pair(out, " REASON=", self.reason.as_ref(), HsDescReason::put);
        put_pair(out, " REPLICA=", self.replica.map(u64::from), put_u64);
        put_pair(out, " HSDIR_INDEX=", self.hsdir_index.as_deref(), put_word);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        let action = HsDescAction::from_word(args.word("action")?);
        let action = action.ok_or(ParseError::Bad { what: "action" })?;
        let address = known(args.word("address")?).map(str::to_owned);
        let auth = HsAuth::from_word(args.word("authorisation")?);
        let hsdir = parse_relay(args.word("directory")?)?;
        let desc_id = args.positional().map(str::to_owned);
        let mut desc =
            Self { action, address, auth, hsdir, desc_id, reason: None, replica: None, hsdir_index: None };
        for pair in args.pairs() {
            match pair.key {
                "REASON" => desc.reason = Some(HsDescReason::from_word(pair.value)),
                "REPLICA" => desc.replica = Some(pair.number("REPLICA")?),
                "HSDIR_INDEX" => desc.hsdir_index = Some(pair.value.to_owned()),
                _ => {}
            }
        }
        Ok(desc)
    }
}

/// A descriptor that came, or that didn't.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct HsDescContent {
    /// The service's address without `.onion`; none is `UNKNOWN`.
    pub address: Option<String>,
    /// The descriptor's id.
    pub desc_id: String,
    /// The directory; none is `UNKNOWN`.
    pub hsdir: Option<LongName>,
    /// The descriptor, lines that end with `\n`; empty if there is none.
    pub content: String,
}

impl Form for HsDescContent {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650+HS_DESC_CONTENT ");
        put_word(out, self.address.as_deref().unwrap_or(UNKNOWN));
        out.push(b' ');
        put_word(out, &self.desc_id);
        out.push(b' ');
        put_relay(out, self.hsdir.as_ref());
        put(out, "\r\n");
        put_data(out, &self.content);
        put(out, "650 OK\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        let address = known(args.word("address")?).map(str::to_owned);
        let desc_id = args.word("descriptor")?.to_owned();
        let hsdir = parse_relay(args.word("directory")?)?;
        Ok(Self { address, desc_id, hsdir, content: raw.data()? })
    }
}

fn known(word: &str) -> Option<&str> {
    Some(word).filter(|word| *word != UNKNOWN)
}

fn put_relay(out: &mut Vec<u8>, relay: Option<&LongName>) {
    match relay {
        Some(relay) => relay.put(out),
        None => put(out, UNKNOWN),
    }
}

fn parse_relay(word: &str) -> Result<Option<LongName>, ParseError> {
    let parse = |word| LongName::parse(word).ok_or(ParseError::Bad { what: "directory" });
    known(word).map(parse).transpose()
}
