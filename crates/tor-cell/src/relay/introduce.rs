//! INTRODUCE1: a client asks for a service at its introduction point, which passes the body on as INTRODUCE2.
//! <https://spec.torproject.org/rend-spec/introduction-protocol.html>

use bytes::BufMut;
use nom::{IResult, Parser, combinator::map};

use super::{
    Extension, RelayCmd,
    establish_intro::{ED25519_KEY, ed25519_key},
    extension::{extensions, put_extensions},
};
use crate::{
    Body, RelayBody, TooLong,
    codec::{array, refuse, whole},
};

/// The body of INTRODUCE1 and INTRODUCE2. Only Ed25519 keys are left of the types that there were.
///
/// | bytes | field |
/// |---|---|
/// | 20 | zero |
/// | 1 | key type, 2 |
/// | 2 + 32 | key, length-prefixed |
/// | | extensions |
/// | | encrypted: client's key (32), ciphertext, MAC over all of the above (32) |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduce<'a> {
    /// The service's key at this introduction point.
    pub auth_key: &'a [u8; 32],
    /// Extensions, readable by the introduction point.
    pub extensions: Vec<Extension<'a>>,
    /// What only the service can read, to the end of the body: [`super::IntroducePlaintext`].
    pub encrypted: &'a [u8],
}

/// INTRODUCE1, from the client to the introduction point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduce1<'a>(pub Introduce<'a>);

/// INTRODUCE2, from the introduction point to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduce2<'a>(pub Introduce<'a>);

impl<'a> Introduce<'a> {
    /// Appends all that comes before the encrypted part: what the MAC starts with.
    ///
    /// # Errors
    /// If there are more than 255 extensions, or one is longer than 255 bytes.
    pub fn encode_header(
        auth_key: &[u8; 32],
        extensions: &[Extension<'_>],
        out: &mut impl BufMut,
    ) -> Result<(), TooLong> {
        out.put_bytes(0, 20);
        out.put_slice(&ED25519_KEY);
        out.put_slice(auth_key);
        put_extensions(extensions, out)
    }

    /// The encrypted part in its three pieces, if it is long enough to have them: the client's X25519 key,
    /// ciphertext, MAC.
    pub fn pieces(&self) -> Option<(&'a [u8; 32], &'a [u8], &'a [u8; 32])> {
        let (key, rest) = self.encrypted.split_first_chunk()?;
        let (ciphertext, mac) = rest.split_last_chunk()?;
        Some((key, ciphertext, mac))
    }

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, legacy_key) = array(input)?;
        // Not zero: a message of the onion services of version 2.
        if *legacy_key != [0; 20] {
            return refuse(input);
        }
        let (rest, auth_key) = ed25519_key(rest)?;
        let (rest, extensions) = extensions(rest)?;
        let (rest, encrypted) = whole(rest)?;
        Ok((rest, Self { auth_key, extensions, encrypted }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        Self::encode_header(self.auth_key, &self.extensions, out)?;
        out.put_slice(self.encrypted);
        Ok(())
    }
}

impl<'a> Body<'a> for Introduce1<'a> {
    const NAME: &'static str = "INTRODUCE1";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(Introduce::parse, Self).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        self.0.encode(out)
    }
}

impl<'a> RelayBody<'a> for Introduce1<'a> {
    const COMMAND: RelayCmd = RelayCmd::INTRODUCE1;
}

impl<'a> Body<'a> for Introduce2<'a> {
    const NAME: &'static str = "INTRODUCE2";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(Introduce::parse, Self).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        self.0.encode(out)
    }
}

impl<'a> RelayBody<'a> for Introduce2<'a> {
    const COMMAND: RelayCmd = RelayCmd::INTRODUCE2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ed25519_keys_and_no_legacy_key() {
        let introduce = Introduce { auth_key: &[3; 32], extensions: vec![], encrypted: &[7; 64] };
        let mut good = Vec::new();
        Introduce1(introduce).encode(&mut good).unwrap();
        let mut pieces = Introduce2::decode(&good).unwrap().0;
        assert_eq!(pieces.pieces(), Some((&[7; 32], &[][..], &[7; 32])));
        pieces.encrypted = &[7; 63];
        assert_eq!(pieces.pieces(), None);
        for at in [0, 19, 20, 21, 22] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(Introduce1::decode(&bad).is_err(), "{at}");
            assert!(Introduce2::decode(&bad).is_err(), "{at}");
        }
    }
}
