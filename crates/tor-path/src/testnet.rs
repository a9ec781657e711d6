//! Small networks for tests: relays as their consensus entries and microdescriptors would have them, signed by an
//! authority of our own.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, macros::format_description};
use tor_dir::NetworkView;
use tor_id::{RsaId, RsaPrivateKey};
use tor_netdoc::{AuthCert, MdDigest, Microdesc, NetworkKind, UnverifiedConsensus, microdesc::Interner};

/// The day on which the tests play.
pub(crate) fn day(days: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000 + days * 86_400)
}

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

#[derive(Clone, Debug)]
pub(crate) struct TestRelay {
    pub(crate) index: u32,
    pub(crate) flags: Vec<&'static str>,
    pub(crate) bandwidth: u32,
    pub(crate) ipv4: [u8; 4],
    pub(crate) ipv6: Option<&'static str>,
    pub(crate) policy: Option<&'static str>,
    pub(crate) policy6: Option<&'static str>,
    pub(crate) family: Vec<u32>,
    pub(crate) has_microdesc: bool,
}

impl TestRelay {
    /// A middle relay in a /16 of its own.
    pub(crate) fn new(index: u32) -> Self {
        let [.., high, low] = index.to_be_bytes();
        Self {
            index,
            flags: vec!["Fast", "Running", "Stable", "V2Dir", "Valid"],
            bandwidth: 1000,
            ipv4: [20 + high, low, 1, 1],
            ipv6: None,
            policy: None,
            policy6: None,
            family: Vec::new(),
            has_microdesc: true,
        }
    }

    pub(crate) fn flag(mut self, flag: &'static str) -> Self {
        self.flags.push(flag);
        self
    }

    pub(crate) fn without(mut self, flag: &str) -> Self {
        self.flags.retain(|own| *own != flag);
        self
    }

    pub(crate) fn guard(self) -> Self {
        self.flag("Guard")
    }

    pub(crate) fn exit(mut self, policy: &'static str) -> Self {
        self.policy = Some(policy);
        self.flag("Exit")
    }

    pub(crate) fn bandwidth(mut self, bandwidth: u32) -> Self {
        self.bandwidth = bandwidth;
        self
    }

    pub(crate) fn subnet(mut self, a: u8, b: u8) -> Self {
        self.ipv4[..2].copy_from_slice(&[a, b]);
        self
    }

    pub(crate) fn family(mut self, members: &[u32]) -> Self {
        self.family = members.to_vec();
        self
    }

    pub(crate) fn id(&self) -> RsaId {
        let mut id = [7; 20];
        id[..4].copy_from_slice(&self.index.to_be_bytes());
        RsaId::from_bytes(id)
    }

    fn microdesc(&self) -> String {
        let key = |kind: u8| {
            let mut key = [kind; 32];
            key[..4].copy_from_slice(&self.index.to_be_bytes());
            STANDARD_NO_PAD.encode(key)
        };
        let mut text = format!("onion-key\nntor-onion-key {}\n", key(1));
        if !self.family.is_empty() {
            let ids = self.family.iter().map(|&index| Self::new(index).id().to_string());
            let ids: Vec<_> = ids.map(|id| format!("${}", id.trim_start_matches('$'))).collect();
            writeln!(text, "family {}", ids.join(" ")).unwrap();
        }
        for (keyword, policy) in [("p", self.policy), ("p6", self.policy6)] {
            if let Some(policy) = policy {
                writeln!(text, "{keyword} {policy}").unwrap();
            }
        }
        writeln!(text, "id ed25519 {}", key(2)).unwrap();
        text
    }

    fn entry(&self) -> String {
        let id = STANDARD_NO_PAD.encode(self.id().as_bytes());
        let [a, b, c, d] = self.ipv4;
        let mut text = format!("r relay{} {id} 2038-01-01 00:00:00 {a}.{b}.{c}.{d} 9001 0\n", self.index);
        if let Some(ipv6) = self.ipv6 {
            writeln!(text, "a [{ipv6}]:9001").unwrap();
        }
        let mut flags = self.flags.clone();
        flags.sort_unstable();
        writeln!(text, "m {}", MdDigest::of(&self.microdesc())).unwrap();
        writeln!(text, "s {}\nv Tor 0.4.9.11\npr Link=4-5 Relay=2-6", flags.join(" ")).unwrap();
        writeln!(text, "w Bandwidth={}", self.bandwidth).unwrap();
        text
    }
}

/// A network of these relays, with a consensus of that day which holds for one day.
pub(crate) fn network_of(days: u64, relays: &[TestRelay]) -> NetworkView {
    network_with(days, "", relays)
}

/// A network of these relays.
pub(crate) fn network(relays: &[TestRelay]) -> NetworkView {
    network_of(0, relays)
}

/// The same with consensus parameters.
pub(crate) fn network_with(days: u64, params: &str, relays: &[TestRelay]) -> NetworkView {
    let authority = authority();
    let mut text = header(days, params);
    let mut relays = relays.to_vec();
    relays.sort_by_key(|relay| relay.index);
    relays.iter().for_each(|relay| text += &relay.entry());
    text += "directory-footer\nbandwidth-weights Wbd=0 Wbe=0 Wbg=4194 Wbm=10000 Wdb=10000 Web=10000 Wed=10000 \
             Wee=10000 Weg=10000 Wem=10000 Wgb=10000 Wgd=0 Wgg=5806 Wgm=5806 Wmb=10000 Wmd=0 Wme=0 Wmg=4194 \
             Wmm=10000\n";
    text += "directory-signature ";
    let signature = authority.signing.sign_raw(&Sha256::digest(&text)).unwrap();
    let ids = [authority.cert.id().v3_ident, authority.signing.public().id()].map(|id| bare(&id));
    writeln!(text, "sha256 {} {}", ids[0], ids[1]).unwrap();
    text += &object("SIGNATURE", &signature);

    let microdescs: HashMap<MdDigest, Arc<Microdesc>> = relays
        .iter()
        .filter(|relay| relay.has_microdesc)
        .map(|relay| Microdesc::parse(&relay.microdesc(), &mut Interner::default()).unwrap())
        .map(|microdesc| (microdesc.digest, Arc::new(microdesc)))
        .collect();
    let unverified = UnverifiedConsensus::parse(text, NetworkKind::Public).unwrap();
    let wall = unverified.lifetime().valid_after;
    let known = [authority.cert.id().v3_ident];
    let verified = unverified.verify(&known, |_| Some(&authority.cert), wall).unwrap();
    NetworkView::new(Arc::new(verified), |digest| microdescs.get(digest).cloned())
}

fn header(days: u64, params: &str) -> String {
    let time = |hours: u64| {
        let time = OffsetDateTime::from(day(days) + Duration::from_secs(hours * 3600));
        time.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]")).unwrap()
    };
    let protocols = "Cons=2 Desc=2 FlowCtrl=1 Link=4 Microdesc=2 Relay=2";
    let mut text = format!(
        "network-status-version 3 microdesc\nvote-status consensus\nconsensus-method 34\nvalid-after {}\n\
         fresh-until {}\nvalid-until {}\nvoting-delay 300 300\nclient-versions \nserver-versions \n\
         known-flags Authority BadExit Exit Fast Guard HSDir MiddleOnly Running Stable V2Dir Valid\n",
        time(0),
        time(1),
        time(24)
    );
    for kind in ["recommended-client", "recommended-relay", "required-client", "required-relay"] {
        writeln!(text, "{kind}-protocols {protocols}").unwrap();
    }
    if !params.is_empty() {
        writeln!(text, "params {params}").unwrap();
    }
    let id = bare(&authority().cert.id().v3_ident);
    write!(text, "dir-source auth {id} 127.0.0.1 127.0.0.1 7000 5000\ncontact nobody\nvote-digest {id}\n")
        .unwrap();
    text
}

struct Authority {
    signing: RsaPrivateKey,
    cert: AuthCert,
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut rng = rng(0);
        let identity = RsaPrivateKey::generate(1024, &mut rng).unwrap();
        let signing = RsaPrivateKey::generate(1024, &mut rng).unwrap();
        let id = identity.public().id();
        let mut text = format!(
            "dir-key-certificate-version 3\nfingerprint {}\ndir-key-published 2020-01-01 00:00:00\n\
             dir-key-expires 2099-01-01 00:00:00\ndir-identity-key\n{}dir-signing-key\n{}dir-key-crosscert\n{}\
             dir-key-certification\n",
            bare(&id),
            identity.public().to_pem(),
            signing.public().to_pem(),
            object("ID SIGNATURE", &signing.sign_raw(id.as_bytes()).unwrap()),
        );
        text += &object("SIGNATURE", &identity.sign_raw(&Sha1::digest(&text)).unwrap());
        Authority { signing, cert: AuthCert::parse(&text).unwrap() }
    })
}

fn object(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}

fn bare(id: &RsaId) -> String {
    id.to_string().trim_start_matches('$').to_owned()
}
