//! What a controller hears of streams, and what it may do to them.

use std::time::Duration;

use tokio::time::timeout;
use tor_circmgr::{IsolationKey, Timing, address_map::Listing};
use tor_config::{SocksConfig, SocksListener};
use tor_ctrl_events::{CircuitId, StreamId};
use tor_net::AttachError;
use tor_testnet::HOST_V4;

use crate::{
    socks::{App, CONNECT, RESOLVE, SUCCEEDED},
    world::{World, within},
};

async fn ready() -> (World, String) {
    let mut world = World::ready().await;
    let port = world.socks_port(SocksConfig::default(), SocksListener::default()).await;
    (world, port)
}

/// An application that waits for its answer.
type Asking = tokio::task::JoinHandle<(App, [u8; 10])>;

/// The number of the stream, or circuit, of an event.
fn id(line: &str) -> u64 {
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

impl World {
    /// An application's request that waits for the controller; its stream.
    async fn waiting(&self, port: &str, host: &'static str) -> (StreamId, Asking) {
        let from = self.told.count();
        let mut app = App::connect(port).await;
        #[expect(clippy::disallowed_methods, reason = "the application is not the client")]
        let asking = tokio::spawn(async move {
            let reply = app.ask(CONNECT, host).await;
            (app, reply)
        });
        let line = self.told.wait(from, &["CONTROLLER_WAIT"]).await;
        (StreamId(id(&line)), asking)
    }

    /// A built circuit of three hops that nobody uses.
    async fn circuit(&self) -> CircuitId {
        self.manager.predict(80);
        within(self.manager.first_circuit()).await;
        let circuits = self.ledger.circuits();
        circuits
            .iter()
            .find(|circuit| circuit.info.path.len() == 3 && circuit.status.as_str() == "BUILT")
            .unwrap()
            .id
    }
}

#[tokio::test]
async fn the_life_of_a_connection() {
    let (world, port) = ready().await;
    let from = world.told.count();
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(CONNECT, "ECHO").await, SUCCEEDED);
    app.send(b"hello").await;
    app.expect(b"hello").await;
    let [stream] = &world.ledger.streams()[..] else { panic!() };
    assert!(stream.status_line().ends_with(" echo:80") && stream.status_line().contains(" SUCCEEDED "));
    drop(app);
    world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    assert_eq!(
        world.told.streams(from),
        [
            "NEW 0 echo:80 PURPOSE=USER",
            "SENTCONNECT c echo:80",
            "SUCCEEDED c echo:80",
            "CLOSED c echo:80 REASON=DONE"
        ]
    );
    assert_eq!(world.ledger.streams(), []);
    let bytes = world.told.wait(from, &["STREAM_BW"]).await;
    // 3 + 11 bytes of SOCKS, and its 2 of the first answer.
    assert!(bytes.contains(" 19 7 "), "{bytes}");
    let new = world.told.wait(from, &["STREAM", " NEW "]).await;
    assert!(new.contains(" SOURCE_ADDR=127.0.0.1:"));
    assert!(
        new.ends_with(
            "CLIENT_PROTOCOL=SOCKS5 NYM_EPOCH=0 SESSION_GROUP=-4 \
         ISO_FIELDS=SOCKS_USERNAME,SOCKS_PASSWORD,CLIENTADDR,SESSION_GROUP,NYM_EPOCH"
        ) || new.contains(" SESSION_GROUP=-"),
        "{new}"
    );
    world.assert_content();
}

#[tokio::test]
async fn an_exit_that_refuses_and_one_that_hangs_up() {
    let (world, port) = ready().await;
    let from = world.told.count();
    let reply = App::connect(&port).await.ask(CONNECT, "refuse.1").await;
    assert_eq!(reply[1], 1);
    world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    let again = ["SENTCONNECT c refuse.1:80", "DETACHED c refuse.1:80 REASON=END REMOTE_REASON=MISC"];
    let mut expected = vec!["NEW 0 refuse.1:80 PURPOSE=USER"];
    expected.extend(again.iter().chain(&again));
    expected.extend([
        "SENTCONNECT c refuse.1:80",
        "FAILED c refuse.1:80 REASON=END REMOTE_REASON=MISC",
        "CLOSED c refuse.1:80 REASON=END REMOTE_REASON=MISC",
    ]);
    assert_eq!(world.told.streams(from), expected);

    let from = world.told.count();
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(CONNECT, "download.1000").await, SUCCEEDED);
    assert_eq!(app.rest().await.len(), 1000);
    let closed = world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    assert!(closed.contains(" REASON=END REMOTE_REASON=DONE "), "{closed}");
    world.assert_content();
}

#[tokio::test]
async fn streams_are_told_before_their_circuit_is_over() {
    let (world, port) = ready().await;
    let from = world.told.count();
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(CONNECT, "echo").await, SUCCEEDED);
    let circuit = world.ledger.streams()[0].circuit.unwrap();
    assert!(world.ledger.close_circuit(circuit, false));
    assert_eq!(app.rest().await, b"");
    let circ = format!("650 CIRC {circuit} CLOSED");
    world.told.wait(from, &[&circ]).await;
    assert_eq!(world.told.streams(from).last().unwrap(), "CLOSED c echo:80 REASON=DESTROY");
    assert!(world.told.position(from, &["STREAM ", "CLOSED"]) < world.told.position(from, &[&circ]));
    assert_eq!(world.told.streams(from).len(), 4, "and not once more when the application's end is let go");
}

#[tokio::test]
async fn a_controller_attaches_streams() {
    let (world, port) = ready().await;
    let circuit = world.circuit().await;
    world.ledger.leave_streams_unattached(true);
    let from = world.told.count();
    let (stream, asking) = world.waiting(&port, "echo").await;
    assert!(world.ledger.stream(stream).unwrap().status_line().contains(" NEW 0 "));
    let attach = |stream, circuit, hop| world.ledger.attach_stream(stream, circuit, hop);
    // Wrong numbers, wrong hops: nothing happens to the stream.
    let nowhere = CircuitId(9999);
    assert_eq!(attach(stream, Some(nowhere), None).await, Err(AttachError::Circuit(nowhere)));
    let error = attach(StreamId(9999), None, None).await.unwrap_err();
    assert_eq!((error.code(), &*error.to_string()), (552, "Unknown stream \"9999\""));
    assert_eq!(attach(stream, Some(circuit), Some(1)).await, Err(AttachError::OneHop));
    let error = attach(stream, Some(circuit), Some(4)).await.unwrap_err();
    assert_eq!((error.code(), &*error.to_string()), (551, "Circuit doesn't have 4 hops."));
    assert_eq!(attach(stream, Some(circuit), Some(u32::MAX)).await, Err(AttachError::NoHop(u32::MAX)));

    assert_eq!(within(attach(stream, Some(circuit), None)).await, Ok(()));
    let (mut app, reply) = within(asking).await.unwrap();
    assert_eq!(reply, SUCCEEDED);
    assert_eq!(world.ledger.stream(stream).unwrap().circuit, Some(circuit));
    // Open streams are nobody's to move.
    let error = attach(stream, Some(circuit), None).await.unwrap_err();
    assert_eq!((error.code(), &*error.to_string()), (555, "Connection is not managed by controller."));
    assert_eq!(
        world.told.streams(from),
        [
            "NEW 0 echo:80 PURPOSE=USER",
            "CONTROLLER_WAIT 0 echo:80",
            "SENTCONNECT c echo:80",
            "SUCCEEDED c echo:80"
        ]
    );
    app.send(b"hi").await;
    app.expect(b"hi").await;

    // 0: Tor chooses.
    let (stream, asking) = world.waiting(&port, "echo").await;
    assert_eq!(within(attach(stream, None, None)).await, Ok(()));
    assert_eq!(within(asking).await.unwrap().1, SUCCEEDED);
    world.assert_content();
}

/// Otherwise two identities would leave through one circuit: the first put there by hand, the second by Tor.
#[tokio::test]
async fn a_circuit_that_was_chosen_by_hand_is_given_to_no_other() {
    let (world, port) = ready().await;
    let circuit = world.circuit().await;
    world.ledger.leave_streams_unattached(true);
    let (stream, asking) = world.waiting(&port, "echo").await;
    assert_eq!(within(world.ledger.attach_stream(stream, Some(circuit), None)).await, Ok(()));
    let by_hand = within(asking).await.unwrap();
    world.ledger.leave_streams_unattached(false);
    let mut others = Vec::new();
    for _ in 0..6 {
        world.ledger.new_nym();
        let mut app = App::connect(&port).await;
        assert_eq!(app.ask(CONNECT, "echo").await, SUCCEEDED);
        others.push(app);
    }
    let on_it = world.ledger.streams().iter().filter(|stream| stream.circuit == Some(circuit)).count();
    assert_eq!((on_it, world.ledger.streams().len()), (1, 7));
    drop((by_hand, others));
}

#[tokio::test]
async fn an_unanswered_stream_moves_on_and_a_refused_one_waits_again() {
    let (world, port) = ready().await;
    let circuit = world.circuit().await;
    world.ledger.leave_streams_unattached(true);
    let from = world.told.count();
    let (stream, asking) = world.waiting(&port, "silent").await;
    let attach = |circuit| world.ledger.attach_stream(stream, circuit, None);
    assert_eq!(within(attach(Some(circuit))).await, Ok(()));
    world.told.wait(from, &["SENTCONNECT"]).await;
    // Elsewhere, and it leads elsewhere too.
    world.ledger.redirect_stream(stream, "refuse.4", Some(81)).unwrap();
    assert_eq!(within(attach(Some(circuit))).await, Ok(()));
    world.told.wait(from, &["DETACHED"]).await;
    world.ledger.redirect_stream(stream, "echo", None).unwrap();
    assert_eq!(within(attach(None)).await, Ok(()));
    assert_eq!(within(asking).await.unwrap().1, SUCCEEDED);
    assert_eq!(
        world.told.streams(from),
        [
            "NEW 0 silent:80 PURPOSE=USER",
            "CONTROLLER_WAIT 0 silent:80",
            "SENTCONNECT c silent:80",
            "CONTROLLER_WAIT 0 refuse.4:81",
            "SENTCONNECT c refuse.4:81",
            "DETACHED c refuse.4:81 REASON=END REMOTE_REASON=EXITPOLICY",
            "CONTROLLER_WAIT c refuse.4:81",
            "SENTCONNECT c echo:81",
            "SUCCEEDED c echo:81",
            "CLOSED c echo:81 REASON=DONE"
        ][..world.told.streams(from).len()]
    );
}

#[tokio::test]
async fn a_controller_closes_streams_in_each_state() {
    let (world, port) = ready().await;
    let circuit = world.circuit().await;
    world.ledger.leave_streams_unattached(true);
    let close = |stream, reason| world.ledger.close_stream(stream, reason);
    // Waiting for the controller.
    let from = world.told.count();
    let (stream, asking) = world.waiting(&port, "echo").await;
    close(stream, 3).unwrap();
    assert_eq!(within(asking).await.unwrap().1[1], 5);
    world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    let end = ["FAILED 0 echo:80 REASON=CONNECTREFUSED", "CLOSED 0 echo:80 REASON=CONNECTREFUSED"];
    assert_eq!(world.told.streams(from)[2..], end);
    assert_eq!(close(stream, 3).unwrap_err().to_string(), format!("Unknown stream \"{stream}\""));
    // Waiting for the exit.
    let from = world.told.count();
    let (stream, asking) = world.waiting(&port, "silent").await;
    world.ledger.attach_stream(stream, Some(circuit), None).await.unwrap();
    world.told.wait(from, &["SENTCONNECT"]).await;
    close(stream, 200).unwrap();
    assert_eq!(within(asking).await.unwrap().1[1], 1);
    let closed = world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    assert!(closed.contains(" REASON=UNKNOWN_200 "), "{closed}");
    // Open, with the exit in the middle of it.
    let from = world.told.count();
    let (stream, asking) = world.waiting(&port, "download.90000000").await;
    world.ledger.attach_stream(stream, Some(circuit), None).await.unwrap();
    let (mut app, reply) = within(asking).await.unwrap();
    assert_eq!(reply, SUCCEEDED);
    close(stream, 5).unwrap();
    assert!(app.rest().await.len() < 90_000_000);
    let closed = world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    assert!(closed.contains(" REASON=DESTROY "), "{closed}");
    assert_eq!(world.ledger.streams(), []);
    world.assert_content();
}

#[tokio::test]
async fn dead_circuits_and_impatient_applications() {
    let (world, port) = ready().await;
    let circuit = world.circuit().await;
    world.ledger.leave_streams_unattached(true);
    let from = world.told.count();
    let (stream, asking) = world.waiting(&port, "silent").await;
    world.ledger.attach_stream(stream, Some(circuit), None).await.unwrap();
    world.told.wait(from, &["SENTCONNECT"]).await;
    // Its circuit dies: it waits for another.
    world.ledger.close_circuit(circuit, false);
    world.told.wait(from, &["DETACHED", "REASON=DESTROY"]).await;
    let attach = || world.ledger.attach_stream(stream, Some(circuit), None);
    for _ in 0..100 {
        match within(attach()).await {
            Err(AttachError::Circuit(_)) => break,
            Err(AttachError::NotManaged | AttachError::NotOpen) | Ok(()) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    }
    // The application leaves while a controller attaches.
    asking.abort();
    let _cancelled = asking.await;
    let gone = within(attach()).await.unwrap_err();
    assert!(matches!(gone, AttachError::Stream(_) | AttachError::Circuit(_) | AttachError::Unable), "{gone}");
    let closed = world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    assert!(closed.contains(" CLOSED 0 silent:80 REASON=DONE "), "{closed}");

    // Nobody comes for it.
    world.manager.set_timing(Timing { socks_timeout: Duration::from_millis(300), ..Timing::default() });
    let from = world.told.count();
    let (_, asking) = world.waiting(&port, "echo").await;
    assert_eq!(within(asking).await.unwrap().1[1], 6);
    world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    let end = ["FAILED 0 echo:80 REASON=TIMEOUT", "CLOSED 0 echo:80 REASON=TIMEOUT"];
    assert_eq!(world.told.streams(from)[2..], end);
    assert_eq!(world.ledger.streams(), []);
}

#[tokio::test]
async fn the_address_map_leads_streams() {
    let (world, port) = ready().await;
    let from = world.told.count();
    let addresses = world.ledger.addresses();
    assert_eq!(addresses.assign("a.test", "echo").unwrap(), "a.test=echo");
    let mut app = App::connect(&port).await;
    assert_eq!(app.ask(CONNECT, "a.test").await, SUCCEEDED);
    drop(app);
    world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    assert_eq!(
        world.told.streams(from),
        [
            "650 ADDRMAP a.test echo NEVER CACHED=",
            "NEW 0 a.test:80 PURPOSE=USER",
            "REMAP 0 echo:80 SOURCE=CACHE",
            "SENTCONNECT c echo:80",
            "SUCCEEDED c echo:80",
            "CLOSED c echo:80 REASON=DONE"
        ]
    );
    // By a relay of its own, told by its fingerprint; the application can't say that itself.
    let exit = world.relays[2].identity().ids().rsa;
    let hex = tor_ctrl_events::LongName::from(exit).to_string()[1..].to_owned();
    addresses.assign("b.test", &format!("echo.{hex}.exit")).unwrap();
    for _ in 0..3 {
        let mut app = App::connect(&port).await;
        assert_eq!(app.ask(CONNECT, "b.test").await, SUCCEEDED);
        let stream = world.ledger.streams().pop().unwrap();
        assert_eq!(stream.target.host, format!("echo.{hex}.exit").to_lowercase());
        let path = world.ledger.circuit(stream.circuit.unwrap()).unwrap().info.path;
        assert_eq!(path.last().unwrap().id, exit);
    }
    let from = world.told.count();
    let reply = App::connect(&port).await.ask(CONNECT, "echo.b.exit").await;
    assert_eq!(reply[1], 1);
    world.told.wait(from, &["SOCKS_BAD_HOSTNAME HOSTNAME=\"echo.b.exit\""]).await;
    let closed = world.told.wait(from, &["STREAM ", "CLOSED 0 echo.b.exit"]).await;
    assert!(closed.contains(" CLOSED 0 echo.b.exit:80 REASON=TORPROTOCOL "), "{closed}");
    assert_eq!(addresses.lines(Listing::Control).len(), 2);
    // A relay that is none.
    addresses.assign("c.test", "echo.nobody.exit").unwrap();
    assert_eq!(App::connect(&port).await.ask(CONNECT, "c.test").await[1], 1);
    world.assert_content();
}

#[tokio::test]
async fn a_controller_looks_names_up() {
    let (world, port) = ready().await;
    let from = world.told.count();
    let opener = world.opener();
    opener.lookup(HOST_V4, false, None);
    let answer = world.told.wait(from, &["ADDRMAP"]).await;
    assert!(answer.starts_with(&format!("650 ADDRMAP {HOST_V4} ")), "{answer}");
    assert!(answer.contains(" EXPIRES=\"") && answer.contains(" CACHED=\"NO\" STREAMID="), "{answer}");
    world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    let told = world.told.streams(from);
    assert_eq!(told[0], format!("NEWRESOLVE 0 {HOST_V4}:0 PURPOSE=DNS_REQUEST"));
    assert_eq!(told[1], format!("SENTRESOLVE c {HOST_V4}:0"));
    assert_eq!(told[3], format!("CLOSED c {HOST_V4}:0 REASON=DONE"));
    // An address is its own answer; nonsense is an error; both need no circuit.
    for (name, reverse, answer, reason) in [
        ("198.51.100.7", false, "198.51.100.7", "DONE"),
        ("a.exit", false, "<error>", "TORPROTOCOL"),
        ("bad_host!", false, "<error>", "TORPROTOCOL"),
        ("notanip", true, "<error>", "INTERNAL"),
    ] {
        let from = world.told.count();
        opener.lookup(name, reverse, None);
        world.told.wait(from, &["ADDRMAP", name, answer]).await;
        let closed = world.told.wait(from, &["STREAM ", "CLOSED"]).await;
        assert!(closed.contains(&format!(" CLOSED 0 {name}:0 REASON={reason} ")), "{closed}");
    }
    // They wait for the controller like any other; the application's too.
    world.ledger.leave_streams_unattached(true);
    let from = world.told.count();
    opener.lookup(HOST_V4, false, None);
    let line = world.told.wait(from, &["CONTROLLER_WAIT"]).await;
    world.ledger.close_stream(StreamId(id(&line)), 4).unwrap();
    world.told.wait(from, &["ADDRMAP", "<error>"]).await;
    world.ledger.leave_streams_unattached(false);
    let reply = App::connect(&port).await.ask(RESOLVE, HOST_V4).await;
    assert_eq!(reply[1], 0);
    world.assert_content();
}

#[tokio::test]
async fn a_new_nym_shares_no_circuit_with_the_old_one() {
    let (world, port) = ready().await;
    let mut old = App::connect(&port).await;
    assert_eq!(old.ask(CONNECT, "echo").await, SUCCEEDED);
    let before = world.ledger.streams()[0].circuit;
    world.ledger.new_nym();
    let mut new = App::connect(&port).await;
    assert_eq!(new.ask(CONNECT, "echo").await, SUCCEEDED);
    let [_, stream] = &world.ledger.streams()[..] else { panic!() };
    assert_ne!(stream.circuit, before);
    old.send(b"alive").await;
    old.expect(b"alive").await;
}

#[tokio::test]
async fn our_own_streams_and_fetches_are_streams_too() {
    let (world, _) = ready().await;
    world.told.wait(0, &["STREAM ", ".exit:", " NEW 0 ", "PURPOSE=DIR_FETCH"]).await;
    let closed = world.told.wait(0, &["STREAM ", "CLOSED", ".exit:"]).await;
    assert!(
        closed.ends_with(" CLIENT_PROTOCOL=UNKNOWN NYM_EPOCH=0 SESSION_GROUP=-2 ISO_FIELDS=SESSION_GROUP"),
        "{closed}"
    );
    let from = world.told.count();
    let stream = within(world.opener().connect("echo", 80, &IsolationKey::default())).await.unwrap();
    drop(stream);
    let closed = world.told.wait(from, &["STREAM ", "CLOSED"]).await;
    assert!(closed.contains(" echo:80 REASON=DONE CLIENT_PROTOCOL=UNKNOWN "), "{closed}");
    world.ledger.leave_streams_unattached(true);
    let opener = world.opener();
    let key = IsolationKey::default();
    let waiting = opener.connect("echo", 80, &key);
    assert!(timeout(Duration::from_millis(50), waiting).await.is_err());
    assert_eq!(world.ledger.streams(), []);
}
