//! The same torrc, read and written by C Tor and by us. Each test passes without a word where no `tor` is installed.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::io::Write;
use std::process::{Command, Stdio};

use tor_config::table::{Kind, options};
use tor_config::torrc::Entries;
use tor_config::{Extent, Origin, Settings};

/// What `tor --dump-config` prints for a torrc; `None` if it refuses it.
fn theirs(torrc: &str, extent: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut tor = Command::new("tor")
        .args(["-f", "-", "--defaults-torrc", "/nonexistent", "--dump-config", extent])
        .env("HOME", dir.path())
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let torrc = format!("{torrc}\nDataDirectory {}\n", data.display());
    tor.stdin.take().unwrap().write_all(torrc.as_bytes()).unwrap();
    let output = tor.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("DataDirectory "));
    output.status.success().then(|| lines.map(|line| format!("{line}\n")).collect())
}

/// What we write for it; `None` if a value is not of its type.
fn ours(torrc: &str, full: bool) -> Option<String> {
    let lines: Vec<_> =
        Entries::new(torrc.as_bytes()).map(|entry| entry.unwrap().at(Origin::CommandLine)).collect();
    let mut settings = Settings::default();
    settings.assign(&lines, &mut Vec::new()).ok()?;
    let defaults = Settings::default();
    Some(settings.config_text(if full { Extent::Full } else { Extent::Changed(&defaults) }))
}

fn is_installed() -> bool {
    let installed = Command::new("tor")
        .arg("--version")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("Tor version 0.4.9."));
    if !installed {
        eprintln!("no tor 0.4.9 here: nothing is compared");
    }
    installed
}

/// A line for each kind of value that C Tor takes without asking for more.
const LINES: &[&str] = &[
    "",
    "SocksPort 9089\nExtORPort 6001\nNickname stemIntegTest\nExitPolicy reject *:*\nPublishServerDescriptor 0",
    "SocksPort 1\n+SocksPort 2 IsolateDestAddr\n__SocksPort 3\n/TransPort",
    "ControlPort 9051\nControlSocket /run/x\nHashedControlPassword 16:872860B76453A77D60CA2BB8C1A7042072093276A3D701AD684053EC4C",
    "Address 1.2.3.4\nAssumeReachable 1\nDownloadExtraInfo 1\nExitRelay 0\nFetchUselessDescriptors 1\nLogTimeGranularity 1\nProtocolWarnings 1\nSafeLogging 0\nDisableDebuggerAttachment 0",
    "CircuitPriorityHalflife 2.5\nPathsNeededToBuildCircuits .3\nKISTSockBufSizeFactor 1e-3\nDirAuthorityFallbackRate 12345678.9",
    "BandwidthRate 10 MB\nBandwidthBurst 1.5 GB\nMaxMemInQueues 1 GByte\nMaxAdvertisedBandwidth 100 KBits",
    "MaxCircuitDirtiness 1.5 hours\nHeartbeatPeriod 2 days\nKISTSchedRunInterval 10 msec\nTrackHostExitsExpire 1 week",
    "ExitNodes {de}, $1234567890123456789012345678901234567890,foo , 10.0.0.0/8\nExcludeNodes {??}",
    "LongLivedPorts 22, 23 ,,24\nTrackHostExits .a.com, b\nAutomapHostsSuffixes .",
    "ContactInfo \"a # \\\"b\\\" \\x41 \\303\\251\"",
    "ContactInfo a \\\n  b",
    "Log notice stdout\nLog [circ]debug-err file /tmp/a b\nLog info stderr",
    "MapAddress a b\nMapAddress c d\nNodeFamily a,b\nConnectionPadding auto\nClientPreferIPv6ORPort 1",
    "ClientBootstrapConsensusAuthorityDownloadInitialDelay 7, 8, 9\nNumEntryGuards 1\nPathBiasCircThreshold -1",
    "SocksTimeout\n/UseEntryGuards\nWarnPlaintextPorts\nSafeLogging",
];

#[test]
fn a_dump_is_c_tors() {
    if !is_installed() {
        return;
    }
    for torrc in LINES {
        assert_eq!(ours(torrc, false), theirs(torrc, "short"), "{torrc}");
    }
    assert_eq!(ours(LINES[1], true), theirs(LINES[1], "full"));
}

/// With these, C Tor writes others that it made of them (relays' options, and `FascistFirewall`), or the test needs
/// them.
const COMPLETED: &[&str] = &[
    "__ORPort",
    "DataDirectory",
    "FascistFirewall",
    "ORPort",
    "RecommendedVersions",
    "RelayBandwidthBurst",
    "RelayBandwidthRate",
];

/// Each option alone, with a value of its kind: what C Tor accepts, we write as it does.
#[test]
fn every_option_is_written_as_c_tor_writes_it() {
    if !is_installed() {
        return;
    }
    let (mut compared, mut different) = (0, Vec::new());
    for spec in options().iter().filter(|spec| spec.settable() && !COMPLETED.contains(&spec.name)) {
        let value = match spec.kind {
            Kind::Bool | Kind::AutoBool if spec.default == Some("1") => "0",
            Kind::Bool | Kind::AutoBool => "1",
            Kind::Int | Kind::PosInt | Kind::U64 => "17",
            Kind::Float => "0.5",
            Kind::DataSize => "1 MB",
            Kind::Seconds | Kind::FirstSeconds => "2 hours",
            Kind::Millis => "20 msec",
            Kind::Filename => "/tmp/x y",
            Kind::Csv => "80, 443",
            Kind::Relays => "{de}, foo",
            Kind::Dependent(_) if spec.name.ends_with("Port") => "12345",
            Kind::String | Kind::Lines | Kind::Dependent(_) | Kind::Virtual => "1.2.3.4",
            other => panic!("{other:?} has no value here"),
        };
        let torrc = format!("{} {value}", spec.name);
        if let Some(dump) = theirs(&torrc, "short") {
            let ours = ours(&torrc, false);
            if ours.as_ref() != Some(&dump) {
                different.push((torrc, ours, dump));
            }
            compared += 1;
        }
    }
    assert!(different.is_empty(), "{different:#?}");
    assert!(compared > 200, "C Tor took only {compared} options alone");
}

/// What `SAVECONF` writes means the same to C Tor: reading it back changes nothing more.
#[test]
fn what_is_saved_is_read_by_c_tor() {
    if !is_installed() {
        return;
    }
    for torrc in LINES {
        let saved = ours(torrc, false).unwrap();
        assert_eq!(theirs(&saved, "short"), Some(saved.clone()), "{torrc}");
        assert_eq!(ours(&saved, false), Some(saved));
    }
}
