//! The dispatcher, with many subscribers of every temper.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use tor_ctrl_events::*;

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}

fn bw(read: u64) -> Event {
    Bw { read, written: 0 }.into()
}

fn circ(id: u64) -> Event {
    Circ::new(CircuitId(id), CircStatus::Launched, CircInfo::new(CircPurpose::General)).into()
}

fn notice(text: &str) -> Event {
    Log { level: LogLevel::Notice, text: text.to_owned() }.into()
}

fn text(event: &EventText) -> String {
    String::from_utf8_lossy(event.as_bytes()).into_owned()
}

fn drain(subscriber: &mut Subscriber) -> Vec<String> {
    std::iter::from_fn(|| subscriber.try_next(now())).map(|event| text(&event)).collect()
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn nobody_listens_nothing_is_made() {
    let dispatcher = Dispatcher::new();
    let sink: &dyn EventSink = &dispatcher;
    sink.emit_with(EventKind::Bw, || -> Bw { panic!("made for nobody") });
    let mut subscriber = dispatcher.subscribe();
    subscriber.set(EventKind::Circ.into());
    sink.emit_with(EventKind::Bw, || -> Bw { panic!("made for nobody") });
    subscriber.set(EventKind::Bw.into());
    assert!(dispatcher.wants(EventKind::Bw) && !dispatcher.wants(EventKind::Circ));
    drop(subscriber);
    assert!(!dispatcher.wants(EventKind::Bw));
    assert_eq!(dispatcher.subscribers(), 0);
}

#[test]
fn each_reads_what_it_wants_in_the_order_of_all() {
    let dispatcher = Dispatcher::new();
    let (mut all, mut circs) = (dispatcher.subscribe(), dispatcher.subscribe());
    all.set(EventKinds::all());
    circs.set([EventKind::Circ, EventKind::Notice].into_iter().collect());
    for event in [bw(1), circ(1), notice("a"), bw(2), circ(2), notice("b"), circ(3)] {
        dispatcher.emit(event);
    }
    let circ = |id| format!("650 CIRC {id} LAUNCHED PURPOSE=GENERAL\r\n");
    let notice = |text| format!("650 NOTICE {text}\r\n");
    let bw = |read| format!("650 BW {read} 0\r\n");
    assert_eq!(drain(&mut all), [bw(1), circ(1), notice("a"), bw(2), circ(2), notice("b"), circ(3)]);
    assert_eq!(drain(&mut circs), [circ(1), notice("a"), circ(2), notice("b"), circ(3)]);
    assert_eq!(drain(&mut all), [""; 0]);
}

#[test]
fn a_subscription_begins_and_ends_when_it_is_set() {
    let dispatcher = Dispatcher::new();
    let (mut other, mut subscriber) = (dispatcher.subscribe(), dispatcher.subscribe());
    other.set(EventKinds::all());
    subscriber.set(EventKind::Bw.into());
    dispatcher.emit(bw(1));
    dispatcher.emit(circ(1));
    subscriber.set([EventKind::Bw, EventKind::Circ].into_iter().collect());
    dispatcher.emit(circ(2));
    dispatcher.emit(bw(2));
    assert_eq!(
        drain(&mut subscriber),
        ["650 BW 1 0\r\n", "650 CIRC 2 LAUNCHED PURPOSE=GENERAL\r\n", "650 BW 2 0\r\n"]
    );
    dispatcher.emit(bw(3));
    dispatcher.emit(circ(3));
    subscriber.set(EventKind::Circ.into());
    assert_eq!(drain(&mut subscriber), ["650 CIRC 3 LAUNCHED PURPOSE=GENERAL\r\n"]);
    // Away and back: what came between doesn't come.
    subscriber.set(EventKinds::NONE);
    dispatcher.emit(circ(4));
    subscriber.set(EventKind::Circ.into());
    assert_eq!(drain(&mut subscriber), [""; 0]);
    assert_eq!(drain(&mut other).len(), 7);
    assert_eq!(subscriber.lost() + other.lost(), 0);
}

#[test]
fn those_who_wait_are_woken_once() {
    let dispatcher = Dispatcher::new();
    let mut subscriber = dispatcher.subscribe();
    subscriber.set(EventKind::Bw.into());
    let mut other = dispatcher.subscribe();
    other.set(EventKinds::all());
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    assert!(subscriber.poll_next(now(), &mut context).is_pending());
    dispatcher.emit(circ(1));
    assert_eq!(count.get(), 0, "it does not want CIRC");
    dispatcher.emit(bw(1));
    dispatcher.emit(bw(2));
    assert_eq!(count.get(), 1);
    for read in [1, 2] {
        let Poll::Ready(event) = subscriber.poll_next(now(), &mut context) else { panic!("nothing") };
        assert_eq!(text(&event), format!("650 BW {read} 0\r\n"));
    }
    assert!(subscriber.poll_next(now(), &mut context).is_pending());
    dispatcher.emit(bw(3));
    assert_eq!(count.get(), 2);
    // Types that are wanted only after the wait began.
    assert_eq!(drain(&mut subscriber).len(), 1);
    assert!(subscriber.poll_next(now(), &mut context).is_pending());
    subscriber.set(EventKind::Circ.into());
    dispatcher.emit(bw(4));
    assert_eq!(count.get(), 2);
    dispatcher.emit(circ(2));
    assert_eq!(count.get(), 3);
}

#[test]
fn the_slow_lose_low_value_first_and_are_told() {
    let dispatcher = Dispatcher::new();
    let (mut slow, mut fast) = (dispatcher.subscribe(), dispatcher.subscribe());
    slow.set(EventKinds::all());
    fast.set(EventKinds::all());
    dispatcher.emit(circ(1));
    let mut read = 0;
    for number in 0..3_000 {
        dispatcher.emit(bw(number));
        read += drain(&mut fast).len();
    }
    assert_eq!((read, fast.lost()), (3_001, 0), "another's slowness is none of its business");
    let events = drain(&mut slow);
    let lost = 3_000 - 2_048;
    assert_eq!(events[0], format!("650 STATUS_GENERAL WARN EVENTS_LOST COUNT={lost} TYPES=BW\r\n"));
    assert_eq!(events[1], "650 CIRC 1 LAUNCHED PURPOSE=GENERAL\r\n");
    assert_eq!(events[2], format!("650 BW {lost} 0\r\n"));
    assert_eq!(events.len(), 2 + 2_048);
    assert_eq!(slow.lost(), lost);
    assert_eq!(drain(&mut slow), [""; 0]);
}

#[test]
fn whoever_loses_high_value_has_lost_all_of_lower() {
    let dispatcher = Dispatcher::new();
    let mut slow = dispatcher.subscribe();
    slow.set(EventKinds::all());
    dispatcher.emit(bw(1));
    dispatcher.emit(notice("a"));
    for id in 0..5_000 {
        dispatcher.emit(circ(id));
    }
    let events = drain(&mut slow);
    let lost = 5_000 - 4_096 + 2;
    assert_eq!(
        events[0],
        format!("650 STATUS_GENERAL WARN EVENTS_LOST COUNT={lost} TYPES=CIRC,BW,NOTICE\r\n")
    );
    assert_eq!(events[1], "650 CIRC 904 LAUNCHED PURPOSE=GENERAL\r\n");
    assert_eq!(events.len(), 1 + 4_096);
    // What one doesn't want, one doesn't lose.
    slow.set(EventKind::Bw.into());
    for id in 0..5_000 {
        dispatcher.emit(circ(id));
    }
    dispatcher.emit(bw(2));
    assert_eq!(drain(&mut slow), ["650 BW 2 0\r\n"]);
}

#[test]
fn bytes_are_bounded_too_but_the_newest_stays() {
    let dispatcher = Dispatcher::new();
    let mut slow = dispatcher.subscribe();
    slow.set(EventKind::NewConsensus.into());
    for _ in 0..3 {
        let entries = "r relay\n".repeat(2 << 20);
        dispatcher.emit(NewConsensus { entries }.into());
    }
    let events = drain(&mut slow);
    assert_eq!(events[0], "650 STATUS_GENERAL WARN EVENTS_LOST COUNT=2 TYPES=NEWCONSENSUS\r\n");
    assert_eq!(events.len(), 2);
}

#[test]
fn one_who_never_reads_is_given_up() {
    let dispatcher = Dispatcher::new();
    let (mut dead, mut slow, mut picky) =
        (dispatcher.subscribe(), dispatcher.subscribe(), dispatcher.subscribe());
    dead.set(EventKind::Bw.into());
    slow.set(EventKind::Bw.into());
    picky.set(EventKind::Circ.into());
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    assert!(dead.poll_given_up(&mut context).is_pending());
    dispatcher.emit(circ(1));
    for number in 0..70_000 {
        dispatcher.emit(bw(number));
        if number % 4_000 == 0 {
            assert!(slow.try_next(now()).is_some());
        }
    }
    assert!(dead.is_given_up() && !slow.is_given_up() && !picky.is_given_up());
    assert_eq!(count.get(), 1);
    assert!(dead.poll_given_up(&mut context).is_ready());
}

/// A waker, or whatever is dropped with one, may emit an event or end a subscription.
#[test]
fn wakers_may_come_back() {
    struct Echo(Dispatcher, Mutex<Option<Subscriber>>);
    impl Wake for Echo {
        fn wake(self: Arc<Self>) {
            self.0.emit(notice("woken"));
            drop(self.1.lock().unwrap().take());
        }
    }
    let dispatcher = Dispatcher::new();
    let mut subscriber = dispatcher.subscribe();
    subscriber.set(EventKinds::all());
    let echo = |kinds| {
        let mut held = dispatcher.subscribe();
        held.set(kinds);
        Waker::from(Arc::new(Echo(dispatcher.clone(), Mutex::new(Some(held)))))
    };
    let waker = echo(EventKinds::all());
    assert!(subscriber.poll_next(now(), &mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    let other = echo(EventKinds::NONE);
    // The first waker is dropped here, with its subscriber.
    assert!(subscriber.poll_next(now(), &mut Context::from_waker(&other)).is_pending());
    assert!(subscriber.poll_given_up(&mut Context::from_waker(&echo(EventKinds::NONE))).is_pending());
    drop(other);
    dispatcher.emit(circ(1));
    assert_eq!(drain(&mut subscriber), ["650 CIRC 1 LAUNCHED PURPOSE=GENERAL\r\n", "650 NOTICE woken\r\n"]);
    drop(subscriber);
    assert_eq!(dispatcher.subscribers(), 0);
}

#[test]
fn threads_emit_and_read_at_once() {
    const EMITTERS: u64 = 4;
    const EACH: u64 = 500;
    let dispatcher = Dispatcher::new();
    let mut subscribers: Vec<Subscriber> = (0..8).map(|_| dispatcher.subscribe()).collect();
    subscribers.iter_mut().for_each(|subscriber| subscriber.set(EventKinds::all()));
    std::thread::scope(|scope| {
        for emitter in 0..EMITTERS {
            let dispatcher = dispatcher.clone();
            scope.spawn(move || (0..EACH).for_each(|n| dispatcher.emit(circ(emitter * 10_000 + n))));
        }
        let readers: Vec<_> = subscribers
            .into_iter()
            .map(|mut subscriber| {
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    while u64::try_from(seen.len()).unwrap() < EMITTERS * EACH {
                        seen.extend(drain(&mut subscriber));
                        std::thread::yield_now();
                    }
                    seen
                })
            })
            .collect();
        let seen: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "all see the same order");
        for emitter in 0..EMITTERS {
            let prefix = |n| format!("650 CIRC {} ", emitter * 10_000 + n);
            let places: Vec<usize> = (0..EACH)
                .map(|n| seen[0].iter().position(|text| text.starts_with(&prefix(n))).unwrap())
                .collect();
            assert!(places.is_sorted(), "each emitter's order is kept");
        }
    });
}

#[test]
fn history_for_those_who_come_late() {
    let dispatcher = Dispatcher::new();
    dispatcher.keep_history(EventKind::Circ, 3);
    dispatcher.keep_history(EventKind::Bw, 1);
    assert!(dispatcher.wants(EventKind::Circ));
    for id in 1..=5 {
        dispatcher.emit(circ(id));
        dispatcher.emit(bw(id));
    }
    let kept: Vec<String> = dispatcher.history(EventKinds::all()).iter().map(text).collect();
    let circ_text = |id| format!("650 CIRC {id} LAUNCHED PURPOSE=GENERAL\r\n");
    assert_eq!(kept, [circ_text(3), circ_text(4), circ_text(5), "650 BW 5 0\r\n".to_owned()]);
    let mut late = dispatcher.subscribe();
    late.set(EventKind::Circ.into());
    dispatcher.emit(circ(6));
    assert_eq!(late.replay(EventKind::Circ.into(), 9), 2, "the sixth comes anyway");
    assert_eq!(drain(&mut late), [circ_text(4), circ_text(5), circ_text(6)]);
    assert_eq!(late.replay(EventKinds::all(), 1), 1);
    assert_eq!(drain(&mut late), [circ_text(6)]);
    assert_eq!(dispatcher.histories(), [(EventKind::Circ, 3), (EventKind::Bw, 1)]);
    dispatcher.keep_history(EventKind::Bw, 0);
    assert!(!dispatcher.wants(EventKind::Bw));
}

#[test]
fn histories_are_bounded_in_bytes() {
    let dispatcher = Dispatcher::new();
    dispatcher.keep_history(EventKind::Notice, usize::MAX);
    for _ in 0..100 {
        dispatcher.emit(notice(&"x".repeat(10_000)));
    }
    let bytes: usize = dispatcher.history(EventKinds::all()).iter().map(|event| event.as_bytes().len()).sum();
    assert!((100_000..=256 << 10).contains(&bytes), "{bytes}");
}

#[test]
fn filters() {
    let dispatcher = Dispatcher::new();
    let mut subscriber = dispatcher.subscribe();
    subscriber.set(EventKinds::all());
    subscriber.set_filters(vec![
        Filter { circuits: [CircuitId(2)].into(), ..Filter::default() },
        Filter {
            kinds: EventKind::Stream.into(),
            statuses: ["CLOSED".to_owned()].into(),
            ..Filter::default()
        },
    ]);
    let stream = |status, circuit| {
        let target = Endpoint::new("example.com", 80);
        Event::from(Stream::new(StreamId(1), status, circuit, target))
    };
    for event in [
        circ(1),
        circ(2),
        bw(1),
        stream(StreamStatus::New, None),
        stream(StreamStatus::Closed, None),
        stream(StreamStatus::Closed, Some(CircuitId(1))),
        stream(StreamStatus::Closed, Some(CircuitId(2))),
    ] {
        dispatcher.emit(event);
    }
    assert_eq!(
        drain(&mut subscriber),
        [
            "650 CIRC 2 LAUNCHED PURPOSE=GENERAL\r\n",
            "650 BW 1 0\r\n",
            "650 STREAM 1 CLOSED 0 example.com:80\r\n",
            "650 STREAM 1 CLOSED 2 example.com:80\r\n"
        ]
    );
}

#[test]
fn rate_limits_tell_what_they_withhold() {
    let dispatcher = Dispatcher::new();
    let mut subscriber = dispatcher.subscribe();
    subscriber.set(EventKinds::all());
    subscriber.limit(RateLimit { kind: EventKind::Bw, per_second: 2 });
    let start = now();
    let mut at = |millis, events: std::ops::Range<u64>| {
        events.for_each(|n| dispatcher.emit(bw(n)));
        dispatcher.emit(circ(1));
        let now = start + Duration::from_millis(millis);
        std::iter::from_fn(|| subscriber.try_next(now)).map(|event| text(&event)).collect::<Vec<_>>()
    };
    let circ = "650 CIRC 1 LAUNCHED PURPOSE=GENERAL\r\n";
    assert_eq!(at(0, 0..5), ["650 BW 0 0\r\n", "650 BW 1 0\r\n", circ]);
    assert_eq!(at(999, 5..6), [circ]);
    let told = "650 STATUS_GENERAL NOTICE EVENTS_WITHHELD COUNT=4 TYPES=BW\r\n";
    assert_eq!(at(1_000, 6..7), [told, "650 BW 6 0\r\n", circ]);
    assert_eq!(subscriber.withheld(EventKind::Bw), 0);
    subscriber.unlimit(EventKind::Bw);
    assert_eq!(subscriber.limits(), []);
}

#[test]
fn sources_are_told_when_interest_changes() {
    let dispatcher = Dispatcher::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    {
        let (dispatcher, seen) = (dispatcher.clone(), Arc::clone(&seen));
        dispatcher.clone().on_interest_changed(move || {
            // No lock is held: it may emit, and look.
            dispatcher.emit(notice("changed"));
            seen.lock().unwrap().push(dispatcher.wanted());
        });
    }
    let (mut one, mut two) = (dispatcher.subscribe(), dispatcher.subscribe());
    let bw = EventKinds::from(EventKind::Bw);
    one.set(bw);
    two.set(bw);
    two.set(bw.with(EventKind::Notice));
    drop(one);
    drop(two);
    dispatcher.keep_history(EventKind::Bw, 1);
    assert_eq!(*seen.lock().unwrap(), [bw, bw.with(EventKind::Notice), EventKinds::NONE, bw]);
}
