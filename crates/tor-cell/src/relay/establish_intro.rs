//! ESTABLISH_INTRO makes a relay an introduction point, INTRO_ESTABLISHED answers.
//! <https://spec.torproject.org/rend-spec/introduction-protocol.html>

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::map,
    multi::length_count,
    number::complete::{be_u8, be_u64},
};

use super::{
    Extension, RelayCmd,
    extension::{extensions, put_extensions},
};
use crate::{
    Body, RelayBody, TooLong,
    code_point::code_points,
    codec::{array, exactly, len_u8},
};

/// ESTABLISH_INTRO. Only Ed25519 keys are left of the types that there were.
///
/// | bytes | field |
/// |---|---|
/// | 1 | key type, 2 |
/// | 2 + 32 | key, length-prefixed |
/// | | extensions |
/// | 32 | MAC over all of the above, keyed by the circuit |
/// | 2 + 64 | signature over all of the above, after [`EstablishIntro::SIGNATURE_PREFIX`]; length-prefixed |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EstablishIntro<'a> {
    /// The key by which clients ask for the service at this introduction point.
    pub auth_key: &'a [u8; 32],
    /// Extensions.
    pub extensions: Vec<Extension<'a>>,
    /// Binds the message to its circuit.
    pub handshake_mac: &'a [u8; 32],
    /// Proves that the sender has the key.
    pub signature: &'a [u8; 64],
}

/// INTRO_ESTABLISHED: extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntroEstablished<'a> {
    /// Extensions.
    pub extensions: Vec<Extension<'a>>,
}

code_points! {
    /// What a [`DosParam`] sets.
    pub struct DosParamKind(u8);
    /// INTRODUCE2 a second.
    RATE_PER_SEC = 1,
    /// INTRODUCE2 in one burst.
    BURST_PER_SEC = 2,
}

/// The extension that asks the introduction point to limit INTRODUCE2.
///
/// | bytes | field |
/// |---|---|
/// | 1 | number of parameters; each is kind(1), value(8) |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DosParams {
    /// The parameters, in order.
    pub params: Vec<DosParam>,
}

/// One parameter of [`DosParams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DosParam {
    /// What it sets.
    pub kind: DosParamKind,
    /// To what. The rate and burst are at most [`i32::MAX`]; both zero: no limit.
    pub value: u64,
}

impl EstablishIntro<'_> {
    /// What the signed bytes start with.
    pub const SIGNATURE_PREFIX: &'static [u8] = b"Tor establish-intro cell v1";

    /// Appends the part of a message that its MAC covers.
    ///
    /// # Errors
    /// If there are more than 255 extensions, or one is longer than 255 bytes.
    pub fn encode_mac_input(
        auth_key: &[u8; 32],
        extensions: &[Extension<'_>],
        out: &mut impl BufMut,
    ) -> Result<(), TooLong> {
        out.put_slice(&ED25519_KEY);
        out.put_slice(auth_key);
        put_extensions(extensions, out)
    }
}

impl<'a> Body<'a> for EstablishIntro<'a> {
    const NAME: &'static str = "ESTABLISH_INTRO";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, auth_key) = ed25519_key(input)?;
        let (rest, extensions) = extensions(rest)?;
        let (rest, handshake_mac) = array(rest)?;
        let (rest, ((), ())) = (exactly(0), exactly(64)).parse(rest)?;
        let (rest, signature) = array(rest)?;
        Ok((rest, Self { auth_key, extensions, handshake_mac, signature }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        Self::encode_mac_input(self.auth_key, &self.extensions, out)?;
        out.put_slice(self.handshake_mac);
        out.put_u16(64);
        out.put_slice(self.signature);
        Ok(())
    }
}

impl<'a> RelayBody<'a> for EstablishIntro<'a> {
    const COMMAND: RelayCmd = RelayCmd::ESTABLISH_INTRO;
}

impl<'a> Body<'a> for IntroEstablished<'a> {
    const NAME: &'static str = "INTRO_ESTABLISHED";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(extensions, |extensions| Self { extensions }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        put_extensions(&self.extensions, out)
    }
}

impl<'a> RelayBody<'a> for IntroEstablished<'a> {
    const COMMAND: RelayCmd = RelayCmd::INTRO_ESTABLISHED;
}

impl<'a> Body<'a> for DosParams {
    const NAME: &'static str = "introduction DoS parameters";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let one = map((map(be_u8, DosParamKind), be_u64), |(kind, value)| DosParam { kind, value });
        map(length_count(be_u8, one), |params| Self { params }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(len_u8("DoS parameters", self.params.len())?);
        for param in &self.params {
            out.put_u8(param.kind.0);
            out.put_u64(param.value);
        }
        Ok(())
    }
}

/// Key type 2 and length 32: how an Ed25519 key starts.
pub(super) const ED25519_KEY: [u8; 3] = [2, 0, 32];

/// An Ed25519 key with its type and length.
pub(super) fn ed25519_key(input: &[u8]) -> IResult<&[u8], &[u8; 32]> {
    let [kind, high, low] = ED25519_KEY;
    let (rest, _) = (exactly(kind), exactly(high), exactly(low)).parse(input)?;
    array(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ed25519_keys_and_signatures() {
        let intro = EstablishIntro {
            auth_key: &[3; 32],
            extensions: vec![],
            handshake_mac: &[4; 32],
            signature: &[5; 64],
        };
        let mut good = Vec::new();
        intro.encode(&mut good).unwrap();
        assert!(EstablishIntro::decode(&good).is_ok());
        assert!(EstablishIntro::decode(&good[..good.len() - 1]).is_err());
        // The key's type and length, the signature's length.
        for at in [0, 1, 2, good.len() - 66, good.len() - 65] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(EstablishIntro::decode(&bad).is_err(), "{at}");
        }
    }
}
