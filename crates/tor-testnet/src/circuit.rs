//! A circuit as all its relays see it, in one place.

mod perform;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::{BufMut, BytesMut};
use tor_cell::{
    CELL_BODY_LEN, CellBody, CircId, EndReason, RelayBody, StreamId,
    chan::{Create2, Created2},
    codec::Body,
    frame::{self, ChanCmd},
    relay::{Begin, Connected, End, Extend2, Extended2, RelayCmd, RelayFormat, RelayMsg, Resolve, Sendme},
};
use tor_circ::{
    Tag,
    relay::{RelayCircuit, RelayKeys},
};

use crate::{
    Identity, Reply, Request, Seen,
    relay::Shared,
    service::{self, Begun, Service},
    stream::Stream,
};

/// DATA cells of a fresh window.
const WINDOW: u16 = 1000;
const SEND_WINDOW: i32 = 1000;
/// DATA cells that one SENDME stands for.
const INCREMENT: u16 = 100;
const SEND_INCREMENT: i32 = 100;
/// RELAY_EARLY cells of one circuit at most.
const MAX_RELAY_EARLY: u8 = 8;

/// What the client, or the test, did wrong.
pub(crate) type Complaint = &'static str;

/// What is to be written, and what is to be done then.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) plain: BytesMut,
    pub(crate) then: Option<Then>,
}

pub(crate) enum Then {
    BelowTls(Vec<u8>),
    CloseTls,
    CloseTcp,
}

pub(crate) struct Circuit {
    id: CircId,
    hops: Vec<Hop>,
    early: u8,
}

struct Hop {
    layer: RelayCircuit,
    streams: BTreeMap<StreamId, Stream>,
    /// DATA cells that we may send; below zero once we have sent more.
    send: i32,
    /// Tags of the cells whose SENDMEs are outstanding.
    expected: VecDeque<Tag>,
    /// DATA cells that the client may send.
    receive: u16,
}

impl Hop {
    const fn new(layer: RelayCircuit) -> Self {
        Self {
            layer,
            streams: BTreeMap::new(),
            send: SEND_WINDOW,
            expected: VecDeque::new(),
            receive: WINDOW,
        }
    }
}

/// Building.
impl Circuit {
    /// Answers CREATE_FAST or CREATE2.
    pub(crate) fn create(
        id: CircId,
        command: ChanCmd,
        body: &CellBody,
        shared: &Shared,
        out: &mut Output,
    ) -> Result<Self, Complaint> {
        shared.note(Seen::Create(id, command));
        let mut circuit = Self { id, hops: Vec::with_capacity(3), early: MAX_RELAY_EARLY };
        circuit.unless_misbehaving(Request::Create, 0, shared, out, |circuit, out| {
            let layer = circuit.answer(command, body, &shared.identity.keys, shared, &mut out.plain)?;
            circuit.hops.push(Hop::new(layer));
            Ok(())
        })?;
        Ok(circuit)
    }

    fn answer(
        &self,
        command: ChanCmd,
        body: &CellBody,
        keys: &RelayKeys,
        shared: &Shared,
        out: &mut BytesMut,
    ) -> Result<RelayCircuit, Complaint> {
        let start = out.len();
        let layer = RelayCircuit::answer(self.id, command, body, keys, &mut rand::rng(), out)
            .map_err(|_| "an onionskin that is none")?;
        if let Some(edit) = shared.commit(|armed| armed.edit_of(Reply::Created)) {
            let mut reply = out.split_off(start + 5).to_vec();
            edit.apply(&mut reply);
            reply.resize(CELL_BODY_LEN, 0);
            out.extend_from_slice(&reply);
        }
        Ok(layer)
    }

    fn extend(&mut self, extend: &Extend2<'_>, shared: &Shared, out: &mut Output) -> Result<(), Complaint> {
        shared.note(Seen::Extend(self.id, extend.target.clone()));
        let next: Arc<Identity> =
            shared.network.find(&extend.target).ok_or("EXTEND2 to nobody that we know")?;
        let mut body = BytesMut::new();
        let create = Create2 { kind: extend.kind, onionskin: extend.onionskin };
        create.encode(&mut body).map_err(|_| "an onionskin that is too long")?;
        body.resize(CELL_BODY_LEN, 0);
        let body = body.first_chunk().ok_or("an onionskin that is too long")?;
        self.unless_misbehaving(Request::Extend, 0, shared, out, |circuit, out| {
            let mut cell = BytesMut::new();
            let layer = RelayCircuit::answer(
                circuit.id,
                ChanCmd::CREATE2,
                body,
                &next.keys,
                &mut rand::rng(),
                &mut cell,
            )
            .map_err(|_| "an onionskin that is none")?;
            let created = cell.get(5..).and_then(|body| Created2::decode(body).ok());
            let reply = created.map(|created| created.reply).unwrap_or_default();
            let mut body = Vec::new();
            let _fits = Extended2 { reply }.encode(&mut body);
            if let Some(edit) = shared.commit(|armed| armed.edit_of(Reply::Extended)) {
                edit.apply(&mut body);
            }
            circuit.say(None, RelayCmd::EXTENDED2, 0, &body, &mut out.plain)?;
            circuit.hops.push(Hop::new(layer));
            Ok(())
        })
    }
}

/// Cells from the client.
impl Circuit {
    pub(crate) fn on_relay(
        &mut self,
        command: ChanCmd,
        body: &mut CellBody,
        shared: &Shared,
        out: &mut Output,
    ) -> Result<(), Complaint> {
        let early = command == ChanCmd::RELAY_EARLY;
        if early {
            self.early = self.early.checked_sub(1).ok_or("more than 8 RELAY_EARLY cells")?;
        }
        let mut opened = None;
        for (at, hop) in self.hops.iter_mut().enumerate() {
            if let Some((tag, _)) = hop.layer.forward(body).map_err(|_| "a malformed relay cell")? {
                opened = Some((at, tag));
                break;
            }
        }
        let (at, tag) = opened.ok_or("a relay cell for no hop")?;
        let msg = RelayFormat::V0.decode(body).map_err(|_| "a malformed relay cell")?;
        let stream = msg.stream.map_or(0, StreamId::to_wire);
        match msg.command {
            RelayCmd::EXTEND2 if !early => Err("EXTEND2 in a RELAY cell"),
            RelayCmd::EXTEND2 if at + 1 != self.hops.len() => Err("EXTEND2 to a hop that is not the last"),
            RelayCmd::EXTEND2 => self.extend(&msg.decode().map_err(|_| "a malformed EXTEND2")?, shared, out),
            RelayCmd::BEGIN | RelayCmd::BEGIN_DIR | RelayCmd::RESOLVE => self.on_begin(at, &msg, shared, out),
            RelayCmd::DATA => self.on_data(at, &msg, tag, shared, out),
            RelayCmd::SENDME => self.on_sendme(at, &msg),
            RelayCmd::END => {
                let End { reason, .. } = msg.decode().map_err(|_| "a malformed END")?;
                let ended = msg.stream.and_then(|id| self.hops.get_mut(at)?.streams.remove(&id));
                shared.note(Seen::End(self.id, reason, ended.map_or(0, |stream| stream.received())));
                self.unless_misbehaving(Request::End, stream, shared, out, |_, _| Ok(()))
            }
            RelayCmd::DROP => Ok(()),
            _ => Err("a message that clients don't send"),
        }
    }

    fn on_begin(
        &mut self,
        at: usize,
        msg: &RelayMsg<'_>,
        shared: &Shared,
        out: &mut Output,
    ) -> Result<(), Complaint> {
        let id = msg.stream.ok_or("BEGIN without a stream")?;
        let hop = self.hops.get(at).ok_or("no such hop")?;
        if hop.streams.contains_key(&id) {
            return Err("BEGIN on a stream that is open");
        }
        let host = match msg.command {
            RelayCmd::BEGIN_DIR => {
                shared.note(Seen::BeginDir(self.id));
                String::new()
            }
            RelayCmd::RESOLVE => {
                let name = msg.decode::<Resolve<'_>>().map_err(|_| "a malformed RESOLVE")?.name().to_owned();
                shared.note(Seen::Resolve(self.id, name.clone()));
                name
            }
            _ => {
                let begin: Begin<'_> = msg.decode().map_err(|_| "a malformed BEGIN")?;
                shared.note(Seen::Begin(self.id, begin.address().to_owned(), begin.port()));
                begin.address().to_owned()
            }
        };
        let wire = id.to_wire();
        self.unless_misbehaving(Request::Begin, wire, shared, out, |circuit, out| {
            let begun = match msg.command {
                RelayCmd::RESOLVE => return circuit.tell(at, wire, &service::resolve(&host), out),
                RelayCmd::BEGIN_DIR => {
                    let answer = shared.directory();
                    Begun::Connected(Service::Directory { request: BytesMut::new(), answer })
                }
                _ => service::begin(&host),
            };
            match begun {
                Begun::Connected(service) => {
                    circuit.tell(at, wire, &Connected { address: None }, out)?;
                    if let Some(hop) = circuit.hops.get_mut(at) {
                        hop.streams.insert(id, Stream::new(service));
                    }
                    Ok(())
                }
                Begun::Refused(reason) => circuit.tell(at, wire, &End::from(reason), out),
                Begun::Silent => Ok(()),
            }
        })
    }

    fn on_data(
        &mut self,
        at: usize,
        msg: &RelayMsg<'_>,
        tag: Tag,
        shared: &Shared,
        out: &mut Output,
    ) -> Result<(), Complaint> {
        let id = msg.stream.ok_or("DATA without a stream")?;
        let hop = self.hops.get_mut(at).ok_or("no such hop")?;
        hop.receive = hop.receive.checked_sub(1).ok_or("DATA beyond the circuit's window")?;
        let circuit_due = hop.receive <= WINDOW - INCREMENT;
        if circuit_due {
            hop.receive += INCREMENT;
        }
        // On a stream that we ended, or that is not answered, it is lost.
        let stream_due = match hop.streams.get_mut(&id) {
            Some(stream) => stream.on_data(msg.body)?,
            None => false,
        };
        if circuit_due {
            let mut body = Vec::new();
            let _fits = Sendme::Tagged(tag.as_bytes()).encode(&mut body);
            if let Some(edit) = shared.commit(|armed| armed.edit_of(Reply::Sendme)) {
                edit.apply(&mut body);
            }
            self.say(Some(at), RelayCmd::SENDME, 0, &body, &mut out.plain)?;
        }
        if stream_due {
            self.say(Some(at), RelayCmd::SENDME, id.to_wire(), &[], &mut out.plain)?;
        }
        Ok(())
    }

    fn on_sendme(&mut self, at: usize, msg: &RelayMsg<'_>) -> Result<(), Complaint> {
        let hop = self.hops.get_mut(at).ok_or("no such hop")?;
        match msg.stream {
            // The client may not have seen our END yet.
            Some(id) => hop.streams.get_mut(&id).map_or(Ok(()), Stream::on_sendme),
            None => {
                let expected = hop.expected.pop_front().ok_or("SENDME that acknowledges nothing")?;
                match msg.decode().map_err(|_| "a malformed SENDME")? {
                    Sendme::Tagged(tag) if expected.matches(tag) => {
                        hop.send += SEND_INCREMENT;
                        Ok(())
                    }
                    Sendme::Tagged(_) => Err("SENDME with another cell's digest"),
                    Sendme::Unauthenticated => Err("SENDME without a digest"),
                }
            }
        }
    }
}

/// Cells to the client.
impl Circuit {
    /// Sends what the services have to say, as the windows allow, a cell of each stream in turn.
    pub(crate) fn pump(&mut self, out: &mut BytesMut) -> Result<(), Complaint> {
        for at in 0..self.hops.len() {
            while self.pump_round(at, out)? {}
        }
        Ok(())
    }

    fn pump_round(&mut self, at: usize, out: &mut BytesMut) -> Result<bool, Complaint> {
        let Some(hop) = self.hops.get_mut(at) else { return Ok(false) };
        let mut said = Vec::new();
        for (id, stream) in &mut hop.streams {
            let room = usize::try_from(hop.send).is_ok_and(|send| send > said.len());
            if let Some(bytes) = room.then(|| stream.next()).flatten() {
                said.push((id.to_wire(), bytes));
            }
        }
        let over: Vec<_> =
            hop.streams.iter().filter(|(_, stream)| stream.is_over()).map(|(id, _)| *id).collect();
        for (id, bytes) in &said {
            self.say(Some(at), RelayCmd::DATA, *id, bytes, out)?;
        }
        for id in over {
            self.say(Some(at), RelayCmd::END, id.to_wire(), &[EndReason::DONE.0], out)?;
            if let Some(hop) = self.hops.get_mut(at) {
                hop.streams.remove(&id);
            }
        }
        Ok(!said.is_empty())
    }

    fn tell<'m, M: RelayBody<'m>>(
        &mut self,
        from: usize,
        stream: u16,
        message: &M,
        out: &mut Output,
    ) -> Result<(), Complaint> {
        let mut body = Vec::new();
        message.encode(&mut body).map_err(|_| "a message that does not fit")?;
        self.say(Some(from), M::COMMAND, stream, &body, &mut out.plain)
    }

    /// Sends a message of a hop, by default of the last, well-formed or not.
    fn say(
        &mut self,
        from: Option<usize>,
        command: RelayCmd,
        stream: u16,
        body: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), Complaint> {
        let cell = self.seal(from, plain(command, stream, body)?)?;
        self.put(ChanCmd::RELAY, &cell, out);
        Ok(())
    }

    /// Seals a cell as it is, and adds the layers of the hops before.
    fn seal(&mut self, from: Option<usize>, mut cell: Box<CellBody>) -> Result<Box<CellBody>, Complaint> {
        let from = from.or_else(|| self.hops.len().checked_sub(1)).ok_or("no hop to say it")?;
        let (near, rest) = self.hops.split_at_mut_checked(from).ok_or("no such hop")?;
        let hop = rest.first_mut().ok_or("no such hop")?;
        let is_data = cell.first() == Some(&RelayCmd::DATA.0);
        let tag = hop.layer.seal(&mut cell);
        if is_data {
            hop.send -= 1;
            if hop.send % SEND_INCREMENT == 0 {
                hop.expected.push_back(tag);
            }
        }
        near.iter_mut().rev().for_each(|hop| hop.layer.backward(&mut cell));
        Ok(cell)
    }

    fn put(&self, command: ChanCmd, cell: &CellBody, out: &mut BytesMut) {
        frame::put_header(Some(self.id), command, out);
        out.put_slice(cell);
    }

    /// Does the right thing, unless the offence that is armed says otherwise.
    fn unless_misbehaving(
        &mut self,
        request: Request,
        stream: u16,
        shared: &Shared,
        out: &mut Output,
        right: impl FnOnce(&mut Self, &mut Output) -> Result<(), Complaint>,
    ) -> Result<(), Complaint> {
        let offence = shared.commit(|armed| armed.steps_at(request));
        let Some((also, steps)) = offence else { return right(self, out) };
        if also {
            right(self, out)?;
        }
        steps.into_iter().try_for_each(|step| self.perform(step, stream, out))
    }
}

/// A relay message as it lies in its cell, well-formed or not.
fn plain(command: RelayCmd, stream: u16, body: &[u8]) -> Result<Box<CellBody>, Complaint> {
    let mut cell = Box::new([0; CELL_BODY_LEN]);
    let mut rest = &mut cell[..];
    rest.put_u8(command.0);
    rest.put_u16(0);
    rest.put_u16(stream);
    rest.put_u32(0);
    rest.put_u16(u16::try_from(body.len()).unwrap_or(u16::MAX));
    if body.len() > rest.remaining_mut() {
        return Err("a message that does not fit");
    }
    rest.put_slice(body);
    Ok(cell)
}
