//! The examples in `docs/control.md`, run as they stand there.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::{sync::Arc, time::Instant};

use tor_ctrl::{AuthConfig, Command, Input, Output, Reply, Session, Subscription};
use tor_ctrl_events::{Dispatcher, Event, EventSink, Subscriber};

/// A controller that has authenticated, and as much of a client as events need.
struct Connection {
    session: Session,
    dispatcher: Dispatcher,
    subscriber: Subscriber,
    now: Instant,
    received: String,
}

impl Connection {
    fn new() -> Self {
        let dispatcher = Dispatcher::new();
        let subscriber = dispatcher.subscribe();
        let session = Session::authenticated(Arc::new(AuthConfig::new("0.4.9.11")), [0; 32]);
        Self { session, dispatcher, subscriber, now: Instant::now(), received: String::new() }
    }

    fn execute(&mut self, command: Command) -> Reply {
        match command {
            Command::SetEvents(kinds) => {
                let wanted: Vec<_> = kinds.iter().map(Subscription::new).collect();
                Subscription::apply(&wanted, &mut self.subscriber);
            }
            Command::SetSubscriptions(wanted) => Subscription::apply(&wanted, &mut self.subscriber),
            Command::KeepHistory(limits) => {
                limits.into_iter().for_each(|(kind, events)| self.dispatcher.keep_history(kind, events));
            }
            Command::SetEventLog(_) => {}
            other => panic!("an example of {other:?}"),
        }
        Reply::ok()
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Some(Output::Send(bytes)) => self.received.push_str(&String::from_utf8(bytes).unwrap()),
                Some(Output::Execute(command)) => {
                    let reply = self.execute(command);
                    self.session.handle(self.now, Input::Reply(reply));
                }
                Some(Output::Opened | Output::Log(_) | Output::Close) => {}
                None if self.session.wants_events() => match self.subscriber.try_next(self.now) {
                    Some(event) => self.session.handle(self.now, Input::Event(event.as_bytes().to_vec())),
                    None => return,
                },
                None => return,
            }
        }
    }
}

#[test]
fn the_documentation_tells_the_truth() {
    let page = include_str!("../../../docs/control.md");
    let examples: Vec<_> =
        page.split("```control\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 2);
    for example in examples {
        let (mut connection, mut expected) = (Connection::new(), String::new());
        connection.drain();
        for line in example.lines() {
            match line.split_at(2) {
                ("> ", command) => {
                    connection
                        .session
                        .handle(connection.now, Input::Bytes(format!("{command}\r\n").as_bytes()));
                }
                ("! ", event) => connection.dispatcher.emit(Event::parse(&format!("{event}\r\n")).unwrap()),
                ("< ", reply) => expected.push_str(&format!("{reply}\r\n")),
                _ => panic!("{line}"),
            }
            connection.drain();
        }
        assert_eq!(connection.received, expected, "{example}");
    }
}
