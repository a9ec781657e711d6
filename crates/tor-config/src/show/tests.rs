use super::*;
use crate::torrc::Entries;
use crate::{Named, Origin};

fn settings(text: &str) -> Settings {
    let lines: Vec<_> =
        Entries::new(text.as_bytes()).map(|entry| entry.unwrap().at(Origin::CommandLine)).collect();
    let mut settings = Settings::default();
    settings.assign(&lines, &mut Vec::new()).unwrap();
    settings
}

/// As the lines of an answer are written.
fn shown(text: &str, name: &str) -> Vec<String> {
    written(settings(text).show(name).unwrap())
}

fn written(lines: Vec<ConfLine>) -> Vec<String> {
    let line = |line: ConfLine| match line.value {
        Some(value) => format!("{}={value}", line.name),
        None => line.name.to_owned(),
    };
    lines.into_iter().map(line).collect()
}

/// What C Tor 0.4.9.11 answered to `GETCONF` with this torrc.
#[test]
fn getconf_answers_as_c_tor() {
    let torrc = "SocksPort 31050\nCircuitPriorityHalflife 2.5\nContactInfo \"a # b\"\nTrackHostExits .a.com,b\n\
                 HiddenServiceDir /hs\nHiddenServiceDirGroupReadable 1\nHiddenServicePort 80\n\
                 ExitNodes {de}, $1234567890123456789012345678901234567890,foo\n";
    for (asked, answer) in [
        ("socksport", &["SocksPort=31050"][..]),
        ("__SocksPort", &["__SocksPort"]),
        ("SocksPortLines", &["SocksPort=31050"]),
        ("Nickname", &["Nickname"]),
        ("FirewallPorts", &["FirewallPorts="]),
        ("EntryNodes", &["EntryNodes="]),
        ("ExitNodes", &["ExitNodes={de},$1234567890123456789012345678901234567890,foo"]),
        ("TrackHostExits", &["TrackHostExits=.a.com,b"]),
        ("CircuitPriorityHalflife", &["CircuitPriorityHalflife=2.500000"]),
        ("ContactInfo", &["ContactInfo=\"a # b\""]),
        ("HiddenServiceDir", &["HiddenServiceDir=/hs", "HiddenServiceDirGroupReadable=1"]),
        ("HiddenServicePort", &["HiddenServicePort=80"]),
        (
            "hiddenserviceoptions",
            &["HiddenServiceDir=/hs", "HiddenServiceDirGroupReadable=1", "HiddenServicePort=80"],
        ),
        ("AllowDotExit", &["AllowDotExit"]),
        ("___UsingTestNetworkDefaults", &["___UsingTestNetworkDefaults=0"]),
        ("MaxCircuitDirtiness", &["MaxCircuitDirtiness=600"]),
        ("DirServer", &["DirAuthority"]),
        ("Exclude", &["ExcludeExitNodes="]),
    ] {
        assert_eq!(shown(torrc, asked), answer, "{asked}");
    }
    for unknown in ["foo", "", "+SocksPort"] {
        assert_eq!(settings(torrc).show(unknown), None, "{unknown:?}");
    }
}

#[test]
fn a_text_holds_what_differs_and_is_read_back_to_the_same() {
    let torrc = "Log notice stdout\n__SocksPort 9\nSocksPort 1 IsolateDestAddr\nUseEntryGuards 1\nMapAddress a b\n\
                 MapAddress c d\n__AlwaysCongestionControl 1\nContactInfo \"a # \\\" b \"\nNickname \\\"\\\n";
    let settings = settings(torrc);
    let text = settings.config_text(Extent::Changed(&Settings::default()));
    assert_eq!(
        text,
        "ContactInfo \"a # \\\" b \"\nLog notice stdout\nMapAddress a b\nMapAddress c d\nNickname \"\\\\\\\"\\\\\"\n\
         SocksPort 1 IsolateDestAddr\n"
    );
    let full = settings.config_text(Extent::Full);
    for line in ["UseEntryGuards 1\n", "MaxCircuitDirtiness 600\n", "FirewallPorts\n", "EntryNodes\n"] {
        assert!(full.contains(line), "{line}");
    }
    assert!(!full.contains("__"));
}

#[test]
fn changes_are_told_by_group_and_without_a_value_where_nothing_is_left() {
    let before = settings("SocksPort 1\nNickname a\nLog info\n");
    let mut after = before.clone();
    let assignments =
        [("SocksPort", Some("2")), ("__socksport", Some("3")), ("Nickname", None), ("Log", None)]
            .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    after.assign_named(&assignments, Named::Clear, &mut Vec::new()).unwrap();
    assert_eq!(written(after.changes_since(&before)), ["Log", "Nickname", "SocksPort=2", "__SocksPort=3"]);
    assert_eq!(after.changes_since(&after), []);
    let cleared = [("SocksPort".to_owned(), None)];
    let mut last = after.clone();
    last.assign_named(&cleared, Named::Clear, &mut Vec::new()).unwrap();
    assert_eq!(written(last.changes_since(&after)), ["SocksPortLines"]);
}

#[test]
fn names_and_defaults_are_c_tors_texts() {
    let facts = |text: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| format!("{line}\n")).collect()
    };
    assert_eq!(config_names(), facts(include_str!("../../testdata/config-names.txt")));
    let defaults = facts(include_str!("../../testdata/config-defaults.txt"));
    assert_eq!(
        config_defaults(["moria1 x"], ["1.2.3.4:5 y"]),
        defaults + "DirAuthority \"moria1 x\"\nFallbackDir \"1.2.3.4:5 y\"\n"
    );
}
