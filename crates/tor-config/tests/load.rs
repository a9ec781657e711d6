//! Whole configurations, from files that exist only here, through `load`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tor_config::{
    AutoBool, CommandLine, Config, ConfigError, ConfigFiles, Disk, Environment, Invocation, Loaded,
    LogTarget, NoticeLevel, Origin, Problem, SafeLogging, Severity, load,
};

/// A disk of names and contents. A pattern includes what begins with what stands before its star.
#[derive(Default)]
struct Memory {
    files: BTreeMap<String, Vec<u8>>,
}

impl Memory {
    fn with(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        Self { files: files.collect() }
    }
}

impl ConfigFiles for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path.to_str().unwrap()).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_stdin(&self) -> io::Result<Vec<u8>> {
        self.read(Path::new("-"))
    }

    fn is_file(&self, path: &Path) -> bool {
        self.files.contains_key(path.to_str().unwrap())
    }

    fn included(&self, pattern: &str) -> io::Result<Vec<PathBuf>> {
        let Some(stem) = pattern.strip_suffix('*') else { return Ok(vec![pattern.into()]) };
        Ok(self.files.keys().filter(|name| name.starts_with(stem)).map(PathBuf::from).collect())
    }
}

fn command_line(args: &[&str]) -> CommandLine {
    match Invocation::parse(args) {
        Ok(Invocation::Run(line)) => line,
        other => panic!("{args:?}: {other:?}"),
    }
}

fn environment() -> Environment {
    Environment { home: Some("/home/a".into()), ..Environment::default() }
}

fn read(files: &[(&str, &str)], args: &[&str]) -> Result<Loaded, ConfigError> {
    load(&command_line(args), &Memory::with(files), &environment())
}

fn torrc(text: &str) -> Result<Loaded, ConfigError> {
    read(&[("rc", text)], &["-f", "rc"])
}

#[track_caller]
fn config(text: &str) -> Config {
    torrc(text).unwrap().config
}

#[track_caller]
fn refused(text: &str) -> String {
    torrc(text).unwrap_err().to_string()
}

/// The texts of warnings and notices, without the one that names the file.
#[track_caller]
fn told(text: &str) -> Vec<String> {
    let loaded = torrc(text).unwrap();
    loaded
        .notices()
        .iter()
        .skip(1)
        .filter(|n| n.severity > NoticeLevel::Info)
        .map(|n| n.text.clone())
        .collect()
}

const AUTHORITY: &str = "DirAuthority here orport=1 127.0.0.1:80 000102030405060708090A0B0C0D0E0F10111213\n";

#[test]
fn nothing_at_all_is_the_default_in_the_users_home() {
    let loaded = read(&[], &[]).unwrap();
    let mut expected = Config::default();
    expected.storage.data = "/home/a/.tor".into();
    expected.storage.cache = "/home/a/.tor".into();
    // Where no file says anything, there is a control port.
    let port = |config: &Config| config.control.listeners.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(port(&loaded.config), ["127.0.0.1:9051"]);
    assert!(loaded.config.control.cookie);
    assert_eq!(loaded.config_text(), "", "it counts as a default");
    expected.control = loaded.config.control.clone();
    assert_eq!(loaded.config, expected);
    assert_eq!(loaded.torrc, None);
    assert!(loaded.notices()[0].text.contains("not present"));

    let comments = read(&[("/etc/tor/torrc", "# nothing\n")], &[]).unwrap().config;
    assert_eq!(port(&comments), ["127.0.0.1:9051"]);
    let other = read(&[], &["--ControlPort", "9999"]).unwrap().config;
    assert_eq!(port(&other), ["127.0.0.1:9999"]);
    for (files, args) in [
        (&[("/etc/tor/torrc", "SocksPort 9150")][..], &[][..]),
        (&[("/home/a/.torrc", "SocksPort 9150")], &[]),
        (&[("/etc/tor/torrc-defaults", "")], &[]),
        (&[], &["--ControlPort", "0"]),
        (&[], &["-f", "x", "--ignore-missing-torrc"]),
    ] {
        assert!(port(&read(files, args).unwrap().config).is_empty(), "{files:?} {args:?}");
    }
}

#[test]
fn layers_lie_over_each_other() {
    let files = [
        ("/etc/tor/torrc-defaults", "SocksPort 1\nLog info stdout\nSocksTimeout 10"),
        ("/etc/tor/torrc", "SocksPort 2\nSocksTimeout 20\nSafeLogging relay"),
    ];
    let config = read(&files, &["--SocksTimeout", "30", "--+SocksPort", "3"]).unwrap().config;
    let ports: Vec<_> = config.socks.listeners.iter().map(|port| port.bind.to_string()).collect();
    assert_eq!(ports, ["127.0.0.1:2", "127.0.0.1:3"]);
    assert_eq!(config.socks.timeout, Duration::from_secs(30));
    assert_eq!(config.log.safe, SafeLogging::Relay);
    assert_eq!(config.log.lines[0].lowest(), Some(Severity::Info));
}

#[test]
fn torrcs_are_found_where_c_tor_finds_them() {
    let personal = ("/home/a/.torrc", "SocksPort 1");
    let system = ("/etc/tor/torrc", "SocksPort 2");
    let path = |files: &[(&str, &str)], args: &[&str]| read(files, args).unwrap().torrc;
    assert_eq!(path(&[personal], &[]), Some("/home/a/.torrc".into()));
    assert_eq!(path(&[personal, system], &[]), Some("/etc/tor/torrc".into()));
    assert_eq!(path(&[personal], &["-f", "~/.torrc"]), Some("/home/a/.torrc".into()));
    assert_eq!(path(&[], &["-f", "gone", "--ignore-missing-torrc"]), None);
    let stdin = read(&[("-", "SocksPort 7")], &["-f", "-"]).unwrap();
    assert_eq!(stdin.config.socks.listeners[0].bind.to_string(), "127.0.0.1:7");
    let gone = read(&[], &["-f", "gone"]).unwrap_err();
    assert_eq!(gone.problem, Problem::Unreadable { path: "gone".into(), kind: io::ErrorKind::NotFound });
}

#[test]
fn includes_stand_in_for_their_text() {
    let files = [
        ("rc", "SocksPort 1\n%include more/*\nSocksPort 4\n"),
        ("more/a", "SocksPort 2\n"),
        ("more/b", "%include deep"),
        ("deep", "SocksPort 3"),
    ];
    let loaded = read(&files, &["-f", "rc"]).unwrap();
    let ports: Vec<_> = loaded.config.socks.listeners.iter().map(|port| port.bind.to_string()).collect();
    assert_eq!(ports, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"]);
    assert!(loaded.notices().iter().any(|notice| notice.text.contains("Included configuration file \"deep")));
}

#[test]
fn errors_in_an_included_file_are_its_own() {
    let error = read(&[("rc", "%include x"), ("x", "\n\nSockPort 1")], &["-f", "rc"]).unwrap_err();
    assert_eq!(error.to_string(), "x:3: SockPort: unknown option; did you mean SocksPort?");
    assert_eq!(error.at, Origin::File { path: Path::new("x").into(), line: 3 });
    assert!(refused("Log info\n%include nowhere").starts_with("rc:2: can't read nowhere"));
    assert_eq!(refused("A b\nLog \"x\" y"), "rc:2: excess data after a quoted string");
}

#[test]
fn files_from_windows_are_read_the_same() {
    let config = config("SocksPort 1\\\r\n2\r\nPidFile \"/x\"\r\nSocksTimeout 9\r\n");
    assert_eq!(config.socks.listeners[0].bind.to_string(), "127.0.0.1:12");
    assert_eq!(config.process.pid_file, Some("/x".into()));
    assert_eq!(config.socks.timeout, Duration::from_secs(9));
}

#[test]
fn a_file_that_includes_itself_is_stopped() {
    assert_eq!(torrc("%include rc").unwrap_err().problem, Problem::TooDeep);
    // Thirty-one deep is allowed.
    let names: Vec<_> =
        (1..=31).map(|depth| (format!("{depth}"), format!("%include {}", depth + 1))).collect();
    let mut files: Vec<_> = names.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files[30].1 = "SocksPort 0";
    assert!(read(&files, &["-f", "1"]).is_ok());
    files[30].1 = "%include 32";
    files.push(("32", ""));
    assert_eq!(read(&files, &["-f", "1"]).unwrap_err().problem, Problem::TooDeep);
}

#[test]
fn a_testing_network_changes_defaults_but_not_what_is_set() {
    let testing = config(&format!("TestingTorNetwork 1\n{AUTHORITY}TestingDirConnectionMaxStall 9"));
    assert!(testing.testing_network);
    assert!(!testing.circuits.enforce_distinct_subnets && testing.circuits.allow_private_relays);
    assert!(!testing.socks.reject_internal_addresses && !testing.socks.dns_reject_internal_addresses);
    assert_eq!(testing.directory.bootstrap_authority_delay, Duration::ZERO);
    assert_eq!(testing.directory.max_interval_without_request, Duration::from_secs(5));
    assert_eq!(testing.directory.max_stall, Duration::from_secs(9));
    assert!(!testing.directory.use_default_fallbacks);
    let own = config(&format!("TestingTorNetwork 1\n{AUTHORITY}EnforceDistinctSubnets 1"));
    assert!(own.circuits.enforce_distinct_subnets);
    assert!(refused("TestingTorNetwork 1").contains("non-default set of DirAuthority"));
    assert!(refused("TestingDirConnectionMaxStall 9").contains("only be changed in testing Tor networks"));
}

#[test]
fn what_is_not_built_is_refused_unless_it_is_off() {
    for line in [
        "UseBridges 1\nBridge 1.2.3.4:5",
        "ExcludeNodes {de}",
        "ExitNodes {de}",
        "EntryNodes {de}",
        "StrictNodes 1",
        "Socks4Proxy 1.2.3.4:5",
        "HTTPSProxy 1.2.3.4:5",
        "OutboundBindAddress 1.2.3.4",
        "HiddenServiceDir /x",
        "DNSPort 53",
        "TransPort 1",
        "TrackHostExits .a.com",
        "FascistFirewall 1",
        "Sandbox 1",
        "User nobody",
        "UseMicrodescriptors 0",
        "BandwidthRate 1 MB",
    ] {
        let error = refused(line);
        let name = line.split(' ').next().unwrap();
        assert!(error.starts_with(&format!("rc:1: {name}: this version can't do that yet")), "{error}");
    }
    for line in
        ["ControlPort 0", "UseBridges 0", "StrictNodes 0", "UseMicrodescriptors 1", "BandwidthRate 1 GB"]
    {
        assert_eq!(told(line), [""; 0], "{line}");
    }
    assert!(refused("Log info syslog").contains("syslog"));
}

#[test]
fn what_only_relays_have_is_noticed_once() {
    assert_eq!(
        told("ORPort 9001\nNickname us\nContactInfo a@b\nExitPolicy reject *:*"),
        ["This is a client; options for relays are ignored: ContactInfo, ExitPolicy, Nickname, ORPort."]
    );
    assert_eq!(told("ORPort 0\nDirCache 1"), [""; 0]);
    assert_eq!(
        told("ConnLimit 5\nNumCPUs 2"),
        ["These options have no effect in this version: ConnLimit, NumCPUs."]
    );
    assert!(told("RunAsDaemon 1")[0].contains("foreground"));
}

#[test]
fn values_are_corrected_as_in_c_tor() {
    assert_eq!(config("MaxCircuitDirtiness 1").circuits.max_dirtiness, Duration::from_secs(10));
    assert_eq!(config("MaxCircuitDirtiness 10 weeks").circuits.max_dirtiness, Duration::from_secs(2_592_000));
    assert_eq!(config("CircuitStreamTimeout 3").circuits.stream_timeout, Some(Duration::from_secs(10)));
    assert_eq!(config("PathsNeededToBuildCircuits 0.1").circuits.paths_needed, Some(0.25));
    assert_eq!(config("PathsNeededToBuildCircuits 0.6").circuits.paths_needed, Some(0.6));
    for (asked, used) in [(1, 1), (3, 4), (30, 40), (300, 500), (600, 1000), (1000, 1000), (1001, 2000)] {
        let granularity = config(&format!("LogTimeGranularity {asked}")).log.time_granularity;
        assert_eq!(granularity, Duration::from_millis(used), "{asked}");
    }
    let link = config("ClientUseIPv4 0\nClientUseIPv6 0\nConnectionPadding 1").link;
    assert!(!link.use_ipv4 && link.use_ipv6);
    assert_eq!(link.padding, AutoBool::On);
}

#[test]
fn out_of_bounds_is_an_error() {
    for (line, word) in [
        ("MaxClientCircuitsPending 0", "between 1 and 1024"),
        ("MaxClientCircuitsPending 1025", "between 1 and 1024"),
        ("KeepalivePeriod 0", "positive"),
        ("LogTimeGranularity 0", "positive"),
        ("ClientBootstrapConsensusMaxInProgressTries 0", "greater than 0"),
        ("NumEntryGuards 3\nNumPrimaryGuards 2", "NumPrimaryGuards"),
        ("WarnPlaintextPorts 23,70000", "Port '70000' out of range"),
        ("LongLivedPorts 0", "Port '0' out of range"),
        ("SafeLogging 2", "Unrecognized value"),
        ("FetchDirInfoExtraEarly 1", "FetchDirInfoEarly"),
        ("ClientDNSRejectInternalAddresses 0", "default network"),
        ("__OwningControllerProcess x", "invalid PID"),
        ("SocksPort 0\nSocksPort 1", "to be disabled or not"),
        ("SocksPolicy allow *", "accept"),
        ("Log loud", "log levels"),
        ("FallbackDir 1.2.3.4:5", "fingerprint"),
        ("DirAuthority x", "address:port"),
    ] {
        let error = refused(line);
        assert!(error.starts_with("rc:1: ") && error.contains(word), "{line}: {error}");
    }
    let both = format!("{AUTHORITY}Alternate{AUTHORITY}");
    assert!(refused(&both).contains("Alternate*Authority"));
}

#[test]
fn exposed_ports_are_warned_of() {
    assert!(told("SocksPort 0.0.0.0:9050")[0].contains("public"));
    assert!(told("SocksPort [2001:db8::1]:9050")[0].contains("public"));
    assert!(told("SocksPort 192.168.1.1:9050")[0].contains("local network"));
    assert_eq!(told("SocksPort 127.0.0.2:9050\nSocksPort [::1]:1"), [""; 0]);
    assert!(told("SocksPort 0")[0].contains("do nothing"));
}

#[test]
fn files_are_where_they_are_said_to_be() {
    let storage = config("DataDirectory ~/tor\nCacheDirectory /var/cache/tor").storage;
    assert_eq!(storage.data, Path::new("/home/a/tor"));
    assert_eq!(storage.cache, Path::new("/var/cache/tor"));
    assert!(told("PidFile tor.pid")[0].contains("relative"));
    let log = config("Log notice file ~/log file").log.lines;
    assert_eq!(log[0].target, LogTarget::File("/home/a/log file".into()));
}

#[test]
fn quiet_matters_only_without_log_lines() {
    let lines = |args: &[&str]| read(&[("rc", "")], args).unwrap().config.log.lines;
    assert_eq!(lines(&["-f", "rc", "--hush"])[0].lowest(), Some(Severity::Warn));
    assert!(lines(&["-f", "rc", "--quiet"]).is_empty());
    assert_eq!(lines(&["-f", "rc", "--quiet", "--Log", "debug"]).len(), 1);
}

#[test]
fn memory_has_a_ceiling() {
    const GIB: u64 = 1 << 30;
    let process = Config::default().process;
    assert_eq!(process.memory_ceiling(Some(4 * GIB)), 3 * GIB);
    assert_eq!(process.memory_ceiling(Some(10 * GIB)), 4 * GIB);
    assert_eq!(process.memory_ceiling(Some(GIB / 8)), GIB / 4);
    assert_eq!(process.memory_ceiling(None), 8 * GIB);
    assert_eq!(config("MaxMemInQueues 128 MB").process.memory_ceiling(Some(GIB)), 128 << 20);
}

#[test]
fn the_disk_expands_directories_and_patterns() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (name, text) in [("b.conf", "x"), ("a.conf", "x"), (".hidden.conf", "x"), ("empty.conf", "")] {
        std::fs::write(root.join(name), text).unwrap();
    }
    std::fs::create_dir(root.join("sub")).unwrap();
    std::fs::write(root.join("sub/c.conf"), "x").unwrap();
    let names = |pattern: &str| -> Vec<String> {
        let included = Disk.included(root.join(pattern).to_str().unwrap()).unwrap();
        included.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
    };
    assert_eq!(names(""), ["a.conf", "b.conf"]);
    assert_eq!(names("*.conf"), ["a.conf", "b.conf", "empty.conf"]);
    assert_eq!(names("**"), ["a.conf", "b.conf", "empty.conf", "sub/c.conf"]);
    assert_eq!(names("s?b"), ["sub/c.conf"]);
    assert_eq!(names("nothing*"), [""; 0]);
    assert!(Disk.included(root.join("nothing").to_str().unwrap()).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in "([+/]?(SocksPort|Log|SocksPolicy|Bridge|%include|DataDir|[A-Za-z]{1,9}) .{0,20}\n){0,4}") {
        let _ = torrc(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let files = Memory { files: [("rc".to_owned(), bytes)].into() };
        let _ = load(&command_line(&["-f", "rc"]), &files, &environment());
    }

    #[test]
    fn no_arguments_panic(args in proptest::collection::vec("-{0,2}[+/]?[A-Za-z]{0,8}", 0..5)) {
        if let Ok(Invocation::Run(line) | Invocation::VerifyConfig(line)) = Invocation::parse(args) {
            let _ = load(&line, &Memory::default(), &environment());
        }
    }
}
