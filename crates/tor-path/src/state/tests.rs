use std::time::Duration;

use proptest::prelude::*;

use super::*;

const ID: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

fn parse_one(fields: &str) -> (Option<Guard>, Vec<&'static str>) {
    let (guards, errors) = Guards::parse(&format!("TorVersion Tor 0.4.9.11\nGuard {fields}\n"));
    assert!(errors.iter().all(|error| error.line == 2));
    (guards.iter().next().cloned(), errors.into_iter().map(|error| error.what).collect())
}

#[test]
fn reads_what_c_tor_writes() {
    let line = format!(
        "in=default rsa_id={ID} nickname=test001r sampled_on=2026-03-04T05:06:07 sampled_idx=0 \
         sampled_by=0.4.9.11 listed=1 confirmed_on=2026-03-05T00:00:00 confirmed_idx=0 pb_use_attempts=3.000000 \
         pb_use_successes=3.000000"
    );
    let (guard, errors) = parse_one(&line);
    let guard = guard.unwrap();
    assert!(errors.is_empty());
    assert_eq!(guard.nickname.as_str(), "test001r");
    assert_eq!(format(guard.sampled_on), "2026-03-04T05:06:07");
    assert_eq!(guard.confirmed_on.map(format).as_deref(), Some("2026-03-05T00:00:00"));
    assert_eq!(guard.unlisted_since, None);
    // What we do not understand is written back.
    let written = Guards::recorded(vec![guard], Vec::new()).to_text();
    assert!(written.ends_with(" pb_use_attempts=3.000000 pb_use_successes=3.000000\n"), "{written}");
    assert!(written.starts_with(&format!("Guard in=default rsa_id={ID} nickname=test001r sampled_on=")));
}

#[test]
fn guards_of_other_selections_are_kept() {
    let text = "Guard in=bridges rsa_id=00 bridge_addr=1.2.3.4:5\nGuard in=restricted x\n";
    let (guards, errors) = Guards::parse(text);
    assert_eq!((guards.iter().count(), errors.len()), (0, 0));
    assert_eq!(guards.to_text(), text);
}

#[test]
fn a_guard_survives_errors_about_it() {
    let good = format!("in=default rsa_id={ID} sampled_on=2026-01-01T00:00:00");
    let (guard, errors) = parse_one(&format!("{good} nickname=a-b confirmed_on=yesterday confirmed_idx=-1"));
    let guard = guard.unwrap();
    assert_eq!(errors, ["nickname", "confirmed_on", "confirmed_idx"]);
    assert_eq!((guard.nickname.as_str(), guard.confirmed_on), ("Unnamed", None));
    // It was confirmed, so it was sampled before.
    let (guard, errors) =
        parse_one(&format!("in=default rsa_id={ID} sampled_on=? confirmed_on=2026-01-02T00:00:00"));
    assert_eq!(guard.map(|guard| format(guard.sampled_on)).as_deref(), Some("2026-01-02T00:00:00"));
    assert!(errors.is_empty());
}

#[test]
fn lines_that_name_no_guard_are_errors() {
    let without = |what: &str| {
        let fields = [("in", "default"), ("rsa_id", ID), ("sampled_on", "2026-01-01T00:00:00")];
        let fields: Vec<_> =
            fields.iter().filter(|(k, _)| *k != what).map(|(k, v)| format!("{k}={v}")).collect();
        parse_one(&fields.join(" "))
    };
    assert!(without("").0.is_some());
    assert_eq!(without("in"), (None, vec!["in"]));
    assert_eq!(without("rsa_id"), (None, vec!["rsa_id"]));
    assert_eq!(without("sampled_on"), (None, vec!["sampled_on"]));
    for id in ["", "01234567", "0123456789ABCDEF0123456789ABCDEF0123456G", &format!("{ID}00")] {
        let (guard, errors) = parse_one(&format!("in=default rsa_id={id} sampled_on=2026-01-01T00:00:00"));
        assert_eq!((guard, errors), (None, vec!["rsa_id"]), "{id}");
    }
    for time in ["1969-12-31T23:59:59", "2026-13-01T00:00:00", "2026-01-01 00:00:00", "99999-01-01T00:00:00"]
    {
        let time = time.replace(' ', "_");
        let (guard, errors) = parse_one(&format!("in=default rsa_id={ID} sampled_on={time}"));
        assert_eq!((guard, errors), (None, vec!["sampled_on"]), "{time}");
    }
}

#[test]
fn a_guard_counts_once_and_the_order_is_that_of_sampling() {
    let line = |last: u8, rest: &str| {
        format!("Guard in=default rsa_id={}{last:02} sampled_on=2026-01-01T00:00:00 {rest}\n", &ID[..38])
    };
    let text = [
        line(1, "sampled_idx=2"),
        line(2, ""),
        line(3, "sampled_idx=1 confirmed_on=2026-01-01T00:00:00 confirmed_idx=7"),
        line(1, "sampled_idx=0"),
        // Older files know only the order of confirming.
        line(4, "confirmed_on=2026-01-01T00:00:00 confirmed_idx=0"),
    ]
    .concat();
    let (guards, errors) = Guards::parse(&text);
    assert_eq!(errors.len(), 1);
    let order: Vec<_> = guards.guards.iter().map(|guard| guard.rsa.as_bytes()[19]).collect();
    assert_eq!(order, [4, 3, 1, 2]);
    // Indices are written without gaps.
    let text = guards.to_text();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].contains(" sampled_idx=0 ") && lines[0].ends_with(" confirmed_idx=0"));
    assert!(lines[1].contains(" sampled_idx=1 ") && lines[1].ends_with(" confirmed_idx=1"));
    // In the order of use, confirmed ones come first.
    assert_eq!(guards.iter().map(|guard| guard.rsa.as_bytes()[19]).collect::<Vec<_>>(), [4, 3, 1, 2]);
}

#[test]
fn a_record_without_end_is_cut() {
    let many: String = (0..2000)
        .map(|i| format!("Guard in=default rsa_id={i:040} sampled_on=2026-01-01T00:00:00\n"))
        .collect();
    let (guards, errors) = Guards::parse(&many);
    assert_eq!((guards.iter().count(), errors.len()), (MAX_LINES, 1));
    let long = format!("in=default rsa_id={ID} sampled_on=2026-01-01T00:00:00 {}", "word=value ".repeat(500));
    assert!(parse_one(&long).0.unwrap().extra.len() < MAX_EXTRA);
}

fn any_time() -> impl Strategy<Value = SystemTime> {
    (0..4_000_000_000_u64).prop_map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn any_guard() -> impl Strategy<Value = Guard> {
    let times = (any_time(), proptest::option::of(any_time()), proptest::option::of(any_time()));
    (any::<[u8; 20]>(), "[a-zA-Z0-9]{1,19}", times, "(x_[a-z]{1,5}=[!-<>-~]{0,9}( y[a-z]{1,5}=1)?)?")
        .prop_map(|(id, nickname, (sampled_on, confirmed_on, unlisted_since), extra)| {
            let mut guard = Guard::new(RsaId::from_bytes(id), Nickname::new(&nickname).unwrap(), sampled_on);
            (guard.confirmed_on, guard.unlisted_since, guard.extra) = (confirmed_on, unlisted_since, extra);
            guard
        })
}

proptest! {
    #[test]
    fn survives_the_disk(
        guards in proptest::collection::vec(any_guard(), 0..20),
        others in proptest::collection::vec("in=[a-z]{1,5}x [a-z=.:0-9]{1,20}", 0..3),
    ) {
        let mut guards = guards;
        let ids: std::collections::BTreeSet<_> = guards.iter().map(|guard| guard.rsa).collect();
        prop_assume!(ids.len() == guards.len());
        // As they are confirmed, one after the other; here in the opposite order of sampling.
        let confirmed = guards.iter_mut().rev().filter(|guard| guard.confirmed_on.is_some());
        confirmed.zip(0..).for_each(|(guard, index)| guard.confirmed_idx = index);
        let guards = Guards::recorded(guards, others);
        let (read, errors) = Guards::parse(&guards.to_text());
        prop_assert_eq!(errors, []);
        prop_assert_eq!(&read, &guards);
        prop_assert_eq!(read.to_text(), guards.to_text());
    }

    #[test]
    fn no_text_panics_and_what_is_read_can_be_written(
        text in "(Guard |in=default |in=x |rsa_id=[0-9A-F]{39,41} |sampled_on=[0-9T:-]{0,20} |sampled_on=2026-01-01T00:00:00 |confirmed_on=2026-01-01T00:00:00 |confirmed_idx=[0-9]{0,12} |nickname=\\PC{0,5} |a=b=c |\n|é){0,40}",
    ) {
        let (guards, _) = Guards::parse(&text);
        let (again, errors) = Guards::parse(&guards.to_text());
        prop_assert_eq!(errors, []);
        prop_assert_eq!(again.to_text(), guards.to_text());
    }
}
