use proptest::prelude::*;

use super::*;

fn parse(line: &str) -> Result<Option<SocksListener>, PortError> {
    let mut notices = Vec::new();
    let parsed = SocksListener::parse(line, false, &mut notices);
    assert!(notices.is_empty(), "{line}: {notices:?}");
    parsed
}

fn open(line: &str) -> SocksListener {
    parse(line).unwrap().unwrap()
}

#[test]
fn places_are_read() {
    for (line, place) in [
        ("9050", "127.0.0.1:9050"),
        ("auto", "127.0.0.1:auto"),
        ("AUTO", "127.0.0.1:auto"),
        ("0.0.0.0:9150", "0.0.0.0:9150"),
        ("localhost:1080", "127.0.0.1:1080"),
        ("[::1]:9050", "[::1]:9050"),
        ("[::1]:auto", "[::1]:auto"),
        ("unix:/run/tor/socks", "unix:/run/tor/socks"),
        ("unix:\"/run/my \\\"tor\\\"/socks\"", "unix:/run/my \"tor\"/socks"),
    ] {
        assert_eq!(open(line).bind.to_string(), place, "{line}");
    }
    assert_eq!(parse("0"), Ok(None));
    assert_eq!(open("9050"), SocksListener::default());
}

#[test]
fn bad_places_are_refused() {
    for line in ["", "65536", "x:y", "tor.example:9050", "::1:9050", "1.2.3.4:x", "unix:", "unix:\"/run"] {
        assert_eq!(parse(line), Err(PortError::Address), "{line:?}");
    }
    for line in ["127.0.0.1", "[::1]", "127.0.0.1:0"] {
        assert_eq!(parse(line), Err(PortError::NoPort), "{line:?}");
    }
}

#[test]
fn isolation_flags_are_read_in_any_case_and_number() {
    assert_eq!(
        open(
            "9050 isolatedestports IsolateDestAddr IsolateClientProtocol NoIsolateClientAddr SessionGroup=7"
        )
        .isolation,
        Isolation {
            client_addr: false,
            socks_auth: true,
            client_protocol: true,
            dest_port: true,
            dest_addr: true,
            session_group: Some(7),
        }
    );
}

#[test]
fn without_authentication_there_is_nothing_to_prefer_it_for() {
    let listener = open("9050 NoIsolateSOCKSAuth");
    assert!(!listener.isolation.socks_auth);
    assert!(listener.flags.prefer_no_auth);
    assert_eq!(
        parse("9050 NoIsolateSOCKSAuth KeepAliveIsolateSOCKSAuth"),
        Err(PortError::KeepAliveWithoutAuth)
    );
    assert!(open("9050 KeepAliveIsolateSOCKSAuth").flags.keep_alive_socks_auth);
}

#[test]
fn traffic_flags_are_read() {
    let flags =
        open("9050 NoIPv4Traffic PreferIPv6 ExtendedErrors NoPreferIPv6Automap PreferSOCKSNoAuth").flags;
    assert!(!flags.ipv4_traffic && flags.ipv6_traffic && flags.prefer_ipv6 && flags.extended_errors);
    assert!(!flags.prefer_ipv6_automap && flags.prefer_no_auth);
    let onion = open("9050 OnionTrafficOnly").flags;
    assert!(!onion.ipv4_traffic && !onion.ipv6_traffic && !onion.dns_request && onion.onion_traffic);
    assert_eq!(parse("9050 NoIPv4Traffic NoIPv6Traffic NoOnionTraffic"), Err(PortError::NoTraffic));
    assert_eq!(parse("9050 NoIPv4Traffic NoIPv6Traffic"), Err(PortError::UselessDns));
}

#[test]
fn deprecated_and_unknown_flags_are_noticed() {
    let mut notices = Vec::new();
    let line = "9050 CacheDNS UseIPv6Cache NoUseDNSCache NoOnionTrafficOnly IsolateEverything";
    let flags = SocksListener::parse(line, false, &mut notices).unwrap().unwrap().flags;
    assert!(flags.cache_ipv4 && flags.cache_ipv6 && !flags.use_ipv6_cache && flags.ipv4_traffic);
    let told: Vec<_> = notices.iter().map(|notice| notice.text.as_str()).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[3].contains("IsolateEverything"));
}

#[test]
fn unix_sockets_have_modes_and_no_client_addresses() {
    let listener = open("unix:/run/s WorldWritable RelaxDirModeCheck");
    assert!(!listener.isolation.client_addr);
    assert!(matches!(
        listener.bind,
        Bind::Unix { group_writable: false, world_writable: true, relax_dir_mode: true, .. }
    ));
    let group = SocksListener::parse("unix:/run/s", true, &mut Vec::new()).unwrap().unwrap();
    assert!(matches!(group.bind, Bind::Unix { group_writable: true, .. }));
    assert_eq!(parse("9050 GroupWritable"), Err(PortError::NotUnix));
}

#[test]
fn session_groups_are_numbers_and_alone() {
    assert_eq!(parse("9050 SessionGroup=x"), Err(PortError::SessionGroup));
    assert_eq!(parse("9050 SessionGroup=2147483648"), Err(PortError::SessionGroup));
    assert_eq!(parse("9050 SessionGroup=1 SessionGroup=1"), Err(PortError::TwoSessionGroups));
}

proptest! {
    #[test]
    fn no_text_panics(line in ".{0,40}", place in "(unix:)?[\"\\[\\]0-9.:a]{0,20}( (No)?[A-Za-z=0-9]{0,12}){0,3}") {
        let _ = SocksListener::parse(&line, false, &mut Vec::new());
        let _ = SocksListener::parse(&place, true, &mut Vec::new());
    }

    #[test]
    fn a_place_is_written_as_it_is_read(address in any::<IpAddr>(), port in any::<u16>()) {
        let bind = Bind::Tcp { address, port: NonZeroU16::new(port) };
        prop_assert_eq!(open(&bind.to_string()).bind, bind);
    }
}
