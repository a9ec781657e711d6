//! Known answers: the certificates of a real relay, and sequences of cells.

use std::time::{Duration, UNIX_EPOCH};

use bytes::BytesMut;
use serde_json::Value;
use tor_cell::{
    chan::LinkVersion,
    frame::{ChanCmd, CircIdWidth, put_variable},
};
use tor_chan::{Expected, LinkError};
use tor_id::{
    Ed25519Id, RelayIds, RsaId,
    certs::{CertError, CertType},
};

use crate::support::*;

/// The relay of `certs.json`.
struct Known {
    data: Value,
}

impl Known {
    fn load() -> Self {
        Self { data: load("certs.json") }
    }

    fn ids(&self) -> RelayIds {
        let ed25519 = Ed25519Id::from_bytes(array(&self.data["peer_ed25519_id"]));
        RelayIds::new(RsaId::from_bytes(array(&self.data["peer_rsa_id"])), Some(ed25519))
    }

    /// A client connected to it, at a time when its certificates were valid.
    fn client(&self, expected: Expected) -> Client {
        let mut client = Client::over(array(&self.data["peer_tls_cert_sha256"]), expected);
        client.wall = UNIX_EPOCH + Duration::from_secs(self.data["valid_at_unix"].as_u64().unwrap());
        client.feed(&versions_cell(&[3, 4, 5])).unwrap();
        client
    }

    /// Its certificates: type and body.
    fn certs(&self) -> Vec<(u8, Vec<u8>)> {
        let cell = bytes(&self.data["certs_cell_body"]);
        let (mut certs, mut rest) = (Vec::new(), &cell[1..]);
        while let [kind, high, low, tail @ ..] = rest {
            let (cert, tail) = tail.split_at(u16::from_be_bytes([*high, *low]).into());
            certs.push((*kind, cert.to_vec()));
            rest = tail;
        }
        certs
    }

    fn cell(certs: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut body = vec![u8::try_from(certs.len()).unwrap()];
        for (kind, cert) in certs {
            body.push(*kind);
            body.extend(u16::try_from(cert.len()).unwrap().to_be_bytes());
            body.extend(cert);
        }
        let mut cell = BytesMut::new();
        put_variable(ChanCmd::CERTS, &body, CircIdWidth::Four, &mut cell).unwrap();
        cell.to_vec()
    }

    fn refuses(&self, certs: &[(u8, Vec<u8>)]) -> LinkError {
        self.client(Expected::from(self.ids())).feed(&Self::cell(certs)).unwrap_err()
    }
}

#[test]
fn a_real_relays_certificates_pass() {
    let known = Known::load();
    let mut client = known.client(Expected::from(known.ids()));
    client
        .feed_all(&[Known::cell(&known.certs()), challenge_cell().to_vec(), netinfo_cell(0).to_vec()])
        .unwrap();
    assert_eq!(client.link.unwrap().peer, known.ids());
}

/// The newest relay there is, byte for byte.
#[test]
fn a_recorded_c_tor_relay_opens_a_link() {
    let data = load("c_tor_link.json");
    let ed25519 = Ed25519Id::from_bytes(array(&data["ed25519_id"]));
    let ids = RelayIds::new(RsaId::from_bytes(array(&data["rsa_id"])), Some(ed25519));
    let mut client = Client::over(array(&data["tls_cert_sha256"]), Expected::from(ids));
    client.wall = UNIX_EPOCH + Duration::from_secs(data["recorded_at_unix"].as_u64().unwrap());
    client.feed(&bytes(&data["bytes"])).unwrap();
    let link = client.link.unwrap();
    assert_eq!((link.version, link.peer), (LinkVersion::V5, ids));
    assert!(link.clock_skew.is_some_and(|skew| (0..5).contains(&skew)), "{:?}", link.clock_skew);
    assert_eq!(link.our_address.unwrap().reveal().to_string(), "127.0.0.1");
}

/// The list `must_reject_handshake` of the vectors, line by line.
#[test]
fn what_must_be_rejected_is() {
    let known = Known::load();
    for kind in [2, 4, 5, 7] {
        let certs: Vec<_> = known.certs().into_iter().filter(|cert| cert.0 != kind).collect();
        assert_eq!(known.refuses(&certs), LinkError::MissingCert { kind: CertType(kind) });
    }
    for kind in [5, 7] {
        let mut certs = known.certs();
        let cert = certs.iter_mut().find(|cert| cert.0 == kind).unwrap();
        *cert.1.last_mut().unwrap() ^= 1;
        let error = CertError::BadSignature;
        assert_eq!(known.refuses(&certs), LinkError::BadCert { kind: CertType(kind), error });
    }

    let good = Known::cell(&known.certs());
    let mut elsewhere = Client::over([0; 32], Expected::default());
    elsewhere.wall = known.client(Expected::default()).wall;
    elsewhere.feed(&versions_cell(&[5])).unwrap();
    assert_eq!(elsewhere.feed(&good), Err(LinkError::TlsCertificate));

    let other = Expected { rsa: None, ed25519: Some(Ed25519Id::from_bytes([1; 32])) };
    assert!(matches!(known.client(other).feed(&good), Err(LinkError::WrongEd25519Id { .. })));
    let other = Expected { rsa: Some(RsaId::from_bytes([1; 20])), ed25519: None };
    assert!(matches!(known.client(other).feed(&good), Err(LinkError::WrongRsaId { .. })));

    let mut late = known.client(Expected::default());
    late.wall = UNIX_EPOCH + Duration::from_secs(1_603_821_600);
    let expired = LinkError::BadCert { kind: CertType::ID_SIGNING, error: CertError::Expired };
    assert_eq!(late.feed(&good), Err(expired));

    let mut twice = known.client(Expected::default());
    twice.feed(&good).unwrap();
    assert!(matches!(twice.feed(&good), Err(LinkError::Unexpected { got: ChanCmd::CERTS, .. })));
    let mut certs = known.certs();
    certs.push(certs[1].clone());
    assert!(matches!(known.refuses(&certs), LinkError::Malformed(_)));
    let mut addressed = good;
    addressed[3] = 1;
    let refused = known.client(Expected::default()).feed(&addressed);
    assert_eq!(refused, Err(LinkError::CircuitId { command: ChanCmd::CERTS }));
}

/// Each sequence of the vectors, with the known relay's CERTS for the empty one.
#[test]
fn sequences_of_cells() {
    let (known, data) = (Known::load(), load("channel_cells.json"));
    let pieces = &data["handshake_sequences"]["pieces"];
    let mut seen = 0;
    for sequence in data["handshake_sequences"]["sequences"].as_array().unwrap() {
        let mut client = Client::over(array(&known.data["peer_tls_cert_sha256"]), Expected::default());
        client.wall = UNIX_EPOCH + Duration::from_secs(known.data["valid_at_unix"].as_u64().unwrap());
        let cells: Vec<Vec<u8>> = match sequence["cells"].as_array() {
            Some(cells) => cells.iter().map(|cell| piece(&known, pieces, cell.as_str().unwrap())).collect(),
            None => vec![bytes(&sequence["bytes"])],
        };
        let result = client.feed_all(&cells);
        let expect = sequence["expect"].as_str().unwrap();
        seen += 1;
        let error = |got| Err(LinkError::Unexpected { awaiting: ChanCmd::VERSIONS, got });
        match expect {
            "framing ok, link protocol 5" => {
                assert_eq!(client.link.unwrap().version, LinkVersion::V5);
            }
            "framing ok; clock skew computed from NETINFO time" => {
                let ours = known.data["valid_at_unix"].as_i64().unwrap();
                assert_eq!(client.link.unwrap().clock_skew, Some(ours - 0x4894_9290));
            }
            "error (HTTP://)" => assert_eq!(result, error(ChanCmd(b'T'))),
            "error: stream ends before NETINFO" => assert!(result.is_ok() && client.link.is_none()),
            "error: CERTS cell with count 1 and no body" => {
                assert!(matches!(result, Err(LinkError::Malformed(_))));
            }
            _ => {
                assert!(expect.starts_with("error: "), "{expect}");
                assert!(matches!(result, Err(LinkError::Unexpected { .. })), "{expect}: {result:?}");
            }
        }
    }
    assert_eq!(seen, 9);
}

fn piece(known: &Known, pieces: &Value, name: &str) -> Vec<u8> {
    match name {
        "NOCERTS" => Known::cell(&known.certs()),
        "<00000001 01 padded to 514>" => raw_cell(1, 1),
        "00000000810001 01" => hex::decode("0000000081000101").unwrap(),
        _ => {
            let mut cell = bytes(&pieces[name]);
            if name.starts_with("NETINFO") {
                cell.resize(514, 0);
            }
            cell
        }
    }
}
