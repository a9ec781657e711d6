use proptest::prelude::*;

use super::*;
use crate::testdata::{cases, load, text};

#[test]
fn known_summaries() {
    let vectors = load("exit_policy");
    for case in cases(&vectors["short_policy_normalise"]) {
        let policy = PortPolicy::parse(text(&case["input"])).unwrap();
        assert_eq!(policy.to_string(), text(&case["output"]));
    }
    for case in cases(&vectors["short_policy_invalid"]) {
        assert_eq!(PortPolicy::parse(text(case)), Err(PolicyError), "{case}");
    }
    for case in cases(&vectors["short_policy_port_checks"]) {
        let policy = PortPolicy::parse(text(&case["summary"])).unwrap();
        let port = u16::try_from(case["port"].as_u64().unwrap()).unwrap();
        assert_eq!(policy.allows(port), case["allowed"].as_bool().unwrap(), "{case}");
    }
}

// Bug 41292: port 0 in an exit policy.
#[test]
fn port_zero_is_refused_everywhere() {
    for bad in ["accept 0", "accept 0-5", "accept 80,0", "reject 0"] {
        assert_eq!(PortPolicy::parse(bad), Err(PolicyError), "{bad}");
    }
    assert!(!PortPolicy::parse("reject 80").unwrap().allows(0));
    assert!(!PortPolicy::parse("accept 1-65535").unwrap().allows(0));
}

#[test]
fn too_many_ranges() {
    let list = |count: usize| {
        let ports: Vec<String> = (1..=count).map(|port| port.to_string()).collect();
        format!("accept {}", ports.join(","))
    };
    assert!(PortPolicy::parse(&list(PortPolicy::MAX_RANGES)).is_ok());
    assert_eq!(PortPolicy::parse(&list(PortPolicy::MAX_RANGES + 1)), Err(PolicyError));
    assert!(PortPolicy::reject_all().rejects_all());
    assert!(!PortPolicy::parse("reject 1-65534").unwrap().rejects_all());
}

proptest! {
    #[test]
    fn survives_its_text(accept: bool, ranges in prop::collection::vec((1_u16.., any::<u16>()), 1..6), port: u16) {
        let ranges = ranges.into_iter().map(|(low, more)| (low, low.saturating_add(more))).collect();
        let policy = PortPolicy { accept, ranges };
        let again = PortPolicy::parse(&policy.to_string()).unwrap();
        prop_assert_eq!(again.allows(port), policy.allows(port));
        prop_assert_eq!(again, policy);
    }

    #[test]
    fn no_text_panics(list in "(accept|reject) ([0-9]{0,6}|[,a-])*") {
        let _ = PortPolicy::parse(&list);
    }
}
