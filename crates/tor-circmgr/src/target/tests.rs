use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::*;
use crate::address_map::VirtualNet;

fn map(pairs: &[(&str, &str)]) -> AddressMap {
    let mut map = AddressMap::new(VirtualNet::DEFAULT_V4, VirtualNet::DEFAULT_V6);
    for (from, to) in pairs {
        map.assign(from, to, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    }
    map
}

fn ask(errand: Errand, host: &str, port: u16, rules: &TargetRules, map: &mut AddressMap) -> Verdict {
    judge(errand, host, port, rules, false, map, &mut ChaCha8Rng::seed_from_u64(2))
}

fn connect(host: &str, pairs: &[(&str, &str)]) -> Verdict {
    ask(Errand::Connect, host, 80, &TargetRules::default(), &mut map(pairs))
}

fn go(host: &str) -> Decision {
    Decision::Go { host: Some(host.to_owned()), via: None }
}

#[test]
fn most_targets_go_as_they_are() {
    for (host, to) in [
        ("WWW.Example.com", "www.example.com"),
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ] {
        let verdict = connect(host, &[]);
        assert_eq!(verdict.decision, go(to), "{host}");
        assert!(verdict.remapped.is_empty() && verdict.complaint.is_none());
    }
}

#[test]
fn an_application_can_t_choose_its_exit_but_the_map_can() {
    let fault = connect("www.example.com.cafe.exit", &[]);
    assert_eq!(fault.decision, Decision::Refuse(Refusal::BadTarget));
    assert_eq!(fault.complaint, Some(TargetComplaint::DotExit("www.example.com.cafe.exit".to_owned())));
    assert_eq!(connect("a.EXIT.", &[]).decision, Decision::Refuse(Refusal::BadTarget));
    let via = connect("a.test", &[("a.test", "10.0.0.1.cafe.exit")]);
    assert_eq!(via.remapped, ["10.0.0.1.cafe.exit"]);
    let expected = Decision::Go { host: Some("10.0.0.1".to_owned()), via: Some("cafe".to_owned()) };
    assert_eq!(via.decision, expected, "whoever chose the exit may mean its own network");
    let itself = connect("a.test", &[("a.test", "cafe.exit")]);
    assert_eq!(itself.decision, Decision::Go { host: None, via: Some("cafe".to_owned()) });
    let malformed = connect("a.test", &[("a.test", "b..exit")]);
    assert_eq!(malformed.decision, Decision::Refuse(Refusal::BadTarget));
}

#[test]
fn what_was_learned_or_made_up_chooses_no_exit() {
    let mut map = map(&[]);
    map.learn("a.test", "b.cafe.exit", std::time::SystemTime::UNIX_EPOCH).unwrap();
    let rules = TargetRules { use_ipv4_cache: true, use_ipv6_cache: true, ..TargetRules::default() };
    let verdict = ask(Errand::Connect, "a.test", 80, &rules, &mut map);
    assert_eq!(verdict.decision, Decision::Refuse(Refusal::BadTarget));
}

#[test]
fn made_up_addresses_are_for_applications_alone() {
    let mut map = map(&[]);
    let rules = TargetRules { automap: vec![".Test".to_owned()], ..TargetRules::default() };
    let verdict = ask(Errand::Resolve, "www.test", 0, &rules, &mut map);
    let Decision::Answer(made_up @ IpAddr::V6(_)) = verdict.decision else { panic!("{verdict:?}") };
    assert_eq!(verdict.mapped.unwrap().to, "www.test");
    let again = ask(Errand::Resolve, "www.test", 0, &rules, &mut map);
    assert_eq!((again.decision, again.mapped), (Decision::Answer(made_up), None));
    let connect = ask(Errand::Connect, &made_up.to_string(), 80, &rules, &mut map);
    assert_eq!((connect.decision, connect.remapped), (go("www.test"), vec!["www.test".to_owned()]));
    // SOCKS4 can't say IPv6.
    let old = TargetRules { ipv4_only: true, ..rules.clone() };
    let verdict = ask(Errand::Resolve, "www.test", 0, &old, &mut map);
    assert!(matches!(verdict.decision, Decision::Answer(IpAddr::V4(_))));
    // An exit must never hear of one.
    for host in ["127.200.1.2", "x.virtual"] {
        let lost = ask(Errand::Connect, host, 80, &rules, &mut map);
        assert_eq!(lost.decision, Decision::Refuse(Refusal::Unmapped), "{host}");
    }
    let other = ask(Errand::Resolve, "www.example.com", 0, &rules, &mut map);
    assert_eq!(other.decision, go("www.example.com"));
}

#[test]
fn look_ups_that_need_no_exit() {
    let rules = TargetRules::default();
    let mut map = map(&[("a.test", "198.51.100.1")]);
    let verdict = ask(Errand::Resolve, "a.test", 0, &rules, &mut map);
    assert_eq!(verdict.decision, Decision::Answer("198.51.100.1".parse().unwrap()));
    let verdict = ask(Errand::ResolvePtr, "10.0.0.1", 0, &rules, &mut map);
    assert_eq!(verdict.decision, Decision::Refuse(Refusal::PrivateReverse));
    let verdict = ask(Errand::ResolvePtr, "a.test", 0, &rules, &mut map);
    assert_eq!(verdict.decision, Decision::Refuse(Refusal::NotAnAddress));
    assert_eq!(ask(Errand::ResolvePtr, "198.51.100.1", 0, &rules, &mut map).decision, go("198.51.100.1"));
}

#[test]
fn what_the_configuration_forbids() {
    let forbidden = Decision::Refuse(Refusal::Forbidden);
    let rules = TargetRules { ipv4: false, dns_request: false, ..TargetRules::default() };
    for host in ["a.test", "198.51.100.1"] {
        assert_eq!(ask(Errand::Connect, host, 80, &rules, &mut map(&[])).decision, forbidden);
    }
    let rules =
        TargetRules { warn_ports: vec![23, 25], reject_ports: vec![25, 26], ..TargetRules::default() };
    for (port, warned, rejected) in
        [(23, true, false), (25, true, true), (26, false, true), (80, false, false)]
    {
        let verdict = ask(Errand::Connect, "a.test", port, &rules, &mut map(&[]));
        assert_eq!(verdict.decision == forbidden, rejected, "{port}");
        assert_eq!(
            verdict.complaint,
            warned.then_some(TargetComplaint::DangerousPort { port, rejected }),
            "{port}"
        );
    }
    for host in ["10.0.0.1", "localhost", "printer.local", "[fe00::1]", "fec0::1"] {
        let verdict = connect(host, &[]);
        assert_eq!(verdict.decision == Decision::Refuse(Refusal::Private), host != "[fe00::1]", "{host}");
    }
    let chosen = judge(
        Errand::Connect,
        "10.0.0.1",
        80,
        &TargetRules::default(),
        true,
        &mut map(&[]),
        &mut ChaCha8Rng::seed_from_u64(2),
    );
    assert_eq!(chosen.decision, go("10.0.0.1"), "on a controller's circuit");
}

#[test]
fn onions_and_nonsense() {
    let onion = format!("www.{}.onion", "a".repeat(56));
    assert_eq!(connect(&onion, &[]).decision, Decision::Refuse(Refusal::Onion));
    for host in ["x.onion", "onion", "x.onion.", "a b", "a\r\n650 OK", "ä"] {
        let verdict = connect(host, &[]);
        assert_eq!(verdict.decision, Decision::Refuse(Refusal::BadTarget), "{host}");
        assert!(matches!(verdict.complaint, Some(TargetComplaint::BadHostname(_))), "{host}");
    }
    assert_eq!(connect("a.test", &[("a.test", "x.onion")]).decision, Decision::Refuse(Refusal::BadTarget));
    let looped = connect("a", &[("a", "b"), ("b", "a")]);
    assert_eq!(looped.complaint, Some(TargetComplaint::Loop));
    assert_eq!(looped.decision, go("a"));
}
