//! Random lives of many streams against a naive model: a phase and two integers a stream.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use tor_cell::{StreamId, relay::RelayCmd};
use tor_stream::{EarlyData, StreamEvent};

use super::Circuit;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Now {
    New { resolve: bool, early: bool },
    Connecting { early: bool },
    Resolving,
    Open,
    HalfConnecting,
    HalfResolving,
    HalfOpen,
}

#[derive(Clone, Copy, Debug)]
struct Model {
    now: Now,
    may_send: i32,
    may_get: i32,
    unread: usize,
    sendmes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Begin { early: bool },
    Resolve,
    Drain,
    Peer { stream: u8, command: u8, times: u16, bytes: usize },
    Send { stream: u8, cells: u16 },
    Consume { stream: u8, bytes: usize },
    End { stream: u8 },
}

fn any_op() -> impl Strategy<Value = Op> {
    let stream = 0u8..4;
    // CONNECTED and DATA most of all, so that streams live long enough to be interesting.
    let command =
        prop_oneof![9 => Just(2u8), 6 => Just(4), 3 => Just(5), 1 => Just(3), 1 => Just(12), 1 => Just(43)];
    prop_oneof![
        2 => any::<bool>().prop_map(|early| Op::Begin { early }),
        1 => Just(Op::Resolve),
        4 => Just(Op::Drain),
        9 => (stream.clone(), command, 1u16..300, 0usize..=498)
            .prop_map(|(stream, command, times, bytes)| Op::Peer { stream, command, times, bytes }),
        4 => (stream.clone(), 0u16..300).prop_map(|(stream, cells)| Op::Send { stream, cells }),
        4 => (stream.clone(), 0usize..200_000).prop_map(|(stream, bytes)| Op::Consume { stream, bytes }),
        1 => stream.prop_map(|stream| Op::End { stream }),
    ]
}

impl Model {
    fn new(now: Now) -> Self {
        Self { now, may_send: 500, may_get: 500, unread: 0, sendmes: 0 }
    }

    fn credit(&self) -> i32 {
        match self.now {
            Now::Connecting { early: true } | Now::Open => self.may_send,
            _ => 0,
        }
    }

    fn replenish(&mut self) {
        while self.unread <= 5090 && self.may_get <= 450 {
            self.may_get += 50;
            self.sendmes += 1;
        }
    }

    /// What one message does: `None` is the end of the circuit, `Some(None)` the end of the stream.
    fn on_peer(mut self, command: u8, bytes: usize) -> Option<Option<Self>> {
        use Now::*;
        match (command, self.now) {
            (_, New { .. }) => return None,
            (2, Open) if self.may_get > 0 => {
                self.may_get -= 1;
                self.unread += bytes;
                self.replenish();
            }
            (2, HalfOpen) if self.may_get > 0 => self.may_get -= 1,
            (3, _) | (12, Resolving | HalfResolving) => return Some(None),
            (4, Connecting { .. }) => self.now = Open,
            (4, HalfConnecting) => self.now = HalfOpen,
            (5, Connecting { .. } | Open | HalfConnecting | HalfOpen) if self.may_send <= 450 => {
                self.may_send += 50;
            }
            _ => return None,
        }
        Some(Some(self))
    }
}

fn run(ops: &[Op]) -> Result<(), TestCaseError> {
    let mut circuit = Circuit::new();
    let mut model: BTreeMap<StreamId, Model> = BTreeMap::new();
    let mut ids: Vec<StreamId> = Vec::new();
    let mut unsent: Vec<(RelayCmd, StreamId)> = Vec::new();
    for op in ops {
        match *op {
            Op::Begin { early } => {
                let id = circuit.begin(if early { EarlyData::Allowed } else { EarlyData::Held }, 0);
                let fresh = Model::new(Now::New { resolve: false, early });
                prop_assert!(model.insert(id, fresh).is_none());
                ids.push(id);
                unsent.push((RelayCmd::BEGIN, id));
            }
            Op::Resolve => {
                let id = circuit.resolve();
                let fresh = Model::new(Now::New { resolve: true, early: false });
                prop_assert!(model.insert(id, fresh).is_none());
                ids.push(id);
                unsent.push((RelayCmd::RESOLVE, id));
            }
            Op::Drain => {
                for (id, stream) in &mut model {
                    unsent.extend(vec![(RelayCmd::SENDME, *id); std::mem::take(&mut stream.sendmes)]);
                    stream.now = match stream.now {
                        Now::New { resolve: true, .. } => Now::Resolving,
                        Now::New { resolve: false, early } => Now::Connecting { early },
                        now => now,
                    };
                }
                let mut sent = circuit.drain();
                let key = |&(command, id): &(RelayCmd, StreamId)| (command.0, id);
                sent.sort_by_key(key);
                unsent.sort_by_key(key);
                prop_assert_eq!(&sent, &unsent);
                unsent.clear();
            }
            Op::Peer { stream, command, times, bytes } => {
                let Some(&id) = pick(&ids, stream) else { continue };
                let times = if command == 2 { times } else { 1 };
                let body = match command {
                    2 => vec![0; bytes],
                    3 => vec![1],
                    _ => Vec::new(),
                };
                for _ in 0..times {
                    let expected = model.get(&id).copied().and_then(|stream| stream.on_peer(command, bytes));
                    let live = model.get(&id).is_some_and(|m| !is_half(m.now));
                    match (circuit.peer(RelayCmd(command), id, &body), expected) {
                        (Err(_), None) => return Ok(()),
                        (Ok(event), Some(Some(next))) => {
                            prop_assert_eq!(live, !matches!(event, StreamEvent::Nothing));
                            model.insert(id, next);
                        }
                        (Ok(event), Some(None)) => {
                            prop_assert_eq!(live, !matches!(event, StreamEvent::Nothing));
                            model.remove(&id);
                            unsent.retain(|&(_, of)| of != id || !live);
                        }
                        (got, expected) => prop_assert!(false, "{got:?} but expected {expected:?}"),
                    }
                }
            }
            Op::Send { stream, cells } => {
                let Some(&id) = pick(&ids, stream) else { continue };
                let credit = circuit.streams.credit(id);
                let cells = cells.min(credit);
                if cells > 0 {
                    circuit.streams.sent_data(id, cells);
                    model.get_mut(&id).unwrap().may_send -= i32::from(cells);
                }
            }
            Op::Consume { stream, bytes } => {
                let Some(&id) = pick(&ids, stream) else { continue };
                let Some(stream) = model.get_mut(&id).filter(|stream| stream.now == Now::Open) else {
                    continue;
                };
                let bytes = bytes.min(stream.unread);
                circuit.streams.consumed(id, bytes);
                stream.unread -= bytes;
                stream.replenish();
            }
            Op::End { stream } => {
                let Some(&id) = pick(&ids, stream) else { continue };
                let Some(m) = model.get_mut(&id).filter(|m| !is_half(m.now)) else {
                    prop_assert_eq!(circuit.streams.end(id), None);
                    continue;
                };
                prop_assert_eq!(circuit.streams.end(id), Some(0));
                m.now = match m.now {
                    Now::New { .. } => {
                        model.remove(&id);
                        unsent.retain(|&(_, of)| of != id);
                        continue;
                    }
                    Now::Connecting { .. } => Now::HalfConnecting,
                    Now::Resolving => Now::HalfResolving,
                    _ => Now::HalfOpen,
                };
                unsent.push((RelayCmd::END, id));
            }
        }
        for &id in &ids {
            let credit = model.get(&id).map_or(0, Model::credit);
            prop_assert_eq!(i32::from(circuit.streams.credit(id)), credit);
        }
        prop_assert_eq!(circuit.streams.len(), model.values().filter(|m| !is_half(m.now)).count());
        let waiting = model
            .iter()
            .any(|(_, m)| matches!(m.now, Now::New { .. } | Now::Connecting { .. } | Now::Resolving));
        prop_assert_eq!(circuit.streams.oldest_waiting().is_some(), waiting);
    }
    Ok(())
}

fn is_half(now: Now) -> bool {
    matches!(now, Now::HalfConnecting | Now::HalfResolving | Now::HalfOpen)
}

/// One of the latest four.
fn pick(ids: &[StreamId], stream: u8) -> Option<&StreamId> {
    ids.iter().rev().nth(stream.into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_model(ops in vec(any_op(), 1..120)) {
        run(&ops)?;
    }
}
