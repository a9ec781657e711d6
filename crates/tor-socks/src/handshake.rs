//! The handshake: bytes in, replies out, until the request is there.
//!
//! ```text
//!               ┌─ 4 ──> SOCKS4 request ─────────────────────────────────────────────┐
//!  Version ─────┤                                                                    ├──> Done
//!               └─ 5 ──> methods ─┬─ password ──> Password ──┐                       │
//!                                 └─ none ───────────────────┴──> Request ───────────┘
//! ```

use std::net::{IpAddr, Ipv4Addr};

use bytes::{Buf, BytesMut};
use nom::IResult;

use crate::{
    Credentials, Host, Request, SocksError, Status, http,
    request::{put_socks4, put_socks5},
    socks4, socks5,
};

/// What a SOCKS port is set to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortOptions {
    /// Choose "no authentication" where a client offers both that and a password (`PreferSOCKSNoAuth`).
    pub prefer_no_auth: bool,
    /// Answer failures with the codes of proposal 304 (`ExtendedErrors`).
    pub extended_errors: bool,
}

/// A SOCKS handshake that waits for more bytes.
#[derive(Debug)]
pub struct Handshake {
    options: PortOptions,
    state: Awaiting,
}

/// What more bytes led to.
#[derive(Debug)]
pub enum Step {
    /// More bytes are needed.
    More(Handshake),
    /// The request is all there. What the input still holds is the application's first data.
    Done(Request),
}

#[derive(Debug)]
enum Awaiting {
    Version,
    Password,
    Request(Auth),
}

/// Who the client said it is.
#[derive(Debug)]
enum Auth {
    /// Nothing was asked. Some clients send a password all the same, and may, once.
    None,
    Password(Credentials),
}

/// What one message led to.
enum Turn {
    Wait(Awaiting),
    Next(Awaiting),
    Done(Request),
}

impl Handshake {
    /// A client has connected.
    pub const fn start(options: PortOptions) -> Self {
        Self { options, state: Awaiting::Version }
    }

    /// Takes whole messages off the front of `input`, and appends replies to `out`. The caller appends to `input` as
    /// bytes arrive; nothing of a message that is not all there is taken.
    ///
    /// # Errors
    /// If the client is at fault. `out` may hold a last reply: send it, then close.
    pub fn on_bytes(self, input: &mut BytesMut, out: &mut BytesMut) -> Result<Step, SocksError> {
        let Self { options, mut state } = self;
        loop {
            match state.turn(options, input, out)? {
                Turn::Wait(state) => return Ok(Step::More(Self { options, state })),
                Turn::Next(next) => state = next,
                Turn::Done(request) => return Ok(Step::Done(request)),
            }
        }
    }
}

impl Awaiting {
    /// Consumes at most one message.
    fn turn(
        self,
        options: PortOptions,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Turn, SocksError> {
        let Some(&first) = input.first() else { return Ok(Turn::Wait(self)) };
        match (self, first) {
            (Self::Version, 4) => on_socks4(options, input).inspect_err(|_| {
                put_socks4(Status::GENERAL_FAILURE, None, out);
            }),
            (Self::Version, 5) => on_methods(options, input, out),
            (Self::Version, first) if http::looks_like_http(first) => {
                out.extend_from_slice(http::ANSWER);
                Err(SocksError::Http)
            }
            (Self::Version, version) => Err(SocksError::Version(version)),
            (state @ (Self::Password | Self::Request(Auth::None)), 1) => on_password(state, input, out),
            (Self::Password, _) => {
                out.extend_from_slice(&PASSWORD_REFUSED);
                Err(SocksError::Confused)
            }
            (Self::Request(auth), _) => on_request(auth, options, input).inspect_err(|error| {
                put_socks5(status_of(*error), (&Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 0), out);
            }),
        }
    }
}

fn on_socks4(options: PortOptions, input: &mut BytesMut) -> Result<Turn, SocksError> {
    let head = input.get(..socks4::MAX_LEN).unwrap_or(input);
    match message(head, socks4::parse)? {
        Some((length, raw)) => {
            let request = raw.judge(options.extended_errors)?;
            input.advance(length);
            Ok(Turn::Done(request))
        }
        None if head.len() < socks4::MAX_LEN => Ok(Turn::Wait(Awaiting::Version)),
        None => Err(SocksError::TooLong),
    }
}

fn on_methods(options: PortOptions, input: &mut BytesMut, out: &mut BytesMut) -> Result<Turn, SocksError> {
    let Some((length, offered)) = message(input, socks5::methods)? else {
        return Ok(Turn::Wait(Awaiting::Version));
    };
    let method = socks5::choose(offered, options.prefer_no_auth);
    out.extend_from_slice(&[5, method.unwrap_or(socks5::NO_METHOD)]);
    input.advance(length);
    match method {
        None => Err(SocksError::NoMethod),
        Some(socks5::PASSWORD) => Ok(Turn::Next(Awaiting::Password)),
        Some(_) => Ok(Turn::Next(Awaiting::Request(Auth::None))),
    }
}

fn on_password(state: Awaiting, input: &mut BytesMut, out: &mut BytesMut) -> Result<Turn, SocksError> {
    let Some((length, (username, password))) = message(input, socks5::password)? else {
        return Ok(Turn::Wait(state));
    };
    let credentials = socks5::credentials(username, password).inspect_err(|_| {
        out.extend_from_slice(&PASSWORD_REFUSED);
    })?;
    out.extend_from_slice(&PASSWORD_TAKEN);
    input.advance(length);
    Ok(Turn::Next(Awaiting::Request(Auth::Password(credentials))))
}

fn on_request(auth: Auth, options: PortOptions, input: &mut BytesMut) -> Result<Turn, SocksError> {
    let Some((length, raw)) = message(input, socks5::request)? else {
        return Ok(Turn::Wait(Awaiting::Request(auth)));
    };
    let credentials = match auth {
        Auth::None => None,
        Auth::Password(credentials) => Some(credentials),
    };
    let request = raw.judge(credentials, options.extended_errors)?;
    input.advance(length);
    Ok(Turn::Done(request))
}

/// Reads one message and how long it is, or `None` until it is all there.
fn message<'a, T>(
    input: &'a [u8],
    parse: impl Fn(&'a [u8]) -> IResult<&'a [u8], T>,
) -> Result<Option<(usize, T)>, SocksError> {
    match parse(input) {
        Ok((rest, message)) => Ok(Some((input.len().saturating_sub(rest.len()), message))),
        Err(nom::Err::Incomplete(_)) => Ok(None),
        Err(nom::Err::Error(_) | nom::Err::Failure(_)) => Err(SocksError::Confused),
    }
}

/// What a SOCKS5 client is told of its own mistake.
const fn status_of(error: SocksError) -> Status {
    match error {
        SocksError::Command(_) => Status::COMMAND_NOT_SUPPORTED,
        SocksError::NotAnAddress => Status::ADDRESS_TYPE_NOT_SUPPORTED,
        // For an unknown address type, C Tor says so too.
        SocksError::AddressType(_)
        | SocksError::Http
        | SocksError::Version(_)
        | SocksError::Confused
        | SocksError::TooLong
        | SocksError::NoMethod
        | SocksError::ExtendedParameters
        | SocksError::Hostname
        | SocksError::ZeroAddress
        | SocksError::ZeroPort => Status::GENERAL_FAILURE,
    }
}

/// RFC 1929: version 1, status 0.
const PASSWORD_TAKEN: [u8; 2] = [1, 0];
/// RFC 1929: version 1, any other status.
const PASSWORD_REFUSED: [u8; 2] = [1, 1];
