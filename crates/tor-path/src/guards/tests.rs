use std::collections::BTreeMap;

use proptest::prelude::*;
use tor_dir::NetworkView;

use super::*;
use crate::{
    ExitNeed, PathConfig, PathError,
    testnet::{TestRelay, day, network, network_of, network_with, rng},
};

const NEED: ExitNeed = ExitNeed::port(443);

/// Guards `0..count`, and ten exits and middles from 1000 on.
fn relays(count: u32) -> Vec<TestRelay> {
    let guards = (0..count).map(|i| TestRelay::new(i).guard());
    guards.chain((1000..1010).map(|i| TestRelay::new(i).exit("accept 443"))).collect()
}

/// A client that builds circuits, some of whose guards can't be reached.
struct Client {
    guards: Guards,
    config: PathConfig,
    rng: rand_chacha::ChaCha8Rng,
    unreachable: Vec<RsaId>,
}

impl Client {
    fn new(seed: u64) -> Self {
        let (config, rng) = (PathConfig::default(), rng(seed));
        Self { guards: Guards::default(), config, rng, unreachable: Vec::new() }
    }

    fn choose(&mut self, view: &NetworkView, wall: SystemTime) -> Result<RsaId, PathError> {
        let selector = Selector::new(view, self.config.clone());
        let path = selector.path(&NEED, &[], &mut self.guards, wall, &mut self.rng)?;
        Ok(path.guard().unwrap().ids.rsa)
    }

    fn directory(&mut self, view: &NetworkView, avoid: &[RsaId], wall: SystemTime) -> Option<RsaId> {
        let selector = Selector::new(view, self.config.clone());
        selector.directory(avoid, &mut self.guards, wall, &mut self.rng).map(|relay| *relay.rsa())
    }

    /// One attempt to build a circuit: the guard whose circuit may be used.
    fn build(&mut self, view: &NetworkView, wall: SystemTime) -> Option<RsaId> {
        let guard = self.choose(view, wall).ok()?;
        if self.unreachable.contains(&guard) {
            self.guards.failed(&guard, wall);
            return None;
        }
        (self.guards.succeeded(&guard, wall, &mut self.rng) == GuardUse::Now).then_some(guard)
    }

    /// As many attempts, a second apart, as it takes.
    fn build_in_the_end(&mut self, view: &NetworkView, mut wall: SystemTime) -> RsaId {
        for _ in 0..300 {
            if let Some(guard) = self.build(view, wall) {
                return guard;
            }
            wall += Duration::from_secs(1);
        }
        panic!("no circuit: {:?}", self.guards)
    }

    fn primaries(&self) -> Vec<RsaId> {
        self.guards.primaries().map(|guard| guard.rsa).collect()
    }

    fn restart(&mut self) {
        let (guards, errors) = Guards::parse(&self.guards.to_text());
        assert_eq!(errors, []);
        self.guards = guards;
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn every_circuit_enters_by_the_same_guard() {
    let view = network(&relays(100));
    let mut client = Client::new(1);
    let first = client.build(&view, day(0)).unwrap();
    for minute in 0..200 {
        assert_eq!(client.build(&view, day(0) + seconds(60 * minute)), Some(first));
        if minute % 50 == 0 {
            client.restart();
        }
    }
    let confirmed: Vec<_> =
        client.guards.iter().filter(|guard| guard.confirmed_on.is_some()).map(|guard| guard.rsa).collect();
    assert_eq!(confirmed, [first]);
}

#[test]
fn the_sample_is_as_large_as_c_tors() {
    let sizes = |count, params: &str| {
        let mut client = Client::new(2);
        client.build(&network_with(0, params, &relays(count)), day(0));
        (client.guards.guards.len(), client.primaries().len())
    };
    assert_eq!(sizes(100, ""), (20, 3));
    assert_eq!(sizes(7, ""), (7, 3));
    assert_eq!(sizes(2, ""), (2, 2));
    assert_eq!(sizes(100, "guard-min-filtered-sample-size=5 guard-n-primary-guards=4"), (5, 4));

    // With all of them down it grows, to a fifth of the network, and no further.
    let view = network(&relays(150));
    let mut client = Client::new(2);
    client.unreachable = (0..150).map(|i| TestRelay::new(i).id()).collect();
    for second in 0..400 {
        assert_eq!(client.build(&view, day(0) + seconds(second)), None);
    }
    assert_eq!(client.guards.guards.len(), 30);
}

#[test]
fn sampling_follows_bandwidth() {
    let mut relays = relays(10);
    relays[3].bandwidth = 20_000;
    let view = network(&relays);
    let first = (0..100).filter(|&seed| {
        let mut client = Client::new(seed);
        client.build(&view, day(0)) == Some(relays[3].id())
    });
    // 20 of 29 parts.
    assert!((55..85).contains(&first.count()));
}

/// Whoever serves microdescriptors decides which come first. It must not decide which guards we get.
#[test]
fn the_sample_does_not_depend_on_microdescriptors() {
    let mut relays = relays(40);
    let full = network(&relays);
    relays[..40].iter_mut().skip(5).for_each(|guard| guard.has_microdesc = false);
    let partial = network(&relays);
    let sampled = |view: &NetworkView| {
        let mut client = Client::new(3);
        client.directory(view, &[], day(0));
        client.guards.iter().map(|guard| guard.rsa).collect::<Vec<_>>()
    };
    assert_eq!(sampled(&full), sampled(&partial));
}

#[test]
fn circuits_wait_a_minute_for_the_first_guards_microdescriptor() {
    let mut relays = relays(40);
    let mut client = Client::new(4);
    let first = client.choose(&network(&relays), day(0)).unwrap();
    relays.iter_mut().filter(|relay| relay.id() == first).for_each(|guard| guard.has_microdesc = false);
    let view = network(&relays);
    for second in 0..60 {
        assert_eq!(client.choose(&view, day(0) + seconds(second)), Err(PathError::NoGuard));
    }
    // Directory requests need none: it is asked for its own.
    assert!((0..100).any(|_| client.directory(&view, &[], day(0)) == Some(first)));
    let second = client.choose(&view, day(0) + seconds(61)).unwrap();
    assert!(second != first && client.primaries().contains(&second));
    relays.iter_mut().for_each(|relay| relay.has_microdesc = true);
    assert_eq!(client.choose(&network(&relays), day(0) + seconds(62)), Ok(first));
}

#[test]
fn a_guard_that_fails_is_soon_tried_again() {
    let view = network(&relays(100));
    let mut client = Client::new(5);
    let first = client.build(&view, day(0)).unwrap();
    let primaries = client.primaries();
    client.unreachable.push(first);
    assert_eq!(client.build(&view, day(0) + seconds(1)), None);
    let second = client.build(&view, day(0) + seconds(2)).unwrap();
    assert!(second != first && primaries.contains(&second));
    // It is back: half a minute later it is used again.
    client.unreachable.clear();
    assert_eq!(client.build(&view, day(0) + seconds(20)), Some(second));
    assert_eq!(client.build(&view, day(0) + seconds(32)), Some(first));
    assert_eq!(client.primaries(), primaries);
}

/// While one circuit finds out whether a guard is back, the others do not wait for it.
#[test]
fn one_circuit_at_a_time_tries_a_guard_that_failed() {
    let view = network(&relays(100));
    let mut client = Client::new(6);
    let first = client.build(&view, day(0)).unwrap();
    client.guards.failed(&first, day(0));
    let later = day(0) + seconds(31);
    assert_eq!(client.choose(&view, later), Ok(first));
    for _ in 0..10 {
        assert_ne!(client.choose(&view, later + seconds(1)), Ok(first));
    }
    let _now = client.guards.succeeded(&first, later + seconds(2), &mut rng(0));
    assert_eq!(client.choose(&view, later + seconds(3)), Ok(first));
}

#[test]
fn an_outage_of_our_own_changes_no_guard() {
    let view = network(&relays(100));
    let mut client = Client::new(7);
    let first = client.build(&view, day(0)).unwrap();
    let primaries = client.primaries();
    client.unreachable = (0..100).map(|i| TestRelay::new(i).id()).collect();
    for second in 1..3600 {
        assert_eq!(client.build(&view, day(0) + seconds(second)), None);
    }
    client.unreachable.clear();
    assert_eq!(client.build_in_the_end(&view, day(0) + seconds(3600)), first);
    assert_eq!(client.primaries(), primaries);
    let confirmed = client.guards.iter().filter(|guard| guard.confirmed_on.is_some());
    assert!(confirmed.count() <= 2, "others are hardly used meanwhile");
}

#[test]
fn others_are_used_once_all_primary_guards_have_failed() {
    let view = network(&relays(100));
    let mut client = Client::new(8);
    client.choose(&view, day(0)).unwrap();
    client.unreachable = client.primaries();
    let fourth = client.build_in_the_end(&view, day(0));
    assert!(!client.unreachable.contains(&fourth));
    // What is confirmed becomes primary, so that this client keeps to it.
    assert!(client.primaries().contains(&fourth));
    assert_eq!(client.build(&view, day(0) + seconds(301)).or(Some(fourth)), Some(fourth));
}

#[test]
fn a_circuit_through_another_guard_waits_if_the_internet_was_down() {
    let view = network_with(0, "guard-n-primary-guards=1", &relays(100));
    let mut client = Client::new(9);
    let first = client.build(&view, day(0)).unwrap();
    let hour = day(0) + seconds(3600);
    client.guards.failed(&first, hour);
    let other = client.choose(&view, hour).unwrap();
    assert_ne!(other, first);
    // For an hour nothing has succeeded: perhaps the first is up as well.
    assert_eq!(client.guards.succeeded(&other, hour, &mut rng(0)), GuardUse::NotYet);
    assert_eq!(client.choose(&view, hour), Ok(first));
    // It is not.
    client.guards.failed(&first, hour + seconds(1));
    assert_eq!(client.choose(&view, hour + seconds(1)), Ok(other));
    assert_eq!(client.guards.succeeded(&other, hour + seconds(2), &mut rng(0)), GuardUse::Now);
}

#[test]
fn a_guard_of_the_exits_family_is_passed_over_for_that_exit_only() {
    let mut relays = relays(40);
    let mut client = Client::new(10);
    let first = client.build(&network(&relays), day(0)).unwrap();
    // One exit is in the guard's subnet.
    let subnet = relays.iter().find(|relay| relay.id() == first).unwrap().ipv4;
    relays[40].ipv4 = subnet;
    let view = network(&relays);
    let selector = Selector::new(&view, client.config.clone());
    let rng = &mut rng(1);
    let mut entries = BTreeMap::new();
    for _ in 0..200 {
        let path = selector.path(&NEED, &[], &mut client.guards, day(0), rng).unwrap();
        let near = path.exit().unwrap().ids.rsa == relays[40].id();
        *entries.entry((near, path.guard().unwrap().ids.rsa == first)).or_insert(0) += 1;
    }
    assert_eq!(entries.keys().collect::<Vec<_>>(), [&(false, true), &(true, false)]);
}

#[test]
fn as_many_guards_as_configured() {
    let view = network(&relays(100));
    let mut client = Client::new(11);
    client.config = PathConfig { entry_guards: Some(2), primary_guards: Some(5), ..client.config.clone() };
    let mut seen = BTreeMap::new();
    for _ in 0..200 {
        *seen.entry(client.build(&view, day(0)).unwrap()).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 2);
    assert!(seen.values().all(|count| *count > 60), "{seen:?}");
    assert_eq!(client.primaries().len(), 5);

    let asked: Vec<_> = (0..200).filter_map(|_| client.directory(&view, &[], day(0))).collect();
    let distinct = |ids: &[RsaId]| ids.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(distinct(&asked), 3);
    client.config.directory_guards = Some(1);
    let asked: Vec<_> = (0..50).filter_map(|_| client.directory(&view, &[], day(0))).collect();
    assert_eq!(distinct(&asked), 1);
    // One that lacks the document is not asked for it again, and no others are than the primary ones.
    let primaries = client.primaries();
    assert_ne!(client.directory(&view, &asked, day(0)), Some(asked[0]));
    assert_eq!(client.directory(&view, &primaries, day(0)), None);
}

#[test]
fn only_addresses_that_we_may_use() {
    let mut relays = relays(40);
    relays[..40].iter_mut().step_by(4).for_each(|guard| guard.ipv6 = Some("2001:db8::1"));
    let view = network(&relays);
    let config = PathConfig { entry_by_ipv4: false, distinct_subnets: false, ..PathConfig::default() };
    let mut client = Client { config, ..Client::new(12) };
    for _ in 0..20 {
        let guard = client.build(&view, day(0)).unwrap();
        let relay = relays.iter().find(|relay| relay.id() == guard).unwrap();
        assert!(relay.ipv6.is_some());
    }
    client.config = PathConfig { entry_by_ipv6: false, ..client.config.clone() };
    assert_eq!(client.choose(&view, day(0)), Err(PathError::NoGuard));
}

#[test]
fn a_stale_consensus_changes_nothing() {
    let mut client = Client::new(13);
    let first = client.build(&network(&relays(100)), day(0)).unwrap();
    let before = client.guards.to_text();
    // Three days later, still with the consensus of a network that has lost all guards but some new ones.
    let other: Vec<_> = relays(100).into_iter().filter(|relay| relay.index >= 50).collect();
    let view = network(&other);
    client.choose(&view, day(3)).ok();
    assert_eq!(client.guards.to_text(), before);
    let mut fresh = Client::new(14);
    assert_eq!(fresh.choose(&view, day(3)), Err(PathError::NoGuard));
    assert_eq!(client.build(&network_of(3, &relays(100)), day(3)), Some(first));
}

#[test]
fn guards_that_left_the_consensus_are_kept_for_a_while() {
    let mut client = Client::new(15);
    let all = relays(100);
    let first = client.build(&network(&all), day(0)).unwrap();
    let without: Vec<_> = all.iter().filter(|relay| relay.id() != first).cloned().collect();
    for days in 1..15 {
        let guard = client.build(&network_of(days, &without), day(days)).unwrap();
        assert_ne!(guard, first);
        client.restart();
    }
    // It is back, and first again.
    assert_eq!(client.build(&network_of(15, &all), day(15)), Some(first));
    assert!(client.guards.guards.iter().all(|guard| guard.unlisted_since.is_none()));
    // Twenty days are too much, of which up to four may have been added to blur the record.
    let known = |client: &Client| client.guards.guards.iter().any(|guard| guard.rsa == first);
    for days in 16..40 {
        client.build(&network_of(days, &without), day(days));
        assert!(known(&client) || days >= 32, "forgotten on day {days}");
    }
    assert!(!known(&client));
}

/// The same DataDirectory was used with another network: its guards must not leave us without any.
#[test]
fn the_record_of_another_network_leaves_room_for_guards() {
    let mut client = Client::new(16);
    client.unreachable = (0..300).map(|i| TestRelay::new(i).id()).collect();
    let public = network(&relays(300));
    for second in 0..200 {
        client.build(&public, day(0) + seconds(second));
    }
    assert_eq!(client.guards.guards.len(), 60);
    client.unreachable.clear();
    client.restart();
    let testing: Vec<_> = (2000..2005).map(|i| TestRelay::new(i).guard().exit("accept 443")).collect();
    let guard = client.build(&network_of(1, &testing), day(1)).unwrap();
    assert!(testing.iter().any(|relay| relay.id() == guard));
    assert_eq!(client.primaries().len(), 3);
    // And the old ones are still there, should we come back.
    assert_eq!(client.guards.guards.len(), 63);
}

/// Over a year of daily use: a guard serves 48 to 60 days, one after the other.
#[test]
fn guards_rotate_slowly() {
    let mut client = Client::new(17);
    let relays = relays(60);
    let mut served: Vec<(RsaId, u64)> = Vec::new();
    for days in 0..240 {
        let guard = client.build(&network_of(days, &relays), day(days)).unwrap();
        match served.last_mut() {
            Some((last, count)) if *last == guard => *count += 1,
            _ => served.push((guard, 1)),
        }
        client.restart();
        assert!(client.guards.guards.len() <= 60);
    }
    assert!((4..=6).contains(&served.len()), "{served:?}");
    served.pop();
    assert!(served.iter().all(|(_, days)| (47..=61).contains(days)), "{served:?}");
}

#[test]
fn guards_that_are_never_used_rotate_too() {
    let mut client = Client::new(18);
    let relays = relays(60);
    let sampled_before = |client: &Client, days| {
        client.guards.guards.iter().filter(|guard| guard.sampled_on < day(days)).count()
    };
    client.build(&network(&relays), day(0));
    assert_eq!(sampled_before(&client, 0), 20);
    client.build(&network_of(100, &relays), day(100));
    assert!(sampled_before(&client, 0) >= 19, "the one that was used has served its time");
    client.build(&network_of(121, &relays), day(121));
    // The one that took over is yet to serve.
    assert_eq!((sampled_before(&client, 0), sampled_before(&client, 121)), (1, 20));
}

#[test]
fn the_disk_hears_of_changes_once() {
    let view = network(&relays(100));
    let mut client = Client::new(19);
    assert!(!client.guards.take_changed());
    client.build(&view, day(0));
    assert!(client.guards.take_changed());
    client.build(&view, day(0));
    assert!(!client.guards.take_changed());
    client.guards.failed(&RsaId::from_bytes([9; 20]), day(0));
    assert!(!client.guards.take_changed());
    // Not one of ours, as with UseEntryGuards 0.
    let stranger = RsaId::from_bytes([9; 20]);
    assert_eq!(client.guards.succeeded(&stranger, day(0), &mut rng(0)), GuardUse::Now);
    assert!(!client.guards.take_changed());
}

#[derive(Clone, Debug)]
enum Op {
    Build,
    Wait(u64),
    Break(u32),
    Mend,
    Restart,
    Lose(u32),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => Just(Op::Build),
        3 => (1..2000_u64).prop_map(Op::Wait),
        2 => (0..25_u32).prop_map(Op::Break),
        1 => Just(Op::Mend),
        1 => Just(Op::Restart),
        1 => (0..25_u32).prop_map(Op::Lose),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens: the sample stays within its bounds, and while a guard that is preferred is up and has not
    /// failed, no other one carries traffic.
    #[test]
    fn the_preferred_guard_is_used(ops in proptest::collection::vec(any_op(), 1..120), seed: u64) {
        let mut relays = relays(25);
        let mut view = network(&relays);
        let mut client = Client::new(seed);
        let mut wall = day(0);
        for op in ops {
            match op {
                Op::Build => {
                    let fine: Vec<_> = client.guards.iter().filter(|guard| {
                        guard.primary && !guard.reach.is_failing() && !client.unreachable.contains(&guard.rsa)
                    }).map(|guard| guard.rsa).collect();
                    let before = client.primaries();
                    if let Some(used) = client.build(&view, wall) {
                        prop_assert!(!client.unreachable.contains(&used));
                        let rank = |id: &RsaId| before.iter().position(|own| own == id);
                        if let (Some(best), true) = (fine.first(), client.primaries() == before) {
                            prop_assert!(rank(&used) <= rank(best) && rank(&used).is_some());
                        }
                    }
                }
                Op::Wait(time) => wall += seconds(time),
                Op::Break(index) => client.unreachable.push(TestRelay::new(index).id()),
                Op::Mend => client.unreachable.clear(),
                Op::Restart => client.restart(),
                Op::Lose(index) => {
                    if view.all_relays().filter(is_guard).count() > 8 {
                        relays.retain(|relay| relay.index != index);
                        view = network(&relays);
                    }
                }
            }
            prop_assert!(client.guards.guards.len() <= 25 && client.primaries().len() <= 3);
        }
    }
}
