use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testdata::{cases, load, text};

fn lines(value: &Value) -> String {
    cases(value).map(|line| format!("{}\n", text(line))).collect()
}

fn sha3_as_signed(base: &str) -> [u8; 32] {
    let keyword = "\ndirectory-signature ";
    Sha3_256::digest(&base[..base.find(keyword).unwrap() + keyword.len()]).into()
}

#[test]
fn whole_diffs() {
    let vectors = load("consensus_diff");
    let small = &vectors["full_diff"];
    let large = &vectors["larger_example"];
    for (case, diff) in [(small, lines(&small["diff"])), (large, text(&large["diff"]).to_owned())] {
        let base = text(&case["base"]);
        assert!(looks_like_diff(&diff) && !looks_like_diff(base));
        assert_eq!(apply(base, &sha3_as_signed(base), &diff).unwrap(), text(&case["target"]));
        // Not the consensus that the diff is from.
        assert_eq!(apply(base, &[0; 32], &diff), Err(DiffError::WrongBase));
        // A script that leads elsewhere.
        let forged = diff.replacen("\n.\n", "\nforged\n.\n", 1);
        assert_eq!(apply(base, &sha3_as_signed(base), &forged), Err(DiffError::WrongResult));
    }
}

#[test]
fn scripts() {
    let vectors = load("consensus_diff");
    for case in cases(&vectors["apply_ok"]) {
        assert_eq!(
            apply_script(&lines(&case["base"]), &lines(&case["script"])).unwrap(),
            lines(&case["result"])
        );
    }
    for case in cases(&vectors["generate_examples"]) {
        assert_eq!(
            apply_script(&lines(&case["base"]), &lines(&case["script"])).unwrap(),
            lines(&case["target"])
        );
    }
    for case in cases(&vectors["apply_must_fail"]) {
        let result = apply_script(&lines(&case["base"]), &lines(&case["script"]));
        assert!(matches!(result, Err(DiffError::Command { .. })), "{case}: {result:?}");
    }
}

#[test]
fn headers() {
    let hash = "0".repeat(64);
    for bad in [
        String::new(),
        format!("network-status-diff-version 2\nhash {hash} {hash}\n"),
        format!("{VERSION}\nhash {hash}\n"),
        format!("{VERSION}\nhash {hash} {hash} {hash}\n"),
        format!("{VERSION}\nhush {hash} {hash}\n"),
        format!("{VERSION}\nhash {hash} {}\n", &hash[1..]),
        format!("{VERSION}\nhash {hash} {hash}"),
    ] {
        assert_eq!(apply("", &[0; 32], &bad), Err(DiffError::Header), "{bad}");
    }
}

/// A directory server whose diff consisted of a hundred million empty lines (5 MB, compressed) made us hold a slice for
/// each of them, gigabytes in all, before any digest was looked at.
#[test]
fn a_diff_of_very_many_lines_takes_no_more_memory_than_its_text() {
    let base = "a\nb\n";
    let script = format!("1a\n{}.\n", "\n".repeat(100_000));
    let pieces = pieces(base, &script).unwrap();
    assert_eq!(pieces.len(), 3);
    assert_eq!(pieces.concat().len(), base.len() + 100_000);
    // Nor do very many commands.
    let add = "0a\nx\n.\n";
    assert_eq!(apply_script(base, &add.repeat(6)).unwrap(), format!("{}a\nb\n", "x\n".repeat(6)));
    assert_eq!(apply_script(base, &add.repeat(7)), Err(DiffError::Command { line: 3 + 6 * 3 }));
}

#[test]
fn commands_that_no_diff_has() {
    let long = format!("0a\n{}\n.\n", "x".repeat(MAX_LINE));
    for bad in ["1,2a\nx\n.\n", "2,1d\n", "0d\n", &long] {
        assert!(matches!(apply_script("a\nb\n", bad), Err(DiffError::Command { .. })), "{}", bad.len());
    }
}

proptest! {
    #[test]
    fn no_script_panics(base in "([ab.]\n){0,6}", script in "([0-9]{0,2}|,|[$]|[acd]\n|[.]\n|x\n){0,20}") {
        let _ = apply_script(&base, &script);
    }
}
