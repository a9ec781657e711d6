//! The SOCKS port, over real TCP.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tor_cell::EndReason;
use tor_config::{SocksConfig, SocksListener};
use tor_testnet::{HOST_V4, HOST_V6, Seen};

use crate::world::{World, within};

pub(crate) const CONNECT: u8 = 1;
pub(crate) const RESOLVE: u8 = 0xf0;
pub(crate) const RESOLVE_PTR: u8 = 0xf1;

/// A SOCKS5 request without authentication for a name: the greeting, and the request.
fn by_name(command: u8, name: &str, port: u16) -> (Vec<u8>, Vec<u8>) {
    let mut request = vec![5, command, 0, 3, u8::try_from(name.len()).unwrap()];
    request.extend_from_slice(name.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    (vec![5, 1, 0], request)
}

pub(crate) struct App(pub(crate) TcpStream);

impl App {
    pub(crate) async fn connect(port: &str) -> Self {
        Self(within(TcpStream::connect(port)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.0.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        within(self.0.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, bytes);
    }

    /// Reads until the port closes the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        within(self.0.read_to_end(&mut rest)).await.unwrap();
        rest
    }

    /// Asks for a name; the reply, whose address is IPv4.
    pub(crate) async fn ask(&mut self, command: u8, name: &str) -> [u8; 10] {
        let (greeting, request) = by_name(command, name, 80);
        self.send(&greeting).await;
        self.expect(&[5, 0]).await;
        self.send(&request).await;
        let mut reply = [0; 10];
        within(self.0.read_exact(&mut reply)).await.unwrap();
        reply
    }
}

async fn ready() -> (World, String) {
    let mut world = World::ready().await;
    let port = world.socks_port(SocksConfig::default(), SocksListener::default()).await;
    (world, port)
}

pub(crate) const SUCCEEDED: [u8; 10] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

#[tokio::test]
async fn a_connection_by_name() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(CONNECT, "echo").await, SUCCEEDED);
    app.send(b"through three hops").await;
    app.expect(b"through three hops").await;
    drop(app);
    world.assert_content();
}

#[tokio::test]
async fn a_download_ends_when_the_exit_says_so() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(CONNECT, "download.700000").await, SUCCEEDED);
    let got = app.rest().await;
    assert!(got.into_iter().eq(tor_testnet::pattern(0).take(700_000)));
    world.assert_content();
}

#[tokio::test]
async fn every_byte_on_its_own() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    app.0.set_nodelay(true).unwrap();
    let (greeting, request) = by_name(CONNECT, "echo", 443);
    for byte in greeting.iter().chain(&request).chain(b"hi") {
        app.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    app.expect(&[5, 0]).await;
    app.expect(&SUCCEEDED).await;
    app.expect(b"hi").await;
    let exits = world.relays.iter().flat_map(tor_testnet::Relay::seen);
    assert!(exits.into_iter().any(|seen| matches!(seen, Seen::Begin(_, host, 443) if host == "echo")));
    world.assert_content();
}

#[tokio::test]
async fn everything_at_once() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    let (greeting, request) = by_name(CONNECT, "echo", 80);
    app.send(&[&greeting[..], &request, b"optimistic"].concat()).await;
    app.expect(&[5, 0]).await;
    app.expect(&SUCCEEDED).await;
    app.expect(b"optimistic").await;
    world.assert_content();
}

#[tokio::test]
async fn an_application_that_has_said_all_is_still_answered() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(CONNECT, "upload.5").await, SUCCEEDED);
    app.send(b"12345").await;
    assert_eq!(app.rest().await.len(), 32);
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(CONNECT, "upload.999").await, SUCCEEDED);
    app.send(b"12345").await;
    within(app.0.shutdown()).await.unwrap();
    assert!(app.rest().await.is_empty());
    let heard = async {
        loop {
            let seen = world.relays.iter().flat_map(tor_testnet::Relay::seen).collect::<Vec<_>>();
            if seen.iter().any(|seen| matches!(seen, Seen::End(_, EndReason::MISC, 5))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(heard).await;
    world.assert_content();
}

#[tokio::test]
async fn refusals() {
    let (world, port) = ready().await;
    for (host, status) in [
        (format!("refuse.{}", EndReason::CONNECTREFUSED.0), 5),
        (format!("refuse.{}", EndReason::TIMEOUT.0), 6),
        ("nowhere.example".to_owned(), 4),
        ("example.onion".to_owned(), 1),
        ("host.exit".to_owned(), 1),
        ("localhost".to_owned(), 1),
    ] {
        let mut app = App::connect(&port).await;
        let reply = app.ask(CONNECT, &host).await;
        assert_eq!((reply[0], reply[1]), (5, status), "{host}");
        assert!(app.rest().await.is_empty(), "and then it is over");
    }
    world.assert_content();
}

#[tokio::test]
async fn look_ups() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(RESOLVE, HOST_V4).await, [5, 0, 0, 1, 192, 0, 2, 7, 0, 0]);
    assert!(app.rest().await.is_empty());

    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(RESOLVE, HOST_V6).await, [5, 0, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0]);
    assert_eq!(app.rest().await, [0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0]);

    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(RESOLVE, "nowhere.example").await[1], 4);

    let mut app = App::connect(&port).await;
    app.send(&[5, 1, 0]).await;
    app.expect(&[5, 0]).await;
    app.send(&[5, RESOLVE_PTR, 0, 1, 192, 0, 2, 7, 0, 0]).await;
    let name = HOST_V4.as_bytes();
    app.expect(&[&[5, 0, 0, 3, u8::try_from(name.len()).unwrap()], name, &[0, 0]].concat()).await;
    world.assert_content();
}

#[tokio::test]
async fn socks4_and_4a() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    app.send(b"\x04\x01\x00\x50\x00\x00\x00\x01user\x00echo\x00early").await;
    let mut reply = [0; 8];
    within(app.0.read_exact(&mut reply)).await.unwrap();
    assert_eq!(reply[..2], [0, 90]);
    app.expect(b"early").await;
    let mut app = App::connect(&port).await;
    app.send(b"\x04\x01\x00\x50\x00\x00\x00\x01\x00refuse.3\x00").await;
    within(app.0.read_exact(&mut reply)).await.unwrap();
    assert_eq!(reply[..2], [0, 91]);
    world.assert_content();
}

#[tokio::test]
async fn a_browser_that_takes_it_for_an_http_proxy_is_told() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    app.send(b"GET http://www.example.com/ HTTP/1.1\r\nHost: www.example.com\r\n\r\n").await;
    let mut answer = Vec::new();
    let _reset_or_not = within(app.0.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 501 ") && answer.contains("SOCKS"), "{answer}");
    world.log.says("not an HTTP proxy").await;
}

/// Credentials keep streams apart: no two of them share a circuit.
#[tokio::test]
async fn credentials_isolate() {
    let (world, port) = ready().await;
    let greet = |name: &'static str| {
        let port = port.clone();
        async move {
            let mut app = App::connect(&port).await;
            app.send(&[5, 1, 2]).await;
            app.expect(&[5, 2]).await;
            app.send(&[&[1, u8::try_from(name.len()).unwrap()], name.as_bytes(), &[1, b'x']].concat()).await;
            app.expect(&[1, 0]).await;
            app.send(&by_name(CONNECT, "open", 80).1).await;
            app.expect(&SUCCEEDED).await;
            app
        }
    };
    let _apps = [greet("alice").await, greet("bob").await, greet("alice").await];
    let mut circuits = Vec::new();
    for (number, relay) in world.relays.iter().enumerate() {
        let begun = relay.seen().into_iter().filter_map(|seen| {
            let Seen::Begin(circuit, host, _) = seen else { return None };
            (host == "open").then_some((number, circuit))
        });
        circuits.extend(begun);
    }
    assert_eq!(circuits.len(), 3);
    circuits.sort();
    circuits.dedup();
    assert_eq!(circuits.len(), 2, "alice's two streams share a circuit, bob has his own");
    world.assert_content();
}

#[tokio::test]
async fn an_application_that_leaves_while_it_waits_is_not_waited_for() {
    let (world, port) = ready().await;
    let mut app = App::connect(&port).await;
    let (greeting, request) = by_name(CONNECT, "silent", 80);
    app.send(&[greeting, request].concat()).await;
    let heard = |wanted: fn(&Seen) -> bool| {
        let relays = &world.relays;
        within(async move {
            while !relays.iter().flat_map(tor_testnet::Relay::seen).any(|seen| wanted(&seen)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    heard(|seen| matches!(seen, Seen::Begin(_, host, _) if host == "silent")).await;
    drop(app);
    heard(|seen| matches!(seen, Seen::End(_, EndReason::MISC, 0))).await;
    world.assert_content();
}
