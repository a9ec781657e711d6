use tor_netdoc::microdesc::Interner;

use super::*;
use crate::testdata::{mini_consensus, mini_time};

/// A consensus of which each named microdescriptor is made up by `line`, which sees the index of the relay.
fn view(line: impl Fn(usize) -> Option<&'static str>) -> NetworkView {
    let consensus = Arc::new(mini_consensus());
    let known: HashMap<MdDigest, Arc<Microdesc>> = consensus
        .relays()
        .iter()
        .enumerate()
        .filter_map(|(index, relay)| {
            let key = "A".repeat(42);
            let letter = char::from(b'A' + u8::try_from(index).unwrap());
            let text = format!(
                "onion-key\nntor-onion-key {letter}{key}\nid ed25519 {letter}{key}\n{}\n",
                line(index)?
            );
            let microdesc = Microdesc::parse(&text, &mut Interner::default()).unwrap();
            Some((relay.microdesc().unwrap(), Arc::new(microdesc)))
        })
        .collect();
    NetworkView::new(consensus, |digest| known.get(digest).cloned())
}

#[test]
fn relays_are_found_by_either_identity() {
    let view = view(|index| (index != 5).then_some("p accept 80"));
    assert_eq!(view.all_relays().count(), 6);
    // The key of the first is all zero, which is no key.
    assert_eq!(view.relays().count(), 4);
    let relay = view.relays().next().unwrap();
    assert_eq!(view.relay(relay.rsa()).unwrap().nickname(), relay.nickname());
    assert_eq!(view.relay_by_ed25519(&relay.ed25519().unwrap()).unwrap().rsa(), relay.rsa());
    assert!(view.relay_by_ids(&relay.ids()).is_some());
    let other = RelayIds::new(*relay.rsa(), Some(Ed25519Id::from_bytes([9; 32])));
    assert!(view.relay_by_ids(&other).is_none());
    assert!(view.relay(&RsaId::from_bytes([0; 20])).is_none());
    assert!(relay.allows_port(80) && !relay.allows_port(81) && !relay.allows_port_ipv6(80));
    assert_eq!(relay.or_addresses().count(), 2);
    assert_eq!(view.missing_microdescs().count(), 1);
}

#[test]
fn enough_info_counts_all_three_positions() {
    let full = view(|_| Some("p accept 80"));
    assert!(full.has_enough_info());
    assert!((full.path_fraction().paths() - 1.0).abs() < 1e-9);
    assert!((full.needed_fraction() - 0.6).abs() < 1e-9);
    // Bandwidths are all 0 here, so relays count alike: 5/6 cubed is 0.58.
    let most = view(|index| (index != 0).then_some("p accept 80"));
    assert!((most.path_fraction().paths() - (5.0_f64 / 6.0).powi(3)).abs() < 1e-9);
    assert!(!most.has_enough_info());
    assert_eq!((most.path_fraction().wanted, most.path_fraction().present), (6, 5));
    let none = view(|_| None);
    assert!(none.path_fraction().paths() == 0.0 && !none.path_fraction().has_exits);
}

#[test]
fn a_network_without_exits_can_still_have_enough() {
    let view = view(|_| Some("p reject 1-65535"));
    assert!(!view.path_fraction().has_exits);
    assert!(view.has_enough_info());
    let text = view.path_fraction().to_string();
    assert!(text.ends_with("100% of end bw (no exits in consensus, using mid) = 100% of path bw"), "{text}");
}

#[test]
fn families_need_both_sides_or_a_common_proof() {
    let pair = |view: &NetworkView| {
        let relays: Vec<_> = view.all_relays().collect();
        (view.in_same_family(&relays[0], &relays[1]), view.in_same_family(&relays[0], &relays[0]))
    };
    assert_eq!(pair(&view(|_| Some("family test002a test005r"))), (true, true));
    assert_eq!(pair(&view(|index| (index == 0).then_some("family test005r"))), (false, true));
    assert_eq!(pair(&view(|_| Some("family-ids other:x"))), (true, true));
    assert_eq!(
        pair(&view(|index| Some(if index == 0 { "family-ids a" } else { "family-ids b" }))),
        (false, true)
    );
}

#[test]
fn subnets() {
    let view = view(|_| None);
    let relays: Vec<_> = view.all_relays().collect();
    assert!(relays[0].in_same_subnet(&relays[1]));
    let mut far = relays[1].entry().clone();
    far.ipv4 = "127.1.0.1".parse().unwrap();
    far.ipv6 = Some("[1::1]:1".parse().unwrap());
    let far = Relay { entry: &far, microdesc: None };
    assert!(!relays[0].in_same_subnet(&far));
}

#[test]
fn a_day_of_grace_either_way() {
    let view = view(|_| None);
    let lifetime = view.lifetime();
    let second = Duration::from_secs(1);
    assert!(view.is_live(mini_time()));
    assert!(!view.is_live(lifetime.valid_until + second));
    assert!(view.is_reasonably_live(lifetime.valid_until + REASONABLY_LIVE));
    assert!(!view.is_reasonably_live(lifetime.valid_until + REASONABLY_LIVE + second));
    assert!(view.is_reasonably_live(lifetime.valid_after - REASONABLY_LIVE));
    assert!(!view.is_reasonably_live(lifetime.valid_after - REASONABLY_LIVE - second));
}

/// Each part that a relay must have to be used, taken away alone: no test noticed when one was not asked for.
#[test]
fn a_relay_that_lacks_anything_is_not_used() {
    let view = view(|_| Some(""));
    let whole = view.relays().next().unwrap();
    let (entry, microdesc) = (whole.entry(), whole.microdesc().unwrap());
    let usable = |entry: &RelayEntry, microdesc: &Microdesc| {
        let relay = Relay { entry, microdesc: Some(microdesc) };
        (relay.is_usable(), relay.ed25519().is_some(), relay.ntor_key().is_some())
    };
    assert_eq!(usable(entry, microdesc), (true, true, true));
    let mut without = microdesc.clone();
    without.ed25519 = None;
    assert_eq!(usable(entry, &without), (false, false, true));
    without.ed25519 = Some(Ed25519Id::from_bytes([0; 32]));
    assert_eq!(usable(entry, &without), (false, false, true));
    without = microdesc.clone();
    without.ntor_key = [0; 32];
    assert_eq!(usable(entry, &without), (false, true, false));
    let mut nowhere = entry.clone();
    (nowhere.or_port, nowhere.ipv6) = (0, None);
    assert_eq!(usable(&nowhere, microdesc), (false, true, true));
    assert!(!Relay { entry, microdesc: None }.is_usable());
}
