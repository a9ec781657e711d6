//! The traits of every message, and their two errors.

use bytes::BufMut;
use nom::{
    IResult,
    error::{Error, ErrorKind},
};
use thiserror::Error as ThisError;

use crate::{frame::ChanCmd, relay::RelayCmd};

/// A message that can't be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[error("malformed {what}")]
pub struct DecodeError {
    /// The name of the message or of the part that is malformed.
    pub what: &'static str,
}

/// A field that is longer than its place on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
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

    /// Appends the message. After an error, what was written so far is still there.
    ///
    /// # Errors
    /// If a variable part is longer than its length field can say.
    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong>;

    /// Reads the message from its whole body. Bytes after the last field are ignored, since later versions
    /// may add fields; a message for which that would be wrong consumes its whole body in [`Body::parse`].
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

/// The body of a channel cell: [`crate::frame::put_message`] makes a cell of it.
pub trait ChanBody<'a>: Body<'a> {
    /// The command of its cell.
    const COMMAND: ChanCmd;
}

/// The body of a relay message: [`crate::relay::RelayMsg::new`] makes a message of it.
pub trait RelayBody<'a>: Body<'a> {
    /// The command of its message.
    const COMMAND: RelayCmd;
}

pub(crate) fn len_u8(what: &'static str, length: usize) -> Result<u8, TooLong> {
    u8::try_from(length).map_err(|_| TooLong { what })
}

pub(crate) fn len_u16(what: &'static str, length: usize) -> Result<u16, TooLong> {
    u16::try_from(length).map_err(|_| TooLong { what })
}

/// `N` bytes, borrowed.
pub(crate) fn array<const N: usize>(input: &[u8]) -> IResult<&[u8], &[u8; N]> {
    match input.split_first_chunk() {
        Some((array, rest)) => Ok((rest, array)),
        None => refuse(input),
    }
}

/// All that is left.
pub(crate) fn whole(input: &[u8]) -> IResult<&[u8], &[u8]> {
    Ok((input.get(input.len()..).unwrap_or_default(), input))
}

/// A byte that must have one value, such as a version.
pub(crate) fn exactly(value: u8) -> impl Fn(&[u8]) -> IResult<&[u8], ()> {
    move |input| match input.split_first() {
        Some((&first, rest)) if first == value => Ok((rest, ())),
        _ => refuse(input),
    }
}

/// `input` is not what it should be.
pub(crate) fn refuse<T>(input: &[u8]) -> IResult<&[u8], T> {
    Err(nom::Err::Error(Error::new(input, ErrorKind::Verify)))
}

/// Defines an enum over all messages that a command tells apart; `Other` keeps a command without a message.
macro_rules! any_message {
    (
        $(#[$doc:meta])*
        pub enum $any:ident($command:ident);
        $($name:ident => $variant:ident($message:ty),)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $any<'a> {
            $(#[doc = concat!(stringify!($name), ".")] $variant($message),)*
            /// A command without a message of its own.
            Other {
                /// The command.
                command: $command,
                /// The body, unread.
                body: &'a [u8],
            },
        }

        impl<'a> $any<'a> {
            /// Reads the message that `command` says the body is.
            ///
            /// # Errors
            /// If the body is not that message.
            pub fn decode(command: $command, body: &'a [u8]) -> Result<Self, $crate::DecodeError> {
                match command {
                    $($command::$name => $crate::Body::decode(body).map(Self::$variant),)*
                    _ => Ok(Self::Other { command, body }),
                }
            }

            /// The message's command.
            pub const fn command(&self) -> $command {
                match self {
                    $(Self::$variant(_) => $command::$name,)*
                    Self::Other { command, .. } => *command,
                }
            }

            /// Appends the message's body.
            ///
            /// # Errors
            /// If a part is too long to be written.
            pub fn encode(&self, out: &mut impl bytes::BufMut) -> Result<(), $crate::TooLong> {
                match self {
                    $(Self::$variant(message) => $crate::Body::encode(message, out)?,)*
                    Self::Other { body, .. } => out.put_slice(body),
                }
                Ok(())
            }
        }
    };
}

pub(crate) use any_message;
