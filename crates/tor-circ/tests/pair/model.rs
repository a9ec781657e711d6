//! Windows against a naive model: two integers and a list, for each hop.

use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*};
use tor_cell::relay::{RelayCmd, Sendme};
use tor_circ::{CircError, HopIndex, SendError, SendmeError, Tag};

use crate::network::{Network, Seen, stream};

#[derive(Clone, Copy, Debug)]
enum Op {
    /// The client sends this many DATA cells to a hop.
    ClientSends(usize, usize),
    /// A hop sends this many.
    RelaySends(usize, usize),
    /// A hop acknowledges the oldest hundred, due or not.
    RelayAcknowledges(usize),
    /// The client talks of something else.
    Other(usize),
}

#[derive(Default)]
struct Model {
    sent: usize,
    acknowledged: usize,
    received: usize,
    tags: VecDeque<Tag>,
}

impl Model {
    fn window(&self) -> usize {
        1000 + 100 * self.acknowledged - self.sent
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    let hop = 0..3usize;
    prop_oneof![
        3 => (hop.clone(), 0usize..400).prop_map(|(hop, count)| Op::ClientSends(hop, count)),
        2 => (hop.clone(), 0usize..250).prop_map(|(hop, count)| Op::RelaySends(hop, count)),
        5 => hop.clone().prop_map(Op::RelayAcknowledges),
        1 => hop.prop_map(Op::Other),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn windows_are_two_integers(ops in vec(any_op(), 1..30)) {
        let mut network = Network::with_hops(3);
        let mut models: [Model; 3] = Default::default();
        for op in ops {
            match op {
                Op::ClientSends(hop, count) => {
                    for _ in 0..count {
                        let refused = models[hop].window() == 0;
                        let index = HopIndex(hop.try_into().unwrap());
                        let expected = if refused { Err(SendError::WindowEmpty { hop: index }) } else { Ok(()) };
                        prop_assert_eq!(network.client_data(index.0, 1), expected);
                        models[hop].sent += usize::from(!refused);
                    }
                }
                Op::RelaySends(hop, count) => {
                    for _ in 0..count {
                        network.send(hop, RelayCmd::DATA, stream(1), b"x");
                    }
                    models[hop].received += count;
                    network.deliver_all().unwrap();
                }
                Op::RelayAcknowledges(hop) => {
                    let index = HopIndex(hop.try_into().unwrap());
                    match models[hop].tags.pop_front() {
                        Some(tag) => {
                            network.say(hop, &Sendme::Tagged(tag.as_bytes()));
                            prop_assert_eq!(network.deliver_all().unwrap(), [Seen::WindowOpened(index.0)]);
                            models[hop].acknowledged += 1;
                        }
                        None => {
                            network.say(hop, &Sendme::Tagged(&[0; 20]));
                            let error = SendmeError::Unexpected;
                            prop_assert_eq!(network.deliver_fatal(), CircError::Sendme { hop: index, error });
                            return Ok(());
                        }
                    }
                }
                Op::Other(hop) => {
                    let begin = tor_cell::relay::RelayMsg { command: RelayCmd::BEGIN, stream: stream(2), body: b"x" };
                    network.client.send(HopIndex(hop.try_into().unwrap()), &begin, &mut network.out).unwrap();
                }
            }
            network.carry();
            for (hop, model) in (0..).zip(&mut models) {
                // The model of what the relay owes: each hundredth tag that it heard, less what it paid.
                let heard = network.data_tags(hop.into());
                prop_assert_eq!(heard.len(), model.sent);
                let hundredths = heard.chunks_exact(100).map(|hundred| hundred[99]);
                model.tags = hundredths.skip(model.acknowledged).collect();
                prop_assert_eq!(usize::from(network.client.window(HopIndex(hop))), model.window());
                let sendmes = |heard: &&crate::network::Heard| {
                    heard.by == usize::from(hop) && heard.command == RelayCmd::SENDME
                };
                prop_assert_eq!(network.heard.iter().filter(sendmes).count(), model.received / 100);
            }
        }
    }
}
