//! Ports that come, go and stay.

use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tor_client::{Client, Commit, Config, Part, ReconfigureError, Surroundings};
use tor_config::{Bind, SafeLogging, SocksListener, SocksPolicy};

use crate::world::{App, World, alone, at, free_port, refuses, within};

#[tokio::test]
async fn a_bad_listener_in_a_change_of_five_options_changes_nothing() {
    let data = TempDir::new().unwrap();
    let client = Client::start(alone(&data)).await.unwrap();
    let (before, ports) = (client.config(), client.socks_ports());
    let settings = || format!("{:?} {:?}", client.manager().timing(), client.manager().factory().settings());
    let before_that = settings();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (good, bad) = (free_port(), taken.local_addr().unwrap());
    let mut new = (*before).clone();
    new.circuits.max_dirtiness = Duration::from_secs(10);
    new.circuits.enforce_distinct_subnets = true;
    new.log.safe = SafeLogging::Off;
    new.link.use_ipv6 = false;
    new.socks.listeners = vec![at("127.0.0.1", good), at("127.0.0.1", bad.port())];
    let error = client.reconfigure(new).unwrap_err();

    assert_eq!(error.to_string(), "Failed to bind one of the listener ports.");
    assert_eq!(error.option(), "SocksPort");
    assert!(error.detail().starts_with(&format!("Could not bind to {bad}: ")), "{}", error.detail());
    assert!(error.detail().ends_with(" Is Tor already running?"), "{}", error.detail());
    assert_eq!(client.config(), before);
    assert_eq!(client.socks_ports(), ports);
    assert_eq!(settings(), before_that);
    assert!(refuses(&format!("127.0.0.1:{good}")).await, "the good one is closed again");
    within(TcpStream::connect(&ports[0])).await.unwrap();
}

#[tokio::test]
async fn a_live_stream_survives_moving_the_socks_port() {
    let world = World::start().await;
    let client = Client::start(world.config.clone()).await.unwrap();
    within(client.ready()).await;
    let old = client.socks_ports();
    let mut app = App::through(&old[0]).await;
    app.echoes(b"before").await;

    let mut new = world.config.clone();
    new.socks.listeners = vec![at("127.0.0.1", free_port())];
    client.reconfigure(new).unwrap();
    let now = client.socks_ports();
    assert_ne!(now, old);
    assert!(refuses(&old[0]).await);
    app.echoes(b"after").await;
    App::through(&now[0]).await.echoes(b"by the new port").await;

    let mut none = world.config.clone();
    none.socks.listeners.clear();
    client.reconfigure(none).unwrap();
    assert_eq!(client.socks_ports(), Vec::<String>::new());
    assert!(refuses(&now[0]).await);
    app.echoes(b"still").await;
}

#[tokio::test]
async fn a_port_that_stays_takes_other_settings() {
    let world = World::start().await;
    let client = Client::start(world.config.clone()).await.unwrap();
    within(client.ready()).await;
    let port = client.socks_ports();
    let mut app = App::through(&port[0]).await;

    // `auto` is content with the port that there is, and naming that port too.
    let mut new = world.config.clone();
    new.socks.policy.extend("reject *").unwrap();
    client.reconfigure(new.clone()).unwrap();
    assert_eq!(client.socks_ports(), port);
    let number: u16 = port[0].rsplit(':').next().unwrap().parse().unwrap();
    new.socks.listeners = vec![at("127.0.0.1", number)];
    client.reconfigure(new.clone()).unwrap();
    assert_eq!(client.socks_ports(), port);

    app.echoes(b"who is in stays in").await;
    let socket = within(TcpStream::connect(&port[0])).await.unwrap();
    let mut byte = [0];
    within(socket.readable()).await.unwrap();
    let read = socket.try_read(&mut byte);
    assert!(
        matches!(read, Ok(0)) || read.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
        "{read:?}"
    );

    new.socks.policy = SocksPolicy::default();
    client.reconfigure(new).unwrap();
    App::through(&port[0]).await.echoes(b"welcome again").await;
}

#[tokio::test]
async fn an_address_is_free_as_soon_as_its_port_is_closed() {
    let data = TempDir::new().unwrap();
    let config = alone(&data);
    let client = Client::start(config.clone()).await.unwrap();
    let here = Config {
        socks: tor_config::SocksConfig {
            listeners: vec![at("127.0.0.1", free_port())],
            ..config.socks.clone()
        },
        ..config.clone()
    };
    for _ in 0..20 {
        client.reconfigure(here.clone()).unwrap();
        client.reconfigure(config.clone()).unwrap();
    }
}

#[tokio::test]
async fn a_port_moves_between_one_address_and_all() {
    let data = TempDir::new().unwrap();
    let mut config = alone(&data);
    let port = free_port();
    config.socks.listeners = vec![at("127.0.0.1", port)];
    let client = Client::start(config.clone()).await.unwrap();
    let everywhere = at("0.0.0.0", port);

    // Half of it can be done, so none of it is, and the old port is open as before.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut new = config.clone();
    new.socks.listeners = vec![everywhere.clone(), at("127.0.0.1", taken.local_addr().unwrap().port())];
    client.reconfigure(new.clone()).unwrap_err();
    assert_eq!(client.socks_ports(), [format!("127.0.0.1:{port}")]);
    within(TcpStream::connect(("127.0.0.1", port))).await.unwrap();
    assert!(refuses(&format!("127.0.0.2:{port}")).await);

    new.socks.listeners = vec![everywhere];
    client.reconfigure(new).unwrap();
    assert_eq!(client.socks_ports(), [format!("0.0.0.0:{port}")]);
    within(TcpStream::connect(("127.0.0.2", port))).await.unwrap();
    client.reconfigure(config).unwrap();
    assert!(refuses(&format!("127.0.0.2:{port}")).await);
    within(TcpStream::connect(("127.0.0.1", port))).await.unwrap();
}

#[tokio::test]
async fn a_unix_socket_changes_its_permissions_and_goes() {
    let data = TempDir::new().unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut config = alone(&data);
    let path = data.path().join("socks");
    let unix = |world_writable| {
        let (group_writable, relax_dir_mode) = (false, false);
        let bind = Bind::Unix { path: path.clone(), group_writable, world_writable, relax_dir_mode };
        vec![SocksListener { bind, ..SocksListener::default() }]
    };
    let mode = || fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
    config.socks.listeners = unix(false);
    let client = Client::start(config.clone()).await.unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    assert_eq!(mode(), 0o600);
    config.socks.listeners = unix(true);
    client.reconfigure(config.clone()).unwrap();
    assert_eq!(mode(), 0o666);
    assert_eq!(client.socks_ports(), [format!("unix:{}", path.display())]);
    config.socks.listeners.clear();
    client.reconfigure(config).unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn what_only_a_start_can_change_is_refused() {
    let (data, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let client = Client::start(alone(&data)).await.unwrap();
    let before = client.config();
    let mut new = (*before).clone();
    new.storage.data = elsewhere.path().to_owned();
    new.socks.listeners.clear();
    let error = client.reconfigure(new).unwrap_err();
    assert_eq!(error.to_string(), "While Tor is running, changing DataDirectory is not allowed");
    assert!(error.is_transition());
    assert_eq!(client.config(), before);
    assert_eq!(client.socks_ports().len(), 1);

    let mut new = (*before).clone();
    new.directory.authorities = vec!["nonsense".to_owned()];
    new.socks.listeners.clear();
    assert_eq!(client.reconfigure(new).unwrap_err().option(), "DirAuthority");
    assert_eq!(client.socks_ports().len(), 1);
}

/// Notes what happens to it.
#[derive(Debug, Default)]
struct Witness {
    refuses: AtomicBool,
    saw: Arc<Mutex<Vec<String>>>,
}

impl Part for Witness {
    fn prepare(&self, old: Option<&Config>, _: &Config) -> Result<Commit, ReconfigureError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(ReconfigureError::Other { option: "ControlPort", text: "not this".to_owned() });
        }
        let (saw, first) = (Arc::clone(&self.saw), old.is_none());
        Ok(Box::new(move || saw.lock().unwrap().push(format!("committed {first}"))))
    }

    fn listeners(&self, kind: &str) -> Vec<String> {
        if kind == "control" { vec!["127.0.0.1:9051".to_owned()] } else { Vec::new() }
    }
}

#[tokio::test]
async fn a_part_of_the_program_takes_part() {
    let data = TempDir::new().unwrap();
    let client = Client::new(alone(&data), Surroundings::default()).await.unwrap();
    let witness = Arc::new(Witness::default());
    let part: Arc<dyn Part> = Arc::<Witness>::clone(&witness);
    client.join(&part).unwrap();
    assert_eq!(client.listeners("control"), ["127.0.0.1:9051"]);
    assert_eq!(client.socks_ports(), Vec::<String>::new(), "the client is not open yet");
    client.go().unwrap();

    let ports = client.socks_ports();
    witness.refuses.store(true, Ordering::Relaxed);
    let mut new = (*client.config()).clone();
    new.socks.listeners.clear();
    assert_eq!(client.reconfigure(new.clone()).unwrap_err().to_string(), "not this");
    assert_eq!(client.socks_ports(), ports);
    witness.refuses.store(false, Ordering::Relaxed);
    client.reconfigure(new.clone()).unwrap();
    assert_eq!(client.socks_ports(), Vec::<String>::new());
    assert_eq!(*witness.saw.lock().unwrap(), ["committed true", "committed false"]);
    drop((part, witness));
    client.reconfigure(new).unwrap();
    assert_eq!(client.listeners("control"), Vec::<String>::new());
}
