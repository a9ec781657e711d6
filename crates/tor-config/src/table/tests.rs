use super::*;

#[test]
fn names_are_unique_and_sorted() {
    for pair in options().windows(2) {
        assert!(pair[0].name.to_ascii_lowercase() < pair[1].name.to_ascii_lowercase(), "{}", pair[1].name);
    }
    assert!(OBSOLETE.iter().all(|name| find(name).is_none()));
}

#[test]
fn every_row_is_what_c_tor_answers() {
    // `GETINFO config/names` and `config/defaults` of C Tor 0.4.9.11.
    let names = include_str!("../../testdata/config-names.txt");
    let names: Vec<_> = names
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let ours: Vec<_> =
        options().iter().filter(|spec| spec.visible).map(|spec| (spec.name, spec.kind.type_name())).collect();
    for name in &names {
        assert!(ours.contains(name), "{name:?}");
    }
    assert_eq!(ours.len(), names.len());

    let defaults = include_str!("../../testdata/config-defaults.txt");
    let mut count = 0;
    for line in defaults.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').unwrap();
        assert_eq!(find(name).unwrap().default, Some(value.trim_matches('"')), "{name}");
        count += 1;
    }
    assert_eq!(options().iter().filter(|spec| spec.default.is_some()).count(), count);
}

#[test]
fn names_are_found_in_any_case() {
    assert!(matches!(lookup("socksport"), Lookup::Exact(spec) if spec.name == "SocksPort"));
    assert_eq!(lookup("DYNAMICDHGROUPS"), Lookup::Obsolete("DynamicDHGroups"));
    assert!(matches!(lookup("SocksPortLines"), Lookup::Exact(spec) if !spec.settable()));
}

#[test]
fn the_beginning_of_one_name_is_enough() {
    assert!(matches!(lookup("SocksPol"), Lookup::Abbreviated(spec) if spec.name == "SocksPolicy"));
    assert!(matches!(lookup("EnforceD"), Lookup::Abbreviated(spec) if spec.name == "EnforceDistinctSubnets"));
    assert_eq!(lookup("StrictE"), Lookup::Obsolete("StrictEntryNodes"));
}

#[test]
fn the_beginning_of_two_is_not() {
    assert_eq!(lookup("Exclude"), Lookup::Ambiguous("ExcludeExitNodes", "ExcludeNodes"));
    assert!(matches!(lookup("Client"), Lookup::Ambiguous(..)));
}

#[test]
fn the_nearest_name_is_proposed() {
    assert_eq!(lookup("SockPort"), Lookup::Unknown { nearest: Some("SocksPort") });
    assert_eq!(lookup("MaxCircuitDirtyness"), Lookup::Unknown { nearest: Some("MaxCircuitDirtiness") });
    assert_eq!(lookup("UseEntyNodes"), Lookup::Unknown { nearest: Some("UseEntryGuards") });
    assert_eq!(lookup("Breakfast"), Lookup::Unknown { nearest: None });
    assert_eq!(lookup(""), Lookup::Unknown { nearest: None });
    // The hidden option is no option.
    assert!(matches!(lookup("___UsingTestNetworkDefaults"), Lookup::Unknown { .. }));
}

#[test]
fn aliases_expand() {
    assert_eq!(expand_alias("dirserver", false), Some(("DirAuthority", false)));
    assert_eq!(expand_alias("MaxConn", false), Some(("ConnLimit", true)));
    assert_eq!(expand_alias("EntryNode", false), Some(("EntryNodes", false)));
    assert_eq!(expand_alias("l", false), None);
    assert_eq!(expand_alias("l", true), Some(("Log", false)));
    assert_eq!(
        expand_alias("TestingClientDownloadSchedule", false),
        Some(("TestingClientDownloadInitialDelay", true))
    );
    // C Tor keeps some whose options are gone altogether.
    let gone = |name| matches!(lookup(name), Lookup::Unknown { .. });
    let dangling: Vec<_> = ALIASES.iter().map(|alias| alias.full).filter(|full| gone(full)).collect();
    assert_eq!(
        dangling,
        [
            "HiddenServiceNodes",
            "HiddenServiceExcludeNodes",
            "RendNodes",
            "RendExcludeNodes",
            "StatusFetchPeriod"
        ]
    );
}

#[test]
fn deprecated_options_exist() {
    for name in deprecated_names() {
        assert!(matches!(lookup(name), Lookup::Exact(_) | Lookup::Obsolete(_)), "{name}");
        assert!(deprecation(name).is_some());
    }
}
