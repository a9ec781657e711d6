//! A relay with keys of its own, and a client end that is fed bytes.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use ed25519_dalek::SigningKey;
use serde_json::Value;
use tor_cell::{
    chan::{AuthChallenge, CertEntry, CertKind, Certs, LinkVersion, Netinfo, Versions},
    frame::{ChanCmd, put_message},
};
use tor_chan::{Expected, Handshake, Link, LinkError, Step, Target, responder::Credentials};
use tor_id::{
    Ed25519Id, RelayIds, RsaPrivateKey,
    certs::{CertType, CertifiedKey, NewCert},
};

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);
/// What stands for the digest of the TLS certificate.
pub(crate) const TLS: [u8; 32] = [0x71; 32];

pub(crate) fn load(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn bytes(hex_text: &Value) -> Vec<u8> {
    hex::decode(hex_text.as_str().unwrap()).unwrap()
}

pub(crate) fn array<const N: usize>(hex_text: &Value) -> [u8; N] {
    bytes(hex_text).try_into().unwrap()
}

/// One of the keys in `testdata/rsa_keys.json`.
pub(crate) fn rsa_key(name: &str) -> RsaPrivateKey {
    static KEYS: LazyLock<Value> = LazyLock::new(|| load("rsa_keys.json"));
    RsaPrivateKey::from_pkcs1_der(&bytes(&KEYS[name])).unwrap()
}

pub(crate) fn ed25519_id(key: &SigningKey) -> Ed25519Id {
    Ed25519Id::from_bytes(key.verifying_key().to_bytes())
}

/// The time of day, a whole hour.
pub(crate) fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "some instant is needed to count from")]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}

pub(crate) fn relay_address() -> IpAddr {
    IpAddr::from([192, 0, 2, 1])
}

pub(crate) fn client_address() -> IpAddr {
    IpAddr::from([198, 51, 100, 7])
}

/// A relay's keys.
pub(crate) struct Relay {
    pub(crate) rsa: RsaPrivateKey,
    pub(crate) identity: SigningKey,
    pub(crate) signing: SigningKey,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self {
            rsa: rsa_key("relay"),
            identity: SigningKey::from_bytes(&[1; 32]),
            signing: SigningKey::from_bytes(&[2; 32]),
        }
    }

    pub(crate) fn ids(&self) -> RelayIds {
        RelayIds::new(self.rsa.public().id(), Some(ed25519_id(&self.identity)))
    }

    /// Its certificates by type, all of them good.
    pub(crate) fn certs(&self) -> BTreeMap<u8, Vec<u8>> {
        let (from, to) = (wall() - 100 * DAY, wall() + 100 * DAY);
        let signing = CertifiedKey::Ed25519(ed25519_id(&self.signing));
        let id_signing = NewCert::new(CertType::ID_SIGNING, signing, to).including_signer();
        let link = NewCert::new(CertType::SIGNING_LINK, CertifiedKey::X509Sha256(TLS), wall() + DAY);
        BTreeMap::from([
            (2, self.rsa.identity_cert(from, to).unwrap()),
            (4, id_signing.sign(&self.identity).unwrap()),
            (5, link.sign(&self.signing).unwrap()),
            (7, self.rsa.crosscert(&ed25519_id(&self.identity), to).unwrap()),
        ])
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials {
            certs: self.certs().into_iter().map(|(kind, body)| (CertType(kind), body)).collect(),
            challenge: [3; 32],
            time: 0,
            addresses: vec![relay_address()],
        }
    }
}

/// The cells that a relay sends, one by one.
pub(crate) fn versions_cell(offered: &[u16]) -> BytesMut {
    let mut cell = BytesMut::new();
    let offered = offered.iter().map(|&version| LinkVersion(version)).collect();
    put_message(None, &Versions { offered }, &mut cell).unwrap();
    cell
}

pub(crate) fn certs_cell(certs: &BTreeMap<u8, Vec<u8>>) -> BytesMut {
    let mut cell = BytesMut::new();
    let certs = certs.iter().map(|(&kind, body)| CertEntry { kind: CertKind(kind), body }).collect();
    put_message(None, &Certs { certs }, &mut cell).unwrap();
    cell
}

pub(crate) fn challenge_cell() -> BytesMut {
    let mut cell = BytesMut::new();
    put_message(None, &AuthChallenge { challenge: &[3; 32], methods: vec![] }, &mut cell).unwrap();
    cell
}

pub(crate) fn netinfo_cell(timestamp: u32) -> BytesMut {
    let mut cell = BytesMut::new();
    let netinfo = Netinfo { timestamp, receiver: Some(client_address()), sender: vec![relay_address()] };
    put_message(None, &netinfo, &mut cell).unwrap();
    cell
}

/// A cell with 4-byte circuit id and a body of zeros.
pub(crate) fn raw_cell(circ: u32, command: u8) -> Vec<u8> {
    let mut cell = circ.to_be_bytes().to_vec();
    cell.push(command);
    let body = if ChanCmd(command).is_variable() { 2 } else { 509 };
    cell.resize(5 + body, 0);
    cell
}

/// A client's end.
pub(crate) struct Client {
    handshake: Option<Handshake>,
    pub(crate) link: Option<Link>,
    pub(crate) out: BytesMut,
    pub(crate) wall: SystemTime,
}

impl Client {
    pub(crate) fn new(expected: Expected) -> Self {
        Self::over(TLS, expected)
    }

    pub(crate) fn over(tls_cert_sha256: [u8; 32], expected: Expected) -> Self {
        let mut out = BytesMut::new();
        let target = Target { expected, tls_cert_sha256, address: relay_address().into() };
        let handshake = Handshake::start(target, now(), &mut out);
        Self { handshake: Some(handshake), link: None, out, wall: wall() }
    }

    /// Takes whole cells off `input` until the link is open or the bytes are not enough. Gives back the rest.
    pub(crate) fn consume<'a>(&mut self, mut input: &'a [u8]) -> Result<&'a [u8], LinkError> {
        while let Some(handshake) = self.handshake.take() {
            let Some(frame) = handshake.frame(input)? else {
                self.handshake = Some(handshake);
                break;
            };
            input = &input[frame.len..];
            match handshake.on_frame(&frame, self.wall, &mut self.out)? {
                Step::Next(next) => self.handshake = Some(next),
                Step::Done(link) => self.link = Some(link),
            }
        }
        Ok(input)
    }

    /// The same, where all of `input` should go.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(), LinkError> {
        self.consume(input).map(|_| ())
    }

    /// Feeds one cell after the other; the error of the one that is refused.
    pub(crate) fn feed_all(&mut self, cells: &[impl AsRef<[u8]>]) -> Result<(), LinkError> {
        cells.iter().try_for_each(|cell| self.feed(cell.as_ref()))
    }
}
