use std::time::SystemTime;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    AuthCert, DocError, Protocol, iso_time,
    testdata::{cases, edited, load, mini_certs, text},
};

fn mini() -> (Value, String) {
    let vectors = load("netdoc");
    let consensus = text(&vectors["mini_consensus"]["text"]).to_owned();
    (vectors, consensus)
}

fn at(date: &str, clock: &str) -> SystemTime {
    iso_time::parse(date, clock).unwrap()
}

fn parse(text: &str) -> Result<UnverifiedConsensus, DocError> {
    UnverifiedConsensus::parse(text, NetworkKind::Testing)
}

fn verify(
    text: &str,
    authorities: &[RsaId],
    certs: &[AuthCert],
    wall: SystemTime,
) -> Result<Consensus, VerifyError> {
    let find = |id: &CertId| certs.iter().find(|cert| cert.id() == *id);
    parse(text).unwrap().verify(authorities, find, wall).map_err(|(_, error)| error)
}

/// The mini consensus with its authorities, certificates, and a time at which they are good.
struct Mini {
    text: String,
    authorities: Vec<RsaId>,
    certs: Vec<AuthCert>,
    wall: SystemTime,
}

impl Mini {
    fn new() -> Self {
        let (vectors, text) = mini();
        let certs = mini_certs(&vectors);
        let authorities = certs.iter().map(|cert| cert.id().v3_ident).collect();
        Self { text, authorities, certs, wall: at("2020-08-07", "12:43:00") }
    }

    fn verify(&self) -> Result<Consensus, VerifyError> {
        verify(&self.text, &self.authorities, &self.certs, self.wall)
    }

    /// Flips a bit in the n-th signature of the text.
    fn spoil_signature(&mut self, index: usize) {
        let marker = "-----BEGIN SIGNATURE-----\n";
        let at = self.text.match_indices(marker).nth(index).unwrap().0 + marker.len();
        let other = if &self.text[at..=at] == "A" { "B" } else { "A" };
        self.text.replace_range(at..=at, other);
    }
}

#[test]
fn the_mini_consensus_in_full() {
    let mini = Mini::new();
    let vectors = load("netdoc");
    let expect = &vectors["mini_consensus"];
    let consensus = mini.verify().unwrap();
    assert_eq!(consensus.flavor(), Flavor::Microdesc);
    assert_eq!(consensus.method(), 28);
    assert_eq!(consensus.lifetime().valid_after, at("2020-08-07", "12:42:40"));
    assert_eq!(consensus.lifetime().fresh_until, at("2020-08-07", "12:43:00"));
    assert_eq!(consensus.lifetime().valid_until, at("2020-08-07", "12:43:20"));
    assert_eq!(consensus.signers().len(), 3);
    assert_eq!(consensus.authorities().len(), 3);
    assert_eq!(consensus.bandwidth_weights().get("Wgd"), Some(3333));
    assert!(consensus.protocols().required_client.supports(Protocol::LINK, 4));
    let signed = usize::try_from(expect["signed_part_length"].as_u64().unwrap()).unwrap();
    assert_eq!(consensus.sha3_as_signed(), <[u8; 32]>::from(Sha3_256::digest(&mini.text[..signed])));
    assert_eq!(consensus.relays().len(), 6);
    for (relay, expect) in consensus.relays().iter().zip(cases(&expect["relays"])) {
        assert_eq!(relay.nickname.as_str(), text(&expect["nickname"]));
        assert_eq!(hex::encode(relay.rsa.as_bytes()), text(&expect["rsa_id"]));
        assert_eq!(relay.ipv4.to_string(), text(&expect["ipv4"]));
        assert_eq!(u64::from(relay.or_port), expect["orport"].as_u64().unwrap());
        assert_eq!(u64::from(relay.dir_port), expect["dirport"].as_u64().unwrap());
        assert_eq!(relay.ipv6.unwrap().to_string(), text(&expect["a"]));
        assert_eq!(hex::encode(relay.microdesc().unwrap().as_bytes()), text(&expect["md_sha256"]));
        let flags: Vec<&str> = cases(&expect["flags"]).map(text).collect();
        assert_eq!(relay.flags.names().collect::<Vec<_>>(), flags);
        assert_eq!((relay.bandwidth, relay.unmeasured), (Some(0), true));
        assert_eq!(relay.version.as_deref(), Some("Tor 0.3.5.11-dev"));
        assert!(relay.protocols.supports(Protocol::LINK_AUTH, 3));
        let entry = consensus.text_of(relay);
        assert!(
            entry.starts_with(&format!("r {} ", relay.nickname)) && entry.ends_with("Unmeasured=1\n"),
            "{entry}"
        );
        assert_eq!(consensus.relay(&relay.rsa).unwrap().nickname, relay.nickname);
    }
    assert!(consensus.relay(&RsaId::from_bytes([0; 20])).is_none());
}

#[test]
fn known_bad_documents() {
    let (vectors, base) = mini();
    for case in cases(&vectors["mini_consensus_bad"]) {
        let verdict = parse(&edited(&base, case));
        // C Tor does not look at the order of flags.
        assert_eq!(verdict.is_ok(), text(&case["name"]) == "bad-flags", "{}: {verdict:?}", case["name"]);
    }
}

#[test]
fn lines_that_must_be_there_once() {
    let (_, base) = mini();
    for keyword in [
        "vote-status",
        "valid-after",
        "fresh-until",
        "valid-until",
        "voting-delay",
        "known-flags",
        "m ",
        "s ",
        "pr ",
    ] {
        let start = base.find(&format!("\n{keyword}")).unwrap() + 1;
        let end = start + base[start..].find('\n').unwrap() + 1;
        let without = format!("{}{}", &base[..start], &base[end..]);
        let twice = format!("{}{}", &base[..end], &base[start..]);
        assert_eq!(parse(&without).is_err(), keyword != "m ", "without {keyword}");
        assert_eq!(parse(&twice).is_err(), keyword != "m ", "twice {keyword}");
    }
}

#[test]
fn other_kinds_of_documents() {
    let (_, base) = mini();
    for (what, edit) in [
        ("a vote", base.replacen("vote-status consensus", "vote-status vote", 1)),
        ("an unknown flavour", base.replacen(" microdesc\n", " macrodesc\n", 1)),
        ("too short a life", base.replacen("fresh-until 2020-08-07 12:43:00", "fresh-until 2020-08-07 12:42:49", 1)),
        ("no time to vote", base.replacen("voting-delay 4 4", "voting-delay 4 1", 1)),
        ("a NUL", base.replacen("auth1", "au\0th1", 1)),
        ("no signature", base[..base.find("directory-signature").unwrap()].to_owned()),
        ("a line after the signatures", format!("{base}bandwidth-weights Wbd=1\n")),
        ("a relay after the footer", base.replacen("directory-footer\n", "directory-footer\nr x\n", 1)),
        ("a signer that did not vote", base.replacen("dir-source test001a 5696", "dir-source test001a 5697", 1)),
        ("a short signature", base.replacen("-----BEGIN SIGNATURE-----\nUUu8", "-----BEGIN SIGNATURE-----\nAAAA\n-----END SIGNATURE-----\ndirectory-signature sha256 5A23BA701776C9C1AB1C06E734E92AB3D5350D64 D08E965CC6DCB6CB6ED776DB43E616E93AF61177\n-----BEGIN SIGNATURE-----\nUUu8", 1)),
    ] {
        assert_ne!(edit, base, "{what}");
        assert!(parse(&edit).is_err(), "{what}");
    }
    // A consensus that lives for seconds is for test networks only.
    assert!(UnverifiedConsensus::parse(base, NetworkKind::Public).is_err());
}

#[test]
fn more_than_half_must_sign() {
    let mut mini = Mini::new();
    mini.spoil_signature(0);
    assert_eq!(mini.verify().unwrap().signers().len(), 2);
    // One bad signature too many.
    mini.spoil_signature(1);
    let expected = VerifyError::TooFewSignatures { good: 1, needed: 2, bad: 2, unknown: 0 };
    assert_eq!(mini.verify().unwrap_err(), expected);
}

#[test]
fn half_is_not_more_than_half() {
    let mut mini = Mini::new();
    mini.authorities.push(RsaId::from_bytes([1; 20]));
    assert_eq!(mini.verify().unwrap().signers().len(), 3);
    mini.spoil_signature(0);
    let expected = VerifyError::TooFewSignatures { good: 2, needed: 3, bad: 1, unknown: 0 };
    assert_eq!(mini.verify().unwrap_err(), expected);
}

#[test]
fn authorities_that_we_do_not_know_do_not_count() {
    let mut mini = Mini::new();
    mini.authorities = vec![mini.authorities[0], RsaId::from_bytes([1; 20]), RsaId::from_bytes([2; 20])];
    let expected = VerifyError::TooFewSignatures { good: 1, needed: 2, bad: 0, unknown: 2 };
    assert_eq!(mini.verify().unwrap_err(), expected);
    mini.authorities.clear();
    assert_eq!(mini.verify().unwrap_err(), VerifyError::NoAuthorities);
}

#[test]
fn one_authority_counts_once() {
    let mut mini = Mini::new();
    let start = mini.text.find("directory-signature").unwrap();
    let second = start + 1 + mini.text[start + 1..].find("directory-signature").unwrap();
    // Three copies of one signature.
    mini.text = format!("{}{}", &mini.text[..second], mini.text[start..second].repeat(2));
    let expected = VerifyError::TooFewSignatures { good: 1, needed: 2, bad: 0, unknown: 0 };
    assert_eq!(mini.verify().unwrap_err(), expected);
    // Nor if the same authority is listed thrice.
    mini.authorities = vec![mini.authorities[2]; 3];
    assert_eq!(mini.verify().unwrap().signers().len(), 1);
}

#[test]
fn certificates_may_be_missing_or_expired() {
    let mut mini = Mini::new();
    let expired = at("2031-01-01", "00:00:00");
    assert!(matches!(
        verify(&mini.text, &mini.authorities, &mini.certs, expired),
        Err(VerifyError::NeedCerts { good: 0, needed: 2, missing }) if missing.len() == 3
    ));
    let gone: Vec<CertId> = mini.certs.drain(1..).map(|cert| cert.id()).collect();
    match mini.verify() {
        Err(VerifyError::NeedCerts { good: 1, needed: 2, missing }) => {
            assert_eq!(missing.len(), 2);
            assert!(missing.iter().all(|id| gone.contains(id)));
        }
        other => panic!("{other:?}"),
    }
}

// A certificate lookup that answers with another authority's certificate must not be believed.
#[test]
fn a_certificate_is_for_one_authority_and_key() {
    let mini = Mini::new();
    let first = &mini.certs[0];
    let result = parse(&mini.text).unwrap().verify(&mini.authorities, |_| Some(first), mini.wall);
    assert!(matches!(result, Err((_, VerifyError::NeedCerts { good: 1, .. }))));
}

// TROVE-2026-019: a digest that exists but is not for signatures. Such a signature is skipped.
#[test]
fn digests_that_do_not_sign() {
    for name in ["sha3-256", "sha3-512", "sha512", "md5"] {
        let mut mini = Mini::new();
        mini.text =
            mini.text.replacen("directory-signature sha256", &format!("directory-signature {name}"), 1);
        // The name lies beyond the signed part, so that the two others still hold.
        assert_eq!(mini.verify().unwrap().signers().len(), 2, "{name}");
        mini.text = mini.text.replace("directory-signature sha256", &format!("directory-signature {name}"));
        assert_eq!(parse(&mini.text).unwrap_err(), DocError::Missing { keyword: "directory-signature" });
    }
    // Named sha1, the signature is checked against that digest, and is bad.
    let mut mini = Mini::new();
    mini.text = mini.text.replace("directory-signature sha256", "directory-signature sha1");
    assert!(matches!(mini.verify(), Err(VerifyError::TooFewSignatures { bad: 3, .. })));
}

#[test]
fn signatures_cover_everything_before_them() {
    let mut mini = Mini::new();
    mini.text = mini.text.replacen("Bandwidth=0 ", "Bandwidth=9 ", 1);
    assert!(matches!(mini.verify(), Err(VerifyError::TooFewSignatures { good: 0, bad: 3, .. })));
}

// Bug 41276.
#[test]
fn a_relay_without_an_address_has_none() {
    let (_, base) = mini();
    let consensus = parse(&base.replacen(" 127.0.0.1 5002 ", " 0.0.0.0 5002 ", 1)).unwrap();
    let addresses: Vec<_> = consensus.body.relays[0].or_addresses().collect();
    assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[::1]:5002"]);
    assert_eq!(consensus.body.relays[1].or_addresses().count(), 2);
    let consensus = parse(&base.replacen(" 127.0.0.1 5002 ", " 127.0.0.1 0 ", 1)).unwrap();
    assert_eq!(consensus.body.relays[0].or_addresses().count(), 1);
}

#[test]
fn the_ns_flavour() {
    let (_, base) = mini();
    let mut ns: String = base.replacen(" microdesc\n", "\n", 1);
    let digest = "oKGio6SlpqeoqaqrrK2ur7CxsrM";
    for relay in ["CjBXrykQQVeU2OpDAwnZrF9dUks", "H5UFqVFxddqiKglhjS1a0IO534A"] {
        ns = ns.replacen(relay, &format!("{relay} {digest}"), 1);
    }
    // The others lack the digest.
    assert!(parse(&ns).is_err());
    let start = ns.find("r test001a").unwrap();
    let end = ns.find("directory-footer").unwrap();
    ns = format!("{}p accept 80,443\n{}", &ns[..start], &ns[end..]);
    let consensus = parse(&ns).unwrap();
    assert_eq!(consensus.flavor(), Flavor::Ns);
    let DescriptorDigest::Router(digest) = consensus.body.relays[0].descriptor else { panic!("no digest") };
    assert_eq!(digest[..3], [0xa0, 0xa1, 0xa2]);
    assert!(consensus.body.relays[1].policy.as_ref().unwrap().allows(443));
    assert!(parse(&ns.replacen("p accept 80", "p admit 80", 1)).is_err());
    assert!(parse(&ns.replacen("p accept 80", "p accept 0", 1)).unwrap().body.relays[1].policy.is_none());
}

#[test]
fn shared_random_values() {
    let (_, base) = mini();
    let with = |line: &str| parse(&base.replacen("known-flags", &format!("{line}\nknown-flags"), 1));
    let value = "A".repeat(43);
    let parsed = with(&format!("shared-rand-current-value 9 {value}=")).unwrap();
    assert_eq!(parsed.body.shared_random, SharedRandom { previous: None, current: Some([0; 32]) });
    assert_eq!(with("shared-rand-current-value 9 AAAA").unwrap().body.shared_random, SharedRandom::default());
    assert!(with("shared-rand-current-value 9").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Lines dropped, doubled or cut anywhere.
    #[test]
    fn no_edit_panics(line in 0..110_usize, copies in 0..3_usize, cut in 0..60_usize) {
        let (_, base) = mini();
        let mut lines: Vec<String> = base.split_inclusive('\n').map(str::to_owned).collect();
        if let Some(edited) = lines.get_mut(line) {
            let cut = cut.min(edited.len());
            *edited = format!("{}{}", edited.repeat(copies), &edited[..cut]);
        }
        if let Ok(consensus) = parse(&lines.concat()) {
            for relay in &consensus.body.relays {
                prop_assert!(relay.span.start < relay.span.end);
            }
        }
    }

    #[test]
    fn no_text_panics(text in "(network-status-version 3 microdesc\n|vote-status consensus\n|r .{0,9}\n|s\n|é|directory-signature |\n){0,9}") {
        let _ = parse(&text);
    }
}

/// Checks of the form that no test missed when they were taken out. Most are what stands between the signatures and
/// text that nobody signed.
#[test]
fn what_no_authority_writes_is_refused_for_what_it_is() {
    let (_, base) = mini();
    let misplaced = |keyword| DocError::Misplaced { keyword };
    let too_long = |what| DocError::TooLong { what };
    let error = |text: &str| parse(text).unwrap_err();
    let start = base.find("\ndirectory-signature ").unwrap() + 1;
    let end = base[start..].find("-----END SIGNATURE-----\n").unwrap() + start + 24;
    let signature = &base[start..end];
    let voter = base.lines().find(|line| line.starts_with("dir-source ")).unwrap();

    // Text that is not signed, before and behind what is.
    assert_eq!(error(&format!("\n{base}")), misplaced("network-status-version"));
    assert_eq!(error(&format!("{base}unsigned 1\n")), misplaced("directory-signature"));
    // A first signature that is not found where everybody else finds it.
    for other in ["\n directory-signature ", "\nopt directory-signature ", "\ndirectory-signature\t"] {
        let error = error(&base.replacen("\ndirectory-signature ", other, 1));
        assert!(matches!(error, DocError::Malformed { what: "directory-signature", .. }), "{other:?}");
    }
    // Also one that would be skipped has its object.
    let bare = format!("{base}directory-signature sha9 aa bb\n");
    assert!(matches!(error(&bare), DocError::Malformed { what: "directory-signature", .. }));

    // However often one authority signs, it counts once, and many authorities are too many.
    assert_eq!(parse(&format!("{base}{}", signature.repeat(200))).unwrap().cert_ids().count(), 3);
    let (head, ident) = signature.split_once(' ').map(|(head, rest)| (head, rest.split(' '))).unwrap();
    let ident = ident.into_iter().find(|word| word.len() == 40).unwrap();
    let crowd: String = (0..65).map(|n| signature.replacen(ident, &format!("{n:040}"), 1)).collect();
    assert_eq!(
        (head, error(&format!("{base}{crowd}"))),
        ("directory-signature", too_long("list of signatures"))
    );
    let crowd = format!("{voter}\n").repeat(65);
    assert_eq!(error(&base.replacen(voter, &format!("{crowd}{voter}"), 1)), too_long("list of authorities"));
    let nobody: String = base
        .split_inclusive('\n')
        .filter(|line| !["dir-source ", "contact ", "vote-digest "].iter().any(|word| line.starts_with(word)))
        .collect();
    assert_eq!(error(&nobody), DocError::Missing { keyword: "dir-source" });

    // Lines out of their place.
    let digest = base.lines().find(|line| line.starts_with("vote-digest ")).unwrap();
    assert_eq!(error(&base.replacen(digest, &format!("{digest}\n{digest}"), 1)), misplaced("vote-digest"));
    let footer = "directory-footer\ndirectory-footer\n";
    assert_eq!(error(&base.replacen("directory-footer\n", footer, 1)), misplaced("directory-footer"));

    // Numbers that make no sense.
    let ends = base.replacen("valid-until 2020-08-07 12:43:20", "valid-until 2020-08-07 12:42:59", 1);
    assert_eq!(error(&ends), DocError::Inconsistent { what: "validity times" });
    let method = base.replacen("consensus-method 28", "consensus-method 0", 1);
    assert!(matches!(error(&method), DocError::Malformed { what: "consensus-method", .. }));
}

#[test]
fn unknown_protocols_of_relays_are_forgotten() {
    let mut mini = Mini::new();
    mini.text = mini.text.replacen("\npr ", "\npr Aaa=1 ", 1);
    let body = parse(&mini.text).unwrap().body;
    assert!(body.relays.iter().all(|relay| relay.protocols.iter().all(|(name, _)| name != "Aaa")));
}
