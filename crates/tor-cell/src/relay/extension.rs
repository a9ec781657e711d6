//! Extensions of onion-service messages. <https://spec.torproject.org/rend-spec/introduction-protocol.html>
//!
//! | bytes | field |
//! |---|---|
//! | 1 | number of extensions; each is kind(1), length(1), body |

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::map,
    multi::{length_count, length_data},
    number::complete::be_u8,
};

use crate::{TooLong, codec::len_u8};

/// What an extension is. One number may mean different things in different messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionKind(pub u8);

impl ExtensionKind {
    /// In ESTABLISH_INTRO: [`super::DosParams`].
    pub const DOS_PARAMS: Self = Self(1);
    /// In the plaintext of INTRODUCE1: asks for congestion control. No body.
    pub const CONGESTION_CONTROL: Self = Self(1);
    /// In the plaintext of INTRODUCE1: [`super::ProofOfWork`].
    pub const PROOF_OF_WORK: Self = Self(2);
}

/// One extension. Unknown ones are to be ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// What it is.
    pub kind: ExtensionKind,
    /// Its body, at most 255 bytes.
    pub body: &'a [u8],
}

pub(super) fn extensions(input: &[u8]) -> IResult<&[u8], Vec<Extension<'_>>> {
    let one = map((map(be_u8, ExtensionKind), length_data(be_u8)), |(kind, body)| Extension { kind, body });
    length_count(be_u8, one).parse(input)
}

pub(super) fn put_extensions(extensions: &[Extension<'_>], out: &mut impl BufMut) -> Result<(), TooLong> {
    out.put_u8(len_u8("extensions", extensions.len())?);
    for extension in extensions {
        out.put_u8(extension.kind.0);
        out.put_u8(len_u8("extension", extension.body.len())?);
        out.put_slice(extension.body);
    }
    Ok(())
}
