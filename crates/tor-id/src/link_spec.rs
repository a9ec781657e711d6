//! Link specifiers: how a relay names another relay on the wire.
//! <https://spec.torproject.org/tor-spec/create-created-cells.html#EXTEND>
//!
//! | bytes | field |
//! |---|---|
//! | 1 | kind: 0 IPv4, 1 IPv6, 2 RSA id, 3 Ed25519 id |
//! | 1 | n |
//! | n | body |
//!
//! A kind that we do not know is kept as it came, in its place: a relay that extends for us, or an onion
//! service that names its introduction point, may know more than we do.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use bytes::BufMut;
use nom::{IResult, Parser, bytes::complete::take, multi::length_data, number::complete::be_u8};
use thiserror::Error;

use crate::{Ed25519Id, RsaId};

/// One way to name or to reach a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkSpec {
    /// Kind 0 or 1: where the relay's OR port is.
    Address(SocketAddr),
    /// Kind 2: the relay's RSA identity.
    Rsa(RsaId),
    /// Kind 3: the relay's Ed25519 identity.
    Ed25519(Ed25519Id),
    /// Any other kind, as it came.
    Unknown {
        /// The kind, 4 to 255.
        kind: u8,
        /// The body, at most 255 bytes.
        body: Vec<u8>,
    },
}

/// A link specifier that can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a link specifier's body is at most 255 bytes long")]
pub struct LinkSpecError;

impl LinkSpec {
    /// Reads one link specifier. A known kind with the wrong length is an error.
    ///
    /// # Errors
    /// A nom error where the input is short or a length does not fit its kind.
    pub fn parse(input: &[u8]) -> IResult<&[u8], Self> {
        let (rest, kind) = be_u8(input)?;
        let (rest, body) = length_data(be_u8).parse(rest)?;
        let wrong = || nom::Err::Error(nom::error::Error::new(body, nom::error::ErrorKind::LengthValue));
        let spec = match kind {
            0 | 1 => Self::Address(address(kind, body).ok_or_else(wrong)?),
            2 => Self::Rsa(RsaId::from_slice(body).map_err(|_| wrong())?),
            3 => Self::Ed25519(Ed25519Id::from_slice(body).map_err(|_| wrong())?),
            _ => Self::Unknown { kind, body: body.to_vec() },
        };
        Ok((rest, spec))
    }

    /// Writes the link specifier.
    ///
    /// # Errors
    /// If an unknown kind's body is longer than 255 bytes.
    pub fn encode(&self, out: &mut impl BufMut) -> Result<(), LinkSpecError> {
        match self {
            Self::Address(SocketAddr::V4(v4)) => {
                out.put_slice(&[0, 6]);
                out.put_slice(&v4.ip().octets());
                out.put_u16(v4.port());
            }
            Self::Address(SocketAddr::V6(v6)) => {
                out.put_slice(&[1, 18]);
                out.put_slice(&v6.ip().octets());
                out.put_u16(v6.port());
            }
            Self::Rsa(id) => {
                out.put_slice(&[2, 20]);
                out.put_slice(id.as_bytes());
            }
            Self::Ed25519(id) => {
                out.put_slice(&[3, 32]);
                out.put_slice(id.as_bytes());
            }
            Self::Unknown { kind, body } => {
                let length = u8::try_from(body.len()).map_err(|_| LinkSpecError)?;
                out.put_slice(&[*kind, length]);
                out.put_slice(body);
            }
        }
        Ok(())
    }
}

fn address(kind: u8, body: &[u8]) -> Option<SocketAddr> {
    let ip_len: usize = if kind == 0 { 4 } else { 16 };
    let (port, ip) = take::<_, _, ()>(ip_len)(body).ok()?;
    let port = u16::from_be_bytes(port.try_into().ok()?);
    Some(if kind == 0 {
        SocketAddrV4::new(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?), port).into()
    } else {
        SocketAddrV6::new(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?), port, 0, 0).into()
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn any_spec() -> impl Strategy<Value = LinkSpec> {
        prop_oneof![
            any::<(Ipv4Addr, u16)>().prop_map(|a| LinkSpec::Address(a.into())),
            any::<(Ipv6Addr, u16)>().prop_map(|a| LinkSpec::Address(a.into())),
            any::<[u8; 20]>().prop_map(|id| LinkSpec::Rsa(RsaId::from_bytes(id))),
            any::<[u8; 32]>().prop_map(|id| LinkSpec::Ed25519(Ed25519Id::from_bytes(id))),
            (4u8.., vec(any::<u8>(), 0..256)).prop_map(|(kind, body)| LinkSpec::Unknown { kind, body }),
        ]
    }

    proptest! {
        #[test]
        fn survives_the_wire(spec in any_spec()) {
            let mut wire = Vec::new();
            spec.encode(&mut wire).unwrap();
            let (rest, back) = LinkSpec::parse(&wire).unwrap();
            prop_assert!(rest.is_empty());
            prop_assert_eq!(back, spec);
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
            let _ = LinkSpec::parse(&bytes);
        }
    }

    #[test]
    fn a_known_kind_must_have_its_length() {
        for (kind, right) in [(0u8, 6u8), (1, 18), (2, 20), (3, 32)] {
            for length in [right - 1, right + 1] {
                let mut wire = vec![kind, length];
                wire.extend(vec![0; length.into()]);
                assert!(LinkSpec::parse(&wire).is_err(), "kind {kind} length {length}");
            }
        }
    }
}
