//! What commands mean. That refusals are C Tor's is shown by `tests/transcript.rs`.

use proptest::prelude::*;
use tor_ctrl_events::EventKind;

use super::*;

const ONION: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid";

fn command(line: &str) -> Command {
    Command::parse(line.as_bytes()).unwrap_or_else(|reply| panic!("{line}: {reply:?}"))
}

fn refusal(line: &str) -> String {
    String::from_utf8(Command::parse(line.as_bytes()).unwrap_err().encode()).unwrap()
}

/// What a command shows of itself is enough to compare it.
fn shows(line: &str, expected: &str) {
    let command = command(line);
    assert_eq!(format!("{command:?}"), expected, "{line}");
    let name = line.split_whitespace().next().unwrap_or_default().trim_start_matches('+');
    assert!(command.name().eq_ignore_ascii_case(name));
}

#[test]
fn configuration() {
    shows("GETINFO version  config/names\r\n", r#"GetInfo(["version", "config/names"])"#);
    shows("getconf SocksPort", r#"GetConf(["SocksPort"])"#);
    shows(
        r#"SETCONF UseBridges=1 Bridge="obfs4 \"x\" \101" Bridge=b Socks4Proxy"#,
        r#"SetConf { assignments: [Assignment { key: "UseBridges", value: "1" }, Assignment { key: "Bridge", value: "obfs4 \"x\" A" }, Assignment { key: "Bridge", value: "b" }, Assignment { key: "Socks4Proxy", value: "" }], reset: false }"#,
    );
    shows("RESETCONF", "SetConf { assignments: [], reset: true }");
    shows("SAVECONF", "SaveConf { force: false }");
    shows("saveconf force", "SaveConf { force: true }");
    shows("SAVECONF FORCE=1", "SaveConf { force: false }");
    shows("+LOADCONF\r\nSocksPort 1\r\n..x\r\n\r\n", r#"LoadConf("SocksPort 1\n.x\n\n")"#);
}

#[test]
fn circuits_and_streams() {
    let word = |text, value| format!("Word {{ text: \"{text}\", value: {value} }}");
    let (zero, one) = (word("0", "Some(CircuitId(0))"), word("1", "Some(CircuitId(1))"));
    shows("EXTENDCIRCUIT 0", &format!("ExtendCircuit {{ circuit: {zero}, path: None, purpose: General }}"));
    shows(
        "EXTENDCIRCUIT 0 $AB=x,nick,$CD~y purpose=controller",
        &format!(
            "ExtendCircuit {{ circuit: {zero}, path: Some([\"$AB=x\", \"nick\", \"$CD~y\"]), purpose: Controller }}"
        ),
    );
    shows(
        "EXTENDCIRCUIT 0 purpose=general",
        &format!("ExtendCircuit {{ circuit: {zero}, path: None, purpose: General }}"),
    );
    shows("CLOSECIRCUIT 1 ", &format!("CloseCircuit {{ circuit: {one}, if_unused: false }}"));
    shows("CLOSECIRCUIT 1 ifunused", &format!("CloseCircuit {{ circuit: {one}, if_unused: true }}"));
    shows(
        "SETCIRCUITPURPOSE 1 purpose=Controller",
        &format!("SetCircuitPurpose {{ circuit: {one}, purpose: Ok(Controller) }}"),
    );
    let stream = word("7", "Some(StreamId(7))");
    shows(
        "ATTACHSTREAM 7 1 HOP=2",
        &format!("AttachStream {{ stream: {stream}, circuit: {one}, hop: Some({}) }}", word("2", "Some(2)")),
    );
    shows(
        "REDIRECTSTREAM 7 example.com 0",
        &format!(
            "RedirectStream {{ stream: {stream}, address: \"example.com\", port: Some({}) }}",
            word("0", "None")
        ),
    );
    shows(
        "CLOSESTREAM 7 6",
        &format!("CloseStream {{ stream: {stream}, reason: {} }}", word("6", "Some(6)")),
    );
    // C Tor crashes.
    assert_eq!(
        refusal("SETCIRCUITPURPOSE\r\n"),
        "512 Bad arguments to SETCIRCUITPURPOSE: Need at least 1 argument(s)\r\n"
    );
}

#[test]
fn addresses() {
    shows(
        "MAPADDRESS a.b=c.d 0.0.0.0=torproject.org",
        r#"MapAddress([Mapping { from: "a.b", to: "c.d" }, Mapping { from: "0.0.0.0", to: "torproject.org" }])"#,
    );
    shows("RESOLVE mode=reverse 1.2.3.4 x=y", r#"Resolve { targets: ["1.2.3.4"], reverse: true }"#);
    shows("RESOLVE a b", r#"Resolve { targets: ["a", "b"], reverse: false }"#);
}

#[test]
fn onion_services() {
    let Command::AddOnion(service) = command(
        "ADD_ONION NEW:BEST Flags=DiscardPK,V3Auth Port=80 Port=22,unix:/x Port=9,[::1]:1 Port=8,h.i \
         ClientAuthV3=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa MaxStreams=5 PoWDefensesEnabled=1",
    ) else {
        panic!()
    };
    assert_eq!(service.key, OnionKey::New);
    assert!(service.discard_key && !service.detach && service.pow && !service.max_streams_close_circuit);
    assert_eq!((service.max_streams, service.pow_queue_rate, service.pow_queue_burst), (5, 250, 2500));
    assert_eq!(service.clients.len(), 1);
    let targets: Vec<_> = service.ports.into_iter().map(|port| (port.virtual_port, port.target)).collect();
    assert_eq!(
        targets,
        [
            (80, OnionTarget::Address([127, 0, 0, 1].into(), 80)),
            (22, OnionTarget::Unix("/x".into())),
            (9, OnionTarget::Address([0, 0, 0, 0, 0, 0, 0, 1].into(), 1)),
            (8, OnionTarget::Host("h.i".into(), 8)),
        ]
    );
    let key = "A".repeat(85) + "Q==";
    let Command::AddOnion(service) = command(&format!("add_onion ed25519-v3:{key} port=1 flags=detach"))
    else {
        panic!()
    };
    assert!(service.detach && matches!(&service.key, OnionKey::Expanded(key) if key.as_bytes()[63] == 1));
    assert!(!format!("{service:?}").contains("[0, 0"));

    shows(
        &format!("HSFETCH {ONION} SERVER=a SERVER=b"),
        r#"HsFetch { address: OnionAddress(..), servers: ["a", "b"] }"#,
    );
    shows(
        &format!("+HSPOST SERVER=a HSADDRESS={ONION}\r\nx\r\n"),
        r#"HsPost { servers: ["a"], address: Ok(OnionAddress(..)), descriptor: "x\n" }"#,
    );
    shows(&format!("DEL_ONION {ONION}"), "DelOnion(OnionAddress(..))");
    shows("ONION_CLIENT_AUTH_VIEW", "OnionClientAuthView(None)");
    shows(&format!("onion_client_auth_remove {ONION}"), "OnionClientAuthRemove(OnionAddress(..))");
    let Command::OnionClientAuthAdd(auth) = command(&format!(
        "ONION_CLIENT_AUTH_ADD {ONION} x25519:{}Q= ClientName=a Flags=Permanent",
        "A".repeat(42)
    )) else {
        panic!()
    };
    assert!(auth.permanent && auth.client_name.as_deref() == Some("a") && auth.address.as_str() == ONION);
    // Where C Tor answers twice, or not at all.
    let line =
        format!("ONION_CLIENT_AUTH_ADD {ONION} x25519:{}Q= ClientName=12345678901234567", "A".repeat(42));
    assert_eq!(refusal(&line), "512 ClientName longer than 16 chars\r\n");
    assert_eq!(refusal("+HSPOST\r\nx\r\n"), "512 Missing 'HSADDRESS' argument\r\n");
    assert!(refusal("ADD_ONION NEW:BEST Port=1 ClientAuth=x\r\n").starts_with("512 "));
}

#[test]
fn events() {
    let Command::SetEvents(kinds) = command("SETEVENTS circ EXTENDED Bw CIRC") else { panic!() };
    assert_eq!(kinds, [EventKind::Circ, EventKind::Bw].into_iter().collect());
    assert!(matches!(command("SETEVENTS"), Command::SetEvents(EventKinds::NONE)));
    // C Tor documents these two and then refuses them.
    assert!(matches!(command("SETEVENTS PT_LOG PT_STATUS"), Command::SetEvents(_)));
    assert_eq!(refusal("SETEVENTS BW tb_empty"), "552 Unrecognized event \"tb_empty\"\r\n");
}

#[test]
fn subscriptions() {
    let Command::SetSubscriptions(subscriptions) = command(
        "X-SETEVENTS CIRC REPLAY=20 PURPOSE=general STATUS=BUILT,failed RATE=10 stream CIRCUIT=3,4 STREAM=7 BW",
    ) else {
        panic!()
    };
    let mut circ = Subscription { replay: 20, rate: Some(10), ..Subscription::new(EventKind::Circ) };
    circ.filter.purposes = ["GENERAL".to_owned()].into();
    circ.filter.statuses = ["BUILT".to_owned(), "FAILED".to_owned()].into();
    let mut stream = Subscription::new(EventKind::Stream);
    stream.filter.circuits = [CircuitId(3), CircuitId(4)].into();
    stream.filter.streams = [StreamId(7)].into();
    assert_eq!(subscriptions, [circ, stream, Subscription::new(EventKind::Bw)]);
    for (line, reply) in [
        (
            "X-SETEVENTS REPLAY=1 CIRC",
            "512 Bad arguments to X-SETEVENTS: Keyword argument before an event\r\n",
        ),
        ("X-SETEVENTS CIRC CIRC", "512 Event \"CIRC\" is named twice\r\n"),
        (
            "X-SETEVENTS CIRC NOPE=1",
            "512 Bad arguments to X-SETEVENTS: Unrecognized keyword argument \"NOPE\"\r\n",
        ),
        ("X-SETEVENTS NOPE", "552 Unrecognized event \"NOPE\"\r\n"),
        ("X-SETEVENTS CIRC RATE=0", "513 Bad value RATE=\"0\"\r\n"),
        ("X-SETEVENTS CIRC REPLAY=10001", "513 Bad value REPLAY=\"10001\"\r\n"),
        ("X-SETEVENTS CIRC CIRCUIT=1,,2", "513 Bad value CIRCUIT=\"1,,2\"\r\n"),
    ] {
        assert_eq!(refusal(line), reply, "{line}");
    }
}

#[test]
fn subscriptions_apply() {
    use tor_ctrl_events::{Bw, Dispatcher, Event, EventSink};

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = std::time::Instant::now();
    let dispatcher = Dispatcher::new();
    let Command::KeepHistory(limits) = command("X-HISTORY BW=5 circ=0") else { panic!() };
    assert_eq!(limits, [(EventKind::Bw, 5), (EventKind::Circ, 0)]);
    limits.into_iter().for_each(|(kind, events)| dispatcher.keep_history(kind, events));
    let bw = |read| dispatcher.emit(Event::from(Bw { read, written: 0 }));
    (0..9).for_each(bw);
    let mut subscriber = dispatcher.subscribe();
    let Command::SetSubscriptions(wanted) = command("X-SETEVENTS BW REPLAY=2 RATE=1 CIRC") else { panic!() };
    Subscription::apply(&wanted, &mut subscriber);
    (10..13).for_each(bw);
    let mut come = Vec::new();
    while let Some(event) = subscriber.try_next(now) {
        come.push(String::from_utf8_lossy(event.as_bytes()).into_owned());
    }
    assert_eq!(come, ["650 BW 7 0\r\n", "650 BW 8 0\r\n", "650 BW 10 0\r\n"]);
    // The next command takes nothing over.
    Subscription::apply(&[Subscription::new(EventKind::Bw)], &mut subscriber);
    (20..23).for_each(bw);
    assert_eq!(std::iter::from_fn(|| subscriber.try_next(now)).count(), 3);
    for (line, reply) in [
        ("X-HISTORY BW", "512 Bad arguments to X-HISTORY: Cannot parse keyword argument(s)\r\n"),
        ("X-HISTORY BW=10001", "513 Bad value BW=\"10001\"\r\n"),
        ("X-HISTORY NOPE=1", "552 Unrecognized event \"NOPE\"\r\n"),
    ] {
        assert_eq!(refusal(line), reply, "{line}");
    }
}

#[test]
fn event_log() {
    assert!(matches!(command("X-EVENTLOG"), Command::SetEventLog(None)));
    let Command::SetEventLog(Some(log)) =
        command(r#"X-EVENTLOG FILE="/var/log/tor events" EVENTS=CIRC,stream MAXSIZE=4096 KEEP=3"#)
    else {
        panic!()
    };
    let kinds = [EventKind::Circ, EventKind::Stream].into_iter().collect();
    assert_eq!(log, EventLog { file: "/var/log/tor events".into(), kinds, max_size: 4096, keep: 3 });
    for (line, reply) in [
        ("X-EVENTLOG EVENTS=CIRC", "512 Bad arguments to X-EVENTLOG: Need FILE=\r\n"),
        ("X-EVENTLOG FILE=/x", "512 Bad arguments to X-EVENTLOG: Need EVENTS=\r\n"),
        ("X-EVENTLOG FILE=x EVENTS=CIRC", "513 FILE must be an absolute path\r\n"),
        ("X-EVENTLOG FILE=/x EVENTS=NOPE", "552 Unrecognized event \"NOPE\"\r\n"),
        ("X-EVENTLOG FILE=/x EVENTS=BW MAXSIZE=1", "513 Bad value MAXSIZE=\"1\"\r\n"),
    ] {
        assert_eq!(refusal(line), reply, "{line}");
    }
}

proptest! {
    #[test]
    fn no_arguments_panic(
        (name, _) in prop::sample::select(COMMANDS),
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "([a-zA-Z0-9_$,:.=\"\\\\ \t\r\n]|NEW:BEST|Port=|Flags=|CIRC|REPLAY=|FILE=|HSADDRESS=|purpose=){0,30}"
                .prop_map(String::into_bytes),
        ],
    ) {
        let line = [name.as_bytes(), b" ", &body].concat();
        if let Err(reply) = Command::parse(&line) {
            let wire = reply.encode();
            prop_assert!(wire.ends_with(b"\r\n"));
        }
    }
}
