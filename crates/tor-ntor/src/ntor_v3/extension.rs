//! What a circuit negotiates: the messages inside ntor-v3.
//! <https://spec.torproject.org/proposals/332-ntor-v3-with-extra-data.html#a2-encoding-for-use-with-tor-circuit-extension>
//!
//! A message is a count of extensions, then for each its type(1), length(1) and body, sorted by type.
//!
//! | type | from | body | |
//! |---|---|---|---|
//! | 1 | client | nothing | asks for congestion control (proposal 324) |
//! | 2 | relay | 1 byte, `sendme_inc`, not zero | grants it |
//! | 3 | client | pairs of protocol(1) and version(1), sorted | subprotocols to use on this circuit (proposal 346) |
//!
//! Of two extensions of one type, the first counts; types that we don't know are ignored.

use std::{collections::BTreeSet, num::NonZeroU8};

use crate::HandshakeError;

/// What a client asks of a hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CircuitRequest {
    /// To do congestion control on this circuit.
    pub congestion_control: bool,
    /// To use these subprotocols; the relay refuses the handshake unless it takes all of them. At most 127.
    pub subprotocols: BTreeSet<Subprotocol>,
}

/// One capability of a relay, as its `proto` line names it: a protocol in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subprotocol {
    /// The protocol's number: 2 is Relay.
    pub protocol: u8,
    /// The version.
    pub version: u8,
}

/// What the relay grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CircuitReply {
    /// With congestion control: how many cells a SENDME acknowledges. Whoever asked must compare it with what
    /// the consensus says.
    pub sendme_inc: Option<NonZeroU8>,
}

impl Subprotocol {
    /// `Relay=6`: Counter Galois Onion encryption of relay cells.
    pub const RELAY_CGO: Self = Self { protocol: 2, version: 6 };
}

impl CircuitRequest {
    /// # Errors
    /// If there are too many subprotocols for their field.
    pub(super) fn encode(&self) -> Result<Vec<u8>, HandshakeError> {
        let pairs: Vec<u8> =
            self.subprotocols.iter().flat_map(|wanted| [wanted.protocol, wanted.version]).collect();
        let length =
            u8::try_from(pairs.len()).map_err(|_| HandshakeError::TooLong { what: "subprotocol request" })?;
        let mut message = vec![u8::from(self.congestion_control) + u8::from(length > 0)];
        if self.congestion_control {
            message.extend([CC_REQUEST, 0]);
        }
        if length > 0 {
            message.extend([SUBPROTOCOLS, length]);
            message.extend(pairs);
        }
        Ok(message)
    }

    /// # Errors
    /// If the message is malformed, or its subprotocols are not in order.
    pub(super) fn decode(message: &[u8]) -> Result<Self, HandshakeError> {
        const MALFORMED: HandshakeError = HandshakeError::Malformed { what: "subprotocol request" };
        let extensions = Extensions::parse(message)?;
        let (pairs, odd) = extensions.find(SUBPROTOCOLS).unwrap_or_default().as_chunks();
        let subprotocols: Vec<_> =
            pairs.iter().map(|&[protocol, version]| Subprotocol { protocol, version }).collect();
        // proposal 346: sorted, and each once.
        if !odd.is_empty() || !subprotocols.is_sorted_by(|one, next| one < next) {
            return Err(MALFORMED);
        }
        Ok(Self {
            congestion_control: extensions.find(CC_REQUEST).is_some(),
            subprotocols: subprotocols.into_iter().collect(),
        })
    }
}

impl CircuitReply {
    pub(super) fn encode(self) -> Vec<u8> {
        match self.sendme_inc {
            Some(cells) => vec![1, CC_RESPONSE, 1, cells.get()],
            None => vec![0],
        }
    }

    /// # Errors
    /// If the message is malformed.
    pub(super) fn decode(message: &[u8]) -> Result<Self, HandshakeError> {
        const MALFORMED: HandshakeError = HandshakeError::Malformed { what: "congestion control response" };
        let sendme_inc = match Extensions::parse(message)?.find(CC_RESPONSE) {
            None => None,
            Some(&[cells]) => Some(NonZeroU8::new(cells).ok_or(MALFORMED)?),
            Some(_) => return Err(MALFORMED),
        };
        Ok(Self { sendme_inc })
    }
}

const CC_REQUEST: u8 = 1;
const CC_RESPONSE: u8 = 2;
const SUBPROTOCOLS: u8 = 3;

struct Extensions<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Extensions<'a> {
    /// Proposal 332 A.2: all parties MUST reject messages that are not well-formed.
    fn parse(message: &'a [u8]) -> Result<Self, HandshakeError> {
        Self::read(message).ok_or(HandshakeError::Malformed { what: "list of handshake extensions" })
    }

    fn read(message: &'a [u8]) -> Option<Self> {
        let (&count, mut rest) = message.split_first()?;
        let mut all = Vec::with_capacity(count.into());
        for _ in 0..count {
            let (&[kind, length], tail) = rest.split_first_chunk()?;
            let (body, tail) = tail.split_at_checked(length.into())?;
            all.push((kind, body));
            rest = tail;
        }
        rest.is_empty().then_some(Self(all))
    }

    /// Proposal 332 A.2: all occurrences after the first MUST be ignored, and so must unknown types.
    fn find(&self, kind: u8) -> Option<&'a [u8]> {
        self.0.iter().find(|&&(found, _)| found == kind).map(|&(_, body)| body)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_set, vec},
        option,
        prelude::*,
    };

    use super::*;

    fn any_request() -> impl Strategy<Value = CircuitRequest> {
        let subprotocol = any::<(u8, u8)>().prop_map(|(protocol, version)| Subprotocol { protocol, version });
        (any::<bool>(), btree_set(subprotocol, 0..128)).prop_map(|(congestion_control, subprotocols)| {
            CircuitRequest { congestion_control, subprotocols }
        })
    }

    proptest! {
        #[test]
        fn requests_survive_the_wire(request in any_request()) {
            prop_assert_eq!(CircuitRequest::decode(&request.encode()?)?, request);
        }

        #[test]
        fn replies_survive_the_wire(sendme_inc in option::of(1u8..)) {
            let reply = CircuitReply { sendme_inc: sendme_inc.and_then(NonZeroU8::new) };
            prop_assert_eq!(CircuitReply::decode(&reply.encode())?, reply);
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
            let _ = CircuitRequest::decode(&bytes);
            let _ = CircuitReply::decode(&bytes);
        }
    }

    #[test]
    fn only_well_formed_messages() {
        assert!(CircuitReply::decode(&[0]).is_ok());
        for bad in [
            &[][..],
            &[1],
            &[1, 9],
            &[1, 9, 1],
            &[0, 0],
            &[1, 9, 0, 0],
            &[2, 9, 0],
            &[1, 2, 0],
            &[1, 2, 1, 0],
            &[1, 2, 2, 31, 0],
        ] {
            assert!(CircuitReply::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_first_of_a_type_counts_and_unknown_types_do_not() {
        let reply = CircuitReply::decode(&[4, 200, 2, 1, 2, 2, 1, 31, 2, 0, 201, 0]).unwrap();
        assert_eq!(reply.sendme_inc, NonZeroU8::new(31));
    }

    #[test]
    fn subprotocols_are_sorted_pairs() {
        let decode = |body: &[u8]| {
            let length = u8::try_from(body.len()).unwrap();
            CircuitRequest::decode(&[&[1, 3, length], body].concat())
        };
        let wanted = decode(&[1, 9, 2, 5, 2, 6]).unwrap().subprotocols;
        assert_eq!((wanted.len(), wanted.last()), (3, Some(&Subprotocol::RELAY_CGO)));
        for bad in [&[2][..], &[2, 6, 3], &[2, 6, 2, 5], &[2, 6, 1, 7], &[2, 6, 2, 6]] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_more_subprotocols_than_fit() {
        let wanted = |count: u8| CircuitRequest {
            congestion_control: true,
            subprotocols: (0..count).map(|version| Subprotocol { protocol: 2, version }).collect(),
        };
        assert!(wanted(127).encode().is_ok());
        assert!(wanted(128).encode().is_err());
    }
}
