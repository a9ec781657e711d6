use super::*;
use crate::torrc::Entries;
use crate::{Config, Verbosity};

fn lines(text: &str) -> Vec<Line> {
    Entries::new(text.as_bytes()).map(|entry| entry.unwrap().at(Origin::CommandLine)).collect()
}

/// The sources, from the lowest to the highest, flattened.
fn flat(sources: &[&str]) -> (Settings, Vec<String>) {
    let mut notices = Vec::new();
    let mut settings = Settings::default();
    for source in sources {
        settings.assign(&lines(source), &mut notices).unwrap();
    }
    (settings, notices.into_iter().map(|notice| notice.text).collect())
}

fn problem(text: &str) -> Problem {
    Settings::default().assign(&lines(text), &mut Vec::new()).unwrap_err().problem
}

fn list(sources: &[&str], name: &str) -> Vec<String> {
    flat(sources).0.lines(name).iter().map(|line| line.value.clone()).collect()
}

#[test]
fn an_empty_torrc_is_the_default() {
    let mut notices = Vec::new();
    let config = Config::from_settings(&Settings::default(), None, Verbosity::Normal, &mut notices);
    assert_eq!(config, Ok(Config::default()));
    assert!(notices.is_empty());
}

#[test]
fn a_higher_source_wins() {
    let (settings, notices) = flat(&["SocksTimeout 1 minute", "sockstimeout 3 minutes"]);
    assert_eq!(settings.number("SocksTimeout"), 180);
    assert!(notices.is_empty());
}

#[test]
fn twice_in_one_source_is_noticed() {
    let (settings, notices) = flat(&["SocksTimeout 60\nSocksTimeout 70"]);
    assert_eq!(settings.number("SocksTimeout"), 70);
    assert_eq!(notices.len(), 1);
}

#[test]
fn lists_grow_within_a_source_and_are_replaced_by_the_next() {
    assert_eq!(list(&["Log info\nLog warn", "Log err\nLog debug"], "Log"), ["err", "debug"]);
    assert_eq!(list(&["Log info", "+Log err\nLog debug"], "Log"), ["info", "err", "debug"]);
    // Only the first line decides; a later plus changes nothing.
    assert_eq!(list(&["Log info", "Log err\n+Log debug"], "Log"), ["err", "debug"]);
    assert_eq!(list(&["Log info", "/Log"], "Log"), [""; 0]);
    assert_eq!(list(&["Log info", "/Log\nLog warn"], "Log"), ["warn"]);
    assert_eq!(list(&["Log info", "SocksPort 1"], "Log"), ["info"]);
}

#[test]
fn an_empty_list_line_is_skipped() {
    let (settings, notices) = flat(&["Log info", "Log"]);
    assert_eq!(settings.lines("Log").len(), 1);
    assert_eq!(notices, ["command line: Log has no value; skipped."]);
}

#[test]
fn a_group_is_one_list() {
    let (settings, _) = flat(&["SocksPort 1\n__SocksPort 2\nSocksPort 3", "+__SocksPort 4"]);
    let names: Vec<_> = settings.lines("SocksPortLines").iter().map(|line| line.name).collect();
    assert_eq!(names, ["SocksPort", "__SocksPort", "SocksPort", "__SocksPort"]);
    assert_eq!(list(&["SocksPort 1", "__SocksPort 2"], "SocksPort"), ["2"]);
    assert_eq!(list(&["SocksPort 1", "/__SocksPort"], "SocksPort"), [""; 0]);
}

#[test]
fn clearing_is_zero_and_not_the_default() {
    let (settings, _) =
        flat(&["/SocksTimeout\n/UseEntryGuards\nLongLivedPorts\n/SafeLogging\n/ConnectionPadding"]);
    assert_eq!(settings.number("SocksTimeout"), 0);
    assert!(!settings.bool("UseEntryGuards"));
    assert!(settings.items("LongLivedPorts").is_empty());
    assert_eq!(settings.text("SafeLogging"), None);
    assert_eq!(settings.auto("ConnectionPadding"), AutoBool::Off);
}

#[test]
fn names_of_the_past_still_work() {
    let (settings, notices) =
        flat(&["DirServer x\nMaxConn 50\nTunnelDirConns 1\nHTTPProxy 1.2.3.4\nTestSoc 1"]);
    assert_eq!(settings.lines("DirAuthority").len(), 1);
    assert_eq!(settings.number("ConnLimit"), 50);
    assert!(settings.bool("TestSocks"));
    assert_eq!(notices.len(), 4, "{notices:?}");
}

#[test]
fn errors_name_the_option() {
    assert_eq!(problem("SockPort 1"), Problem::Unknown { nearest: Some("SocksPort") });
    assert_eq!(problem("SocksPortLines 1"), Problem::Virtual);
    assert_eq!(problem("Circuit 1"), Problem::Ambiguous("CircuitBuildTimeout", "CircuitPadding"));
    // Types are checked for options of relays as well.
    assert!(matches!(problem("ExitRelay maybe"), Problem::Value { .. }));
    let error = Settings::default().assign(&lines("TestSocks 2"), &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "command line: TestSocks: allowed values are 0 and 1");
}

#[test]
fn a_value_that_means_the_default_does_not_differ() {
    let (settings, _) =
        flat(&["CircuitStreamTimeout 0 minutes\nUseBridges 0\nControlPort 0\nLongLivedPorts 1"]);
    let differs = |name| settings.differs(table::find(name).unwrap());
    assert!(!differs("CircuitStreamTimeout") && !differs("UseBridges") && !differs("ControlPort"));
    assert!(differs("LongLivedPorts"));
    assert!(!differs("SocksTimeout"));
}

#[test]
fn a_testing_network_has_its_own_defaults() {
    let settings = Settings::new(Network::Testing);
    assert!(!settings.bool("EnforceDistinctSubnets"));
    assert_eq!(settings.number("TestingClientMaxIntervalWithoutRequest"), 5);
    assert_eq!(settings.number("SocksTimeout"), 120);
}
