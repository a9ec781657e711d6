//! All events of a client, and whether they can be true together.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tokio::time::sleep;
use tor_ctrl_events::{Circ, CircStatus, CircuitId, Event, EventKind, EventSink, OrConn, OrConnStatus};

use crate::world::within;

/// Every event that was told, in its order.
#[derive(Debug, Default)]
pub(crate) struct Tape(Mutex<Vec<Event>>);

impl EventSink for Tape {
    fn wants(&self, _: EventKind) -> bool {
        true
    }

    fn emit(&self, event: Event) {
        self.events().push(event);
    }
}

impl Tape {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap()
    }

    /// How many there are so far.
    pub(crate) fn len(&self) -> usize {
        self.events().len()
    }

    /// Their texts, from that one on.
    pub(crate) fn texts(&self, from: usize) -> Vec<String> {
        self.events().iter().skip(from).map(|event| event.to_text().trim_end().to_owned()).collect()
    }

    /// What is told of one circuit.
    pub(crate) fn circ(&self, id: CircuitId) -> Vec<Circ> {
        self.circs(0).into_iter().filter(|circ| circ.id == id).collect()
    }

    /// What is told of circuits, from that event on.
    pub(crate) fn circs(&self, from: usize) -> Vec<Circ> {
        let circ = |event: &Event| if let Event::Circ(circ) = event { Some(circ.clone()) } else { None };
        self.events().iter().skip(from).filter_map(circ).collect()
    }

    pub(crate) fn conns(&self, from: usize) -> Vec<OrConn> {
        let conn = |event: &Event| if let Event::OrConn(conn) = event { Some(conn.clone()) } else { None };
        self.events().iter().skip(from).filter_map(conn).collect()
    }

    /// Waits for a text that begins so.
    pub(crate) async fn says(&self, begin: &str) -> String {
        within(async {
            loop {
                if let Some(text) = self.texts(0).into_iter().find(|text| text.starts_with(begin)) {
                    return text;
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Waits for the end of a circuit.
    pub(crate) async fn end_of(&self, id: CircuitId) -> Circ {
        within(async {
            loop {
                if let Some(circ) = self.circ(id).into_iter().find(is_end) {
                    return circ;
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Waits for a circuit to end that had not ended at that event.
    pub(crate) async fn next_end(&self, from: usize) -> Circ {
        within(async {
            loop {
                if let Some(circ) = self.circs(from).into_iter().find(is_end) {
                    return circ;
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Nothing contradicts what was told before. Returns the circuits that are not over.
    pub(crate) fn assert_lawful(&self) -> Vec<CircuitId> {
        let mut circuits: BTreeMap<CircuitId, Circ> = BTreeMap::new();
        for circ in self.circs(0) {
            let before = circuits.get(&circ.id);
            let (was, hops) =
                before.map_or((None, 0), |before| (Some(before.status), before.info.path.len()));
            let more = circ.info.path.len() - hops;
            let legal = match (was, circ.status) {
                (None, CircStatus::Launched) => more == 0,
                (Some(CircStatus::Launched | CircStatus::Extended), CircStatus::Extended) => more == 1,
                (Some(CircStatus::Extended), CircStatus::Built | CircStatus::GuardWait) => {
                    more == 0 && hops > 0
                }
                // It is extended again.
                (Some(CircStatus::Built), CircStatus::Extended) => more == 1,
                (Some(CircStatus::Launched | CircStatus::Extended), CircStatus::Failed) => more == 0,
                (Some(CircStatus::Built | CircStatus::GuardWait), CircStatus::Closed) => more == 0,
                (_, _) => false,
            };
            assert!(legal, "{before:?} then {circ:?}");
            assert_eq!(circ.reason.is_some(), is_end(&circ), "{circ:?}");
            circuits.insert(circ.id, circ);
        }
        let mut conns = BTreeMap::new();
        for conn in self.conns(0) {
            let was = conns.insert(conn.id.unwrap(), conn.status);
            let legal = match (was, conn.status) {
                (None, OrConnStatus::Launched) => true,
                (Some(OrConnStatus::Launched), OrConnStatus::Connected | OrConnStatus::Failed) => true,
                (Some(OrConnStatus::Connected), OrConnStatus::Closed) => true,
                (_, _) => false,
            };
            assert!(legal, "{was:?} then {conn:?}");
        }
        circuits.into_values().filter(|circ| !is_end(circ)).map(|circ| circ.id).collect()
    }
}

pub(crate) fn is_end(circ: &Circ) -> bool {
    matches!(circ.status, CircStatus::Failed | CircStatus::Closed)
}
