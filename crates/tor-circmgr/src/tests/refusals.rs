//! What becomes of a stream that an exit refuses.

use super::*;

const fn ended(reason: EndReason) -> StreamRefusal {
    StreamRefusal::Ended(reason)
}

fn refusing(exits: usize, refusal: StreamRefusal) -> Net {
    Net::new(&vec![("accept 22,80,443", Answer::Refuse(refusal)); exits])
}

/// How many exits were asked, and what the stream got.
async fn trial(net: &Net) -> (usize, Result<usize, ConnectError>) {
    let manager = net.manager();
    let got = drive(&manager, open(&manager, 1)).await.map(|stream| stream.circuit.exit);
    net.assert_isolated();
    (net.state().asked.len(), got)
}

#[tokio::test(start_paused = true)]
async fn each_refusal_has_its_consequence() {
    let unresolved = |transient| StreamRefusal::Unresolved { transient };
    let cases = [
        // It says something of the destination: no other exit is asked.
        (ended(EndReason::CONNECTREFUSED), 1),
        (ended(EndReason::TIMEOUT), 1),
        (ended(EndReason::DONE), 1),
        (ended(EndReason::INTERNAL), 1),
        (ended(EndReason::DESTROY), 1),
        (ended(EndReason::CONNRESET), 1),
        (ended(EndReason::TORPROTOCOL), 1),
        (ended(EndReason(200)), 1),
        (unresolved(false), 1),
        // Perhaps of the destination.
        (ended(EndReason::RESOLVEFAILED), 3),
        (ended(EndReason::MISC), 3),
        (ended(EndReason::NOROUTE), 3),
        (unresolved(true), 3),
        // Of the exit.
        (ended(EndReason::EXITPOLICY), 8),
        (ended(EndReason::HIBERNATING), 8),
        (ended(EndReason::RESOURCELIMIT), 8),
        (StreamRefusal::CircuitClosed, 3),
    ];
    for (refusal, asked) in cases {
        let net = refusing(20, refusal);
        assert_eq!(trial(&net).await, (asked, Err(ConnectError::Refused(refusal))));
        // Another exit each time, but for circuits that close.
        let exits: std::collections::BTreeSet<_> = {
            let state = net.state();
            state.asked.iter().map(|(_, serial, _)| state.circuits[*serial].exit).collect()
        };
        assert!(exits.len() == asked || refusal == StreamRefusal::CircuitClosed, "{refusal}");
    }
}

/// In a small network there are fewer exits than a stream may ask. What the last one said tells more than that.
#[tokio::test(start_paused = true)]
async fn the_last_refusal_is_told_when_no_exit_is_left() {
    for refusal in
        [ended(EndReason::RESOLVEFAILED), ended(EndReason::EXITPOLICY), ended(EndReason::HIBERNATING)]
    {
        assert_eq!(trial(&refusing(2, refusal)).await, (2, Err(ConnectError::Refused(refusal))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_willing_exit_is_found() {
    for refusal in [ended(EndReason::EXITPOLICY), ended(EndReason::RESOURCELIMIT)] {
        let mut exits = vec![("accept 443", Answer::Refuse(refusal)); 4];
        exits.push(("accept 443", Answer::Connect));
        let (asked, got) = trial(&Net::new(&exits)).await;
        assert_eq!(got, Ok(4));
        assert!(asked <= 5);
    }
}

#[tokio::test(start_paused = true)]
async fn an_exit_that_refuses_a_target_is_remembered_for_that_target_and_key() {
    let exits =
        [("accept 443", Answer::Refuse(ended(EndReason::EXITPOLICY))), ("accept 443", Answer::Connect)];
    let net = Net::new(&exits);
    let manager = net.manager();
    let asked_first = |net: &Net| {
        let state = net.state();
        state.asked.iter().filter(|(_, serial, _)| state.circuits[*serial].exit == 0).count()
    };
    drive(&manager, async {
        // Until the one that refuses has been asked.
        let mut user = 0;
        while asked_first(&net) == 0 {
            user += 1;
            open(&manager, user).await.unwrap();
        }
        let count = asked_first(&net);
        // The same again: it is not asked any more, whichever circuits there are.
        for _ in 0..10 {
            open(&manager, user).await.unwrap();
            sleep(seconds(50)).await;
        }
        assert_eq!(asked_first(&net), count);
        // What one has learned, others have not; nor is it true of other targets.
        sleep(seconds(1)).await;
        for other in 100..120 {
            open(&manager, other).await.unwrap();
        }
        let by_others = asked_first(&net);
        assert!(by_others > count);
        // After a while it is forgotten: policies change.
        sleep(seconds(11 * 60)).await;
        for _ in 0..20 {
            open(&manager, user).await.unwrap();
            sleep(seconds(601)).await;
        }
        assert!(asked_first(&net) > by_others);
    })
    .await;
    net.assert_isolated();
}

#[tokio::test(start_paused = true)]
async fn an_exit_without_room_is_left_alone_by_all() {
    let exits =
        [("accept 443", Answer::Refuse(ended(EndReason::RESOURCELIMIT))), ("accept 443", Answer::Connect)];
    let net = Net::new(&exits);
    let manager = net.manager();
    drive(&manager, async {
        for user in 0..20 {
            open(&manager, user).await.unwrap();
        }
        let asked = |net: &Net| {
            let state = net.state();
            state.asked.iter().filter(|(_, serial, _)| state.circuits[*serial].exit == 0).count()
        };
        assert_eq!(asked(&net), 1);
        // Nothing is built through it either; but if there is no other, it is asked again.
        sleep(seconds(2)).await;
        net.state().exits[1].0 = "accept 22";
        net.open().iter().for_each(BuiltCircuit::close);
        sleep(seconds(2)).await;
        let refusal = open(&manager, 1).await.unwrap_err();
        assert_eq!(refusal, ConnectError::Refused(ended(EndReason::RESOURCELIMIT)));
        assert_eq!(asked(&net), 2);
    })
    .await;
}

/// The seconds at which exits were asked.
fn times(net: &Net, began: Instant) -> Vec<u64> {
    net.state().asked.iter().map(|(when, ..)| (*when - began).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_silent_exit_is_left_after_10_and_later_15_seconds() {
    for exits in [1, 20] {
        let net = Net::new(&vec![("accept 443", Answer::Silence); exits]);
        net.state().build_time = Duration::from_millis(1);
        let manager = net.manager();
        let began = Instant::now();
        let got = drive(&manager, open(&manager, 1)).await.map(|_| ());
        assert_eq!((got, began.elapsed()), (Err(ConnectError::TimedOut), seconds(120)));
        assert_eq!(times(&net, began), [0, 10, 20, 35, 50, 65, 80, 95, 110]);
        // Its circuit takes no streams any more: each was asked on a circuit of its own.
        let serials: std::collections::BTreeSet<_> =
            net.state().asked.iter().map(|(_, serial, _)| *serial).collect();
        assert_eq!(serials.len(), 9);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_leads_to_another_exit() {
    let net = Net::new(&[("accept 443", Answer::Silence), ("accept 443", Answer::Connect)]);
    let manager = net.manager();
    drive(&manager, async {
        for user in 0..10 {
            let before = Instant::now();
            assert_eq!(open(&manager, user).await.unwrap().circuit.exit, 1);
            assert!(before.elapsed() < seconds(12));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_configured_patience_counts() {
    let net = Net::new(&[("accept 443", Answer::Silence)]);
    net.state().build_time = Duration::from_millis(1);
    let timing = Timing { stream_timeout: Some(seconds(3)), socks_timeout: seconds(10), ..Timing::default() };
    let manager = CircMgr::new(net.clone(), timing);
    let began = Instant::now();
    assert!(drive(&manager, open(&manager, 1)).await.is_err());
    assert_eq!((began.elapsed(), times(&net, began)), (seconds(10), vec![0, 3, 6, 9]));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_closes_under_a_stream_is_replaced_a_few_times() {
    let net = Net::new(&[("accept 443", Answer::Close)]);
    let (asked, got) = trial(&net).await;
    assert_eq!((asked, got), (3, Err(ConnectError::Refused(StreamRefusal::CircuitClosed))));
    let exits = [("accept 443", Answer::Close), ("accept 443", Answer::Connect)];
    for _ in 0..5 {
        let net = Net::new(&exits);
        let manager = net.manager();
        drive(&manager, async {
            for user in 0..5 {
                // Three in a row through the first exit are possible, and then the stream fails.
                match open(&manager, user).await {
                    Ok(stream) => assert_eq!(stream.circuit.exit, 1),
                    Err(error) => assert_eq!(error, ConnectError::Refused(StreamRefusal::CircuitClosed)),
                }
            }
        })
        .await;
    }
}
