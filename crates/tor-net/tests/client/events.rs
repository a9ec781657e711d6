//! What is told of circuits, connections and guards: in C Tor's order and words, and true.

use std::time::Duration;

use tokio::time::sleep;
use tor_cell::{frame::ChanCmd, relay::RelayCmd};
use tor_ctrl_events::{Circ, CircReason, CircStatus, OrConnStatus};
use tor_testnet::{Edit, Misbehave, Reply, Request, Step};

use crate::world::{World, within};

impl World {
    /// Has circuits built, the first of which meets that; how it ends.
    async fn fails(&self, offence: fn() -> Misbehave) -> Circ {
        self.manager.retire_all();
        let from = self.tape.len();
        self.arm(offence);
        self.converse().await;
        self.tape.next_end(from).await
    }

    /// Waits until the client has no circuits, of which none was forgotten.
    async fn ends(&self) {
        self.manager.close_all();
        let gone = async {
            while !self.ledger.circuits().is_empty() || !self.tape.assert_lawful().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        within(gone).await;
    }
}

#[tokio::test]
async fn the_start_is_told_as_c_tor_tells_it() {
    let world = World::ready().await;
    world.converse().await;
    let texts = world.tape.texts(0);
    let at = |begin: &str| {
        let at = texts.iter().position(|text| text.starts_with(begin));
        at.unwrap_or_else(|| panic!("no {begin:?} in {texts:#?}"))
    };
    let in_order = [
        "650 CIRC 1 LAUNCHED BUILD_FLAGS=ONEHOP_TUNNEL,IS_INTERNAL,NEED_CAPACITY PURPOSE=GENERAL TIME_CREATED=20",
        "650 ORCONN $",
        "650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY=\"Connecting to a relay\"",
        "650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=15 TAG=handshake_done",
        "650 CIRC 1 EXTENDED $",
        "650 CIRC 1 BUILT $",
        "650 GUARD ENTRY $",
        "650 STATUS_CLIENT NOTICE ENOUGH_DIR_INFO",
        "650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=75 TAG=enough_dirinfo",
        "650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY=\"Done\"",
        "650 STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED",
    ];
    let told = |what: &str| texts.iter().filter(|text| text.ends_with(what)).count();
    assert_eq!((told(" ENOUGH_DIR_INFO"), told(" CIRCUIT_ESTABLISHED")), (1, 1));
    let places: Vec<usize> = in_order.iter().map(|begin| at(begin)).collect();
    assert!(places.is_sorted(), "{places:?} in {texts:#?}");

    // Names: by fingerprint alone as long as there is no consensus, then with the nickname.
    let first = &texts[at("650 CIRC 1 BUILT $")];
    assert!(!first.contains('~') && first.contains(" BUILD_FLAGS=ONEHOP_TUNNEL,"), "{first}");
    let now = world.ledger.circuits();
    let three = now.iter().find(|circ| circ.info.path.len() == 3).unwrap();
    assert!(three.info.path.iter().all(|hop| hop.nickname.is_some()), "{three:?}");
    assert!(three.status_line().ends_with(&texts[at(&format!("650 CIRC {} BUILT", three.id))][17..]));
    assert!(three.status_line().contains(" BUILD_FLAGS=NEED_CAPACITY PURPOSE=GENERAL TIME_CREATED="));

    let statuses: Vec<_> =
        world.tape.circ(three.id).iter().map(|circ| (circ.status, circ.info.path.len())).collect();
    let expected = [
        (CircStatus::Launched, 0),
        (CircStatus::Extended, 1),
        (CircStatus::Extended, 2),
        (CircStatus::Extended, 3),
        (CircStatus::Built, 3),
    ];
    assert_eq!(statuses, expected);
    world.ends().await;
    world.assert_content();
}

/// Each way in which a circuit can end has its reason.
#[tokio::test]
async fn failures_have_their_reasons() {
    let world = World::ready().await;
    world.converse().await;
    type Expected = (CircStatus, CircReason, Option<CircReason>);
    let offences: [(fn() -> Misbehave, Expected); 5] = [
        (
            || Misbehave::Edit(Reply::Created, Edit::new(|body: &mut Vec<u8>| body[40] ^= 1)),
            (CircStatus::Failed, CircReason::TorProtocol, None),
        ),
        (
            || Misbehave::Instead(Request::Extend, vec![Step::cell(ChanCmd::DESTROY, vec![6])]),
            (CircStatus::Failed, CircReason::Destroyed, Some(CircReason::ConnectFailed)),
        ),
        (
            || Misbehave::Instead(Request::Extend, vec![Step::cell(ChanCmd::DESTROY, vec![99])]),
            (CircStatus::Failed, CircReason::Destroyed, Some(CircReason::Other("UNKNOWN_611".to_owned()))),
        ),
        (
            || Misbehave::Instead(Request::Begin, vec![Step::control(RelayCmd::TRUNCATED, vec![5])]),
            (CircStatus::Closed, CircReason::Destroyed, Some(CircReason::ResourceLimit)),
        ),
        (
            || Misbehave::Instead(Request::Begin, vec![Step::FlippedBit]),
            (CircStatus::Closed, CircReason::TorProtocol, None),
        ),
    ];
    for (offence, expected) in offences {
        world.manager.retire_all();
        let from = world.tape.len();
        world.arm(offence);
        world.converse().await;
        let ends = world.tape.circs(from);
        let (status, reason, remote) = expected;
        let found = ends.iter().any(|circ| {
            (circ.status, circ.reason.as_ref(), circ.remote_reason.as_ref())
                == (status, Some(&reason), remote.as_ref())
        });
        assert!(found, "no {status} {reason} {remote:?} in {ends:#?}");
    }
    world.ends().await;
}

#[tokio::test]
async fn a_relay_that_goes_takes_its_circuits_with_it() {
    let world = World::ready().await;
    world.converse().await;
    let from = world.tape.len();
    world.arm(|| Misbehave::Instead(Request::Begin, vec![Step::CloseTcp]));
    world.converse().await;
    let circ = world.tape.next_end(from).await;
    assert_eq!((circ.status, circ.reason), (CircStatus::Closed, Some(CircReason::ChannelClosed)));
    let closed = world.tape.conns(from);
    assert_eq!(closed[0].status, OrConnStatus::Closed);
    let text = world.tape.says("650 ORCONN").await;
    assert!(text.contains(" LAUNCHED ID="), "{text}");
    // The end of the connection is told first, as C Tor does it.
    let texts = world.tape.texts(from);
    let conn =
        texts.iter().position(|text| text.starts_with("650 ORCONN") && text.contains(" CLOSED REASON="));
    let circ = texts.iter().position(|text| text.starts_with("650 CIRC ") && text.contains(" CLOSED "));
    assert!(conn.unwrap() < circ.unwrap(), "{texts:#?}");
    world.ends().await;
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let world = World::ready().await;
    world.converse().await;
    let mut settings = world.manager.factory().settings();
    settings.build_timeout = Duration::from_millis(500);
    world.manager.factory().set_settings(settings);
    for silence in [Request::Create, Request::Extend] {
        world.manager.retire_all();
        let from = world.tape.len();
        for relay in &world.relays {
            relay.arm(Misbehave::Instead(silence, vec![]));
        }
        world.converse().await;
        let late = within(async {
            loop {
                let circs = world.tape.circs(from);
                if let Some(circ) = circs.into_iter().find(|circ| circ.status == CircStatus::Failed) {
                    return circ;
                }
                sleep(Duration::from_millis(5)).await;
            }
        });
        assert_eq!(late.await.reason, Some(CircReason::Timeout), "{silence:?}");
    }
    world.ends().await;
}

#[tokio::test]
async fn nobody_there_is_a_failed_connection() {
    let world = World::ready().await;
    let circ = world.fails(|| Misbehave::Instead(Request::Create, vec![Step::CloseTcp])).await;
    assert_eq!(circ.reason, Some(CircReason::ChannelClosed));
    world.ends().await;
}

/// BW tells what the connections moved, CIRC_BW what the circuits did, and neither is told twice.
#[tokio::test]
async fn bytes_are_counted() {
    let world = World::ready().await;
    world.converse().await;
    world.ledger.tell_connection_bytes(true);
    world.ledger.tick();
    let from = world.tape.len();
    let before = world.ledger.traffic();
    world.converse().await;
    world.ledger.tick();
    let after = world.ledger.traffic();
    let texts = world.tape.texts(from);
    let bw = format!("650 BW {} {}", after.read - before.read, after.written - before.written);
    assert!(texts.contains(&bw), "{bw} in {texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("650 CONN_BW ID=") && text.contains(" TYPE=OR READ=")));
    let circ_bw: Vec<_> = texts.iter().filter(|text| text.starts_with("650 CIRC_BW ID=")).collect();
    // BEGIN, DATA, END; CONNECTED, DATA.
    assert!(
        circ_bw.iter().any(|text| text.contains(" READ=1018 ") || text.contains(" READ=1527 ")),
        "{circ_bw:?}"
    );
    let past = world.ledger.past_seconds();
    let sum: u64 = past.iter().map(|second| second.read).sum();
    assert_eq!(sum, after.read);
    assert_eq!(world.ledger.bw_event_cache().split(' ').count(), past.len());
    let quiet = world.tape.len();
    sleep(Duration::from_millis(100)).await;
    world.ledger.tick();
    world.ledger.tick();
    let texts = world.tape.texts(quiet);
    assert_eq!(texts.last().map(String::as_str), Some("650 BW 0 0"), "{texts:?}");
    world.ends().await;
}
