//! AUTH_CHALLENGE invites the initiator of a link to prove who it is. A client reads it and does not answer.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html#AUTH-CHALLENGE-cells>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map, multi::length_count, number::complete::be_u16};

use crate::{
    Body, ChanBody, TooLong,
    codec::{array, len_u16},
    frame::ChanCmd,
};

/// How an initiator may prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuthMethod(pub u16);

impl AuthMethod {
    /// Obsolete.
    pub const RSA_SHA256_TLSSECRET: Self = Self(1);
    /// Ed25519, over secrets exported from the TLS session (RFC 5705).
    pub const ED25519_SHA256_RFC5705: Self = Self(3);
}

/// AUTH_CHALLENGE.
///
/// | bytes | field |
/// |---|---|
/// | 32 | challenge |
/// | 2 | number of methods; each is 2 bytes |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthChallenge<'a> {
    /// Random bytes; they become part of what AUTHENTICATE signs, since they are part of the handshake.
    pub challenge: &'a [u8; 32],
    /// What the responder understands.
    pub methods: Vec<AuthMethod>,
}

impl<'a> Body<'a> for AuthChallenge<'a> {
    const NAME: &'static str = "AUTH_CHALLENGE";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, challenge) = array(input)?;
        let (rest, methods) = length_count(be_u16, map(be_u16, AuthMethod)).parse(rest)?;
        Ok((rest, Self { challenge, methods }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(self.challenge);
        out.put_u16(len_u16("authentication methods", self.methods.len())?);
        for method in &self.methods {
            out.put_u16(method.0);
        }
        Ok(())
    }
}

impl<'a> ChanBody<'a> for AuthChallenge<'a> {
    const COMMAND: ChanCmd = ChanCmd::AUTH_CHALLENGE;
}
