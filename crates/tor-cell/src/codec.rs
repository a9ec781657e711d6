//! The one trait of every message, and its two errors.

use bytes::BufMut;
use nom::IResult;
use thiserror::Error;

/// A message that can't be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed {what}")]
pub struct DecodeError {
    /// The name of the message or of the part that is malformed.
    pub what: &'static str,
}

/// A field that is longer than its place on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{what} is too long for the wire")]
pub struct TooLong {
    /// The field.
    pub what: &'static str,
}

/// One message body: the single place that knows its bytes.
pub trait Body<'a>: Sized {
    /// The spec's name of the message.
    const NAME: &'static str;

    /// Reads the message from the front of its body.
    ///
    /// # Errors
    /// A nom error where the bytes are not this message; [`Body::decode`] turns it into a [`DecodeError`].
    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self>;

    /// Appends the message.
    ///
    /// # Errors
    /// If a variable part is longer than its length field can say.
    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong>;

    /// Reads the message from its whole body. Bytes after the last field are ignored, since later versions
    /// may add fields; a message for which that would be wrong checks it in [`Body::parse`].
    ///
    /// # Errors
    /// If the bytes are not this message.
    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        match Self::parse(body) {
            Ok((_, message)) => Ok(message),
            Err(_) => Err(DecodeError { what: Self::NAME }),
        }
    }
}

pub(crate) fn len_u8(what: &'static str, length: usize) -> Result<u8, TooLong> {
    u8::try_from(length).map_err(|_| TooLong { what })
}

pub(crate) fn len_u16(what: &'static str, length: usize) -> Result<u16, TooLong> {
    u16::try_from(length).map_err(|_| TooLong { what })
}
