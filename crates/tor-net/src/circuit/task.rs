//! The circuit's task: inputs to the engines, and what they say to where it belongs.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::BytesMut;
use tokio::sync::{mpsc, oneshot};
use tor_cell::{
    CELL_BODY_LEN, CELL_LEN, CellBody, CircId, EndReason, StreamId,
    frame::ChanCmd,
    relay::{Begin, Resolve, ResolveError, Resolved, ResolvedValue, UnwritableName},
};
use tor_chan::Usage;
use tor_circ::{CircError, CircParams, Circuit, Event, HopIndex};
use tor_circmgr::StreamRefusal;
use tor_id::RsaId;
use tor_stream::{EarlyData, Phase, StreamEvent, Streams};
use tracing::debug;

use super::{Answer, Answered, CircuitError, Command, OpenRequest, Reply, Shared};
use crate::{
    StreamEnd,
    channel::{Batch, Down, Inbox},
    clock,
    ledger::{CircuitEnd, CircuitRecord, StreamCard},
    pipe::{Attention, Pipe, StreamKey},
};

/// Cells that a circuit hands to its channel in one piece: another circuit's turn comes after that many.
const BATCH: usize = 32 * CELL_LEN;

/// What the task keeps with each stream.
enum Local {
    /// A connection: its buffers, and until CONNECTED who waits for it.
    Data { pipe: Arc<Pipe>, opening: Option<Reply>, outbound: usize, finished: bool },
    /// A look-up, and who waits for it; the pipe tells when nobody does.
    LookUp { pipe: Arc<Pipe>, reply: Reply },
}

pub(super) struct Task {
    id: CircId,
    engine: Circuit,
    /// The hops that have, or had, streams; mostly the last one alone.
    hops: Vec<AtHop>,
    /// Whose turn it is, where there are several.
    turn: usize,
    attention: Arc<Attention>,
    wanting: Vec<StreamKey>,
    building: Option<Building>,
    /// Sealed cells on their way to the channel.
    out: BytesMut,
    /// Every handle is dropped: no more commands will come.
    abandoned: bool,
    /// What the channel's padding should know of this circuit and does not yet.
    usage: Option<Usage>,
    carries_traffic: bool,
    shared: Arc<Shared>,
    record: CircuitRecord,
}

/// The streams of one hop.
struct AtHop {
    hop: HopIndex,
    streams: Streams<Local>,
    last_served: Option<StreamId>,
}

/// The hop that was asked for, and who waits for it.
struct Building {
    relay: RsaId,
    reply: oneshot::Sender<Result<(), CircuitError>>,
}

/// A circuit's ways in and out.
pub(super) struct Ports {
    pub(super) inbox: Inbox,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) down: mpsc::Sender<Down>,
}

enum Input<'a> {
    Cells(Batch),
    Command(Command),
    /// Every handle is dropped.
    Abandoned,
    Attention,
    /// The channel has room for what waits in `out`.
    Room(mpsc::Permit<'a, Down>),
    Timer,
}

impl Ports {
    async fn next(
        &mut self,
        attention: &Attention,
        waiting: bool,
        abandoned: bool,
        deadline: Option<Instant>,
    ) -> Result<Input<'_>, CircuitError> {
        tokio::select! {
            cells = self.inbox.recv() => cells.map(Input::Cells).ok_or(CircuitError::ChannelLost),
            command = self.commands.recv(), if !abandoned => {
                Ok(command.map_or(Input::Abandoned, Input::Command))
            }
            () = attention.wait() => Ok(Input::Attention),
            room = self.down.reserve(), if waiting => {
                room.map(Input::Room).map_err(|_| CircuitError::ChannelLost)
            }
            () = clock::at(deadline) => Ok(Input::Timer),
        }
    }
}

impl Task {
    pub(super) fn new(
        id: CircId,
        params: CircParams,
        attention: Arc<Attention>,
        shared: Arc<Shared>,
        record: CircuitRecord,
    ) -> Self {
        Self {
            id,
            engine: Circuit::new(id, params, &mut clock::rng()),
            hops: Vec::new(),
            turn: 0,
            attention,
            wanting: Vec::new(),
            building: None,
            out: BytesMut::new(),
            abandoned: false,
            usage: None,
            carries_traffic: false,
            shared,
            record,
        }
    }

    /// Works until the circuit closes, and says why.
    pub(super) async fn run(mut self, mut ports: Ports) -> CircuitError {
        let error = loop {
            if let Err(error) = self.work(&mut ports).await {
                break error;
            }
        };
        self.shared.open.store(false, Ordering::Relaxed);
        debug!("Circuit {} closed: {error}", self.record.card().id());
        self.engine.destroy(&mut self.out);
        self.record.card().count(&self.engine.traffic());
        let streams = self.hops.iter().flat_map(|at| at.streams.iter());
        streams.filter_map(|(_, local)| local.pipe().card()).for_each(StreamCard::circuit_gone);
        for (_, _, local) in self.hops.into_iter().flat_map(|at| at.streams.into_live()) {
            local.refuse(StreamRefusal::CircuitClosed, StreamEnd::CircuitClosed);
        }
        self.shared.streams.store(0, Ordering::Relaxed);
        // After its streams: nobody should hear of a stream on a circuit that is over.
        self.record.over(CircuitEnd::of(&error));
        if let Some(waiting) = self.building.take() {
            let _gave_up = waiting.reply.send(Err(error.clone()));
        }
        let Ports { down, inbox, commands } = ports;
        drop((inbox, commands));
        if !self.out.is_empty() {
            let _channel_is_gone = down.send(Down::Cells(self.out)).await;
        }
        let _channel_is_gone = down.send(Down::Closed(self.id)).await;
        error
    }

    /// One input, then everything that follows from it.
    async fn work(&mut self, ports: &mut Ports) -> Result<(), CircuitError> {
        let deadline = self.engine.deadline();
        let waiting = !self.out.is_empty();
        let attention = Arc::clone(&self.attention);
        match ports.next(&attention, waiting, self.abandoned, deadline).await? {
            Input::Cells(batch) => self.on_batch(batch)?,
            Input::Command(command) => self.on_command(command)?,
            Input::Abandoned => self.abandoned = true,
            Input::Attention if self.record.card().asked_to_end().is_some() => {
                return Err(CircuitError::Closed);
            }
            Input::Attention => self.on_attention(),
            Input::Room(room) => room.send(Down::Cells(self.out.split())),
            Input::Timer => self.engine.on_timer(clock::now(), &mut self.out)?,
        }
        while let Some(batch) = ports.inbox.try_recv() {
            self.on_batch(batch)?;
        }
        let streams = self.hops.iter().map(|at| at.streams.len()).sum();
        if self.abandoned && streams == 0 && self.building.is_none() {
            return Err(CircuitError::Closed);
        }
        self.pump(&ports.down)?;
        self.shared.streams.store(streams, Ordering::Relaxed);
        self.record.card().count(&self.engine.traffic());
        Ok(())
    }

    /// Cells from the channel, each opened where it lies.
    fn on_batch(&mut self, mut batch: BytesMut) -> Result<(), CircuitError> {
        let now = clock::now();
        for cell in batch.chunks_exact_mut(CELL_LEN) {
            let Some((header, body)) = cell.split_first_chunk_mut::<{ CELL_LEN - CELL_BODY_LEN }>() else {
                continue;
            };
            let Ok(body) = <&mut CellBody>::try_from(body) else { continue };
            let [.., command] = *header;
            match self.engine.on_cell(now, ChanCmd(command), body, &mut self.out)? {
                Event::Nothing | Event::WindowOpened { .. } => {}
                Event::Message { hop, msg } => {
                    let Some(at) = self.hops.iter_mut().find(|at| at.hop == hop) else {
                        let error = CircError::UnexpectedMessage { hop, command: msg.command };
                        return Err(error.into());
                    };
                    on_stream(at.streams.on_message(&msg)?);
                }
                Event::Extended { hop } => {
                    if hop != HopIndex::FIRST {
                        self.usage = Some(Usage::Circuits);
                    }
                    if let Some(Building { relay, reply }) = self.building.take() {
                        self.record.card().extended(&relay);
                        let _gave_up = reply.send(Ok(()));
                    }
                }
                Event::Truncated { hop, reason } => {
                    return Err(CircuitError::Destroyed { by: hop, reason });
                }
                Event::Destroyed { reason } => {
                    return Err(CircuitError::Destroyed { by: HopIndex::FIRST, reason });
                }
            }
        }
        Ok(())
    }

    fn on_command(&mut self, command: Command) -> Result<(), CircuitError> {
        match command {
            Command::Hop { spec, timeout, reply } => {
                let now = clock::now();
                let rng = &mut clock::rng();
                let until = now + timeout;
                let asked = match self.engine.last_hop() {
                    None => self.engine.create(&spec, until, rng, &mut self.out),
                    Some(_) => self.engine.extend(&spec, until, rng, &mut self.out),
                };
                match asked {
                    Ok(()) => self.building = Some(Building { relay: spec.ids.rsa, reply }),
                    Err(error) => {
                        let _gave_up = reply.send(Err(error.into()));
                    }
                }
            }
            Command::Open { request, hop, pipe, reply } => self.open(&request, hop, pipe, reply),
        }
        Ok(())
    }

    fn open(&mut self, request: &OpenRequest, hop: Option<HopIndex>, pipe: Arc<Pipe>, reply: Reply) {
        if reply.is_closed() {
            return; // the caller gave up while the command waited
        }
        // Without such a hop `reply` is dropped.
        let Some(last) = self.engine.last_hop() else { return };
        let hop = hop.unwrap_or(last);
        if hop > last {
            return;
        }
        let Some(AtHop { streams, .. }) = self.at(hop) else { return };
        let now = clock::now();
        let opened = match request {
            OpenRequest::Connect { host, port, flags, early } => match Begin::new(host, *port, *flags) {
                Ok(begin) => {
                    pipe.say(early.clone());
                    let local = Local::connection(&pipe, reply);
                    streams.begin(now, &begin, EarlyData::Allowed, local)
                }
                Err(error) => return refuse(reply, &error),
            },
            OpenRequest::Dir(early) => {
                pipe.say(early.clone());
                streams.begin_dir(now, EarlyData::Allowed, Local::connection(&pipe, reply))
            }
            OpenRequest::Resolve(name) => match Resolve::new(name) {
                Ok(resolve) => {
                    let local = Local::LookUp { pipe: Arc::clone(&pipe), reply };
                    streams.resolve(now, &resolve, local)
                }
                Err(error) => return refuse(reply, &error),
            },
        };
        match opened {
            Ok(id) => {
                pipe.name(StreamKey { hop, id });
                if let Some(card) = pipe.card() {
                    card.sent(self.record.card().id(), &pipe);
                }
            }
            // `reply` is dropped, which the caller takes for a closed circuit, and tries another.
            Err(error) => debug!("Stream not opened: {error}"),
        }
    }

    /// The streams of a hop.
    fn at(&mut self, hop: HopIndex) -> Option<&mut AtHop> {
        if !self.hops.iter().any(|at| at.hop == hop) {
            self.hops.push(AtHop { hop, streams: Streams::new(&mut clock::rng()), last_served: None });
        }
        self.hops.iter_mut().find(|at| at.hop == hop)
    }

    /// Looks at the streams whose application did something.
    fn on_attention(&mut self) {
        let mut wanting = std::mem::take(&mut self.wanting);
        self.attention.take(&mut wanting);
        for StreamKey { hop, id } in wanting.drain(..) {
            let Some(AtHop { streams, .. }) = self.hops.iter_mut().find(|at| at.hop == hop) else { continue };
            let look = match streams.local_mut(id) {
                Some(Local::Data { pipe, outbound, finished, .. }) => {
                    let look = pipe.look();
                    *outbound = look.outbound;
                    *finished = look.finished;
                    look
                }
                Some(Local::LookUp { pipe, .. }) => pipe.look(),
                None => continue,
            };
            if look.consumed > 0 {
                streams.consumed(id, look.consumed);
            }
            if look.dropped || (look.finished && look.outbound == 0) {
                end(streams, id);
            }
        }
        self.wanting = wanting;
    }

    /// Seals what may be sent, as far as one batch goes, and hands it to the channel if it takes it now.
    fn pump(&mut self, down: &mpsc::Sender<Down>) -> Result<(), CircuitError> {
        if let Some(usage) = self.usage.take()
            && down.try_send(Down::Usage(usage)).is_err()
        {
            self.usage = Some(usage);
        }
        loop {
            self.fill_batch()?;
            if self.out.is_empty() {
                return Ok(());
            }
            match down.try_reserve() {
                Ok(permit) => permit.send(Down::Cells(self.out.split())),
                // The channel is busy: `work` waits for it.
                Err(mpsc::error::TrySendError::Full(())) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(())) => return Err(CircuitError::ChannelLost),
            }
        }
    }

    fn fill_batch(&mut self) -> Result<(), CircuitError> {
        for AtHop { hop, streams, .. } in &mut self.hops {
            send_control(*hop, streams, &mut self.engine, &mut self.out)?;
        }
        while self.out.len() < BATCH {
            let Some((index, id)) = self.next_ready() else { break };
            let Some(AtHop { hop, streams, last_served }) = self.hops.get_mut(index) else { break };
            (*last_served, self.turn) = (Some(id), index + 1);
            let Some(Local::Data { pipe, outbound, finished, .. }) = streams.local_mut(id) else { break };
            let (engine, out) = (&mut self.engine, &mut self.out);
            let (sent, left) = pipe.outbound(|data| engine.send_data(*hop, id, data, out));
            *outbound = left;
            let over = *finished && left == 0;
            if sent? > 0 {
                streams.sent_data(id, 1);
                if *hop != HopIndex::FIRST && !std::mem::replace(&mut self.carries_traffic, true) {
                    self.usage = Some(Usage::Traffic);
                }
            }
            if over {
                end(streams, id);
                send_control(*hop, streams, engine, out)?;
            }
        }
        Ok(())
    }

    /// Round robin: over the hops that may be sent to, and over the ready streams of each.
    fn next_ready(&self) -> Option<(usize, StreamId)> {
        let ready = |_, local: &Local| matches!(local, Local::Data { outbound: 1.., .. });
        let count = self.hops.len();
        (self.turn..self.turn + count).find_map(|index| {
            let index = index.checked_rem(count)?;
            let AtHop { hop, streams, last_served } = self.hops.get(index)?;
            if self.engine.window(*hop) == 0 {
                return None;
            }
            Some((index, streams.next_ready(*last_served, ready)?))
        })
    }
}

/// Sends what the streams of a hop have to say besides data.
fn send_control(
    hop: HopIndex,
    streams: &mut Streams<Local>,
    engine: &mut Circuit,
    out: &mut BytesMut,
) -> Result<(), CircuitError> {
    while let Some(outgoing) = streams.poll_output() {
        engine.send(hop, &outgoing.message(), out)?;
    }
    Ok(())
}

/// We have nothing more to say on the stream.
fn end(streams: &mut Streams<Local>, id: StreamId) {
    if let Some(local) = streams.end(id) {
        local.refuse(StreamRefusal::CircuitClosed, StreamEnd::Done);
    }
}

/// Carries what the exit said to whom it concerns.
fn on_stream(event: StreamEvent<'_, Local>) {
    match event {
        StreamEvent::Data { local: Local::Data { pipe, .. }, bytes, .. } => pipe.deliver(bytes),
        StreamEvent::Connected { local: Local::Data { opening, pipe, .. }, connected, .. } => {
            if let Some(card) = pipe.card() {
                card.connected();
            }
            if let Some(reply) = opening.take() {
                let address = connected.address.map(|to| to.address);
                let _gave_up = reply.send(Ok(Answered::Connected(address)));
            }
        }
        StreamEvent::Ended { local, phase, end, .. } => {
            if let Some(card) = local.pipe().card() {
                card.ended(end.reason);
            }
            let over = match (phase, end.reason) {
                (Phase::Connected, EndReason::DONE) => StreamEnd::Done,
                (_, reason) => StreamEnd::Ended(reason),
            };
            local.refuse(StreamRefusal::Ended(end.reason), over);
        }
        StreamEvent::Resolved { local: Local::LookUp { reply, .. }, resolved, .. } => {
            let _gave_up = reply.send(answers(&resolved));
        }
        // The engine keeps connections and look-ups apart.
        StreamEvent::Data { .. } | StreamEvent::Connected { .. } | StreamEvent::Resolved { .. } => {
            debug_assert!(false, "a look-up got a connection's message");
        }
        StreamEvent::WindowOpened { .. } | StreamEvent::Nothing => {}
    }
}

impl Local {
    fn connection(pipe: &Arc<Pipe>, reply: Reply) -> Self {
        Self::Data { pipe: Arc::clone(pipe), opening: Some(reply), outbound: 0, finished: false }
    }

    fn pipe(&self) -> &Pipe {
        match self {
            Self::Data { pipe, .. } | Self::LookUp { pipe, .. } => pipe,
        }
    }

    /// The stream is over: tells whoever still waits for it to open, or else its reader.
    fn refuse(self, refusal: StreamRefusal, end: StreamEnd) {
        match self {
            Self::Data { opening: Some(reply), .. } | Self::LookUp { reply, .. } => {
                let _gave_up = reply.send(Err(refusal));
            }
            Self::Data { opening: None, pipe, .. } => pipe.end(end),
        }
    }
}

/// A name that can't be written can't be reached either, by whichever exit.
fn refuse(reply: Reply, error: &UnwritableName) {
    debug!("Stream not opened: {error}");
    let _gave_up = reply.send(Err(StreamRefusal::Unresolved { transient: false }));
}

fn answers(resolved: &Resolved<'_>) -> Result<Answered, StreamRefusal> {
    if let Some(error) = resolved.error() {
        return Err(StreamRefusal::Unresolved { transient: error == ResolveError::Transient });
    }
    let answers: Vec<_> = resolved
        .answers
        .iter()
        .filter_map(|answer| match answer.value {
            ResolvedValue::Address(address) => Some(Answer::Address(address, answer.ttl)),
            ResolvedValue::Hostname(name) => Some(Answer::Name(name.to_owned(), answer.ttl)),
            ResolvedValue::Error(..) | ResolvedValue::Unknown { .. } => None,
        })
        .collect();
    if answers.is_empty() {
        Err(StreamRefusal::Unresolved { transient: false })
    } else {
        Ok(Answered::Answers(answers))
    }
}
