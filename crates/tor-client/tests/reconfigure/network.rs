//! The network, switched off and on, and the documents of other authorities.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tor_client::{Client, Phase, Surroundings};
use tor_ctrl_events::{Event, EventKind, EventSink};

use crate::world::{App, World, alone, refuses, until, within};

#[tokio::test]
async fn the_network_is_switched_off_and_on() {
    let world = World::start().await;
    let client = Client::start(world.config.clone()).await.unwrap();
    within(client.ready()).await;
    until(|| client.has_built_a_circuit()).await;
    let port = client.socks_ports();
    let app = App::through(&port[0]).await;

    let mut off = world.config.clone();
    off.disable_network = true;
    client.reconfigure(off.clone()).unwrap();
    assert_eq!(client.socks_ports(), Vec::<String>::new());
    assert!(!client.has_built_a_circuit());
    assert!(refuses(&port[0]).await);
    app.end().await;
    until(|| client.ledger().circuits().is_empty()).await;
    until(|| client.ledger().or_connections().is_empty()).await;
    assert!(client.view().is_some(), "what is known of the network stays known");
    // Nobody dials while it is off.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(client.ledger().or_connections(), []);

    for _ in 0..3 {
        client.reconfigure(world.config.clone()).unwrap();
        client.reconfigure(off.clone()).unwrap();
    }
    client.reconfigure(world.config.clone()).unwrap();
    until(|| client.has_built_a_circuit()).await;
    App::through(&client.socks_ports()[0]).await.echoes(b"back again").await;
}

/// As Tor Browser starts it.
#[tokio::test]
async fn a_client_that_starts_without_network_bootstraps_once_it_has_one() {
    let world = World::start().await;
    let mut off = world.config.clone();
    off.disable_network = true;
    let client = Client::start(off).await.unwrap();
    assert_eq!(client.progress(), Some((0, Phase::Starting)));
    assert_eq!(client.socks_ports(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(client.progress(), Some((0, Phase::Starting)));
    client.reconfigure(world.config.clone()).unwrap();
    assert_eq!(client.socks_ports().len(), 1);
    within(client.ready()).await;
    assert_eq!(client.bootstrap_phase(), r#"NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done""#);
    drop(client);

    // What is on disk is known without network.
    let mut off = world.config.clone();
    off.disable_network = true;
    let client = Client::start(off).await.unwrap();
    within(client.view_changes().wait_for(Option::is_some)).await.unwrap();
}

#[tokio::test]
async fn documents_that_the_authorities_of_now_did_not_sign_are_not_believed() {
    let world = World::start().await;
    let client = Client::start(world.config.clone()).await.unwrap();
    within(client.ready()).await;
    let nobody = TempDir::new().unwrap();
    let mut new = world.config.clone();
    new.directory = alone(&nobody).directory;
    client.reconfigure(new).unwrap();
    within(client.view_changes().wait_for(Option::is_none)).await.unwrap();
    client.reconfigure(world.config.clone()).unwrap();
    within(client.view_changes().wait_for(Option::is_some)).await.unwrap();
    App::through(&client.socks_ports()[0]).await.echoes(b"by the old authorities").await;
}

#[tokio::test]
async fn dormant_nothing_is_built_ahead_and_streams_are_served() {
    let world = World::start().await;
    let client = Client::start(world.config.clone()).await.unwrap();
    within(client.ready()).await;
    client.set_dormant(true);
    assert!(client.is_dormant());
    assert!(!client.manager().timing().predict);
    // A change of something else does not wake it.
    let mut new = world.config.clone();
    new.circuits.max_dirtiness = Duration::from_secs(100);
    client.reconfigure(new).unwrap();
    assert!(!client.manager().timing().predict);
    App::through(&client.socks_ports()[0]).await.echoes(b"half asleep").await;
    client.set_dormant(false);
    assert!(client.manager().timing().predict);
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl EventSink for Told {
    fn wants(&self, kind: EventKind) -> bool {
        kind == EventKind::StatusClient
    }

    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event.to_text());
    }
}

#[tokio::test]
async fn controllers_are_told_how_far_it_is() {
    let world = World::start().await;
    let told = Arc::new(Told::default());
    let surroundings = Surroundings { events: Arc::<Told>::clone(&told), ..Surroundings::default() };
    let client = Client::new(world.config.clone(), surroundings).await.unwrap();
    client.go().unwrap();
    within(client.ready()).await;
    until(|| told.0.lock().unwrap().iter().any(|line| line.contains("CIRCUIT_ESTABLISHED"))).await;
    let told = told.0.lock().unwrap().clone();
    let bootstrap: Vec<_> = told.iter().filter(|line| line.contains("BOOTSTRAP")).collect();
    assert_eq!(
        bootstrap[0],
        "650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=0 TAG=starting SUMMARY=\"Starting\"\r\n"
    );
    let last = "650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"\r\n";
    assert_eq!(bootstrap.last().unwrap().as_str(), last);
}
