use proptest::prelude::*;

use super::*;
use crate::testdata::{cases, load, text};

fn parse(text: &str) -> Protocols {
    Protocols::parse(text).unwrap()
}

fn mask_of(list: &Protocols, name: &str) -> u64 {
    list.mask(name)
}

#[test]
fn known_lists() {
    let vectors = load("protover");
    let list = parse(text(&vectors["parse"]["input"]));
    for pair in cases(&vectors["parse"]["bitmasks"]) {
        let mask = u64::from_str_radix(text(&pair[1]).trim_start_matches("0x"), 16).unwrap();
        assert_eq!(mask_of(&list, text(&pair[0])), mask, "{pair}");
    }
    assert_eq!(list.to_string(), text(&vectors["parse"]["re_encoded"]));
    for case in cases(&vectors["parse_fail"]) {
        assert!(Protocols::parse(text(case)).is_err(), "{case}");
    }
    for case in cases(&vectors["roundtrip_through_vote_of_one"]).filter(|case| case.get("input").is_some()) {
        let input = text(&case["input"]);
        match case["vote_result"].as_str() {
            None => assert!(Protocols::parse(input).is_err(), "{case}"),
            Some(result) => {
                let (list, result) = (parse(input), parse(result));
                assert!(result.iter().all(|(name, mask)| mask_of(&list, name) == mask), "{case}");
            }
        }
    }
    for case in cases(&vectors["c_compatible_loose"]) {
        let (list, same) = (parse(text(&case["input"])), parse(text(&case["same_as"])));
        // The other side has no version 0.
        assert!(same.iter().all(|(name, mask)| mask_of(&list, name) & !1 == mask), "{case}");
    }
}

#[test]
fn what_is_supported_and_what_is_missing() {
    let vectors = load("protover");
    for case in cases(&vectors["supports"]) {
        let list = parse(text(&case["list"]));
        let name: &'static str =
            ["Link", "LinkAuth"].into_iter().find(|name| *name == text(&case["protocol"])).unwrap();
        let version = u32::try_from(case["version"].as_u64().unwrap()).unwrap();
        assert_eq!(list.supports(Protocol(name), version), case["result"].as_bool().unwrap(), "{case}");
    }
    let ours = parse(text(&vectors["missing_from_ours"]["ours"]));
    for case in cases(&vectors["missing_from_ours"]["cases"]) {
        let missing = parse(text(&case["required"])).missing_from(&ours);
        assert_eq!(missing.to_string(), text(&case["missing"]), "{case}");
        assert_eq!(missing.is_empty(), text(&case["missing"]).is_empty());
    }
}

#[test]
fn names_ignore_case_and_versions_end_at_63() {
    let list = parse("lINK=3 Relay=63");
    assert!(list.supports(Protocol::LINK, 3));
    assert!(list.supports(Protocol::RELAY, 63));
    assert!(!list.supports(Protocol::RELAY, 64));
    assert!(list.supports_or_later(Protocol::LINK, 2));
    assert!(!list.supports_or_later(Protocol::LINK, 4));
    assert!(!list.supports_or_later(Protocol::RELAY, 64));
}

proptest! {
    #[test]
    fn survives_its_text(entries in prop::collection::vec(("[A-Za-z0-9-]{1,8}", any::<u64>()), 0..6)) {
        let list = Protocols::from(entries.into_iter().map(|(name, mask)| (Box::from(name), mask)).collect::<Vec<_>>());
        prop_assert_eq!(Protocols::parse(&list.to_string()), Ok(list));
    }

    #[test]
    fn no_text_panics(text in "([A-Z=, -]|[0-9]){0,40}") {
        if let Ok(list) = Protocols::parse(&text) {
            prop_assert_eq!(Protocols::parse(&list.to_string()), Ok(list));
        }
    }
}

/// A consensus is read before its signatures are checked, so its author may be any directory server. With a list of its
/// own for each relay, each of 256 made-up protocols, five megabytes of it became more than a gigabyte.
#[test]
fn of_a_relay_only_protocols_that_mean_something_are_kept() {
    let made_up: String = (0..250).map(|n| format!("x{n}=1 ")).collect();
    let list = parse(&format!("{made_up}Relay=2,4 link=4-5 relay=6")).known();
    assert_eq!(list.iter().count(), 2);
    assert!(list.supports(Protocol::RELAY, 4) && !list.supports(Protocol::RELAY, 6));
    assert!(list.supports(Protocol::LINK, 5));
}

#[test]
fn a_list_has_an_end() {
    let list = |count: usize| Protocols::parse(&"a=1 ".repeat(count));
    assert!(list(256).is_ok() && list(257).is_err());
}
