//! Changes while the client runs, and what is saved of them. The texts of errors are C Tor 0.4.9.11's answers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;
use tor_config::{
    Change, ConfError, ConfLine, Disk, Environment, Invocation, Loaded, Named, RelayList, RelayPattern,
    ReloadError, load,
};

/// A torrc on a disk, and what was read from it.
struct Running {
    dir: TempDir,
    loaded: Loaded,
}

impl Running {
    fn with(torrc: &str) -> Self {
        Self::on(tempfile::tempdir().unwrap(), torrc, &[])
    }

    fn on(dir: TempDir, torrc: &str, args: &[&str]) -> Self {
        fs::write(dir.path().join("torrc"), torrc).unwrap();
        let given =
            ["-f", "torrc", "--defaults-torrc", "torrc-defaults"].into_iter().chain(args.iter().copied());
        let command_line = match Invocation::parse(given) {
            Ok(Invocation::Run(line)) => line,
            other => panic!("{other:?}"),
        };
        let environment = Environment {
            home: Some("/home/a".into()),
            directory: Some(dir.path().to_owned()),
            ..Environment::default()
        };
        let loaded = load(&command_line, &Disk, &environment).unwrap();
        Self { dir, loaded }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn take(&mut self, change: Change) -> Vec<String> {
        self.loaded = change.loaded;
        written(&change.changed)
    }

    fn set(&mut self, assignments: &[(&str, &str)]) -> Vec<String> {
        let change = set(&self.loaded, assignments, Named::Clear).unwrap();
        self.take(change)
    }

    fn reset(&mut self, assignments: &[(&str, &str)]) -> Vec<String> {
        let change = set(&self.loaded, assignments, Named::ToDefault).unwrap();
        self.take(change)
    }

    fn show(&self, name: &str) -> Vec<String> {
        written(&self.loaded.settings.show(name).unwrap())
    }

    fn save(&self, force: bool) -> Result<(), ConfError> {
        self.loaded.save(force, &Disk, &mut Vec::new())
    }
}

/// An empty value is none.
fn set(loaded: &Loaded, assignments: &[(&str, &str)], named: Named) -> Result<Change, ConfError> {
    let value = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let assignments: Vec<_> =
        assignments.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect();
    loaded.set(&assignments, named)
}

fn written(lines: &[ConfLine]) -> Vec<String> {
    let line = |line: &ConfLine| match &line.value {
        Some(value) => format!("{}={value}", line.name),
        None => line.name.to_owned(),
    };
    lines.iter().map(line).collect()
}

#[test]
fn setconf_clears_and_resetconf_goes_back_to_the_default() {
    let mut tor = Running::with("MaxCircuitDirtiness 20\nLog notice stdout\nUseEntryGuards 0\n");
    assert_eq!(tor.set(&[("maxcircuitdirtiness", "1 hour")]), ["MaxCircuitDirtiness=3600"]);
    assert_eq!(tor.loaded.config.circuits.max_dirtiness.as_secs(), 3600);
    assert_eq!(tor.reset(&[("MaxCircuitDirtiness", "")]), ["MaxCircuitDirtiness=600"]);
    assert_eq!(
        tor.set(&[("UseEntryGuards", "1"), ("SocksTimeout", "")]),
        ["SocksTimeout=0", "UseEntryGuards=1"]
    );
    assert_eq!(
        tor.set(&[("Log", "warn stdout"), ("LOG", "info stderr")]),
        ["Log=warn stdout", "Log=info stderr"]
    );
    assert_eq!(tor.set(&[("Log", "")]), ["Log"]);
    assert_eq!(tor.set(&[("Log", "")]), [""; 0], "the same again is no change");
    assert_eq!(tor.set(&[("AllowDotExit", "1")]), [""; 0]);
    // The value that is used is the one that is shown.
    assert_eq!(tor.set(&[("MaxCircuitDirtiness", "1")]), ["MaxCircuitDirtiness=10"]);
    assert_eq!(tor.show("MaxCircuitDirtiness"), ["MaxCircuitDirtiness=10"]);
}

#[test]
fn ports_under_two_names_are_one_list() {
    let mut tor = Running::with("SocksPort 1\n__SocksPort 2\n");
    assert_eq!(tor.show("SocksPortLines"), ["SocksPort=1", "__SocksPort=2"]);
    assert_eq!(tor.set(&[("SocksPort", "3")]), ["SocksPort=3"]);
    assert_eq!(tor.loaded.config.socks.listeners.len(), 1);
    assert_eq!(tor.reset(&[("__SocksPort", "")]), ["SocksPortLines"]);
    assert_eq!(tor.loaded.config.socks.listeners.len(), 1, "the default port is back");
}

#[test]
fn a_bad_change_changes_nothing_and_says_why() {
    let tor = Running::with("SocksPort 0\n");
    for (name, value, code, text) in [
        ("foo", "1", 552, "Unrecognized option: Unknown option 'foo'.  Failing."),
        (
            "SafeSocks",
            "2",
            513,
            "Unacceptable option value: Could not parse SafeSocks: Unrecognized value 2. Allowed values are 0 and 1.",
        ),
        (
            "DataDirectory",
            "/x",
            553,
            "Transition not allowed: While Tor is running, changing DataDirectory is not allowed",
        ),
        ("SocksPortLines", "1", 513, "Unacceptable option value: Cannot assign directly to virtual option."),
        (
            "NumEntryGuards",
            "abc",
            513,
            "Unacceptable option value: Could not parse NumEntryGuards: Integer abc is malformed or out of bounds. Allowed values are between 0 and 2147483647.",
        ),
        (
            "MaxMemInQueues",
            "5xx",
            513,
            "Unacceptable option value: Could not parse MaxMemInQueues: Provided value is malformed or out of bounds: Unknown unit in 5xx",
        ),
        (
            "KeepalivePeriod",
            "-5",
            513,
            "Unacceptable option value: Could not parse KeepalivePeriod: Provided value is malformed or out of bounds: Overflow while parsing -5 ",
        ),
        (
            "PathsNeededToBuildCircuits",
            "x",
            513,
            "Unacceptable option value: Could not parse PathsNeededToBuildCircuits: Could not convert \"x\" to a number.",
        ),
        (
            "UseBridges",
            "1",
            513,
            "Unacceptable option value: If you set UseBridges, you must specify at least one bridge.",
        ),
        (
            "Log",
            "foo",
            513,
            "Unacceptable option value: Failed to validate Log options. See logs for details.",
        ),
        ("SocksPort", "foo", 513, "Unacceptable option value: Invalid SocksPort configuration"),
        ("SocksPolicy", "foo", 513, "Unacceptable option value: Error in SocksPolicy entry."),
        (
            "DirAuthority",
            "foo",
            513,
            "Unacceptable option value: Directory authority/fallback line did not parse. See logs for details.",
        ),
    ] {
        // All or nothing: the good ones beside it are not taken either, whatever their order.
        for assignments in [
            &[(name, value)][..],
            &[("MaxCircuitDirtiness", "77"), (name, value)],
            &[(name, value), ("MaxCircuitDirtiness", "77")],
        ] {
            let error = set(&tor.loaded, assignments, Named::Clear).unwrap_err();
            assert_eq!((error.code, error.text.as_str()), (code, text));
        }
    }
    assert_eq!(tor.show("MaxCircuitDirtiness"), ["MaxCircuitDirtiness=600"]);
    // What C Tor can, and this version can't.
    for (name, value) in [
        ("ExitNodes", "nick"),
        ("ReachableAddresses", "accept 127.0.0.0/8"),
        ("Socks5Proxy", "127.0.0.1:1"),
        ("NodeFamily", "{us},nick"),
    ] {
        let error = set(&tor.loaded, &[(name, value)], Named::Clear).unwrap_err();
        assert_eq!(error.code, 513);
        assert!(error.text.contains("this version can't do that yet"), "{}", error.text);
    }
}

/// Each was put to C Tor, except for `NodeFamily`, of which it says `(null)`.
#[test]
fn nonsense_is_told_from_what_is_not_built() {
    let tor = Running::with("SocksPort 0\n");
    let refusal = |assignments: &[(&str, &str)]| {
        let error = set(&tor.loaded, assignments, Named::Clear).unwrap_err();
        assert_eq!(error.code, 513);
        error.text.strip_prefix("Unacceptable option value: ").unwrap().to_owned()
    };
    for name in [
        "NodeFamily",
        "ExitNodes",
        "ExcludeNodes",
        "ExcludeExitNodes",
        "EntryNodes",
        "MiddleNodes",
        "HSLayer2Nodes",
    ] {
        assert_eq!(refusal(&[(name, "not a node!")]), "Invalid router list.", "{name}");
        assert_eq!(refusal(&[(name, "1.2.3.4/33")]), "Invalid router list.", "{name}");
    }
    for name in ["ReachableAddresses", "ReachableORAddresses", "ReachableDirAddresses"] {
        assert_eq!(refusal(&[(name, "nonsense")]), format!("Error in {name} entry."));
    }
    assert_eq!(refusal(&[("Bridge", "not a bridge")]), "Bridge line did not parse. See logs for details.");
    assert_eq!(
        refusal(&[("ClientTransportPlugin", "nonsense")]),
        "Invalid client transport line. See logs for details."
    );
    assert_eq!(
        refusal(&[("Socks5Proxy", "127.0.0.1:1"), ("Socks4Proxy", "127.0.0.1:2")]),
        "You have configured more than one proxy type. (Socks4Proxy|Socks5Proxy|HTTPSProxy|TCPProxy)"
    );
    for name in ["Socks5ProxyUsername", "Socks5ProxyPassword"] {
        assert_eq!(refusal(&[(name, "a")]), "Socks5ProxyPassword must be included with Socks5ProxyUsername.");
    }
    assert_eq!(
        refusal(&[("BandwidthRate", "10 MBytes"), ("BandwidthBurst", "5 MB")]),
        "BandwidthBurst must be at least equal to BandwidthRate."
    );
    assert_eq!(
        refusal(&[("HiddenServicePort", "80 127.0.0.1:80")]),
        "Failed to configure rendezvous options. See logs for details."
    );
    // What is wrong comes before what may not change.
    assert_eq!(refusal(&[("Sandbox", "1"), ("ExitNodes", "!")]), "Invalid router list.");
}

#[test]
fn what_may_not_change_comes_before_what_is_not_built() {
    let tor = Running::with("SocksPort 0\n");
    for (name, value) in [("User", "nobody"), ("Sandbox", "1"), ("DisableAllSwap", "1")] {
        for assignments in [&[(name, value)][..], &[("ExitNodes", "nick"), (name, value)]] {
            let error = set(&tor.loaded, assignments, Named::Clear).unwrap_err();
            let text =
                format!("Transition not allowed: While Tor is running, changing {name} is not allowed");
            assert_eq!((error.code, error.text), (553, text));
        }
    }
}

#[test]
fn a_testing_network_stays_one() {
    let authority = "DirAuthority here orport=1 127.0.0.1:80 000102030405060708090A0B0C0D0E0F10111213";
    let tor = Running::with(&format!("TestingTorNetwork 1\n{authority}\n"));
    let error = set(&tor.loaded, &[("TestingTorNetwork", "0")], Named::Clear).unwrap_err();
    let text = "Transition not allowed: While Tor is running, changing TestingTorNetwork is not allowed";
    assert_eq!((error.code, error.text.as_str()), (553, text));
}

/// What stem does: the list is taken, told, and given back as it was written.
#[test]
fn families_of_relays_change_while_the_client_runs() {
    let mut tor = Running::with("SocksPort 0\nNodeFamily $00112233445566778899AABBCCDDEEFF00112233~a, b\n");
    assert_eq!(tor.loaded.config.circuits.families.len(), 1);
    let two = "ABABABABABABABABABABABABABABABABABABABAB,CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD";
    let line = format!("NodeFamily={two}");
    assert_eq!(tor.set(&[("NodeFamily", two)]), std::slice::from_ref(&line));
    assert_eq!(tor.show("NodeFamily"), std::slice::from_ref(&line));
    let ids = [[0xab; 20], [0xcd; 20]].map(RelayPattern::Fingerprint);
    assert_eq!(tor.loaded.config.circuits.families, [RelayList { patterns: ids.into() }]);
    assert_eq!(
        tor.set(&[("NodeFamily", two), ("NodeFamily", "one,two")]),
        [line, "NodeFamily=one,two".to_owned()]
    );
    assert_eq!(tor.loaded.config.circuits.families.len(), 2);
    assert_eq!(tor.reset(&[("NodeFamily", "")]), ["NodeFamily"]);
    assert_eq!(tor.loaded.config.circuits.families, []);
}

#[test]
fn loadconf_takes_the_place_of_the_torrc_but_not_of_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut tor = Running::on(dir, "SocksTimeout 5\nSafeSocks 1\n", &["--MaxCircuitDirtiness", "30"]);
    let change =
        tor.loaded.load_text("SafeSocks 1\nMaxCircuitDirtiness 40\nLog info stdout\n", &Disk).unwrap();
    assert_eq!(tor.take(change), ["Log=info stdout", "SocksTimeout=120"]);
    assert_eq!(tor.show("MaxCircuitDirtiness"), ["MaxCircuitDirtiness=30"]);

    let refused = |text: &str| {
        let error = tor.loaded.load_text(text, &Disk).unwrap_err();
        format!("{} {}", error.code, error.text)
    };
    assert_eq!(
        refused("foo 1\n"),
        "552 Invalid config file: Failed to parse/validate config: Unknown option 'foo'.  Failing."
    );
    assert_eq!(
        refused("SocksPort x\n"),
        "552 Invalid config file: Failed to parse/validate config: Invalid SocksPort configuration"
    );
    assert_eq!(
        refused("DataDirectory /x\n"),
        "553 Transition not allowed: Failed to parse/validate config: While Tor is running, changing DataDirectory is \
         not allowed"
    );
    assert_eq!(refused("ContactInfo \"\n"), "552 Invalid config file");
    assert_eq!(refused("%include /nonexistent\n"), "552 Invalid config file");
}

#[test]
fn a_reload_reads_the_files_again() {
    let mut tor = Running::with("SocksTimeout 5\n");
    fs::write(tor.path("torrc"), "SocksTimeout 6\n").unwrap();
    let change = tor.loaded.reload(&Disk).unwrap();
    assert_eq!(tor.take(change), ["SocksTimeout=6"]);
    fs::write(tor.path("torrc"), "SocksTimeoutt 6\n").unwrap();
    assert!(
        matches!(tor.loaded.reload(&Disk), Err(ReloadError::Unusable(error)) if error.to_string().contains("torrc:1"))
    );
    fs::write(tor.path("torrc"), "DataDirectory /x\n").unwrap();
    assert!(matches!(tor.loaded.reload(&Disk), Err(ReloadError::Transition(error)) if error.code == 553));
    fs::remove_file(tor.path("torrc")).unwrap();
    assert!(tor.loaded.reload(&Disk).is_err());
}

#[test]
fn what_is_saved_is_read_back_to_the_same() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("torrc-defaults"), "SocksTimeout 9\n").unwrap();
    let by_hand =
        "# mine\nContactInfo \"a # b\"\nSocksTimeout 9\n__SocksPort 7\nSocksPort 6 IsolateDestAddr\n";
    let mut tor = Running::on(dir, by_hand, &[]);
    tor.set(&[("Log", "notice stdout"), ("Log", "info file /tmp/a b"), ("Nickname", "\"x\\ ")]);
    tor.save(false).unwrap();
    let saved = fs::read_to_string(tor.path("torrc")).unwrap();
    assert_eq!(
        saved,
        "# This file was generated by Tor; if you edit it, comments will not be preserved\n\
         # The old torrc file was renamed to torrc.orig.1, and Tor will ignore it\n\n\
         ContactInfo \"a # b\"\nLog notice stdout\nLog info file /tmp/a b\nNickname \"\\\"x\\\\ \"\nSocksPort 6 IsolateDestAddr\n"
    );
    assert_eq!(fs::read_to_string(tor.path("torrc.orig.1")).unwrap(), by_hand);

    let before = tor.loaded.clone();
    let again = before.reload(&Disk).unwrap();
    // Only what is never saved is gone.
    assert_eq!(written(&again.changed), ["SocksPort=6 IsolateDestAddr"]);

    // A file that a Tor wrote is not kept.
    tor.set(&[("Nickname", "")]);
    tor.save(false).unwrap();
    assert_eq!(fs::read_to_string(tor.path("torrc.orig.1")).unwrap(), by_hand);
    assert!(!fs::read_to_string(tor.path("torrc")).unwrap().contains("Nickname"));
    assert_eq!(tor.loaded.config_file(), tor.path("torrc"));
}

#[test]
fn what_was_included_is_saved_only_by_force() {
    let dir = tempfile::tempdir().unwrap();
    let part = dir.path().join("part");
    fs::write(&part, "SocksTimeout 9\n").unwrap();
    let torrc = format!("%include {}\n", part.display());
    let tor = Running::on(dir, &torrc, &[]);
    assert!(!tor.loaded.can_save());
    let error = tor.save(false).unwrap_err();
    assert_eq!((error.code, error.text.as_str()), (551, "Unable to write configuration to disk."));
    tor.save(true).unwrap();
    assert!(fs::read_to_string(tor.path("torrc")).unwrap().ends_with("\nSocksTimeout 9\n"));
    // After LOADCONF, its text decides.
    assert!(tor.loaded.load_text("SocksTimeout 9\n", &Disk).unwrap().loaded.can_save());
}

#[test]
fn a_file_that_cant_be_written_is_left_alone() {
    let tor = Running::with("SocksTimeout 9\n");
    fs::create_dir(tor.path("torrc.orig.1")).unwrap();
    assert_eq!(tor.save(false).unwrap_err().code, 551);
    assert_eq!(fs::read_to_string(tor.path("torrc")).unwrap(), "SocksTimeout 9\n");
    fs::remove_file(tor.path("torrc")).unwrap();
    fs::create_dir(tor.path("torrc")).unwrap();
    assert_eq!(tor.save(false).unwrap_err().code, 551);
}

proptest! {
    // Each case writes files.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_assignment_panics_and_a_refused_one_changes_nothing(
        assignments in proptest::collection::vec(("([a-zA-Z]{0,6}|SocksPort|Log|Nickname|ExitNodes)", ".{0,12}"), 0..4),
    ) {
        let tor = Running::with("SocksPort 0\n");
        let assignments: Vec<_> = assignments.into_iter().map(|(name, value)| (name, Some(value))).collect();
        for named in [Named::Clear, Named::ToDefault] {
            if let Ok(change) = tor.loaded.set(&assignments, named) {
                let text = change.loaded.config_text();
                prop_assert!(Path::new(&tor.path("torrc")).exists() && !text.contains("\n\n"));
            }
        }
    }

    #[test]
    fn any_value_survives_the_file(value in "[ -~\u{e9}\t]{1,20}") {
        let mut tor = Running::with("SocksPort 0\n");
        tor.set(&[("ContactInfo", &value)]);
        tor.save(false).unwrap();
        let again = tor.loaded.reload(&Disk).unwrap();
        prop_assert_eq!(written(&again.changed), [""; 0]);
    }

    #[test]
    fn no_text_panics(text in "([+/]?(SocksPort|Log|%include|DataDir|[A-Za-z]{1,9}) .{0,20}\n){0,4}") {
        let tor = Running::with("SocksPort 0\n");
        let _ = tor.loaded.load_text(&text, &Disk);
    }
}
