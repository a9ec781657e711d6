use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn file() -> String {
    let path = format!("{}/testdata/router/descriptors.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// When the file was made: 2026-11-23 06:20:00.
fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_414_800)
}

fn bodies() -> Vec<String> {
    let text = file();
    split(&text).map(|piece| text[piece.body].to_owned()).collect()
}

#[test]
fn what_relays_say_of_themselves() {
    let text = file();
    let pieces: Vec<_> = split(&text).collect();
    assert_eq!(pieces.len(), 10);
    for piece in &pieces {
        assert!(text[piece.annotations.clone()].starts_with("@downloaded-at 2026-"));
        let desc = RouterDesc::parse(&text[piece.body.clone()], wall()).unwrap();
        assert_eq!(Some(desc.digest), piece.digest);
        assert_eq!(desc.text(), &text[piece.body.clone()]);
        let name = desc.nickname.as_str();
        assert_eq!(
            desc.policy.to_string(),
            if name.starts_with("exit") { "accept 1-65535" } else { "reject 1-65535" }
        );
        assert_eq!(desc.dir_port != 0, name.starts_with("auth"));
        assert_eq!(desc.bandwidth_rate, 1 << 30);
        assert!(desc.believable_bandwidth() == desc.bandwidth_observed && desc.tunnelled_dir);
        assert!(desc.extra_info.is_some() && desc.ipv4.is_loopback() && desc.ipv6.is_none());
    }
    assert_eq!(
        RouterDesc::parse(&bodies()[0], wall() + Duration::from_secs(1 << 30)).unwrap_err(),
        DocError::BadSignature { what: "identity-ed25519" },
        "expired"
    );
}

#[test]
fn every_part_is_signed() {
    let text = &bodies()[0];
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for index in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(index);
        assert!(RouterDesc::parse(&without.concat(), wall()).is_err(), "without {}", lines[index]);
        let mut twice = lines.clone();
        twice.insert(index, lines[index]);
        assert!(RouterDesc::parse(&twice.concat(), wall()).is_err(), "twice {}", lines[index]);
    }
    assert!(RouterDesc::parse(&format!("{text}more\n"), wall()).is_err());
    assert!(RouterDesc::parse(&format!("@source \"x\"\n{text}"), wall()).is_err());
    assert!(RouterDesc::parse(&text.replace("uptime", "uptima"), wall()).is_err());
    assert_eq!(
        RouterDesc::parse(&"x".repeat(MAX_ROUTER_DESC + 1), wall()),
        Err(DocError::TooLong { what: "router descriptor" })
    );
    assert_eq!(RouterDesc::parse("router \0", wall()), Err(DocError::NotText));
}

#[test]
fn one_relays_signature_does_not_do_for_another() {
    let bodies = bodies();
    let signature = |text: &str| text[text.find("router-signature\n").unwrap()..].to_owned();
    let (mine, theirs) = (signature(&bodies[0]), signature(&bodies[1]));
    let forged = bodies[0].replace(&mine, &theirs);
    assert_eq!(RouterDesc::parse(&forged, wall()), Err(DocError::BadSignature { what: LAST }));
}

fn summary(rules: &str) -> Result<String, DocError> {
    let mut policy = policy::Rules::default();
    for item in Items::new(rules) {
        policy.add(&item?)?;
    }
    Ok(policy.finish().to_string())
}

// Rules of dir-spec and what C Tor makes of private networks and of few refused addresses.
#[test]
fn exit_policies_in_short() {
    for (rules, short) in [
        ("accept *:*\n", "accept 1-65535"),
        ("reject *:*\n", "reject 1-65535"),
        ("", "reject 1-65535"),
        ("accept *:80\naccept *:443\nreject *:*\n", "accept 80,443"),
        ("reject *:25\naccept *:*\n", "reject 25"),
        ("accept *:80-90\naccept *:91\nreject *:*\n", "accept 80-91"),
        ("reject 192.168.0.0/16:*\nreject private:*\naccept *:80\nreject *:*\n", "accept 80"),
        ("reject 1.2.3.4:*\naccept *:80\nreject *:*\n", "accept 80"),
        ("reject 11.0.0.0/9:80\naccept *:*\n", "accept 1-65535"),
        (
            "reject 11.0.0.0/9:80\nreject 12.0.0.0/9:80\nreject 13.0.0.0/9:80\nreject 14.0.0.0/9:80\naccept *:*\n",
            "accept 1-65535",
        ),
        ("reject 11.0.0.0/8:80\nreject 12.0.0.0/8:80\nreject 1.2.3.4:80\naccept *:*\n", "reject 80"),
        ("reject 11.0.0.0/255.0.0.0:80\nreject 12.0.0.0/8:80\nreject 1.2.3.4:80\naccept *:*\n", "reject 80"),
        ("accept 18.0.0.0/8:24\nreject *:*\n", "reject 1-65535"),
    ] {
        assert_eq!(summary(rules).unwrap(), short, "{rules}");
    }
    for bad in [
        "accept",
        "accept *",
        "accept *:",
        "accept *:0",
        "accept *:5-4",
        "accept *:65536",
        "accept x:1",
        "accept 1.2.3.4/33:1",
        "accept 1.2.3.4/255.0.255.0:1",
        "accept ::1:80",
    ] {
        assert!(summary(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_long_policy_is_cut_to_what_a_consensus_has() {
    let rules: String = (0..2000).map(|port| format!("accept *:{}\n", 2 * port + 1)).collect();
    let short = summary(&format!("{rules}reject *:*\n")).unwrap();
    assert!(short.len() <= 1000 && short.len() > 990 && short.starts_with("accept 1,3,5,"), "{short}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s)(router |\n|@|router-signature\n|[a-z ]|é){0,60}") {
        let mut end = 0;
        for piece in split(&text) {
            prop_assert!(piece.annotations.start >= end && piece.body.end <= text.len());
            prop_assert!(text.get(piece.body.clone()).is_some_and(|body| body.starts_with("router ")));
            end = piece.body.end;
        }
        let _ = RouterDesc::parse(&text, wall());
    }

    #[test]
    fn a_damaged_descriptor_is_refused(at in 0..1500_usize, byte in 1..127_u8) {
        let text = &bodies()[0];
        let mut bytes = text.clone().into_bytes();
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(RouterDesc::parse(std::str::from_utf8(&bytes).unwrap(), wall()).is_err());
    }

    #[test]
    fn policies_in_short_mean_the_same(rules in proptest::collection::vec((any::<bool>(), 1..40_u16, 0..20_u16), 0..12)) {
        let text: String = rules.iter().map(|(accept, low, width)| {
            format!("{} *:{low}-{}\n", if *accept { "accept" } else { "reject" }, low + width)
        }).collect();
        let short = PortPolicy::parse(&summary(&text).unwrap()).unwrap();
        for port in 1..70_u16 {
            let first = rules.iter().find(|(_, low, width)| (*low..=low + width).contains(&port));
            prop_assert_eq!(short.allows(port), first.is_some_and(|rule| rule.0), "{}", port);
        }
    }
}
