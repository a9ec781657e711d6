//! C Tor's answers of `testdata/control`, from the same documents.

use std::{
    collections::BTreeSet,
    time::{Instant, SystemTime},
};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tor_netdoc::NetworkKind;

use super::*;
use crate::{DirConfig, DirFile, DirServer, DirWanted, Input, MemoryStore};

fn file(name: &str) -> String {
    let path = format!("{}/testdata/control/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn at() -> Moment {
    // 2026-11-23 06:36:46.
    let wall = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_415_806);
    Moment { now: Instant::now(), wall }
}

/// A client with the documents of one of the two.
fn client(name: &str) -> (DirState, MemoryStore) {
    let lines = file("authorities.txt");
    let authorities =
        lines.lines().map(|line| DirServer::parse_authority(line).unwrap().v3_ident().unwrap()).collect();
    let (mut store, mut rng, at) = (MemoryStore::new(), ChaCha20Rng::from_seed([1; 32]), at());
    let useless = name == "useless";
    for (kind, document) in [
        (DirFile::Certs, "certs"),
        (DirFile::Consensus, "consensus-microdesc"),
        (DirFile::Microdescs, "microdescs"),
        (DirFile::NsConsensus, "consensus-ns"),
        (DirFile::RouterJournal, "descriptors"),
    ] {
        let is_theirs = useless || !matches!(kind, DirFile::NsConsensus | DirFile::RouterJournal);
        if is_theirs {
            store.replace(kind, file(&format!("{name}/{document}.txt")).as_bytes()).unwrap();
        }
    }
    let mut state = DirState::new(DirConfig::new(authorities, NetworkKind::Testing), at.now);
    state.load(at, &mut store, &mut rng);
    let wanted = DirWanted { useless, extra_info: useless };
    state.handle(at, Input::Orders { network: false, wanted }, &mut store, &mut rng);
    (state, store)
}

/// Keys with C Tor's replies.
fn transcript(name: &str) -> Vec<(String, String)> {
    let text = file(&format!("{name}/answers.txt")).replace("\r\n", "\n");
    let replies = text.split(">>> GETINFO ").skip(1);
    replies
        .map(|reply| reply.split_once('\n').map(|(key, reply)| (key.to_owned(), reply.to_owned())).unwrap())
        .collect()
}

/// The reply that this answer makes.
fn reply(key: &str, answer: KeyAnswer) -> String {
    match answer {
        Ok(Some(value)) if value.contains('\n') => {
            format!("250+{key}=\n{}\n.\n250 OK\n", value.strip_suffix('\n').unwrap_or(&value))
        }
        Ok(Some(value)) => format!("250-{key}={value}\n250 OK\n"),
        Ok(None) => format!("552 Unrecognized key \"{key}\"\n"),
        Err(KeyError::Unknown(text)) => format!("552 {text}\n"),
        Err(KeyError::Unavailable(text)) => format!("551 {text}\n"),
    }
}

/// What is not of the directory, or is not the same on purpose.
fn is_other(key: &str) -> bool {
    ["ip-to-country/", "address", "downloads/networkstatus/", "downloads/cert/fp/E742"].iter().any(|other| key.starts_with(other))
        || key == "downloads/networkstatus"
        // Extra-info documents are not fetched.
        || key == "extra-info/digest/843B1299BD82794BC5F0FB39AA45EF217457F429"
        // In the order of a hash table.
        || key == "downloads/cert/fps"
}

#[test]
fn answers_are_ctors() {
    for name in ["plain", "useless"] {
        let (state, store) = client(name);
        let mut compared = 0;
        for (key, expected) in transcript(name).iter().filter(|(key, _)| !is_other(key)) {
            let ours = reply(key, answer(&state, &store, at(), key));
            if key == "ns/purpose/general" {
                // C Tor takes `Running` from here when it could not connect to a relay lately.
                let masked = |text: &str| text.replace(" Running", "");
                assert_eq!(masked(&ours), masked(expected));
            } else {
                assert_eq!(&ours, expected, "{name}: {key}");
            }
            compared += 1;
        }
        assert!(compared > 60, "{compared}");
    }
}

#[test]
fn states_of_downloads_have_ctors_form() {
    let fields = |text: &str| -> Vec<String> {
        let field = |line: &str| line.split(' ').next().unwrap().to_owned();
        text.lines().map(field).collect()
    };
    for name in ["plain", "useless"] {
        let (state, store) = client(name);
        for (key, expected) in transcript(name).iter().filter(|(key, _)| key.starts_with("downloads/")) {
            let ours = reply(key, answer(&state, &store, at(), key));
            let ours = ours.split_once('=').map_or(ours.as_str(), |(_, value)| value);
            let theirs = expected.split_once('=').map_or(expected.as_str(), |(_, value)| value);
            if key == "downloads/cert/fps" {
                let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
                assert_eq!(sorted(ours), sorted(theirs));
            } else {
                assert_eq!(fields(ours), fields(theirs), "{key}");
            }
            let words = |text: &str| -> Vec<String> {
                let is_word = |line: &&str| line.contains(" DL_");
                text.lines().filter(is_word).map(str::to_owned).collect()
            };
            assert_eq!(words(ours), words(theirs), "{key}");
        }
    }
}

/// C Tor 0.4.9.11 aborts on these.
#[test]
fn states_of_router_descriptors() {
    let (state, store) = client("useless");
    let list = answer(&state, &store, at(), "downloads/desc/descs").unwrap().unwrap();
    assert_eq!(list.lines().count(), 10);
    for digest in list.lines() {
        let status = answer(&state, &store, at(), &format!("downloads/desc/{digest}")).unwrap().unwrap();
        assert!(status.contains("schedule DL_SCHED_GENERIC\n") && status.contains("n-download-failures 0\n"));
    }
}

#[test]
fn without_documents() {
    let state = DirState::new(DirConfig::new(Vec::new(), NetworkKind::Public), at().now);
    for (key, expected) in [
        ("ns/all", Ok(Some(String::new()))),
        ("ns/id/x", Ok(Some(String::new()))),
        ("ns/x", Ok(None)),
        ("consensus/x", Ok(Some(String::new()))),
        ("md/all", Ok(Some(String::new()))),
        ("md/name/x", Ok(None)),
        ("sr/current", Ok(Some(String::new()))),
        ("status/enough-dir-info", Ok(Some("0".into()))),
        ("status/version/recommended", Ok(Some("?".into()))),
        ("status/version/current", Ok(Some("unknown".into()))),
        ("version", Ok(None)),
        ("", Ok(None)),
    ] {
        assert_eq!(answer(&state, &MemoryStore::new(), at(), key), expected, "{key}");
    }
}

#[test]
fn entries_that_changed() {
    let (state, _) = client("plain");
    let consensus = state.consensus().unwrap();
    assert_eq!(changed_entries(&state, Some(consensus), consensus), "");
    assert_eq!(changed_entries(&state, None, consensus), entries(&state, consensus.relays()));
    let (other, _) = client("useless");
    assert_eq!(entries(&other, consensus.relays()).lines().filter(|line| line.starts_with("p ")).count(), 10);
}

proptest::proptest! {
    #[test]
    fn no_key_panics(key in "(ns|md|desc|dir|downloads|consensus|status|sr)(/(id|name|all|server|fp|cert|desc|version|[$=~é0-9A-F]{0,41})){0,3}") {
        let state = DirState::new(DirConfig::new(Vec::new(), NetworkKind::Public), at().now);
        let _ = answer(&state, &MemoryStore::new(), at(), &key);
    }
}

#[test]
fn base64_of_every_length() {
    for (bytes, padded, bare) in [
        (&b""[..], "", ""),
        (b"a", "YQ==", "YQ"),
        (b"ab", "YWI=", "YWI"),
        (b"abc", "YWJj", "YWJj"),
        (b"\xff\xff\xff\xff", "/////w==", "/////w"),
    ] {
        assert_eq!(base64(bytes, true), padded);
        assert_eq!(base64(bytes, false), bare);
    }
}
