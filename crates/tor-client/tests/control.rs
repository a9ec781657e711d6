//! The control port of a client whose network is off: whole conversations over real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{ffi::OsString, fs, path::Path, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};
use tor_client::{
    Client, Surroundings,
    control::{Control, Wish},
};
use tor_config::{Disk, Environment, Invocation, Loaded, load};
use tor_ctrl_events::Dispatcher;

const SOON: Duration = Duration::from_secs(20);

/// A client with a control port of its own, and what keeps it.
struct World {
    client: Arc<Client>,
    control: Control,
    directory: tempfile::TempDir,
    port: String,
}

fn configuration(directory: &Path, torrc: &str) -> Loaded {
    let file = directory.join("torrc");
    let data = directory.join("data");
    fs::write(
        &file,
        format!("DisableNetwork 1\nControlPort auto\nDataDirectory {}\n{torrc}", data.display()),
    )
    .unwrap();
    let none = directory.join("none");
    let arguments = ["-f".into(), file.into(), "--defaults-torrc".into(), OsString::from(none)];
    let Ok(Invocation::Run(command_line)) = Invocation::parse(arguments) else { panic!("a plain start") };
    load(&command_line, &Disk, &Environment::from_process()).unwrap()
}

impl World {
    async fn new(torrc: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let loaded = configuration(directory.path(), torrc);
        let events = Dispatcher::new();
        let surroundings = Surroundings { log: None, events: Arc::new(events.clone()) };
        let client = Arc::new(Client::new(loaded.config.clone(), surroundings).await.unwrap());
        let control = Control::start(Arc::clone(&client), events, loaded).unwrap();
        client.go().unwrap();
        let port = client.listeners("control").remove(0);
        Self { client, control, directory, port }
    }

    async fn controller(&self) -> Controller {
        let socket = TcpStream::connect(&self.port).await.unwrap();
        Controller { socket: BufReader::new(socket) }
    }

    async fn authenticated(&self) -> Controller {
        let mut controller = self.controller().await;
        assert_eq!(controller.ask("AUTHENTICATE").await, "250 OK\r\n");
        controller
    }
}

struct Controller {
    socket: BufReader<TcpStream>,
}

impl Controller {
    async fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next reply or event, whole; empty at the end of the connection.
    async fn next(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if timeout(SOON, self.socket.read_line(&mut line)).await.unwrap().unwrap() == 0 {
                return reply;
            }
            let separator = line.as_bytes().get(3).copied();
            reply.push_str(&line);
            match separator {
                Some(b' ') => return reply,
                Some(b'+') => loop {
                    let mut data = String::new();
                    timeout(SOON, self.socket.read_line(&mut data)).await.unwrap().unwrap();
                    reply.push_str(&data);
                    if data == ".\r\n" {
                        break;
                    }
                },
                _ => {}
            }
        }
    }

    async fn ask(&mut self, command: &str) -> String {
        self.send(&format!("{command}\r\n")).await;
        self.next().await
    }
}

#[tokio::test]
async fn several_keys_come_in_one_reply_and_one_unknown_refuses_all() {
    let world = World::new("").await;
    let mut controller = world.authenticated().await;
    assert_eq!(
        controller.ask("GETINFO version onions/current").await,
        "250-version=0.4.9.11\r\n250-onions/current=\r\n250 OK\r\n"
    );
    assert_eq!(
        controller.ask("getinfo version no/such thing").await,
        "552-Unrecognized key \"no/such\"\r\n552 Unrecognized key \"thing\"\r\n"
    );
    assert_eq!(controller.ask("GETINFO fingerprint version").await, "551 Not running in server mode\r\n");
    let listed = controller.ask("GETINFO net/listeners/control").await;
    assert_eq!(listed, format!("250-net/listeners/control=\"{}\"\r\n250 OK\r\n", world.port));
}

#[tokio::test]
async fn a_change_is_all_or_nothing_and_others_hear_of_it() {
    let world = World::new("").await;
    let (mut changer, mut listener) = (world.authenticated().await, world.authenticated().await);
    assert_eq!(listener.ask("SETEVENTS CONF_CHANGED").await, "250 OK\r\n");
    let refused = changer.ask("SETCONF MaxCircuitDirtiness=1200 NumEntryGuards=nonsense").await;
    assert!(refused.starts_with("513 Unacceptable option value: "), "{refused}");
    assert_eq!(changer.ask("GETCONF MaxCircuitDirtiness").await, "250 MaxCircuitDirtiness=600\r\n");
    let refused = changer.ask("SETCONF NoSuchOption=1").await;
    assert!(refused.starts_with("552 Unrecognized option: "), "{refused}");
    let refused = changer.ask("SETCONF DataDirectory=/elsewhere").await;
    assert!(refused.starts_with("553 Transition not allowed: "), "{refused}");
    assert_eq!(changer.ask("SETCONF MaxCircuitDirtiness=1200").await, "250 OK\r\n");
    assert_eq!(listener.next().await, "650-CONF_CHANGED\r\n650-MaxCircuitDirtiness=1200\r\n650 OK\r\n");
    assert_eq!(world.client.config().circuits.max_dirtiness, Duration::from_secs(1200));
    assert_eq!(changer.ask("RESETCONF MaxCircuitDirtiness").await, "250 OK\r\n");
    assert_eq!(listener.next().await, "650-CONF_CHANGED\r\n650-MaxCircuitDirtiness=600\r\n650 OK\r\n");
}

#[tokio::test]
async fn the_control_port_moves_and_those_who_came_by_it_stay() {
    let world = World::new("").await;
    let mut controller = world.authenticated().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = controller.ask(&format!("SETCONF ControlPort={}", taken.local_addr().unwrap())).await;
    assert_eq!(refused, "553 Unable to set option: Failed to bind one of the listener ports.\r\n");
    assert!(TcpStream::connect(&world.port).await.is_ok(), "the old port is still there");
    let socket = world.directory.path().join("private/control");
    fs::create_dir(socket.parent().unwrap()).unwrap();
    fs::set_permissions(socket.parent().unwrap(), std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    assert_eq!(controller.ask(&format!("SETCONF ControlPort=unix:{}", socket.display())).await, "250 OK\r\n");
    assert_eq!(world.client.listeners("control"), [format!("unix:{}", socket.display())]);
    assert_eq!(controller.ask("GETINFO version").await, "250-version=0.4.9.11\r\n250 OK\r\n");
    assert!(TcpStream::connect(&world.port).await.is_err(), "the old port is gone");
    let mut by_socket = tokio::net::UnixStream::connect(&socket).await.unwrap();
    by_socket.write_all(b"AUTHENTICATE\r\nQUIT\r\n").await.unwrap();
    let mut said = String::new();
    by_socket.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "250 OK\r\n250 closing connection\r\n");
}

#[tokio::test]
async fn the_cookie_opens_the_port_and_nothing_else_does() {
    let world = World::new("CookieAuthentication 1\n").await;
    let file = world.directory.path().join("data/control_auth_cookie");
    let cookie = fs::read(&file).unwrap();
    assert_eq!(cookie.len(), 32);
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let mut controller = world.controller().await;
    let info = controller.ask("PROTOCOLINFO 1").await;
    let path = file.display();
    assert!(info.contains(&format!("AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE=\"{path}\"\r\n")), "{info}");
    let guess = controller.ask(&format!("AUTHENTICATE {}", "00".repeat(32))).await;
    assert_eq!(guess, "515 Authentication failed: Authentication cookie did not match expected value.\r\n");
    assert_eq!(controller.next().await, "", "closed after a wrong guess");
    let mut controller = world.controller().await;
    assert_eq!(controller.ask("GETINFO version").await, "514 Authentication required.\r\n");
    let mut controller = world.controller().await;
    let hex: String = cookie.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(controller.ask(&format!("authenticate {hex}")).await, "250 OK\r\n");
}

#[tokio::test]
async fn the_client_ends_with_its_owner() {
    let mut world = World::new("").await;
    let mut owner = world.authenticated().await;
    assert_eq!(owner.ask("TAKEOWNERSHIP").await, "250 OK\r\n");
    let mut other = world.authenticated().await;
    assert_eq!(other.ask("TAKEOWNERSHIP").await, "250 OK\r\n");
    assert_eq!(other.ask("DROPOWNERSHIP").await, "250 OK\r\n");
    drop(other);
    assert!(timeout(Duration::from_millis(300), world.control.wish()).await.is_err());
    drop(owner);
    assert_eq!(timeout(SOON, world.control.wish()).await.unwrap(), Wish::Shutdown);
}

#[tokio::test]
async fn signals_are_told_and_shutdown_is_wished() {
    let mut world = World::new("").await;
    let mut controller = world.authenticated().await;
    assert_eq!(controller.ask("SETEVENTS SIGNAL").await, "250 OK\r\n");
    for (signal, name) in [("newnym", "NEWNYM"), ("HEARTBEAT", "HEARTBEAT"), ("hup", "RELOAD")] {
        assert_eq!(controller.ask(&format!("SIGNAL {signal}")).await, "250 OK\r\n");
        assert_eq!(controller.next().await, format!("650 SIGNAL {name}\r\n"));
    }
    assert_eq!(controller.ask("SIGNAL NOPE").await, "552 Unrecognized signal code \"NOPE\"\r\n");
    assert_eq!(controller.ask("SIGNAL SHUTDOWN").await, "250 OK\r\n");
    assert_eq!(timeout(SOON, world.control.wish()).await.unwrap(), Wish::Shutdown);
}

#[tokio::test]
async fn a_saved_configuration_is_read_back_the_same() {
    let world = World::new("").await;
    let mut controller = world.authenticated().await;
    assert_eq!(
        controller.ask("SETCONF MaxCircuitDirtiness=1200 LongLivedPorts=22,6667").await.get(..3),
        Some("250")
    );
    assert_eq!(controller.ask("SAVECONF").await, "250 OK\r\n");
    let text = fs::read_to_string(world.directory.path().join("torrc")).unwrap();
    assert!(text.contains("MaxCircuitDirtiness 1200\n"), "{text}");
    assert!(world.directory.path().join("torrc.orig.1").exists());
    assert_eq!(controller.ask("RESETCONF MaxCircuitDirtiness").await, "250 OK\r\n");
    assert_eq!(controller.ask("SIGNAL RELOAD").await, "250 OK\r\n");
    assert_eq!(controller.ask("GETCONF MaxCircuitDirtiness").await, "250 MaxCircuitDirtiness=1200\r\n");
}

#[tokio::test]
async fn events_are_kept_replayed_and_written_to_a_file() {
    let world = World::new("").await;
    let mut controller = world.authenticated().await;
    let file = world.directory.path().join("events.json");
    let command = format!("X-EVENTLOG FILE=\"{}\" EVENTS=SIGNAL", file.display());
    assert_eq!(controller.ask(&command).await, "250 OK\r\n");
    assert_eq!(controller.ask("SIGNAL HEARTBEAT").await, "250 OK\r\n");
    assert_eq!(
        controller.ask("GETINFO x-events/history/SIGNAL").await,
        "250-x-events/history/SIGNAL=650 SIGNAL HEARTBEAT\r\n250 OK\r\n"
    );
    assert_eq!(controller.ask("X-SETEVENTS SIGNAL REPLAY=5").await, "250 OK\r\n");
    assert_eq!(controller.next().await, "650 SIGNAL HEARTBEAT\r\n");
    let written = async {
        loop {
            let text = fs::read_to_string(&file).unwrap();
            if !text.is_empty() {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let text = timeout(SOON, written).await.unwrap();
    assert!(text.contains("\"event\":\"SIGNAL\",\"signal\":\"HEARTBEAT\""), "{text}");
    assert_eq!(controller.ask("X-EVENTLOG").await, "250 OK\r\n");
}

#[tokio::test]
async fn one_who_never_reads_holds_up_nobody() {
    let world = World::new("").await;
    let mut deaf = world.authenticated().await;
    deaf.send("SETEVENTS SIGNAL NOTICE INFO DEBUG CONF_CHANGED\r\n").await;
    let mut other = world.authenticated().await;
    // More than the sockets' buffers and ours hold together.
    for _ in 0..20 {
        deaf.send(&"GETINFO info/names config/names config/defaults\r\n".repeat(20)).await;
    }
    for count in 1..200 {
        let dirtiness = 600 + count;
        assert_eq!(other.ask(&format!("SETCONF MaxCircuitDirtiness={dirtiness}")).await, "250 OK\r\n");
    }
    assert_eq!(other.ask("GETCONF MaxCircuitDirtiness").await, "250 MaxCircuitDirtiness=799\r\n");
}

#[tokio::test]
async fn all_commands_before_authentication_are_refused_and_harmless() {
    let world = World::new("CookieAuthentication 1\n").await;
    for command in [
        "GETINFO version",
        "SETCONF SocksPort=1",
        "SIGNAL HALT",
        "+LOADCONF",
        "TAKEOWNERSHIP",
        "X-HISTORY BW=1",
    ] {
        let mut controller = world.controller().await;
        controller.send(&format!("{command}\r\n.\r\n")).await;
        assert_eq!(controller.next().await, "514 Authentication required.\r\n", "{command}");
        assert_eq!(controller.next().await, "");
    }
    assert_eq!(world.client.config().control.listeners.len(), 1);
}
