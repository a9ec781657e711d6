//! The documents of a network: certificates of its authorities, a consensus that they have signed, and
//! microdescriptors.

use std::{
    io,
    time::{Duration, SystemTime},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tor_id::{RelayIds, RsaPrivateKey};

use crate::Relay;

const HOUR: Duration = Duration::from_hours(1);
const KEY_BITS: usize = 1024;

/// What the consensus says of each relay.
const OF_EACH_RELAY: &str = "s Exit Fast Guard HSDir Running Stable V2Dir Valid\n\
    v Tor 0.4.9.11\n\
    pr Cons=1-2 Desc=1-2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=2 Link=1-5 LinkAuth=3 Microdesc=1-2 \
    Padding=2 Relay=1-4\n\
    w Bandwidth=1000\n";
const FOOTER: &str = "directory-footer\n\
    bandwidth-weights Wbd=0 Wbe=0 Wbg=3333 Wbm=10000 Wdb=10000 Web=10000 Wed=10000 Wee=10000 Weg=10000 \
    Wem=10000 Wgb=10000 Wgd=0 Wgg=6667 Wgm=6667 Wmb=10000 Wmd=0 Wme=0 Wmg=3333 Wmm=10000\n";

/// The keys of directory authorities.
#[derive(Clone, Debug)]
pub struct Authorities(Vec<Authority>);

#[derive(Clone, Debug)]
struct Authority {
    identity: RsaPrivateKey,
    signing: RsaPrivateKey,
}

/// The documents of one network at one time.
#[derive(Clone, Debug)]
pub struct Documents {
    authorities: Authorities,
    made: SystemTime,
    relays: Vec<Entry>,
}

/// A relay in the documents.
#[derive(Clone, Debug)]
struct Entry {
    ids: RelayIds,
    or_port: u16,
    microdesc: String,
}

impl Authorities {
    /// So many, the same ones each time.
    ///
    /// # Errors
    /// If no RSA key could be made.
    pub fn new(count: u64) -> io::Result<Self> {
        let key = |seed| {
            let mut rng = ChaCha12Rng::seed_from_u64(seed);
            RsaPrivateKey::generate(KEY_BITS, &mut rng).map_err(io::Error::other)
        };
        let authority = |index| {
            Ok(Authority { identity: key((1 << 32) + 2 * index)?, signing: key((1 << 32) + 2 * index + 1)? })
        };
        (0..count).map(authority).collect::<io::Result<_>>().map(Self)
    }
}

impl Authority {
    fn cert(&self, made: SystemTime) -> io::Result<String> {
        let identity = self.identity.public();
        let mut cert = format!(
            "dir-key-certificate-version 3\nfingerprint {}\ndir-key-published {}\ndir-key-expires {}\n",
            hex(identity.id().as_bytes()),
            date(made - 24 * HOUR),
            date(made + 1000 * HOUR),
        );
        cert += &format!("dir-identity-key\n{}", identity.to_pem());
        cert += &format!("dir-signing-key\n{}", self.signing.public().to_pem());
        let crosscert = self.signing.sign_raw(identity.id().as_bytes()).map_err(io::Error::other)?;
        cert += &format!("dir-key-crosscert\n{}", object("ID SIGNATURE", &crosscert));
        cert += "dir-key-certification\n";
        let signature = self.identity.sign_raw(&Sha1::digest(&cert)).map_err(io::Error::other)?;
        Ok(cert + &object("SIGNATURE", &signature))
    }
}

impl Documents {
    /// Documents about `relays`, made a minute before `now`.
    pub fn new<'r>(
        authorities: &Authorities,
        relays: impl IntoIterator<Item = &'r Relay>,
        now: SystemTime,
    ) -> Self {
        let mut relays: Vec<_> = relays.into_iter().map(Entry::new).collect();
        relays.sort_by_key(|entry| entry.ids.rsa);
        Self { authorities: authorities.clone(), made: now - Duration::from_secs(60), relays }
    }

    /// The values of the `DirAuthority` lines: the relays serve as the authorities.
    pub fn authority_lines(&self) -> Vec<String> {
        let line = |(index, (authority, relay)): (usize, (&Authority, &Entry))| {
            let v3_ident = hex(authority.identity.public().id().as_bytes());
            let fingerprint = hex(relay.ids.rsa.as_bytes());
            format!("auth{index} orport={} v3ident={v3_ident} 127.0.0.1:9 {fingerprint}", relay.or_port)
        };
        self.authorities.0.iter().zip(&self.relays).enumerate().map(line).collect()
    }

    /// The authorities' certificates.
    ///
    /// # Errors
    /// If they can't be signed.
    pub fn certs(&self) -> io::Result<String> {
        self.authorities.0.iter().map(|authority| authority.cert(self.made)).collect()
    }

    /// The consensus; the first `bad` of its signatures are wrong.
    ///
    /// # Errors
    /// If it can't be signed.
    pub fn consensus(&self, bad: usize) -> io::Result<String> {
        let mut text = self.unsigned();
        let digest = Sha256::digest(format!("{text}directory-signature "));
        for (index, Authority { identity, signing }) in self.authorities.0.iter().enumerate() {
            let mut signature = signing.sign_raw(&digest).map_err(io::Error::other)?;
            if let Some(last) = signature.last_mut().filter(|_| index < bad) {
                *last ^= 1;
            }
            text += &format!(
                "directory-signature sha256 {} {}\n{}",
                hex(identity.public().id().as_bytes()),
                hex(signing.public().id().as_bytes()),
                object("SIGNATURE", &signature)
            );
        }
        Ok(text)
    }

    fn unsigned(&self) -> String {
        let mut text = format!(
            "network-status-version 3 microdesc\nvote-status consensus\nconsensus-method 35\n\
             valid-after {}\nfresh-until {}\nvalid-until {}\nvoting-delay 300 300\n\
             client-versions \nserver-versions \n\
             known-flags Authority Exit Fast Guard HSDir Running Stable V2Dir Valid\n",
            date(self.made),
            date(self.made + HOUR),
            date(self.made + 3 * HOUR),
        );
        for (index, authority) in self.authorities.0.iter().enumerate() {
            let v3_ident = hex(authority.identity.public().id().as_bytes());
            text += &format!(
                "dir-source auth{index} {v3_ident} 127.0.0.1 127.0.0.1 9 9\ncontact nobody\nvote-digest {}\n",
                "00".repeat(20)
            );
        }
        for (index, relay) in self.relays.iter().enumerate() {
            text += &format!(
                "r relay{index} {} 2038-01-01 00:00:00 127.0.0.1 {} 0\nm {}\n{OF_EACH_RELAY}",
                STANDARD_NO_PAD.encode(relay.ids.rsa.as_bytes()),
                relay.or_port,
                relay.digest(),
            );
        }
        text + FOOTER
    }

    /// The microdescriptors, each with its digest as requests name it.
    pub fn microdescs(&self) -> impl Iterator<Item = (String, &str)> {
        self.relays.iter().map(|relay| (relay.digest(), relay.microdesc.as_str()))
    }

    /// Answers the head of an HTTP request as a directory cache does, without compression.
    ///
    /// # Errors
    /// If the documents can't be signed.
    pub fn answer(&self, request: &str) -> io::Result<Vec<u8>> {
        let path = request.split_ascii_whitespace().nth(1).unwrap_or_default();
        let path = path.strip_suffix(".z").unwrap_or(path);
        let body = if path.starts_with("/tor/status-vote/current/consensus-microdesc") {
            self.consensus(0)?
        } else if path.starts_with("/tor/keys/") {
            self.certs()?
        } else if let Some(wanted) = path.strip_prefix("/tor/micro/d/") {
            let wanted: Vec<_> = wanted.split('-').collect();
            let found = self.microdescs().filter(|(digest, _)| wanted.contains(&digest.as_str()));
            found.map(|(_, text)| text).collect()
        } else {
            String::new()
        };
        Ok(if body.is_empty() { not_found() } else { ok("identity", body.as_bytes()) })
    }
}

impl Entry {
    fn new(relay: &Relay) -> Self {
        let identity = relay.identity();
        let ids = identity.ids();
        let ed25519 = ids.ed25519.map(|id| STANDARD_NO_PAD.encode(id.as_bytes())).unwrap_or_default();
        let ntor = STANDARD_NO_PAD.encode(identity.onion_key().as_bytes());
        let microdesc = format!("onion-key\nntor-onion-key {ntor}\np accept 1-65535\nid ed25519 {ed25519}\n");
        Self { ids, or_port: relay.addr().port(), microdesc }
    }

    fn digest(&self) -> String {
        STANDARD_NO_PAD.encode(Sha256::digest(&self.microdesc))
    }
}

/// An HTTP answer with a body in this encoding.
pub fn ok(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.0 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The HTTP answer for what is not there.
pub(crate) fn not_found() -> Vec<u8> {
    b"HTTP/1.0 404 Not found\r\n\r\n".to_vec()
}

fn object(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----");
    for (at, digit) in STANDARD.encode(bytes).chars().enumerate() {
        if at % 64 == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text + &format!("\n-----END {label}-----\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// As directory documents write a time.
fn date(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{:02}-{day:02} {hour:02}:{minute:02}:{second:02}", u8::from(month))
}
