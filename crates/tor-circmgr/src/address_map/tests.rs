use std::time::{Duration, SystemTime};

use proptest::{collection::vec, prelude::*};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::*;

fn empty() -> AddressMap {
    AddressMap::new(VirtualNet::DEFAULT_V4, VirtualNet::DEFAULT_V6)
}

fn dice() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

fn assigned(pairs: &[(&str, &str)]) -> AddressMap {
    let mut map = empty();
    for (from, to) in pairs {
        map.assign(from, to, &mut dice()).unwrap();
    }
    map
}

const ALL: Uses = Uses { assigned: true, made_up: true, dns_v4: true, dns_v6: true };

fn to(map: &AddressMap, from: &str) -> Option<String> {
    map.rewrite(from, ALL).map(|rewritten| rewritten.address)
}

#[test]
fn a_name_leads_to_another_and_on() {
    let map = assigned(&[("a.example", "b.example"), ("b.example", "192.0.2.1"), ("[2001:DB8::1]", "c")]);
    assert_eq!(to(&map, "A.Example").as_deref(), Some("192.0.2.1"));
    assert_eq!(to(&map, "b.example").as_deref(), Some("192.0.2.1"));
    assert_eq!(to(&map, "[2001:db8:0::1]").as_deref(), Some("c"), "addresses are equal, however written");
    assert_eq!(to(&map, "c.example"), None);
    assert_eq!(to(&map, "x.a.example"), None);
}

#[test]
fn wildcards() {
    let map = assigned(&[
        ("*.torproject.org", "*.example.com"),
        ("*.one.net", "one.net"),
        ("*.www.one.net", "deeper.net"),
        ("plain.net", "other.net"),
    ]);
    assert_eq!(to(&map, "www.torproject.org").as_deref(), Some("www.example.com"));
    assert_eq!(to(&map, "a.b.torproject.org").as_deref(), Some("a.b.example.com"));
    assert_eq!(to(&map, "torproject.org").as_deref(), Some("example.com"));
    assert_eq!(to(&map, "nottorproject.org"), None);
    assert_eq!(to(&map, "x.one.net").as_deref(), Some("one.net"), "and there it ends");
    assert_eq!(to(&map, "one.net"), None);
    assert_eq!(to(&map, "x.www.one.net").as_deref(), Some("deeper.net"), "the longest match");
    assert_eq!(to(&map, "x.plain.net"), None);
}

#[test]
fn a_loop_ends() {
    let map = assigned(&[("a", "b"), ("b", "a"), ("*.x", "*.y.x")]);
    assert!(map.rewrite("a", ALL).unwrap().looped);
    let grown = map.rewrite("w.x", ALL).unwrap();
    assert!(grown.looped && grown.address.starts_with("w.y.y"));
    let long = format!("{}.x", "w".repeat(250));
    let grown = map.rewrite(&long, ALL).unwrap();
    assert!(grown.address.len() <= MAX_LEN && !grown.looped, "it stays where it would become too long");
}

#[test]
fn what_is_refused_and_with_which_words() {
    let refused = |from: &str, to: &str| {
        let error = empty().assign(from, to, &mut dice()).unwrap_err();
        format!("{} {error}", error.code())
    };
    assert_eq!(refused("a", "b c"), "512 syntax error: invalid address 'b c'");
    assert_eq!(refused("a", "*"), "512 syntax error: invalid address '*'");
    assert_eq!(refused("a", "b.$CAFE.exit"), "512 syntax error: invalid address 'b.$CAFE.exit'");
    assert_eq!(
        refused("*", "b"),
        "512 syntax error: invalid address mapping  '*=b': can't remap from or to *"
    );
    assert_eq!(
        refused("a", "*.b"),
        "512 syntax error: invalid address mapping  'a=*.b': can only use wildcard (i.e. '*.') if 'from' \
         address uses wildcard also"
    );
    assert!(refused(&"a".repeat(256), "b").ends_with("address is too long"));
}

#[test]
fn equals_take_an_entry_back() {
    let mut map = assigned(&[("a.b", "c"), ("*.d", "e")]);
    assert_eq!(map.assign("A.B", "a.b", &mut dice()).unwrap(), ("A.B=a.b".to_owned(), None));
    assert_eq!(to(&map, "a.b"), None);
    map.assign("*.d", "*.d", &mut dice()).unwrap();
    assert_eq!(to(&map, "x.d"), None);
    // `*.f` to `f` is an entry, not the end of one.
    map.assign("*.f", "f", &mut dice()).unwrap();
    assert_eq!(to(&map, "x.f").as_deref(), Some("f"));
}

#[test]
fn made_up_addresses_lead_back_and_are_made_up_once() {
    let mut map = empty();
    let mut rng = dice();
    for (from, net) in [("0.0.0.0", "127."), ("::", "[fe"), (".", "")] {
        let (reply, mapped) = map.assign(from, "torproject.org", &mut rng).unwrap();
        let (made_up, target) = reply.split_once('=').unwrap();
        assert_eq!(target, "torproject.org");
        assert!(made_up.starts_with(net) && map.is_virtual(made_up), "{made_up}");
        assert_eq!(mapped.unwrap().from, made_up);
        assert_eq!(to(&map, made_up).as_deref(), Some("torproject.org"));
        assert_eq!(map.rewrite(made_up, Uses::ASSIGNED), None, "only for streams that ask for it");
        assert_eq!(map.assign(from, "torproject.org", &mut rng).unwrap(), (reply, None), "the same again");
    }
    assert_eq!(map.lines(Listing::Control, |_| unreachable!()).len(), 3);
    assert_eq!(map.lines(Listing::Cache, |_| unreachable!()).len(), 0);
    assert!(!map.is_virtual("192.0.2.1") && !map.is_virtual("virtual") && map.is_virtual("127.192.0.1"));
}

#[test]
fn a_made_up_address_that_is_taken_back_is_made_up_anew() {
    let mut map = empty();
    let mut rng = dice();
    let (reply, _) = map.assign("0.0.0.0", "a.example", &mut rng).unwrap();
    let made_up = reply.split_once('=').unwrap().0.to_owned();
    map.assign(&made_up, &made_up, &mut rng).unwrap();
    let (again, mapped) = map.assign("0.0.0.0", "a.example", &mut rng).unwrap();
    assert!(again != reply && mapped.is_some());
    // Or reassigned: it means something else then.
    let made_up = again.split_once('=').unwrap().0.to_owned();
    map.assign(&made_up, "b.example", &mut rng).unwrap();
    let (third, mapped) = map.assign("0.0.0.0", "a.example", &mut rng).unwrap();
    assert!(third != again && mapped.is_some());
}

#[test]
fn lines_of_the_configuration() {
    let mut map = assigned(&[("kept", "by.controller"), ("x.example", "by.controller")]);
    let lines = ["x.example y.example", "*.wild *.tame  extra", ".dot a", "lonely", "a *.b", "* a"];
    let (mapped, wrong) = map.configure(lines);
    assert_eq!(mapped.len(), 2);
    assert_eq!(
        wrong,
        [
            (".dot a", BadPair::Ambiguous),
            ("lonely", BadPair::TooFew),
            ("a *.b", BadPair::LoneWildcard),
            ("* a", BadPair::Everything)
        ]
    );
    let config = map.lines(Listing::Config, |_| unreachable!());
    assert_eq!(config, ["*.wild *.tame NEVER", "x.example y.example NEVER"]);
    assert_eq!(map.lines(Listing::Control, |_| unreachable!()), ["kept by.controller NEVER"]);
    map.configure([]);
    assert_eq!(map.lines(Listing::All, |_| unreachable!()), ["kept by.controller NEVER"]);
}

#[test]
fn answers_expire_and_replace_nothing() {
    let mut map = assigned(&[("mapped.example", "elsewhere")]);
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(map.learn("mapped.example", "192.0.2.1", at(100)), None);
    assert!(map.learn("learned.example", "192.0.2.1", at(100)).is_some());
    assert_eq!(map.learn("learned.example", "192.0.2.2", at(200)), None);
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    assert!(map.learn(&reverse_key(address), "learned.example", at(100)).is_some());
    assert_eq!(map.reverse(address, Uses::ASSIGNED), None);
    assert_eq!(map.reverse(address, ALL), Some(("learned.example", Expiry::At(at(100)))));
    let rewritten = map.rewrite("learned.example", ALL).unwrap();
    assert_eq!((&*rewritten.address, rewritten.expires), ("192.0.2.1", Expiry::At(at(100))));
    assert_eq!(map.rewrite("learned.example", Uses { dns_v4: false, ..ALL }), None);
    let line = "learned.example 192.0.2.1 \"then\"";
    assert!(map.lines(Listing::Cache, |_| "then".to_owned()).contains(&line.to_owned()));
    map.expire(at(100));
    assert_eq!(map.lines(Listing::All, |_| unreachable!()), ["mapped.example elsewhere NEVER"]);
    map.learn("learned.example", "192.0.2.1", at(300)).unwrap();
    map.clear_transient();
    assert_eq!(to(&map, "learned.example"), None);
    assert_eq!(to(&map, "mapped.example").as_deref(), Some("elsewhere"));
}

#[test]
fn it_is_known_who_chose_an_exit() {
    let mut map = assigned(&[("a.example", "a.example.CAFE.exit"), ("b", "a.example")]);
    assert_eq!(map.rewrite("b", ALL).unwrap().exit_source, Some(MapSource::Controller));
    map.configure(["c d.exit"]);
    assert_eq!(map.rewrite("c", ALL).unwrap().exit_source, Some(MapSource::Config));
    map.assign("x.y.exit", "z.y.exit", &mut dice()).unwrap();
    assert_eq!(map.rewrite("x.y.exit", ALL).unwrap().exit_source, None, "it was one before");
}

#[test]
fn networks() {
    assert_eq!(VirtualNet::parse_v4("127.192.0.0/10"), Ok(VirtualNet::DEFAULT_V4));
    assert_eq!(VirtualNet::parse_v6("[FE80::]/10"), Ok(VirtualNet::DEFAULT_V6));
    assert_eq!(VirtualNet::parse_v4("10.0.0.0/17"), Err(VirtualNetError::TooSmall(16)));
    assert_eq!(VirtualNet::parse_v4("10.0.0.0"), Err(VirtualNetError::TooSmall(16)));
    assert_eq!(VirtualNet::parse_v6("[::]/105"), Err(VirtualNetError::TooSmall(104)));
    assert_eq!(VirtualNet::parse_v4("[::]/1"), Err(VirtualNetError::Family));
    for text in ["", "x", "1.2.3.4/", "1.2.3.4/x", "1.2.3.4/-1", "1.2.3.4/999"] {
        assert_eq!(VirtualNet::parse_v4(text), Err(VirtualNetError::Syntax), "{text}");
    }
    let everything = VirtualNet::parse_v4("0.0.0.0/0").unwrap();
    assert!(everything.contains("1.2.3.4".parse().unwrap()));
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "(\\*\\.)?[ab](\\.[ab]){0,3}(\\.exit)?",
        Just("0.0.0.0".to_owned()),
        Just("::".to_owned()),
        Just(".".to_owned()),
        "127\\.192\\.0\\.[12]",
        any::<String>(),
    ]
}

proptest! {
    /// Whatever is assigned in whichever order, a rewrite ends, stays short, and says where it came to.
    #[test]
    fn no_map_is_a_trap(pairs in vec((host(), host()), 0..30), ask in host(), seed: u64) {
        let mut map = empty();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for (from, to) in &pairs {
            if let Ok((reply, Some(mapped))) = map.assign(from, to, &mut rng) {
                prop_assert!(reply.ends_with(&mapped.to), "{} {}", reply, mapped.to);
            }
        }
        if let Some(rewritten) = map.rewrite(&ask, ALL) {
            prop_assert!(rewritten.address.len() <= MAX_LEN);
            if !rewritten.looped {
                prop_assert_eq!(map.rewrite(&rewritten.address, ALL), None, "a rewrite goes all the way");
            }
        }
        // Every made-up address that is remembered as such leads to what it stands for, and the other way round.
        for (target, of) in &map.made_up {
            for from in of.values() {
                prop_assert_eq!(&key(&map.entries[from].to), target);
            }
        }
    }
}
