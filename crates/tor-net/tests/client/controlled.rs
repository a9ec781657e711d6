//! What controllers do with circuits.

use std::time::Duration;

use tokio::time::sleep;
use tor_circ::HopIndex;
use tor_circmgr::{CircuitNumber, IsolationKey, Purpose};
use tor_ctrl_events::{CircReason, CircStatus, CircuitId};
use tor_net::{OpenRequest, Opened};

use crate::world::{World, within};

impl World {
    /// The names of the relays, in one of the forms in which they can be written.
    fn names(&self, relays: &[usize]) -> Vec<String> {
        let names = relays.iter().filter_map(|index| self.relays.get(*index));
        names.map(|relay| relay.identity().ids().rsa.to_string()).collect()
    }

    async fn built(&self, id: CircuitId) {
        self.tape.says(&format!("650 CIRC {id} BUILT ")).await;
    }

    /// Says something on a stream of that circuit, at that hop.
    async fn converse_at(&self, id: CircuitId, hop: Option<HopIndex>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let circuit = self.ledger.circuit_handle(id).unwrap();
        let request = OpenRequest::Connect {
            host: "echo".to_owned(),
            port: 80,
            flags: tor_cell::relay::BeginFlags::NONE,
            early: bytes::Bytes::new(),
        };
        let opened = within(circuit.open_at(&request.clone().into(), hop)).await.unwrap();
        let Opened::Stream(mut stream, _) = opened else { panic!("answers to a connection") };
        within(stream.write_all(b"hello")).await.unwrap();
        let mut answer = [0; 5];
        within(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"hello");
    }
}

#[tokio::test]
async fn a_path_by_hand() {
    let world = World::ready().await;
    let names = world.names(&[2, 0, 3]);
    let id = world.controlled.launch(Some(&names), Purpose::Controller).unwrap();
    world.built(id).await;
    let circ = world.ledger.circuit(id).unwrap();
    let path: Vec<String> = circ.info.path.iter().map(|hop| hop.id.to_string()).collect();
    assert_eq!(path, names);
    assert!(circ.status_line().contains(" PURPOSE=CONTROLLER TIME_CREATED="), "{}", circ.status_line());
    // Nobody else's stream gets it.
    world.converse().await;
    let used = |id: CircuitId| world.ledger.circuit_handle(id).unwrap();
    assert_eq!(tor_circmgr::BuiltCircuit::streams(&used(id)), 0);
    // Streams at each hop but the first, at once.
    world.converse_at(id, Some(HopIndex(1))).await;
    world.converse_at(id, None).await;
    world.converse_at(id, Some(HopIndex(1))).await;
    world.manager.attached(CircuitNumber(id.0), &IsolationKey::default());

    world.controlled.close(id, false).unwrap();
    let end = world.tape.end_of(id).await;
    assert_eq!((end.status, end.reason), (CircStatus::Closed, Some(CircReason::Requested)));
    let again = world.controlled.close(id, false).unwrap_err();
    assert_eq!((again.code(), again.to_string()), (552, format!("Unknown circuit \"{id}\"")));
    world.tape.assert_lawful();
    world.assert_content();
}

#[tokio::test]
async fn names_that_are_none() {
    let world = World::ready().await;
    let launch = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let error = world.controlled.launch(Some(&names), Purpose::General).unwrap_err();
        (error.code(), error.to_string())
    };
    let nobody = "0123456789ABCDEF0123456789ABCDEF01234567";
    for name in ["nobody", nobody, "Unnamed", "", "$", "é", &format!("${nobody}~x"), &format!("{nobody}=x")]
    {
        assert_eq!(launch(&[name]), (552, format!("No such router \"{name}\"")));
    }
    assert_eq!(launch(&[]), (512, "No router names provided".to_owned()));
    let unknown = CircuitId(999_999);
    assert_eq!(world.controlled.extend(unknown, &world.names(&[1])).unwrap_err().code(), 552);
    assert_eq!(world.controlled.set_purpose(unknown, Purpose::General).unwrap_err().code(), 552);
    // Nickname, fingerprint with and without $, with a nickname behind it.
    let view = world.ledger.long_name(&world.relays[1].identity().ids().rsa);
    let nickname = view.nickname.clone().unwrap();
    for name in [nickname.to_uppercase(), view.to_string(), view.to_string()[1..41].to_owned()] {
        let id = world.controlled.launch(Some(&[name]), Purpose::Controller).unwrap();
        world.built(id).await;
    }
}

#[tokio::test]
async fn a_circuit_is_extended_and_changes_its_purpose() {
    let world = World::ready().await;
    let id = world.controlled.launch(Some(&world.names(&[0, 1])), Purpose::General).unwrap();
    // Before it is built, too: it grows once it is.
    world.controlled.extend(id, &world.names(&[2])).unwrap();
    within(async {
        while world
            .ledger
            .circuit(id)
            .is_none_or(|circ| circ.info.path.len() < 3 || circ.status != CircStatus::Built)
        {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    world.controlled.set_purpose(id, Purpose::Controller).unwrap();
    world.controlled.set_purpose(id, Purpose::Controller).unwrap();
    let minor = world.tape.says(&format!("650 CIRC_MINOR {id} PURPOSE_CHANGED $")).await;
    assert!(minor.contains(" PURPOSE=CONTROLLER ") && minor.ends_with(" OLD_PURPOSE=GENERAL"), "{minor}");
    let minors = world.tape.texts(0).iter().filter(|text| text.starts_with("650 CIRC_MINOR")).count();
    assert_eq!(minors, 1);
    world.converse_at(id, None).await;
    world.tape.assert_lawful();
    world.assert_content();
}

#[tokio::test]
async fn circuits_that_are_being_built_and_those_of_the_directory_can_be_closed() {
    let world = World::ready().await;
    for relay in &world.relays {
        relay.arm(tor_testnet::Misbehave::Instead(tor_testnet::Request::Create, vec![]));
    }
    let id = world.controlled.launch(None, Purpose::Controller).unwrap();
    assert_eq!(world.ledger.circuit(id).unwrap().status, CircStatus::Launched);
    sleep(Duration::from_millis(50)).await;
    world.controlled.close(id, true).unwrap();
    let end = world.tape.end_of(id).await;
    assert_eq!((end.status, end.reason), (CircStatus::Failed, Some(CircReason::Requested)));
    world.tape.assert_lawful();
}

#[tokio::test]
async fn guards_and_timeouts_are_dropped() {
    let world = World::ready().await;
    world.converse().await;
    let guards = world.controlled.entry_guards();
    assert!(guards.lines().any(|line| line.ends_with(" up")), "{guards}");
    let from = world.tape.len();
    world.controlled.drop_guards();
    let texts = world.tape.texts(from);
    let count = |what: &str| texts.iter().filter(|text| text.ends_with(what)).count();
    assert_eq!(count(" DROPPED"), guards.lines().count());
    assert!(count(" NEW") > 0, "{texts:?}");
    assert!(world.controlled.entry_guards().lines().all(|line| line.ends_with(" never-connected")));
    world.controlled.drop_timeouts();
    let reset = "650 BUILDTIMEOUT_SET RESET TOTAL_TIMES=0 TIMEOUT_MS=20000 XM=0 ALPHA=0.000000 \
                 CUTOFF_QUANTILE=1.000000 TIMEOUT_RATE=0.000000 CLOSE_MS=20000 CLOSE_RATE=0.000000";
    assert_eq!(world.tape.says("650 BUILDTIMEOUT_SET").await, reset);
}
