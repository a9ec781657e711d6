//! The program as a shell sees it: what it prints, and how it exits. No network is needed: nothing here gets so far.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The client, with an authority that nobody can reach, and nothing of this machine's configuration.
fn client(directory: &Path, torrc: &str) -> Command {
    let file = directory.join("torrc");
    fs::write(&file, torrc).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tor-client"));
    command.arg("-f").arg(&file).arg("--defaults-torrc").arg(directory.join("none"));
    command.arg("--DataDirectory").arg(directory.join("data"));
    command.env("HOME", directory).stdin(Stdio::null());
    command
}

const NOBODY: &str = "TestingTorNetwork 1\n\
    DirAuthority nobody orport=1 v3ident=0000000000000000000000000000000000000001 127.0.0.1:1 \
    0000000000000000000000000000000000000002\n";

/// Runs it to its end.
fn run(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

/// Runs it until the log has this line, and gives back the lines until then.
fn run_until(mut command: Command, awaited: &str) -> (Child, Vec<String>, impl Iterator<Item = String>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        seen.push(line);
        if seen.last().unwrap().contains(awaited) {
            return (child, seen, lines);
        }
    }
    panic!("{awaited:?} is not in {seen:#?}; exit: {:?}", child.wait());
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
}

fn ends_within(mut child: Child, limit: Duration) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("it still runs after {limit:?}");
}

#[test]
fn the_version_is_the_first_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = client(dir.path(), "");
    command.arg("--version");
    let (code, out) = run(command);
    assert_eq!(code, Some(0));
    assert_eq!(out.lines().next(), Some("Tor version 0.4.9.11."));
}

#[test]
fn a_good_configuration_is_called_valid() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = client(dir.path(), "SocksPort 9150\n");
    command.arg("--verify-config");
    let (code, out) = run(command);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.ends_with("Configuration was valid\n"), "{out}");
}

#[test]
fn a_misspelled_option_is_shown_with_its_place_and_its_neighbour() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = client(dir.path(), "SocksPort 0\nSocksPrt 9150\n");
    command.arg("--verify-config");
    let (code, out) = run(command);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("torrc:2: SocksPrt: unknown option; did you mean SocksPort?"), "{out}");
    assert!(out.ends_with("[err] Reading config failed--see warnings above.\n"), "{out}");
}

#[test]
fn what_the_disk_or_the_system_refuses_ends_the_program_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let (code, out) = run(client(dir.path(), &format!("{NOBODY}SocksPort {}\n", at.port())));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains(&format!("[warn] Could not bind to {at}: ")), "{out}");
    assert!(out.contains("in use. Is Tor already running?"), "{out}");
    assert!(
        out.contains("[warn] Failed to parse/validate config: Failed to bind one of the listener ports."),
        "{out}"
    );

    // A directory where the state file belongs.
    fs::create_dir_all(dir.path().join("data/state")).unwrap();
    let (code, out) = run(client(dir.path(), &format!("{NOBODY}SocksPort 0\n")));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("data/state: "), "it names what can't be used: {out}");

    fs::remove_dir(dir.path().join("data/state")).unwrap();
    fs::remove_file(dir.path().join("data/lock")).unwrap();
    fs::remove_dir(dir.path().join("data")).unwrap();
    fs::write(dir.path().join("data"), "a file").unwrap();
    let (code, out) = run(client(dir.path(), &format!("{NOBODY}SocksPort 0\n")));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("[err] Can't use "), "{out}");
}

/// `kill -USR1`, which asks C Tor for statistics, ended the client at once: circuits, Unix socket and all. And the
/// file of a Unix socket stayed behind even after a clean end.
#[test]
fn signals_that_c_tor_knows_do_not_kill_it_and_term_cleans_up() {
    let dir = tempfile::tempdir().unwrap();
    // Whoever can look into the directory could connect, so it must be ours alone.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let socket = dir.path().join("socks");
    let torrc = format!("{NOBODY}SocksPort unix:{}\n", socket.display());
    let (child, _, mut log) = run_until(client(dir.path(), &torrc), "Bootstrapped 0%");
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    // As in C Tor, statistics and the change of level are no notices; the reload is.
    for name in ["USR1", "USR2", "HUP"] {
        signal(&child, name);
    }
    assert!(log.any(|line| line.contains("reload signal (hup)")), "a signal ended it");
    // The data directory is taken.
    let (code, out) = run(client(dir.path(), &format!("{NOBODY}SocksPort 0\n")));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("another Tor process is running with the same data directory"), "{out}");

    signal(&child, "TERM");
    assert_eq!(ends_within(child, Duration::from_secs(10)), Some(0));
    assert!(!socket.exists(), "the file of the Unix socket stays");
}

/// Each request of an HTTP client that takes the port for a proxy was one warning: a page load filled the log.
#[test]
fn an_http_client_on_the_socks_port_is_mentioned_once() {
    let dir = tempfile::tempdir().unwrap();
    let (child, seen, log) =
        run_until(client(dir.path(), &format!("{NOBODY}SocksPort auto\n")), "Opened Socks listener");
    let at = seen.last().unwrap().rsplit(' ').next().unwrap().to_owned();
    for _ in 0..20 {
        let mut app = TcpStream::connect(&at).unwrap();
        app.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        BufReader::new(app).read_line(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 501"), "{answer}");
    }
    signal(&child, "TERM");
    let complaints = log.filter(|line| line.contains("This port is not an HTTP proxy")).count();
    assert_eq!(complaints, 1);
    assert_eq!(ends_within(child, Duration::from_secs(10)), Some(0));
}
