use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    Family, RelayPattern, RelaySet,
    testnet::{TestRelay, day, network, network_with, rng},
};

const WEB: ExitNeed = ExitNeed::port(443);

/// Four guards, four middles, four exits, nothing in common.
fn plain() -> Vec<TestRelay> {
    let guards = (0..4).map(|i| TestRelay::new(i).guard());
    let middles = (4..8).map(TestRelay::new);
    let exits = (8..12).map(|i| TestRelay::new(i).exit("accept 80,443"));
    guards.chain(middles).chain(exits).collect()
}

fn choose(view: &NetworkView, need: &ExitNeed, avoid: &[RsaId], seed: u64) -> Result<Path, PathError> {
    let selector = Selector::new(view, PathConfig::default());
    selector.path(need, avoid, &mut Guards::default(), day(0), &mut rng(seed))
}

fn ids(path: &Path) -> Vec<RsaId> {
    path.hops().iter().map(|hop| hop.ids.rsa).collect()
}

fn index(id: &RsaId) -> u32 {
    u32::from_be_bytes(id.as_bytes()[..4].try_into().unwrap())
}

#[test]
fn a_path_is_guard_middle_exit() {
    let view = network(&plain());
    for seed in 0..50 {
        let path = choose(&view, &WEB, &[], seed).unwrap();
        let [guard, middle, exit] = ids(&path)[..] else { panic!("{path:?}") };
        assert!(index(&guard) < 4 && index(&middle) < 8 && (8..12).contains(&index(&exit)));
        assert!(path.serves(&WEB) && path.serves(&ExitNeed::Resolve) && !path.serves(&ExitNeed::port(22)));
        assert!(
            path.hops().iter().all(|hop| hop.ntor_v3 && hop.ids.ed25519.is_some() && !hop.addrs.is_empty())
        );
    }
}

#[test]
fn exits_that_are_avoided_are_not_taken() {
    let relays = plain();
    let view = network(&relays);
    let avoid: Vec<_> = relays[8..11].iter().map(TestRelay::id).collect();
    for seed in 0..50 {
        assert_eq!(ids(&choose(&view, &WEB, &avoid, seed).unwrap())[2], relays[11].id());
    }
    let all: Vec<_> = relays.iter().map(TestRelay::id).collect();
    assert_eq!(choose(&view, &WEB, &all, 0), Err(PathError::NoExit));
}

#[test]
fn a_thin_network_says_what_it_lacks() {
    let choose = |relays: &[TestRelay]| choose(&network(relays), &WEB, &[], 1).map(|_| ());
    let relays = plain();
    assert_eq!(choose(&relays[..8]), Err(PathError::NoExit));
    assert_eq!(
        choose(&relays[4..]),
        Err(PathError::NoView),
        "a part of the network without guards is no network"
    );
    assert_eq!(choose(&[relays[0].clone(), relays[8].clone()]), Err(PathError::NoMiddle));
    assert_eq!(choose(&[relays[0].clone(), relays[8].clone(), relays[9].clone()]), Ok(()));
    // Never two hops of one relay: these two can't make three.
    let both = |i| TestRelay::new(i).guard().exit("accept 443");
    assert_eq!(choose(&[both(0), both(1)]), Err(PathError::NoMiddle));
    assert_eq!(choose(&[both(0)]), Err(PathError::NoGuard));
    // No guard is stable: none may be one.
    let unstable: Vec<_> = relays
        .iter()
        .map(|relay| relay.clone().without(if relay.index < 4 { "Stable" } else { "" }))
        .collect();
    assert_eq!(choose(&unstable), Err(PathError::NoGuard));
    assert!(PathError::NoGuard.is_transient() && PathError::NoView.is_transient());
    assert!(!PathError::NoExit.is_transient() && !PathError::NoMiddle.is_transient());
}

#[test]
fn little_known_of_the_network_is_too_little() {
    let mut relays = plain();
    relays[8..11].iter_mut().for_each(|exit| exit.has_microdesc = false);
    let view = network(&relays);
    assert_eq!(choose(&view, &WEB, &[], 0), Err(PathError::NoView));
    // A quarter of the exits is known, and a user may say that this will do.
    let mut relaxed = PathConfig { paths_needed: Some(0.25), ..PathConfig::default() };
    relays[4..8].iter_mut().for_each(|middle| middle.has_microdesc = true);
    let path =
        |config| Selector::new(&view, config).path(&WEB, &[], &mut Guards::default(), day(0), &mut rng(0));
    let known = view.path_fraction().paths();
    relaxed.paths_needed = Some(known);
    assert!(path(relaxed.clone()).is_ok());
    relaxed.paths_needed = Some(known + 0.01);
    assert_eq!(path(relaxed), Err(PathError::NoView));
}

#[test]
fn ipv6_is_judged_by_its_own_policy() {
    let mut relays = plain();
    relays[8].policy6 = Some("accept 443");
    relays[9].policy6 = Some("accept 80");
    let view = network(&relays);
    for seed in 0..30 {
        let path = choose(&view, &ExitNeed::connect(443, Family::V6), &[], seed).unwrap();
        assert_eq!(ids(&path)[2], relays[8].id());
        assert!(path.serves(&ExitNeed::connect(443, Family::V6)));
        assert!(!path.serves(&ExitNeed::connect(80, Family::V6)));
    }
    assert_eq!(choose(&view, &ExitNeed::connect(22, Family::V6), &[], 0), Err(PathError::NoExit));
}

#[test]
fn nothing_connects_to_port_0() {
    let relays: Vec<_> = plain().into_iter().map(|relay| relay.exit("accept 1-65535")).collect();
    assert_eq!(choose(&network(&relays), &ExitNeed::port(0), &[], 0), Err(PathError::NoExit));
    assert_eq!(ExitNeed::port(0).predicts(), None);
}

#[test]
fn what_lives_long_goes_through_stable_relays() {
    let mut relays = plain();
    for i in [4, 5, 6, 9, 10, 11] {
        relays[i] = relays[i].clone().without("Stable");
    }
    let view = network(&relays);
    let need = ExitNeed::Connect { port: 443, family: Family::Any, long_lived: true };
    for seed in 0..30 {
        let path = choose(&view, &need, &[], seed).unwrap();
        let ids = ids(&path);
        assert_eq!(ids[2], relays[8].id());
        assert!([0, 1, 2, 3, 7].contains(&index(&ids[1])), "{ids:?}");
        assert!(path.serves(&need) && path.serves(&WEB));
        assert!(!choose(&view, &WEB, &[], seed).unwrap().serves(&need));
    }
    // Better an unsteady exit than none.
    let avoid = [relays[8].id()];
    assert!(choose(&view, &need, &avoid, 0).unwrap().serves(&need));
}

#[test]
fn bad_exits_and_middle_only_relays_do_not_exit() {
    let mut relays = plain();
    relays[8] = relays[8].clone().flag("BadExit");
    relays[9] = relays[9].clone().flag("MiddleOnly");
    // Authorities give Exit to those that allow two usual ports; others may serve theirs all the same.
    relays[4].policy = Some("accept 443");
    let view = network(&relays);
    let mut seen = BTreeMap::new();
    for seed in 0..200 {
        *seen.entry(index(&ids(&choose(&view, &WEB, &[], seed).unwrap())[2])).or_insert(0) += 1;
    }
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [4, 10, 11]);
}

/// A guard that is of the exit's family or subnet gives way to another, and so does the exit where there is none.
#[test]
fn an_exit_that_no_guard_goes_with_gives_way() {
    let mut relays = plain();
    for guard in &mut relays[..4] {
        guard.ipv4 = [99, 99, 1, 1];
    }
    for exit in &mut relays[8..11] {
        exit.ipv4 = [99, 99, 2, 2];
    }
    let view = network(&relays);
    for seed in 0..50 {
        assert_eq!(ids(&choose(&view, &WEB, &[], seed).unwrap())[2], relays[11].id());
    }
    assert_eq!(choose(&view, &WEB, &[relays[11].id()], 0), Err(PathError::NoGuard));
    // EnforceDistinctSubnets 0 lifts it.
    let config = PathConfig { distinct_subnets: false, ..PathConfig::default() };
    let mut guards = Guards::default();
    let path = Selector::new(&view, config).path(&WEB, &[relays[11].id()], &mut guards, day(0), &mut rng(0));
    assert!(path.is_ok());
}

#[test]
fn without_guards_every_path_begins_anew() {
    let view = network(&plain());
    let config = PathConfig { use_guards: false, ..PathConfig::default() };
    let mut guards = Guards::default();
    let mut seen = BTreeMap::new();
    for seed in 0..100 {
        let path = Selector::new(&view, config.clone())
            .path(&WEB, &[], &mut guards, day(0), &mut rng(seed))
            .unwrap();
        *seen.entry(index(&ids(&path)[0])).or_insert(0) += 1;
    }
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(guards.iter().count(), 0);
}

/// Each is chosen as often as its weight says: five standard deviations leave room for chance, not for a mistake.
#[test]
fn choice_follows_bandwidth_and_weights() {
    let relays: Vec<_> = (0..12)
        .map(|i| TestRelay::new(i).bandwidth(100 * (i + 1)))
        .map(|relay| match relay.index % 4 {
            0 => relay.guard(),
            1 => relay.exit("accept 443"),
            2 => relay.guard().exit("accept 443"),
            _ => relay,
        })
        .collect();
    let view = network(&relays);
    let selector = Selector::new(&view, PathConfig::default());
    let rng = &mut rng(3);
    // From the bandwidth-weights line of the test network, by class: guard, exit, both, neither.
    let roles = [
        (Role::Guard, [0.5806, 0.0, 0.0, 0.5806]),
        (Role::Middle, [0.4194, 0.0, 0.0, 1.0]),
        (Role::Exit, [1.0, 1.0, 1.0, 1.0]),
    ];
    for (role, by_class) in roles {
        let weight = |relay: &TestRelay| {
            f64::from(relay.bandwidth) * by_class[usize::try_from(relay.index % 4).unwrap()]
        };
        let total: f64 = relays.iter().map(weight).sum();
        let rounds = 6000_u32;
        let mut counts = [0_u32; 12];
        for _ in 0..rounds {
            let chosen = selector.weighted(role, rng, view.relays()).unwrap();
            counts[usize::try_from(index(chosen.rsa())).unwrap()] += 1;
        }
        for (relay, count) in relays.iter().zip(counts) {
            let share = weight(relay) / total;
            let expected = share * f64::from(rounds);
            let deviation = (f64::from(rounds) * share * (1.0 - share)).sqrt();
            assert!((f64::from(count) - expected).abs() <= 5.0 * deviation, "{role:?} {relay:?}: {count}");
        }
    }
}

#[test]
fn relays_that_weigh_nothing_are_chosen_evenly_if_there_are_no_others() {
    let relays: Vec<_> = (0..4).map(|i| TestRelay::new(i).bandwidth(0)).collect();
    let view = network(&relays);
    let selector = Selector::new(&view, PathConfig::default());
    let rng = &mut rng(4);
    let mut counts = [0; 4];
    for _ in 0..4000 {
        let chosen = selector.weighted(Role::Middle, rng, view.relays()).unwrap();
        counts[usize::try_from(index(chosen.rsa())).unwrap()] += 1;
    }
    assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    assert!(selector.weighted(Role::Middle, rng, std::iter::empty()).is_none());
    // One that weighs something takes all.
    let mut relays = relays;
    relays[2].bandwidth = 1;
    let view = network(&relays);
    let selector = Selector::new(&view, PathConfig::default());
    assert!((0..100).all(|_| {
        selector
            .weighted(Role::Middle, rng, view.relays())
            .is_some_and(|relay| *relay.rsa() == relays[2].id())
    }));
}

/// A family that the user makes of these relays: by fingerprint and by name, in turn.
fn family(members: &[u32]) -> RelaySet {
    let pattern = |(at, &index): (usize, &u32)| match at % 2 {
        0 => RelayPattern::Id(TestRelay::new(index).id()),
        _ => RelayPattern::Nickname(format!("RELAY{index}")),
    };
    members.iter().enumerate().map(pattern).collect()
}

#[test]
fn relays_of_a_family_that_the_user_made_are_never_on_one_path() {
    let view = network(&plain());
    // Guard 0 with exits 8 and 9, middle 4 with guard 1, middle 5 with exit 10. Subnets have no say in it.
    let families: [&[u32]; 3] = [&[0, 8, 9], &[4, 1], &[10, 5]];
    for distinct_subnets in [true, false] {
        for use_guards in [true, false] {
            let families = families.iter().map(|list| family(list)).collect();
            let config = PathConfig { families, distinct_subnets, use_guards, ..PathConfig::default() };
            let selector = Selector::new(&view, config);
            let mut seen = std::collections::BTreeSet::new();
            for seed in 0..400 {
                let path = selector.path(&WEB, &[], &mut Guards::default(), day(0), &mut rng(seed)).unwrap();
                let on_path: Vec<_> = ids(&path).iter().map(index).collect();
                for list in [&[0, 8, 9][..], &[4, 1], &[10, 5]] {
                    assert!(list.iter().filter(|member| on_path.contains(member)).count() < 2, "{on_path:?}");
                }
                seen.extend(on_path);
            }
            assert!(
                [0, 1, 4, 5, 8, 9, 10].iter().all(|member| seen.contains(member)),
                "each alone: {seen:?}"
            );
        }
    }
}

/// There is no path left if all exits are of one family with all guards; the one without is taken.
#[test]
fn a_family_of_everybody_leaves_no_path() {
    let view = network(&plain());
    let path = |families: Vec<RelaySet>, seed| {
        let config = PathConfig { families: families.into(), ..PathConfig::default() };
        Selector::new(&view, config).path(&WEB, &[], &mut Guards::default(), day(0), &mut rng(seed))
    };
    let all = |bits| RelayPattern::Network { address: std::net::Ipv4Addr::UNSPECIFIED.into(), bits };
    for seed in 0..20 {
        assert_eq!(path(vec![[all(0)].into_iter().collect()], seed), Err(PathError::NoGuard));
        let path = path(vec![family(&[0, 1, 2, 3, 8, 9, 10])], seed).unwrap();
        assert_eq!(index(&ids(&path)[2]), 11);
    }
}

/// A relay with a few of the things that rules are about.
fn any_relay(index: u32) -> impl Strategy<Value = TestRelay> {
    let policy =
        proptest::option::of(prop_oneof![Just("accept 80,443"), Just("accept 443"), Just("reject 25")]);
    let flags = proptest::sample::subsequence(vec!["Guard", "Exit", "BadExit", "MiddleOnly"], 0..=2);
    let family = proptest::collection::vec(0..30_u32, 0..4);
    let lacking = proptest::option::weighted(0.15, proptest::sample::select(vec!["Fast", "Stable", "V2Dir"]));
    (policy, flags, family, lacking, 0..12_u8, 0..5000_u32, proptest::bool::weighted(0.9)).prop_map(
        move |(policy, flags, family, lacking, subnet, bandwidth, has_microdesc)| {
            let mut relay = TestRelay::new(index).subnet(40, subnet).bandwidth(bandwidth).family(&family);
            relay = flags.into_iter().fold(relay, TestRelay::flag).without(lacking.unwrap_or(""));
            (relay.policy, relay.policy6, relay.has_microdesc) = (policy, policy, has_microdesc);
            relay
        },
    )
}

fn any_network() -> impl Strategy<Value = Vec<TestRelay>> {
    (3..30_u32).prop_flat_map(|count| (0..count).map(any_relay).collect::<Vec<_>>())
}

fn any_need() -> impl Strategy<Value = ExitNeed> {
    let family = prop_oneof![Just(Family::Any), Just(Family::V4), Just(Family::V6)];
    let port = proptest::sample::select(vec![0, 25, 80, 443]);
    let connect = (port, family, any::<bool>()).prop_map(|(port, family, long_lived)| ExitNeed::Connect {
        port,
        family,
        long_lived,
    });
    prop_oneof![9 => connect, 1 => Just(ExitNeed::Resolve)]
}

/// The rules once more, in other words.
fn check(path: &Path, relays: &[TestRelay], need: &ExitNeed, subnets: bool, families: &[Vec<u32>]) {
    let relays: Vec<_> =
        ids(path).into_iter().map(|id| relays.iter().find(|relay| relay.id() == id).unwrap()).collect();
    let [guard, _, exit] = relays[..] else { panic!("{path:?}") };
    for flag in ["Guard", "Fast", "Stable", "V2Dir"] {
        assert!(guard.flags.contains(&flag), "{guard:?}");
    }
    assert!(!guard.flags.contains(&"MiddleOnly"));
    assert!(!exit.flags.contains(&"BadExit") && !exit.flags.contains(&"MiddleOnly"));
    let allows = |port: u16| match exit.policy {
        Some("accept 80,443") => port == 80 || port == 443,
        Some("accept 443") => port == 443,
        Some("reject 25") => port != 25 && port != 0,
        _ => false,
    };
    match need {
        ExitNeed::Connect { port, .. } => assert!(allows(*port)),
        ExitNeed::Resolve => assert!(exit.policy.is_some()),
    }
    for (at, one) in relays.iter().enumerate() {
        assert!(one.has_microdesc);
        for other in &relays[at + 1..] {
            assert_ne!(one.index, other.index);
            assert!(!subnets || one.ipv4[..2] != other.ipv4[..2]);
            assert!(!(one.family.contains(&other.index) && other.family.contains(&one.index)));
            assert!(families.iter().all(|list| !(list.contains(&one.index) && list.contains(&other.index))));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_path_breaks_a_rule(
        relays in any_network(),
        needs in proptest::collection::vec(any_need(), 1..40),
        subnets: bool,
        families in proptest::collection::vec(proptest::collection::vec(0..30_u32, 0..5), 0..4),
        seed: u64,
    ) {
        let view = network_with(0, "min_paths_for_circs_pct=25", &relays);
        let config = PathConfig {
            distinct_subnets: subnets,
            families: families.iter().map(|list| family(list)).collect(),
            paths_needed: Some(0.0),
            ..PathConfig::default()
        };
        let selector = Selector::new(&view, config);
        let (mut guards, rng) = (Guards::default(), &mut rng(seed));
        for (at, need) in needs.iter().enumerate() {
            let avoid: Vec<_> = relays.iter().map(TestRelay::id).take(at % 3).collect();
            match selector.path(need, &avoid, &mut guards, day(0), rng) {
                Ok(path) => {
                    check(&path, &relays, need, subnets, &families);
                    prop_assert!(path.serves(need));
                    prop_assert!(!avoid.contains(&ids(&path)[2]));
                    // Now and then a guard fails, so that others get their turn.
                    if at % 4 == 0 {
                        guards.failed(&ids(&path)[0], day(0));
                    }
                }
                Err(error) => prop_assert!(error != PathError::NoView),
            }
        }
    }
}
