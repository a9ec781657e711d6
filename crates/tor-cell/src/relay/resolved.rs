//! RESOLVED answers RESOLVE. <https://spec.torproject.org/tor-spec/remote-hostname-lookup.html>

use std::net::IpAddr;

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::{all_consuming, map},
    multi::{length_data, many0},
    number::complete::{be_u8, be_u32},
};

use super::RelayCmd;
use crate::{
    Body, RelayBody, TooLong,
    codec::{len_u8, refuse},
};

/// RESOLVED: answers to the end of the body, which may hold none (the name exists, without addresses).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The answers, in the exit's order.
    pub answers: Vec<Answer<'a>>,
}

/// One answer.
///
/// | bytes | field |
/// |---|---|
/// | 1 | type: 0 host name, 4 IPv4, 6 IPv6, 0xF0 transient error, 0xF1 error |
/// | 1 + n | value, length-prefixed |
/// | 4 | time to live, seconds |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What the exit found.
    pub value: ResolvedValue<'a>,
    /// How long it holds, seconds.
    pub ttl: u32,
}

/// What the exit found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolvedValue<'a> {
    /// The name of an address; not empty.
    Hostname(&'a str),
    /// An address.
    Address(IpAddr),
    /// Nothing, and the value means nothing either.
    Error(ResolveError, &'a [u8]),
    /// A type that we do not know, to be ignored.
    Unknown {
        /// The type.
        kind: u8,
        /// The value.
        value: &'a [u8],
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// Asking again may help.
    Transient,
    /// Asking again will not help.
    Permanent,
}

impl Resolved<'_> {
    /// The error, if there is nothing but errors (the last one counts).
    pub fn error(&self) -> Option<ResolveError> {
        let mut found = None;
        for answer in &self.answers {
            match answer.value {
                ResolvedValue::Hostname(_) | ResolvedValue::Address(_) => return None,
                ResolvedValue::Error(error, _) => found = Some(error),
                ResolvedValue::Unknown { .. } => {}
            }
        }
        found
    }
}

impl<'a> Body<'a> for Resolved<'a> {
    const NAME: &'static str = "RESOLVED";

    /// One bad answer spoils them all.
    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(all_consuming(many0(answer)), |answers| Self { answers }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        for Answer { value, ttl } in &self.answers {
            match *value {
                ResolvedValue::Hostname(name) => put_value(0, name.as_bytes(), out)?,
                ResolvedValue::Address(IpAddr::V4(v4)) => put_value(4, &v4.octets(), out)?,
                ResolvedValue::Address(IpAddr::V6(v6)) => put_value(6, &v6.octets(), out)?,
                ResolvedValue::Error(ResolveError::Transient, text) => put_value(0xF0, text, out)?,
                ResolvedValue::Error(ResolveError::Permanent, text) => put_value(0xF1, text, out)?,
                ResolvedValue::Unknown { kind, value } => put_value(kind, value, out)?,
            }
            out.put_u32(*ttl);
        }
        Ok(())
    }
}

impl<'a> RelayBody<'a> for Resolved<'a> {
    const COMMAND: RelayCmd = RelayCmd::RESOLVED;
}

fn answer(input: &[u8]) -> IResult<&[u8], Answer<'_>> {
    let (rest, (kind, body, ttl)) = (be_u8, length_data(be_u8), be_u32).parse(input)?;
    let value = match kind {
        0 => str::from_utf8(body).ok().filter(|name| !name.is_empty()).map(ResolvedValue::Hostname),
        4 => <[u8; 4]>::try_from(body).ok().map(|ip| ResolvedValue::Address(ip.into())),
        6 => <[u8; 16]>::try_from(body).ok().map(|ip| ResolvedValue::Address(ip.into())),
        0xF0 => Some(ResolvedValue::Error(ResolveError::Transient, body)),
        0xF1 => Some(ResolvedValue::Error(ResolveError::Permanent, body)),
        _ => Some(ResolvedValue::Unknown { kind, value: body }),
    };
    match value {
        Some(value) => Ok((rest, Answer { value, ttl })),
        None => refuse(input),
    }
}

fn put_value(kind: u8, value: &[u8], out: &mut impl BufMut) -> Result<(), TooLong> {
    out.put_u8(kind);
    out.put_u8(len_u8("resolved value", value.len())?);
    out.put_slice(value);
    Ok(())
}
