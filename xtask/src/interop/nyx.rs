//! `cargo xtask interop nyx`: nyx 2.1 in a terminal of 130 x 45, in front of C Tor and of us.
//!
//! It turns to each of the five pages and reads what is on the screen: live data, no traceback, and no
//! "unavailable" that C Tor does not show as well. The new identity is asked for in nyx's menu, and another
//! controller has to hear of it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;

use super::control::{Controlled, Controller, until};
use super::python::python;
use super::sides::{Side, Sides};
use crate::lab::socks::Target;
use crate::lab::{Lab, web};
use crate::shell::program;

#[derive(Debug, Args)]
pub(crate) struct Nyx {
    #[command(flatten)]
    sides: Sides,
    /// Writes the pages here as text.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// The whole of it, or the short form.
pub(super) fn with(sides: Sides) -> Result<()> {
    nyx(&Nyx { sides, keep: None })
}

/// Shows each client to nyx; fails if a page lacks what it has to show.
pub(super) fn nyx(options: &Nyx) -> Result<()> {
    let sides = options.sides.all()?;
    let lab = Lab::open(options.sides.dir.as_deref())?;
    // Made before there are two who would make it.
    python()?;
    let all: Result<Vec<_>> = thread::scope(|scope| {
        let lab = &lab;
        let looks: Vec<_> =
            sides.iter().map(|side| scope.spawn(move || look(lab, side).context(side.name))).collect();
        looks.into_iter().map(|look| look.join().map_err(|_| anyhow!("a thread failed"))?).collect()
    });
    let all = all?;
    for (side, pages) in sides.iter().zip(&all) {
        if let Some(dir) = &options.keep {
            fs::create_dir_all(dir)?;
            for (name, text) in pages {
                fs::write(dir.join(format!("{}.{name}.txt", side.name.replace(' ', "-"))), text)?;
            }
        }
    }
    let mut faults = Vec::new();
    for (side, pages) in sides.iter().zip(&all) {
        for (name, text) in pages {
            let missing: Vec<_> = missing(name, text);
            let verdict = if missing.is_empty() { "ok" } else { "FAILED" };
            println!("{:<6} page {name:<12} {verdict} {}", side.name, missing.join("; "));
            faults.extend(missing.iter().map(|what| format!("{}: {name}: {what}", side.name)));
        }
    }
    if let [theirs, ours] = all.as_slice() {
        for ((name, ours), (_, theirs)) in ours.iter().zip(theirs) {
            for word in EXCUSES {
                let (few, many) = (theirs.matches(word).count(), ours.matches(word).count());
                if many > few {
                    faults.push(format!("page {name} says {word:?} {many} times, with C Tor {few}"));
                }
            }
        }
    }
    for fault in &faults {
        println!("{fault}");
    }
    ensure!(faults.is_empty(), "nyx does not show what it should: {} faults", faults.len());
    Ok(())
}

/// What each page is called here, and what was on the screen.
type Pages = Vec<(&'static str, String)>;

fn look(lab: &Lab, side: &Side) -> Result<Pages> {
    let home = lab.scratch.path().join(format!("nyx-{}", side.name.replace(' ', "-")));
    fs::create_dir_all(&home)?;
    // nyx reads the past of the log from a file, and the connections from /proc, which tor has to allow.
    let extra = format!(
        "CookieAuthentication 1\nDisableDebuggerAttachment 0\nLog notice file {}\n",
        home.join("notice.log").display()
    );
    let client = Controlled::ready(&side.binary, &home, &lab.network, &extra)?;
    let server = web::serve(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let terminal = Terminal::start(&home, &client)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let target = Target::Name("www.example.test");
                // 300 KB at a time: enough to see, little enough for the graph's scale to stay readable.
                if let Ok(mut body) =
                    web::get(&client.client.socks, target, server.port(), 300_000, Duration::from_secs(20))
                {
                    let _ = std::io::copy(&mut body, &mut std::io::sink());
                }
                sleep(Duration::from_millis(300));
            }
        });
        let pages = terminal.pages(&client);
        is_over.store(true, Ordering::Relaxed);
        pages
    })
}

/// nyx in a terminal of its own tmux server.
struct Terminal {
    socket: PathBuf,
    errors: PathBuf,
}

impl Terminal {
    fn start(home: &Path, client: &Controlled) -> Result<Self> {
        let errors = home.join("nyx-errors");
        let python = python()?;
        let shims = home.join("shims");
        fs::create_dir_all(&shims)?;
        fs::write(shims.join("sitecustomize.py"), SHIMS)?;
        let nyx = format!(
            "exec env PYTHONPATH={} HOME={} TERM=screen LANG=C.UTF-8 {} {} -i {} 2>{}",
            shims.display(),
            home.display(),
            python.display(),
            python.with_file_name("nyx").display(),
            client.control,
            errors.display()
        );
        let terminal = Self { socket: home.join("tmux"), errors };
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "130", "-y", "45", &nyx])?;
        // The pane is looked at after its program has ended, too.
        terminal.tmux(&["set-option", "-g", "remain-on-exit", "on"])?;
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let tmux = program("tmux").context("tmux is missing: install Debian's tmux")?;
        let output = Command::new("timeout")
            .arg("20")
            .arg(tmux)
            .arg("-S")
            .arg(&self.socket)
            .args(arguments)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tmux {arguments:?}: {said}{}", self.said());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What nyx wrote to standard error: a traceback, if anything.
    fn said(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p"])
    }

    fn press(&self, key: &str) -> Result<()> {
        self.tmux(&["send-keys", key])?;
        sleep(Duration::from_millis(700));
        Ok(())
    }

    /// Waits until the screen shows this, and some time more for the rest of it; the screen, whatever it shows.
    fn shows(&self, text: &str, seconds: u64) -> Result<String> {
        // What is missing in the end is told of the page.
        let _ = until(Duration::from_secs(seconds), text, || Ok(self.screen()?.contains(text)));
        sleep(Duration::from_millis(1500));
        let said = self.said();
        ensure!(!said.contains("Traceback"), "nyx failed:\n{said}\n{}", self.screen()?);
        self.screen()
    }

    fn pages(&self, client: &Controlled) -> Result<Pages> {
        let mut pages = Vec::new();
        self.shows("page 1 / 5", 20)?;
        // Some seconds of bandwidth for the graph.
        sleep(Duration::from_secs(4));
        pages.push(("graph", self.screen()?));
        self.press("Right")?;
        self.shows("outbound", 10)?;
        sleep(Duration::from_secs(2));
        pages.push(("connections", self.screen()?));
        self.press("Right")?;
        pages.push(("config", self.shows("Tor Configuration (", 15)?));
        self.press("Right")?;
        pages.push(("torrc", self.shows("Tor Configuration File", 15)?));
        self.press("Right")?;
        self.shows("Control Interpreter", 15)?;
        self.press("Enter")?;
        self.tmux(&["send-keys", "-l", "GETINFO version"])?;
        self.press("Enter")?;
        self.shows("250 OK", 5)?;
        pages.push(("interpreter", self.screen()?));
        // A blank line ends the conversation.
        self.press("Enter")?;
        self.press("Right")?;
        self.shows("page 1 / 5", 5)?;
        pages.push(("newnym", self.new_identity(client)?));
        self.press("q")?;
        self.press("q")?;
        let said = self.said();
        ensure!(!said.contains("Traceback"), "nyx failed:\n{said}");
        Ok(pages)
    }

    /// The second entry of the menu's first part, which opens with it; returns what another controller heard.
    fn new_identity(&self, client: &Controlled) -> Result<String> {
        let mut listener = Controller::by_cookie(client.control)?;
        let reply = listener.ask("SETEVENTS SIGNAL")?;
        ensure!(reply == ["250 OK"], "SETEVENTS SIGNAL: {reply:?}");
        for key in ["m", "Down", "Enter"] {
            self.press(key)?;
        }
        let event = listener.event(Duration::from_secs(12))?;
        Ok(event.map_or_else(
            || format!("nothing\n{}", self.screen().unwrap_or_default()),
            |lines| lines.join("\n"),
        ))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It ends this server only: the socket is its name.
        let _ = self.tmux(&["kill-server"]);
    }
}

/// What a page ought to show and does not.
fn missing(page: &str, text: &str) -> Vec<&'static str> {
    let has = |part: &str| text.contains(part);
    let checks: &[(&'static str, bool)] = match page {
        "graph" => &[
            ("a version", has("Tor 0.4.9.11")),
            ("the control port", has("Control Port (")),
            ("a process", has("pid: ") && has("uptime: ")),
            ("memory", has("mem: ") && !has("mem: 0 B")),
            ("a download rate", has("Download (") && !has("total: 0.0 B") && !has("avg: 0.0 B/sec")),
            ("an upload rate", has("Upload (")),
            ("a log", has("[NOTICE] Bootstrapped 100% (done): Done") || has("[NOTICE]")),
        ],
        "connections" => &[
            ("connections to relays", has("outbound") && has("-->") && has("(OUTBOUND)")),
            ("circuits", has(" circuit")),
            ("relays by name", ["auth", "relay", "exit"].iter().any(|role| text.contains(role))),
        ],
        "config" => &[
            ("options", has("ControlPort") && has("DataDirectory") && has("SocksPort")),
            ("values", has("True") && has("127.0.0.1:")),
        ],
        "torrc" => &[("the file's lines", has("TestingTorNetwork 1") && has("ControlPort 127.0.0.1"))],
        "interpreter" => &[("an answer", has("250-version=0.4.9.11") || has("version=0.4.9.11"))],
        _ => &[("a SIGNAL NEWNYM for others to hear", has("650 SIGNAL NEWNYM"))],
    };
    checks.iter().filter(|(_, holds)| !holds).map(|(what, _)| *what).collect()
}

/// What nyx says when it could not learn something.
const EXCUSES: &[&str] = &[
    "unavailable",
    "Unavailable",
    "unresolved",
    "UNKNOWN",
    "UNDEFINED",
    "Unable to",
    "[NYX_WARN]",
    "[NYX_ERR]",
];
const SHIMS: &str = include_str!("nyx/sitecustomize.py");
