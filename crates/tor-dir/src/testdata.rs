//! Known answers from `testdata/*.json`; each file says where it comes from.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tor_id::RsaId;
use tor_netdoc::{AuthCert, Consensus, NetworkKind, UnverifiedConsensus};

pub(crate) fn load(name: &str) -> Value {
    let path = format!("{}/testdata/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The text of a consensus of a small test network; six relays, three authorities.
pub(crate) fn mini_text() -> String {
    load("netdoc")["mini_consensus"]["text"].as_str().unwrap().to_owned()
}

/// The certificates of its authorities, as one text.
pub(crate) fn mini_certs() -> String {
    let vectors = load("netdoc");
    vectors["authority_certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["text"].as_str().unwrap())
        .collect()
}

/// Its authorities.
pub(crate) fn mini_authorities() -> Vec<RsaId> {
    AuthCert::parse_all(&mini_certs()).map(|cert| cert.unwrap().id().v3_ident).collect()
}

/// A moment at which it is fresh: 2020-08-07 12:42:50.
pub(crate) fn mini_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_596_804_170)
}

pub(crate) fn mini_consensus() -> Consensus {
    let certs: Vec<AuthCert> = AuthCert::parse_all(&mini_certs()).map(Result::unwrap).collect();
    UnverifiedConsensus::parse(mini_text(), NetworkKind::Testing)
        .unwrap()
        .verify(&mini_authorities(), |id| certs.iter().find(|cert| cert.id() == *id), mini_time())
        .unwrap()
}

/// A document of `testdata/private-network`.
pub(crate) fn private(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/private-network/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The authorities that sign them.
pub(crate) fn private_authorities() -> Vec<RsaId> {
    let lines = String::from_utf8(private("authorities.txt")).unwrap();
    lines.lines().map(|line| crate::DirServer::parse_authority(line).unwrap().v3_ident().unwrap()).collect()
}

/// When the first consensus of that network was fresh: 2026-11-23 03:26:00.
pub(crate) fn private_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_404_360)
}
