//! What a client tells an onion service inside INTRODUCE1: where to meet.
//! <https://spec.torproject.org/rend-spec/introduction-protocol.html>

use bytes::BufMut;
use nom::{
    IResult, Parser,
    multi::length_count,
    number::complete::{be_u8, be_u32},
};
use tor_id::LinkSpec;

use super::{
    Extension, RendezvousCookie,
    extension::{extensions, put_extensions},
};
use crate::{
    Body, TooLong,
    codec::{array, exactly, len_u8, whole},
};

/// The decrypted part of INTRODUCE2.
///
/// | bytes | field |
/// |---|---|
/// | 20 | rendezvous cookie |
/// | | extensions |
/// | 1 | key type, 1 (ntor) |
/// | 2 + 32 | the rendezvous point's onion key, length-prefixed |
/// | 1 | number of link specifiers; each is kind(1), length(1), body |
/// | | padding |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntroducePlaintext<'a> {
    /// By this the rendezvous point knows the client's circuit.
    pub cookie: RendezvousCookie,
    /// Extensions, readable by the service.
    pub extensions: Vec<Extension<'a>>,
    /// The rendezvous point's ntor key.
    pub onion_key: &'a [u8; 32],
    /// The rendezvous point.
    pub target: Vec<LinkSpec>,
    /// Zeros, so that all such messages are equally long.
    pub padding: &'a [u8],
}

/// The extension that proves work, version 1.
///
/// | bytes | field |
/// |---|---|
/// | 1 | version, 1 (Equi-X) |
/// | 16 | nonce |
/// | 4 | effort |
/// | 4 | the first bytes of the seed |
/// | 16 | solution |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofOfWork {
    /// Chosen by the client.
    pub nonce: [u8; 16],
    /// How much work the solution claims.
    pub effort: u32,
    /// Tells which of the service's seeds was used.
    pub seed_head: [u8; 4],
    /// The Equi-X solution.
    pub solution: [u8; 16],
}

impl<'a> Body<'a> for IntroducePlaintext<'a> {
    const NAME: &'static str = "INTRODUCE plaintext";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, cookie) = RendezvousCookie::parse(input)?;
        let (rest, extensions) = extensions(rest)?;
        let (rest, _) = (exactly(1), exactly(0), exactly(32)).parse(rest)?;
        let (rest, onion_key) = array(rest)?;
        let (rest, target) = length_count(be_u8, LinkSpec::parse).parse(rest)?;
        let (rest, padding) = whole(rest)?;
        Ok((rest, Self { cookie, extensions, onion_key, target, padding }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_slice(&self.cookie.0);
        put_extensions(&self.extensions, out)?;
        out.put_slice(&[1, 0, 32]);
        out.put_slice(self.onion_key);
        out.put_u8(len_u8("link specifiers", self.target.len())?);
        for spec in &self.target {
            spec.encode(out).map_err(|_| TooLong { what: "link specifier" })?;
        }
        out.put_slice(self.padding);
        Ok(())
    }
}

impl<'a> Body<'a> for ProofOfWork {
    const NAME: &'static str = "proof of work";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let (rest, ()) = exactly(1)(input)?;
        let (rest, nonce) = array(rest)?;
        let (rest, effort) = be_u32(rest)?;
        let (rest, seed_head) = array(rest)?;
        let (rest, solution) = array(rest)?;
        Ok((rest, Self { nonce: *nonce, effort, seed_head: *seed_head, solution: *solution }))
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(1);
        out.put_slice(&self.nonce);
        out.put_u32(self.effort);
        out.put_slice(&self.seed_head);
        out.put_slice(&self.solution);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ntor_keys() {
        let plaintext = IntroducePlaintext {
            cookie: RendezvousCookie([1; 20]),
            extensions: vec![],
            onion_key: &[2; 32],
            target: vec![],
            padding: &[],
        };
        let mut good = Vec::new();
        plaintext.encode(&mut good).unwrap();
        for at in [21, 22, 23] {
            let mut bad = good.clone();
            bad[at] ^= 2;
            assert!(IntroducePlaintext::decode(&bad).is_err(), "{at}");
        }
    }

    #[test]
    fn only_version_1_of_the_work() {
        let mut body = [9; 41];
        for version in 0..=255 {
            body[0] = version;
            assert_eq!(ProofOfWork::decode(&body).is_ok(), version == 1);
        }
    }
}
