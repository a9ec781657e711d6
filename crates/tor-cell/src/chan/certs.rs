//! CERTS proves who the responder of a link is: a list of certificates, which `tor-id` reads and checks.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html#CERTS-cells>

use bytes::BufMut;
use nom::{
    IResult, Parser,
    combinator::map,
    multi::{length_count, length_data},
    number::complete::{be_u8, be_u16},
};

use crate::{
    Body, ChanBody, TooLong,
    code_point::code_points,
    codec::{len_u8, len_u16, refuse},
    frame::ChanCmd,
};

code_points! {
    /// What an entry of CERTS certifies, and in which form.
    pub struct CertKind(u8);
    /// X.509: the TLS key, signed with the RSA identity key. Obsolete.
    RSA_LINK = 1,
    /// X.509: the RSA identity key, signed with itself.
    RSA_ID = 2,
    /// X.509: an RSA key for AUTHENTICATE, signed with the RSA identity key. Obsolete.
    RSA_AUTH = 3,
    /// Ed25519: the signing key, signed with the Ed25519 identity key.
    ED25519_SIGNING = 4,
    /// Ed25519: the digest of the TLS certificate, signed with the signing key.
    ED25519_TLS = 5,
    /// Ed25519: a key for AUTHENTICATE, signed with the signing key.
    ED25519_AUTH = 6,
    /// The Ed25519 identity key, signed with the RSA identity key.
    RSA_CROSSCERT = 7,
}

/// CERTS.
///
/// | bytes | field |
/// |---|---|
/// | 1 | number of certificates; each is kind(1), length(2), body |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certs<'a> {
    /// The certificates, in the order of the cell; no kind is there twice.
    pub certs: Vec<CertEntry<'a>>,
}

/// One certificate of CERTS, unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertEntry<'a> {
    /// What it should certify.
    pub kind: CertKind,
    /// The certificate.
    pub body: &'a [u8],
}

impl<'a> Certs<'a> {
    /// The certificate of one kind.
    pub fn body(&self, kind: CertKind) -> Option<&'a [u8]> {
        self.certs.iter().find(|cert| cert.kind == kind).map(|cert| cert.body)
    }
}

impl<'a> Body<'a> for Certs<'a> {
    const NAME: &'static str = "CERTS";

    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        let entry = map((map(be_u8, CertKind), length_data(be_u16)), |(kind, body)| CertEntry { kind, body });
        let (rest, certs) = length_count(be_u8, entry).parse(input)?;
        // MUST NOT hold more than one certificate of any kind.
        let mut kinds: Vec<CertKind> = certs.iter().map(|cert| cert.kind).collect();
        kinds.sort_unstable();
        if kinds.is_sorted_by(|a, b| a < b) { Ok((rest, Self { certs })) } else { refuse(input) }
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        out.put_u8(len_u8("certificates", self.certs.len())?);
        for cert in &self.certs {
            out.put_u8(cert.kind.0);
            out.put_u16(len_u16("certificate", cert.body.len())?);
            out.put_slice(cert.body);
        }
        Ok(())
    }
}

impl<'a> ChanBody<'a> for Certs<'a> {
    const COMMAND: ChanCmd = ChanCmd::CERTS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_twice_is_an_error() {
        let entry = |kind| CertEntry { kind, body: b"x" };
        for (kinds, good) in [([4, 7, 5], true), ([4, 7, 4], false), ([9, 1, 9], false)] {
            let mut wire = Vec::new();
            let certs = kinds.map(|kind| entry(CertKind(kind))).to_vec();
            Certs { certs }.encode(&mut wire).unwrap();
            assert_eq!(Certs::decode(&wire).is_ok(), good);
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error() {
        assert!(Certs::decode(&[1, 4, 0, 2, 0, 0]).is_ok());
        assert!(Certs::decode(&[1, 4, 0, 2, 0]).is_err());
        assert!(Certs::decode(&[2, 4, 0, 2, 0, 0]).is_err());
        assert!(Certs::decode(&[]).is_err());
    }
}
