//! Three relays in a row and a client, joined by nothing but function calls.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tor_cell::{
    CELL_LEN, CellBody, CircId, StreamId,
    chan::{Create2, Created2},
    codec::Body,
    frame::{self, ChanCmd, CircIdWidth, Frame},
    relay::{Extend2, Extended2, RelayCmd, RelayMsg},
};
use tor_circ::{
    CircError, CircParams, Circuit, Event, HopHandshake, HopIndex, HopSpec, Tag,
    relay::{RelayCircuit, RelayKeys},
};
use tor_id::{Ed25519Id, RelayIds, RsaId};
use tor_ntor::{KeyPair, NtorKeys, NtorV3Keys};

/// One cell on its way.
pub(crate) type Cell = (ChanCmd, CellBody);

/// What a relay heard from the client.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) by: usize,
    pub(crate) early: bool,
    pub(crate) command: RelayCmd,
    pub(crate) stream: Option<StreamId>,
    pub(crate) body: Vec<u8>,
    pub(crate) tag: Tag,
}

/// A copy of an [`Event`] that outlives its cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    Extended(u8),
    Message(u8, RelayCmd, Vec<u8>),
    WindowOpened(u8),
    Truncated(u8, u8),
    Destroyed(u8),
}

pub(crate) struct Relay {
    ids: RelayIds,
    keys: RelayKeys,
    circuit: Option<RelayCircuit>,
}

pub(crate) struct Network {
    pub(crate) now: Instant,
    pub(crate) client: Circuit,
    pub(crate) relays: Vec<Relay>,
    /// What the relays heard, oldest first.
    pub(crate) heard: Vec<Heard>,
    /// Cells for the client that have not been delivered.
    pub(crate) inbound: Vec<Cell>,
    /// What the client wrote and the first relay has not read.
    pub(crate) out: BytesMut,
    rng: ChaCha8Rng,
}

pub(crate) const ID: u32 = 0x8000_0001;

pub(crate) fn stream(number: u16) -> Option<StreamId> {
    StreamId::from_wire(number)
}

impl Network {
    pub(crate) fn new(params: CircParams) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let relays = (1..=3).map(|number| Relay::new(number, &mut rng)).collect();
        Self {
            #[expect(clippy::disallowed_methods, reason = "the virtual clock has to start somewhere")]
            now: Instant::now(),
            client: Circuit::new(CircId::from_wire(ID).unwrap(), params, &mut rng),
            relays,
            heard: Vec::new(),
            inbound: Vec::new(),
            out: BytesMut::new(),
            rng,
        }
    }

    /// A network with a circuit of `hops` hops.
    pub(crate) fn with_hops(hops: usize) -> Self {
        let mut network = Self::new(CircParams::default());
        network.build(hops);
        network
    }

    pub(crate) fn build(&mut self, hops: usize) {
        for hop in 0..hops {
            self.ask(hop, Self::ntor);
            self.carry();
            assert_eq!(self.deliver_all().unwrap(), [Seen::Extended(hop.try_into().unwrap())]);
        }
        self.heard.clear();
    }

    pub(crate) fn until(&self) -> Instant {
        self.now + Duration::from_secs(60)
    }

    pub(crate) fn ntor(relay: &Relay) -> HopHandshake {
        HopHandshake::Ntor { onion_key: *relay.keys.ntor.onion_keys[0].public() }
    }

    pub(crate) fn ntor_v3(relay: &Relay) -> HopHandshake {
        HopHandshake::NtorV3 { onion_key: *relay.keys.ntor.onion_keys[0].public() }
    }

    pub(crate) fn spec(&self, hop: usize, handshake: HopHandshake) -> HopSpec {
        let addrs: [SocketAddr; 2] =
            ["[2001:db8::1]:9001".parse().unwrap(), "192.0.2.1:9001".parse().unwrap()];
        HopSpec { ids: self.relays[hop].ids, addrs: addrs.into(), handshake }
    }

    /// The client asks for relay `hop`; the cell waits in `out`.
    pub(crate) fn ask(&mut self, hop: usize, handshake: fn(&Relay) -> HopHandshake) {
        let spec = self.spec(hop, handshake(&self.relays[hop]));
        let until = self.until();
        let (client, rng, out) = (&mut self.client, &mut self.rng, &mut self.out);
        if hop == 0 { client.create(&spec, until, rng, out) } else { client.extend(&spec, until, rng, out) }
            .unwrap();
    }

    /// Like [`Self::ask`], for what may be refused.
    pub(crate) fn try_extend(&mut self, spec: &HopSpec) -> Result<(), tor_circ::SendError> {
        let until = self.until();
        self.client.extend(spec, until, &mut self.rng, &mut self.out)
    }

    pub(crate) fn try_create(&mut self, spec: &HopSpec) -> Result<(), tor_circ::SendError> {
        let until = self.until();
        self.client.create(spec, until, &mut self.rng, &mut self.out)
    }

    /// Cells that the client wrote and that have not been carried.
    pub(crate) fn written(&self) -> Vec<Cell> {
        assert_eq!(self.out.len() % CELL_LEN, 0, "whole cells only");
        self.out.chunks(CELL_LEN).map(parse).collect()
    }

    /// Takes all that the client wrote to the relays; what they answer by themselves waits in `inbound`.
    pub(crate) fn carry(&mut self) {
        let cells = self.written();
        self.out.clear();
        for (command, body) in cells {
            self.arrive(0, command, body);
        }
    }

    fn arrive(&mut self, at: usize, command: ChanCmd, mut body: CellBody) {
        let relay = &mut self.relays[at];
        match command {
            ChanCmd::CREATE2 | ChanCmd::CREATE_FAST => {
                let mut answer = BytesMut::new();
                let id = CircId::from_wire(ID).unwrap();
                let made = RelayCircuit::answer(id, command, &body, &relay.keys, &mut self.rng, &mut answer);
                relay.circuit = Some(made.unwrap());
                let (command, body) = parse(&answer);
                if at == 0 {
                    self.inbound.push((command, body));
                } else {
                    let Created2 { reply } = Created2::decode(&body).unwrap();
                    self.say(at - 1, &Extended2 { reply });
                }
            }
            ChanCmd::RELAY | ChanCmd::RELAY_EARLY => {
                let Some((tag, msg)) = relay.circuit.as_mut().unwrap().forward(&mut body).unwrap() else {
                    return self.arrive(at + 1, command, body);
                };
                let early = command == ChanCmd::RELAY_EARLY;
                let (command, stream, body) = (msg.command, msg.stream, msg.body.to_vec());
                self.heard.push(Heard { by: at, early, command, stream, body: body.clone(), tag });
                if command == RelayCmd::EXTEND2 && early {
                    let Extend2 { kind, onionskin, .. } = Extend2::decode(&body).unwrap();
                    let mut create = BytesMut::new();
                    frame::put_message(CircId::from_wire(ID), &Create2 { kind, onionskin }, &mut create)
                        .unwrap();
                    let (command, body) = parse(&create);
                    self.arrive(at + 1, command, body);
                }
            }
            ChanCmd::DESTROY => self.relays.iter_mut().for_each(|relay| relay.circuit = None),
            other => panic!("client sent {other}"),
        }
    }

    /// Relay `from` says something that belongs to the circuit.
    pub(crate) fn say<'m>(&mut self, from: usize, message: &impl tor_cell::RelayBody<'m>) {
        let mut body = Vec::new();
        let msg = RelayMsg::new(None, message, &mut body).unwrap();
        self.send(from, msg.command, None, msg.body);
    }

    /// Relay `from` sends a message, of which the wire format approves.
    pub(crate) fn send(
        &mut self,
        from: usize,
        command: RelayCmd,
        stream: Option<StreamId>,
        body: &[u8],
    ) -> Tag {
        let mut cell = BytesMut::new();
        let msg = RelayMsg { command, stream, body };
        let tag = self.relays[from].circuit.as_mut().unwrap().send(&msg, &mut cell).unwrap();
        let (command, mut body) = parse(&cell);
        self.wrap_behind(from, &mut body);
        self.inbound.push((command, body));
        tag
    }

    /// Relay `from` seals bytes of its own as if they were a message.
    pub(crate) fn send_raw(&mut self, from: usize, mut body: CellBody) {
        self.relays[from].circuit.as_mut().unwrap().seal(&mut body);
        self.wrap_behind(from, &mut body);
        self.inbound.push((ChanCmd::RELAY, body));
    }

    /// The relays nearer than `from` add their layers.
    pub(crate) fn wrap_behind(&mut self, from: usize, body: &mut CellBody) {
        for relay in self.relays[..from].iter_mut().rev() {
            relay.circuit.as_mut().unwrap().backward(body);
        }
    }

    /// The client gets a cell.
    pub(crate) fn deliver(&mut self, (command, mut body): Cell) -> Result<Seen, CircError> {
        let event = self.client.on_cell(self.now, command, &mut body, &mut self.out)?;
        Ok(match event {
            Event::Nothing => Seen::Nothing,
            Event::Extended { hop } => Seen::Extended(hop.0),
            Event::Message { hop, msg } => Seen::Message(hop.0, msg.command, msg.body.to_vec()),
            Event::WindowOpened { hop } => Seen::WindowOpened(hop.0),
            Event::Truncated { hop, reason } => Seen::Truncated(hop.0, reason.0),
            Event::Destroyed { reason } => Seen::Destroyed(reason.0),
        })
    }

    /// The client gets every cell that waits, until one is an error.
    pub(crate) fn deliver_all(&mut self) -> Result<Vec<Seen>, CircError> {
        std::mem::take(&mut self.inbound).into_iter().map(|cell| self.deliver(cell)).collect()
    }

    /// What becomes of the only cell that waits; the circuit must have closed over it, with one DESTROY.
    pub(crate) fn deliver_fatal(&mut self) -> CircError {
        let cell = self.inbound.pop().unwrap();
        assert!(self.inbound.is_empty() && self.out.is_empty());
        let error = self.deliver(cell).unwrap_err();
        self.assert_destroyed();
        error
    }

    /// The circuit is closed, and the only thing it wrote since the last `carry` is a DESTROY without a reason.
    pub(crate) fn assert_destroyed(&mut self) {
        assert!(self.client.is_done());
        assert_eq!(self.client.deadline(), None);
        assert_eq!(self.written(), [(ChanCmd::DESTROY, [0; 509])]);
        // A closed circuit is silent, whatever comes.
        self.out.clear();
        assert_eq!(self.deliver((ChanCmd::RELAY, [1; 509])), Ok(Seen::Nothing));
        assert_eq!(self.deliver((ChanCmd::DESTROY, [1; 509])), Ok(Seen::Nothing));
        self.client.destroy(&mut self.out);
        assert!(self.out.is_empty());
    }

    /// The client sends `length` bytes of DATA to `hop`.
    pub(crate) fn client_data(&mut self, hop: u8, length: usize) -> Result<(), tor_circ::SendError> {
        let body = vec![0xda; length];
        let msg = RelayMsg { command: RelayCmd::DATA, stream: stream(1), body: &body };
        self.client.send(HopIndex(hop), &msg, &mut self.out)
    }

    /// Tags of the DATA cells that relay `by` heard.
    pub(crate) fn data_tags(&self, by: usize) -> Vec<Tag> {
        self.heard
            .iter()
            .filter(|heard| heard.by == by && heard.command == RelayCmd::DATA)
            .map(|h| h.tag)
            .collect()
    }
}

impl Relay {
    fn new(number: u8, rng: &mut ChaCha8Rng) -> Self {
        let rsa = RsaId::from_bytes([number; 20]);
        let ed25519 = Ed25519Id::from_bytes([number; 32]);
        let secret = *KeyPair::generate(rng).secret();
        let onion_keys = || vec![KeyPair::from_secret(secret)];
        let ntor = NtorKeys { rsa, onion_keys: onion_keys() };
        let ntor_v3 = NtorV3Keys { ed25519, onion_keys: onion_keys() };
        Self { ids: RelayIds::new(rsa, Some(ed25519)), keys: RelayKeys { ntor, ntor_v3 }, circuit: None }
    }
}

/// A cell whose message no honest encoder would write.
pub(crate) fn raw_message(command: u8, stream: u16, length: u16) -> CellBody {
    let mut cell = [0; 509];
    cell[0] = command;
    cell[3..5].copy_from_slice(&stream.to_be_bytes());
    cell[9..11].copy_from_slice(&length.to_be_bytes());
    cell
}

fn parse(bytes: &[u8]) -> Cell {
    let frame = Frame::read(bytes, CircIdWidth::Four).unwrap();
    assert_eq!(frame.circ, CircId::from_wire(ID));
    (frame.command, *frame.fixed().unwrap())
}
