//! The command lines that do something other than to run, as a shell sees them: what is printed where, and the exit
//! code. Where C Tor is installed, its answers are the measure.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

const OURS: &str = env!("CARGO_BIN_EXE_tor-client");

/// What a program answered.
#[derive(Debug, PartialEq)]
struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a program in a directory that is its home, with nothing of this machine's configuration.
fn run(program: impl AsRef<OsStr>, home: &Path, args: &[&str], stdin: &str) -> Answer {
    let mut child = Command::new(program)
        .args(["--defaults-torrc", "/nonexistent/defaults"])
        .args(args)
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever reads no torrc from there may be gone already.
    let _unread = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn ours(args: &[&str], stdin: &str) -> Answer {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("torrc"), TORRC).unwrap();
    run(OURS, dir.path(), args, stdin)
}

/// stem's torrc for the tests of its `process` module.
const TORRC: &str = "SocksPort 9089\nExtORPort 6001\nNickname stemIntegTest\nExitPolicy reject *:*\n\
                     PublishServerDescriptor 0\nDataDirectory data\n";

#[test]
fn the_version_comes_first_and_help_has_the_words_that_tools_look_for() {
    let version = ours(&["--version"], "");
    assert_eq!(version.code, Some(0));
    assert!(version.out.starts_with("Tor version 0.4.9.11.\ntor-client "), "{version:?}");
    let help = ours(&["--help"], "");
    assert!(help.out.starts_with("Copyright (c) 2001"), "{help:?}");
    let end = "tor -f <torrc> [args]\nSee man page for options, or https://www.torproject.org/ for documentation.\n";
    assert!(help.out.ends_with(end), "{help:?}");
    assert_eq!(ours(&["-h"], ""), help);
}

#[test]
fn a_password_is_hashed_anew_each_time() {
    let hashed =
        || ours(&["--hush", "--hash-password", "my_password"], "").out.lines().last().unwrap().to_owned();
    let first = hashed();
    let digits = first.strip_prefix("16:").unwrap();
    assert!(digits.len() == 58 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    assert!(digits[16..].starts_with("60"), "the work is C Tor's");
    assert_ne!(first, hashed());
    let checked = ours(&["-f", "torrc", "--HashedControlPassword", &first, "--verify-config"], "");
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn the_configuration_is_dumped_from_a_file_or_from_standard_input() {
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let file = ours(&["-f", "torrc", "--dump-config", "short"], "");
    assert_eq!(sorted(&file.out), sorted(TORRC));
    assert_eq!(ours(&["-f", "-", "--dump-config", "short"], TORRC), file);
    let args = ["+SocksPort", "9090", "/ExtORPort", "/TransPort", "+ControlPort", "9005"];
    let changed = ours(&[&["-f", "torrc", "--dump-config", "short"][..], &args].concat(), "");
    assert_eq!(
        changed.out,
        "ControlPort 9005\nDataDirectory data\nExitPolicy reject *:*\nNickname stemIntegTest\n\
         PublishServerDescriptor 0\nSocksPort 9089\nSocksPort 9090\n"
    );
    let full = ours(&["-f", "torrc", "--dump-config", "full"], "");
    assert!(
        full.out.contains("\nMaxCircuitDirtiness 600\n") && full.out.contains("Nickname stemIntegTest\n")
    );
    let wrong = ours(&["-f", "torrc", "--dump-config", "some"], "");
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(1), ""));
}

/// Command lines that both programs understand; `{torrc}` is a file.
const SAME: &[(&[&str], &str)] = &[
    (&["--list-torrc-options"], ""),
    (&["--hush", "--list-deprecated-options"], ""),
    (&["-f", "torrc", "--dump-config", "short"], ""),
    (&["-f", "torrc", "--dump-config", "non-builtin"], ""),
    (&["-f", "torrc", "--dump-config", "full"], ""),
    (&["-f", "torrc", "--dump-config", "some"], ""),
    (&["-f", "torrc", "--dump-config"], ""),
    (
        &["-f", "-", "--dump-config", "short"],
        "ContactInfo \"a # b\"\nLog notice stdout\nCircuitPriorityHalflife 2\n",
    ),
    (
        &[
            "-f",
            "torrc",
            "--dump-config",
            "short",
            "+SocksPort",
            "9090",
            "/ExtORPort",
            "--Log",
            "warn stderr",
        ],
        "",
    ),
    (&["-f", "torrc", "--verify-config"], ""),
    (&["-f", "torrc", "--hush", "--verify-config"], ""),
    (&["-f", "torrc", "--quiet", "--verify-config"], ""),
    (&["-f", "torrc", "--list-fingerprint"], ""),
    (&["-f", "torrc", "--list-fingerprint", "ed25519"], ""),
    (&["-f", "torrc", "--list-fingerprint", "dsa"], ""),
    (&["--quiet", "--invalid_argument", "true"], ""),
    (&["-f", "torrc", "--hush", "--invalid_argument"], ""),
    (&["-f", "torrc", "--hush", "--invalid_argument", "true"], ""),
    (&["--hash-password"], ""),
    (&["-f"], ""),
    (&["-f", "torrc", "--torrc-file", "torrc"], ""),
    (&["-f", "torrc", "-f", "torrc", "--verify-config"], ""),
    (&["-f", "/nonexistent/torrc", "--verify-config"], ""),
    (&["-f", "/nonexistent/torrc", "--verify-config", "--ignore-missing-torrc"], ""),
    (&["-f", "-", "--verify-config"], "SocksPort x\n"),
    (&["-f", "-", "--verify-config"], "SocksTimeout x\n"),
    (&["-f", "-", "--verify-config"], "SafeSocks 2\n"),
    (&["-f", "-", "--verify-config"], "HiddenServiceNonAnonymousMode 1\n"),
    (&["-f", "-", "--verify-config"], "HiddenServiceSingleHopMode 1\n"),
    (&["-f", "-", "--verify-config"], "HashedControlPassword x\n"),
    (&["-f", "-", "--verify-config"], "ControlSocketsGroupWritable 1\n"),
    (&["-f", "-", "--verify-config"], "KeepalivePeriod 0\n"),
    (&["-f", "-", "--verify-config"], "LongLivedPorts 70000\n"),
    (&["-f", "-", "--verify-config"], "VirtualAddrNetworkIPv4 1.2.3.4/24\n"),
    (&["-f", "-", "--verify-config"], "VirtualAddrNetworkIPv6 1.2.3.4/24\n"),
    (&["-f", "-", "--verify-config"], "TestingTorNetwork 1\n"),
    (&["-f", "-", "--verify-config"], "SafeLogging maybe\n"),
    (&["-f", "-", "--verify-config"], "DirAuthority x\n"),
    (&["-f", "-", "--verify-config"], "__OwningControllerProcess x\n"),
];

#[test]
fn c_tor_answers_the_same() {
    let tor = Command::new("tor").arg("--version").output();
    if !tor.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("Tor version 0.4.9.")) {
        eprintln!("no tor 0.4.9 here: nothing is compared");
        return;
    }
    let mut different = Vec::new();
    for (args, stdin) in SAME {
        let answer = |program: &str| {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("torrc"), TORRC).unwrap();
            let answer = run(program, dir.path(), args, stdin);
            Answer { out: essence(&answer.out), ..answer }
        };
        let (ours, theirs) = (answer(OURS), answer("tor"));
        if ours != theirs {
            different.push((args, stdin, ours, theirs));
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}

/// What is not a log line, and of the log what is wrong, without the time. What precedes the last warning is each
/// program's own way to explain it.
fn essence(out: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in out.lines() {
        let of_the_log = line.split_once("] ").filter(|(head, _)| head.contains(" ["));
        let Some((head, text)) = of_the_log else {
            lines.push(line.to_owned());
            continue;
        };
        let severity = head.rsplit('[').next().unwrap_or_default();
        let about_the_file = text.starts_with("Configuration file") || text.starts_with("Unable to open");
        match severity {
            "err" => lines.push(format!("[err] {text}")),
            "warn" | "notice" if about_the_file || text.starts_with("Failed to parse") => {
                lines.push(format!("[{severity}] {text}"));
            }
            "warn" if text.starts_with("Duplicate") || text.starts_with("Command-line option") => {
                lines.push(format!("[warn] {text}"));
            }
            _ => {}
        }
    }
    lines.join("\n")
}
