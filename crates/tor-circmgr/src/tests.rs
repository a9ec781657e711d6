//! The manager as a whole, over a network that does as it is told and a clock that jumps.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tor_cell::EndReason;
use tor_path::{ExitNeed, Family, PathError};

use crate::{
    BuiltCircuit, CircMgr, ConnectError, IsolationKey, StreamRefusal, Timing,
    pool::MAX_BUILDING,
    testnet::{Answer, Net, Request, Stream, drive, key},
};

mod by_hand;
mod refusals;

const WEB: ExitNeed = ExitNeed::port(443);
const PLACE: &str = "example.com:443";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A network of that many exits that connect.
fn friendly(exits: usize) -> Net {
    Net::new(&vec![("accept 22,80,443", Answer::Connect); exits])
}

async fn open(manager: &CircMgr<Net>, user: u32) -> Result<Stream, ConnectError> {
    open_as(manager, user, &key(user), false).await
}

async fn open_as(
    manager: &CircMgr<Net>,
    user: u32,
    key: &IsolationKey,
    keep_alive: bool,
) -> Result<Stream, ConnectError> {
    manager.open(&Request { user, target: PLACE }, &WEB, key, keep_alive).await
}

#[tokio::test(start_paused = true)]
async fn equal_keys_share_and_others_never_do() {
    let net = friendly(3);
    let manager = net.manager();
    drive(&manager, async {
        let streams = join_all((0..60).map(|at| open(&manager, at % 7))).await;
        let serials = |user: usize| {
            let mine = streams.iter().enumerate().filter(move |(at, _)| at % 7 == user);
            mine.map(|(_, stream)| stream.as_ref().unwrap().circuit.serial).collect::<Vec<_>>()
        };
        for user in 0..7 {
            let serials = serials(user);
            assert!(serials.iter().all(|serial| *serial == serials[0]), "{serials:?}");
        }
    })
    .await;
    net.assert_isolated();
}

/// The first view of the network used to be noticed at the next sweep only: most of a second of each cold start.
#[tokio::test(start_paused = true)]
async fn a_view_that_comes_is_used_at_once() {
    let net = friendly(1);
    net.state().no_path = Some(PathError::NoView);
    let manager = net.manager();
    drive(&manager, async {
        let start = Instant::now();
        let view = async {
            sleep(Duration::from_millis(100)).await;
            net.state().no_path = None;
            manager.network_changed();
        };
        let (stream, ()) = tokio::join!(open(&manager, 1), view);
        assert!(stream.is_ok());
        assert!(start.elapsed() < seconds(1), "{:?}", start.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_part_of_the_key_isolates() {
    let net = friendly(1);
    let manager = net.manager();
    let default = IsolationKey::default;
    let keys = [
        default(),
        IsolationKey { session_group: 1, ..default() },
        IsolationKey { nym_epoch: 1, ..default() },
        IsolationKey { socks_auth: Some((b"a".to_vec(), b"b".to_vec())), ..default() },
        IsolationKey { socks_auth: Some((b"a".to_vec(), b"c".to_vec())), ..default() },
        IsolationKey { client_addr: Some([127, 0, 0, 1].into()), ..default() },
        IsolationKey { client_protocol: Some(5), ..default() },
        IsolationKey { dest_port: Some(443), ..default() },
        IsolationKey { dest_addr: Some("example.com".to_owned()), ..default() },
    ];
    drive(&manager, async {
        for (user, key) in (0..).zip(keys.iter().chain(&keys)) {
            let user = user % u32::try_from(keys.len()).unwrap();
            open_as(&manager, user, key, false).await.unwrap();
        }
    })
    .await;
    net.assert_isolated();
    assert_eq!(net.state().asked.len(), 2 * keys.len());
}

#[tokio::test(start_paused = true)]
async fn many_streams_of_one_key_wait_for_one_circuit() {
    let net = friendly(3);
    let manager = net.manager();
    drive(&manager, async {
        join_all((0..100).map(|_| open(&manager, 1))).await.into_iter().for_each(|stream| {
            stream.unwrap();
        });
        // Theirs, and two that are ready for whoever comes next.
        assert_eq!(net.state().builds.len(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_circuit_grows_old_from_its_first_stream_on() {
    let net = friendly(3);
    let manager = net.manager();
    drive(&manager, async {
        let first = open(&manager, 1).await.unwrap();
        let began = Instant::now();
        sleep(seconds(590)).await;
        assert_eq!(open(&manager, 1).await.unwrap().circuit.serial, first.circuit.serial);
        tokio::time::sleep_until(began + seconds(601)).await;
        assert_ne!(open(&manager, 1).await.unwrap().circuit.serial, first.circuit.serial);
        // What lives on it is left alone; then it is closed.
        sleep(seconds(3600)).await;
        assert!(first.circuit.is_open());
        let circuit = first.circuit.clone();
        drop(first);
        sleep(seconds(2)).await;
        assert!(!circuit.is_open());
    })
    .await;
    net.assert_isolated();
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_kept_alive_grows_old_only_without_streams() {
    let net = friendly(3);
    let manager = net.manager();
    drive(&manager, async {
        let first = open_as(&manager, 1, &key(1), true).await.unwrap();
        let serial = first.circuit.serial;
        sleep(seconds(1500)).await;
        let second = open_as(&manager, 1, &key(1), true).await.unwrap();
        assert_eq!(second.circuit.serial, serial);
        drop((first, second));
        sleep(seconds(590)).await;
        assert_eq!(open_as(&manager, 1, &key(1), true).await.unwrap().circuit.serial, serial);
        sleep(seconds(602)).await;
        assert_ne!(open_as(&manager, 1, &key(1), true).await.unwrap().circuit.serial, serial);
        // Without credentials there is nothing to keep.
        let none = IsolationKey::default();
        let first = open_as(&manager, 2, &none, true).await.unwrap();
        sleep(seconds(605)).await;
        assert_ne!(open_as(&manager, 2, &none, true).await.unwrap().circuit.serial, first.circuit.serial);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn clean_circuits_are_ready_before_they_are_asked_for() {
    let net = Net::new(&[("accept 80", Answer::Connect), ("accept 443", Answer::Connect)]);
    let manager = net.manager();
    manager.predict(443);
    drive(&manager, async {
        manager.first_circuit().await;
        sleep(seconds(2)).await;
        assert_eq!(net.open().iter().map(|circuit| circuit.exit).collect::<Vec<_>>(), [1, 1]);
        manager.predict(80);
        sleep(seconds(2)).await;
        assert_eq!(net.open().len(), 4);
        // A stream takes one without waiting, and another takes its place.
        let before = Instant::now();
        let _stream = open(&manager, 1).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_millis(100));
        sleep(seconds(2)).await;
        assert_eq!((net.clean().len(), manager.open_circuits()), (4, 5));
        // A look-up makes web pages likely.
        let asked = Request { user: 2, target: "example.com" };
        let looked_up = manager.open(&asked, &ExitNeed::Resolve, &key(2), false).await;
        assert!(looked_up.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_any_more_is_not_kept_ready() {
    let net = friendly(2);
    let manager = net.manager();
    manager.predict(443);
    drive(&manager, async {
        sleep(seconds(55 * 60)).await;
        // Unused circuits give way to fresh ones after half an hour.
        assert_eq!((net.clean().len(), net.state().builds.len()), (2, 4));
        sleep(seconds(60 * 60)).await;
        assert_eq!((net.open().len(), net.state().builds.len()), (0, 4));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn circuits_that_nobody_uses_are_few() {
    let policies: Vec<&'static str> =
        (1..=60).map(|port| &*Box::leak(format!("accept {port}").into_boxed_str())).collect();
    let exits: Vec<_> = policies.iter().map(|policy| (*policy, Answer::Connect)).collect();
    let net = Net::new(&exits);
    let manager = net.manager();
    (1..=60).for_each(|port| manager.predict(port));
    drive(&manager, async {
        sleep(seconds(60)).await;
        assert_eq!((net.clean().len(), net.state().builds.len()), (14, 14));
    })
    .await;
}

/// A port that no exit allows once kept every higher one from having circuits ready.
#[tokio::test(start_paused = true)]
async fn a_port_that_nobody_serves_stands_in_no_others_way() {
    let net = friendly(2);
    let manager = net.manager();
    manager.predict(1);
    manager.predict(443);
    drive(&manager, async {
        sleep(seconds(5)).await;
        assert_eq!(net.clean().len(), 2);
        assert!(net.state().choices < 10, "it is not tried again and again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_lives_long_is_predicted_as_such() {
    let net = friendly(2);
    let manager = net.manager();
    let need = ExitNeed::Connect { port: 22, family: Family::V4, long_lived: true };
    drive(&manager, async {
        manager.open(&Request { user: 1, target: "a:22" }, &need, &key(1), false).await.unwrap();
        sleep(seconds(5)).await;
        assert!(net.state().builds.iter().all(|(_, long_lived)| *long_lived));
        assert_eq!(net.clean().len(), 2);
        // Such a circuit serves any stream; another one does not serve this.
        let stream = open(&manager, 2).await.unwrap();
        assert!(stream.circuit.serial < 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn builds_that_fail_are_tried_ever_more_seldom() {
    let net = friendly(3);
    net.state().builds_fail = true;
    net.state().build_time = Duration::ZERO;
    let manager = net.manager();
    drive(&manager, async {
        let before = Instant::now();
        assert_eq!(open(&manager, 1).await.unwrap_err(), ConnectError::TimedOut);
        assert_eq!(before.elapsed(), seconds(120));
        let count = net.state().builds.len();
        assert!((15..60).contains(&count), "{count}");
        // Without anybody who waits, what is predicted alone is no busier.
        sleep(seconds(600)).await;
        let more = net.state().builds.len() - count;
        assert!((20..150).contains(&more), "{more}");
        // Once the network is back it takes no longer than the last pause.
        net.state().builds_fail = false;
        let before = Instant::now();
        open(&manager, 1).await.unwrap();
        assert!(before.elapsed() < seconds(11));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_waits_for_the_network_but_not_for_an_exit_that_does_not_exist() {
    let net = friendly(3);
    let manager = net.manager();
    net.state().no_path = Some(PathError::NoView);
    drive(&manager, async {
        let waits = open(&manager, 1);
        let comes = async {
            sleep(seconds(30)).await;
            net.state().no_path = None;
        };
        let (opened, ()) = tokio::join!(waits, comes);
        opened.unwrap();
        // About once a second for the stream, and for what is predicted with each look around.
        assert!(net.state().choices < 120, "{}", net.state().choices);

        let before = Instant::now();
        let request = Request { user: 1, target: "a:25" };
        let none = manager.open(&request, &ExitNeed::port(25), &key(1), false).await.unwrap_err();
        assert_eq!((none, before.elapsed()), (ConnectError::NoPath(PathError::NoExit), Duration::ZERO));
        net.state().no_path = Some(PathError::NoGuard);
        assert_eq!(
            open(&manager, 77).await.map(|stream| stream.circuit.serial < 4),
            Ok(true),
            "clean ones remain"
        );
        assert_eq!(open(&manager, 78).await.map(|stream| stream.circuit.serial < 4), Ok(true));
        let before = Instant::now();
        assert_eq!(open(&manager, 79).await.unwrap_err(), ConnectError::TimedOut);
        assert_eq!(before.elapsed(), seconds(120));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn giving_up_while_a_circuit_is_built_leaves_the_circuit_for_others() {
    let net = friendly(3);
    net.state().build_time = seconds(2);
    let manager = net.manager();
    drive(&manager, async {
        assert!(timeout(seconds(1), open(&manager, 1)).await.is_err());
        let (mut built, began) = (0, Instant::now());
        while built == 0 {
            sleep(Duration::from_millis(50)).await;
            built = net.state().circuits.len();
        }
        assert_eq!(began.elapsed().as_secs(), 1);
        sleep(seconds(10)).await;
        let builds = net.state().builds.len();
        // All that were ordered are clean, two of them ready at once.
        assert_eq!(net.clean().len(), builds);
        let before = Instant::now();
        open(&manager, 2).await.unwrap();
        open(&manager, 3).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_millis(200));
    })
    .await;
    net.assert_isolated();
}

#[tokio::test(start_paused = true)]
async fn so_many_circuits_are_built_at_once_and_no_more() {
    let net = friendly(3);
    net.state().build_time = seconds(3);
    let manager = net.manager();
    drive(&manager, async {
        let streams = join_all((0..200).map(|user| open(&manager, user))).await;
        assert!(streams.iter().all(Result::is_ok));
        assert_eq!(net.state().most_under_way, MAX_BUILDING);
    })
    .await;
    net.assert_isolated();
}

#[tokio::test(start_paused = true)]
async fn a_build_that_takes_long_is_not_waited_for_alone() {
    let net = friendly(3);
    net.state().build_time = seconds(100_000);
    let manager = net.manager();
    drive(&manager, async {
        let waits = open(&manager, 1);
        let mends = async {
            sleep(seconds(3)).await;
            net.state().build_time = seconds(1);
        };
        let before = Instant::now();
        let (opened, ()) = tokio::join!(waits, mends);
        opened.unwrap();
        assert!((11..13).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_closed_is_not_used() {
    let net = friendly(3);
    let manager = net.manager();
    manager.predict(443);
    drive(&manager, async {
        let first = open(&manager, 1).await.unwrap();
        sleep(seconds(5)).await;
        net.open().iter().for_each(BuiltCircuit::close);
        let second = open(&manager, 1).await.unwrap();
        assert_ne!(second.circuit.serial, first.circuit.serial);
        sleep(seconds(5)).await;
        assert_eq!((net.clean().len(), manager.open_circuits()), (2, 3));
        drop(first);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn retired_circuits_get_no_streams() {
    let net = friendly(3);
    let manager = net.manager();
    manager.predict(443);
    drive(&manager, async {
        let first = open(&manager, 1).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        // One is open and in use; others are clean or on their way.
        assert!(net.state().under_way > 0 || net.clean().len() > 1);
        let before: Vec<_> = net.clean();
        manager.retire_all();
        assert!(before.iter().all(|circuit| !circuit.is_open()));
        let ordered = net.state().builds.len();
        let next = open(&manager, 1).await.unwrap();
        assert!(first.circuit.is_open());
        assert!(next.circuit.serial >= net.state().circuits.len().min(ordered), "it was ordered afterwards");
        sleep(seconds(5)).await;
        assert_eq!((net.clean().len(), manager.open_circuits()), (2, 4));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_anybody_who_builds_streams_fail_at_once() {
    let net = friendly(3);
    let manager = net.manager();
    // Nothing is driven yet: a stream waits for that.
    assert!(timeout(seconds(5), open(&manager, 1)).await.is_err());
    let kept = drive(&manager, async { open(&manager, 1).await.unwrap() }).await;
    // run() was dropped: whatever it built is closed.
    assert!(!kept.circuit.is_open());
    let before = Instant::now();
    assert_eq!(open(&manager, 1).await.unwrap_err(), ConnectError::Shutdown);
    assert_eq!(before.elapsed(), Duration::ZERO);
    manager.run().await;
}

#[tokio::test(start_paused = true)]
async fn shutting_down_ends_those_who_wait() {
    let net = friendly(3);
    net.state().build_time = seconds(60);
    let manager = net.manager();
    drive(&manager, async {
        let closes = async {
            sleep(seconds(3)).await;
            manager.close_all();
        };
        let before = Instant::now();
        let (opened, ()) = tokio::join!(open(&manager, 1), closes);
        assert_eq!(opened.unwrap_err(), ConnectError::Shutdown);
        assert_eq!(before.elapsed(), seconds(3));
        sleep(seconds(100)).await;
        assert_eq!((manager.open_circuits(), net.clean().len()), (0, net.state().circuits.len()));
        assert_eq!(net.state().builds.len(), 3, "nothing is built any more");
    })
    .await;
}
