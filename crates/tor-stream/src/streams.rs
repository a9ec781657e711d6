//! The multiplexer: all streams towards one hop.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry},
    ops::Bound::{Excluded, Unbounded},
    time::Instant,
};

use rand_core::CryptoRng;
use tor_cell::{
    Body, EndReason, StreamId, TooLong,
    relay::{Begin, Connected, End, RelayCmd, RelayMsg, Resolve, Resolved},
};

use crate::{
    BeginError, EarlyData, Outgoing, Phase, StreamError, StreamEvent,
    half::{HalfClosed, Then},
    ids::StreamIds,
    state::{Request, State, Stream},
};

/// The streams of one hop. `T` is whatever the owner keeps for each stream (its byte buffers, a slab index): it
/// goes in when the stream is opened, comes along by reference with each event, and comes back at the end, so
/// that nobody needs a second map.
///
/// One input, then drain, then wait: after each call that takes `&mut self`, take all of
/// [`Streams::poll_output`] before anything else is sent on the circuit.
#[derive(Debug)]
pub struct Streams<T> {
    ids: StreamIds,
    live: BTreeMap<StreamId, Stream<T>>,
    half_closed: BTreeMap<StreamId, HalfClosed>,
    /// Streams without an answer, oldest first.
    waiting: BTreeSet<(Instant, StreamId)>,
    /// At most one request, ten SENDMEs and one END a stream.
    output: VecDeque<Outgoing>,
}

/// Opening and closing.
impl<T> Streams<T> {
    /// No streams yet. The first id is random.
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self {
            ids: StreamIds::new(rng),
            live: BTreeMap::new(),
            half_closed: BTreeMap::new(),
            waiting: BTreeSet::new(),
            output: VecDeque::new(),
        }
    }

    /// Opens a stream to a host and port.
    ///
    /// # Errors
    /// If no id is free, or the target does not fit in a cell.
    pub fn begin(
        &mut self,
        now: Instant,
        begin: &Begin<'_>,
        early: EarlyData,
        local: T,
    ) -> Result<StreamId, BeginError> {
        let mut body = Vec::new();
        begin.encode(&mut body)?;
        self.open(now, RelayCmd::BEGIN, body, Request::Connect(early), local)
    }

    /// Opens a stream to the relay's own directory.
    ///
    /// # Errors
    /// If no id is free.
    pub fn begin_dir(&mut self, now: Instant, early: EarlyData, local: T) -> Result<StreamId, BeginError> {
        self.open(now, RelayCmd::BEGIN_DIR, Vec::new(), Request::Connect(early), local)
    }

    /// Asks for the addresses of a name, or for the name of an address ([`tor_cell::relay::reverse_name`]).
    ///
    /// # Errors
    /// If no id is free, or the name does not fit in a cell.
    pub fn resolve(&mut self, now: Instant, resolve: &Resolve<'_>, local: T) -> Result<StreamId, BeginError> {
        let mut body = Vec::new();
        resolve.encode(&mut body)?;
        self.open(now, RelayCmd::RESOLVE, body, Request::Resolve, local)
    }

    fn open(
        &mut self,
        now: Instant,
        command: RelayCmd,
        body: Vec<u8>,
        request: Request,
        local: T,
    ) -> Result<StreamId, BeginError> {
        if body.len() > MAX_REQUEST {
            return Err(BeginError::Target(TooLong { what: "target" }));
        }
        let (live, half_closed) = (&self.live, &self.half_closed);
        let taken = |id| live.contains_key(&id) || half_closed.contains_key(&id);
        let id = self.ids.allocate(taken).ok_or(BeginError::NoIdLeft)?;
        self.live.insert(id, Stream { state: State::New(request), since: now, local });
        self.waiting.insert((now, id));
        self.output.push_back(Outgoing { command, stream: id, body });
        Ok(id)
    }

    /// Closes a stream: END is sent, and the id stays taken until the peer's own END, or for as long as the
    /// circuit lives. `None` if there is no such stream (any more).
    ///
    /// The reason is always MISC: "Tors SHOULD NOT send any reason except REASON_MISC for a stream that they have
    /// originated", which would tell the exit why the application left.
    pub fn end(&mut self, id: StreamId) -> Option<T> {
        let stream = self.live.remove(&id)?;
        self.waiting.remove(&(stream.since, id));
        match stream.state.half_closed() {
            Some(half) => {
                self.half_closed.insert(id, half);
                let body = vec![EndReason::MISC.0];
                self.output.push_back(Outgoing { command: RelayCmd::END, stream: id, body });
            }
            // The peer never heard of it, and won't.
            None => self.output.retain(|outgoing| outgoing.stream != id),
        }
        Some(stream.local)
    }

    /// The next control message to seal, in order. DATA never comes this way: see [`Streams::credit`].
    pub fn poll_output(&mut self) -> Option<Outgoing> {
        let outgoing = self.output.pop_front()?;
        if let Some(stream) = self.live.get_mut(&outgoing.stream) {
            stream.state = stream.state.requested();
        }
        Some(outgoing)
    }

    /// Gives every stream's property back: the circuit is gone.
    pub fn into_live(self) -> impl Iterator<Item = (StreamId, Phase, T)> {
        self.live.into_iter().map(|(id, stream)| (id, stream.state.phase(), stream.local))
    }
}

/// Messages from the hop.
impl<T> Streams<T> {
    /// Takes in a message that names a stream, or that should: DATA, CONNECTED, END, RESOLVED, and SENDME with a
    /// stream id. Anything else with a stream id is an error too, so the owner may pass on all of them.
    ///
    /// # Errors
    /// If the peer broke the protocol. The circuit must be closed then.
    pub fn on_message<'a>(&'a mut self, msg: &RelayMsg<'a>) -> Result<StreamEvent<'a, T>, StreamError> {
        let command = msg.command;
        let id = msg.stream.ok_or(StreamError::NoStreamId { command })?;
        match command {
            RelayCmd::END => self.on_end(id, msg.body),
            RelayCmd::RESOLVED => self.on_resolved(id, msg.body),
            _ => self.on_more(id, msg),
        }
    }

    /// A message after which the stream lives on.
    fn on_more<'a>(
        &'a mut self,
        id: StreamId,
        msg: &RelayMsg<'a>,
    ) -> Result<StreamEvent<'a, T>, StreamError> {
        let command = msg.command;
        let Some(stream) = self.live.get_mut(&id) else {
            return on_half_closed(&mut self.half_closed, id, command);
        };
        let local = &mut stream.local;
        match (&mut stream.state, command) {
            (State::Connected(flow), RelayCmd::DATA) => {
                let bytes = msg.body;
                let sendmes =
                    flow.on_data(bytes.len()).map_err(|_| StreamError::DataBeyondWindow { stream: id })?;
                queue_sendmes(&mut self.output, id, sendmes);
                Ok(StreamEvent::Data { id, local, bytes })
            }
            (State::Connected(flow) | State::Connecting { flow, .. }, RelayCmd::SENDME) => {
                flow.on_sendme().map_err(|_| StreamError::ExtraSendme { stream: id })?;
                Ok(StreamEvent::WindowOpened { id, local })
            }
            (State::Connecting { flow, .. }, RelayCmd::CONNECTED) => {
                let connected = Connected::decode(msg.body)?;
                stream.state = State::Connected(*flow);
                self.waiting.remove(&(stream.since, id));
                Ok(StreamEvent::Connected { id, local, connected })
            }
            // The peer has not heard of it.
            (State::New(_), command) => Err(StreamError::UnknownStream { command, stream: id }),
            (State::Connecting { .. } | State::Resolving | State::Connected(_), command) => {
                Err(StreamError::Unexpected { command, phase: stream.state.phase() })
            }
        }
    }

    fn on_end<'a>(&mut self, id: StreamId, body: &'a [u8]) -> Result<StreamEvent<'a, T>, StreamError> {
        // An END says why, even where nobody is left to hear it.
        let end = End::decode(body)?;
        match self.live.get(&id).map(|stream| stream.state.phase()) {
            None => on_half_closed(&mut self.half_closed, id, RelayCmd::END),
            Some(Phase::New) => Err(StreamError::UnknownStream { command: RelayCmd::END, stream: id }),
            Some(phase @ (Phase::Connecting | Phase::Resolving | Phase::Connected)) => Ok(self
                .remove(id)
                .map_or(StreamEvent::Nothing, |local| StreamEvent::Ended { id, local, phase, end })),
        }
    }

    fn on_resolved<'a>(&mut self, id: StreamId, body: &'a [u8]) -> Result<StreamEvent<'a, T>, StreamError> {
        let command = RelayCmd::RESOLVED;
        match self.live.get(&id).map(|stream| stream.state.phase()) {
            None => on_half_closed(&mut self.half_closed, id, command),
            Some(Phase::New) => Err(StreamError::UnknownStream { command, stream: id }),
            Some(phase @ (Phase::Connecting | Phase::Connected)) => {
                Err(StreamError::Unexpected { command, phase })
            }
            Some(Phase::Resolving) => {
                let resolved = Resolved::decode(body)?;
                Ok(self.remove(id).map_or(StreamEvent::Nothing, |local| StreamEvent::Resolved {
                    id,
                    local,
                    resolved,
                }))
            }
        }
    }

    /// The peer is done with a live stream: its id is free at once, so nothing queued may name it any more.
    fn remove(&mut self, id: StreamId) -> Option<T> {
        let stream = self.live.remove(&id)?;
        self.waiting.remove(&(stream.since, id));
        self.output.retain(|outgoing| outgoing.stream != id);
        Some(stream.local)
    }
}

/// Flow control.
impl<T> Streams<T> {
    /// DATA cells that may be sent on the stream now, as far as the stream's own window goes. 0 if there is no such
    /// stream, if its request has not been taken from [`Streams::poll_output`], or before CONNECTED under
    /// [`EarlyData::Held`].
    pub fn credit(&self, id: StreamId) -> u16 {
        self.live.get(&id).map_or(0, |stream| stream.state.credit())
    }

    /// Accounts for DATA cells that were sealed; at most [`Streams::credit`] of them.
    pub fn sent_data(&mut self, id: StreamId, cells: u16) {
        let spent = self
            .live
            .get_mut(&id)
            .and_then(|stream| stream.state.flow_mut())
            .is_some_and(|flow| flow.on_sent(cells).is_ok());
        debug_assert!(spent || cells == 0, "{cells} DATA cells sent without credit");
    }

    /// The application took `bytes` bytes of what [`StreamEvent::Data`] brought. Once it is nearly through, SENDMEs
    /// are queued. A stream that is gone is ignored: its last bytes are read after its END.
    pub fn consumed(&mut self, id: StreamId, bytes: usize) {
        if let Some(flow) = self.live.get_mut(&id).and_then(|stream| stream.state.flow_mut()) {
            let sendmes = flow.consumed(bytes);
            queue_sendmes(&mut self.output, id, sendmes);
        }
    }

    /// Round robin: the first stream behind `after` (and around, `after` itself last) that has credit and that is
    /// `ready`, which the owner knows: there are bytes to send. Looks at each live stream at most once.
    pub fn next_ready(
        &self,
        after: Option<StreamId>,
        mut ready: impl FnMut(StreamId, &T) -> bool,
    ) -> Option<StreamId> {
        let behind = after.map_or(Unbounded, Excluded);
        let around = after.into_iter().flat_map(|after| self.live.range(..=after));
        self.live
            .range((behind, Unbounded))
            .chain(around)
            .find(|(id, stream)| stream.state.credit() > 0 && ready(**id, &stream.local))
            .map(|(id, _)| *id)
    }
}

/// Looking at the streams.
impl<T> Streams<T> {
    /// What the owner keeps with the stream.
    pub fn local(&self, id: StreamId) -> Option<&T> {
        self.live.get(&id).map(|stream| &stream.local)
    }

    /// What the owner keeps with the stream, to change it.
    pub fn local_mut(&mut self, id: StreamId) -> Option<&mut T> {
        self.live.get_mut(&id).map(|stream| &mut stream.local)
    }

    /// Where the stream is in its life, `None` if it is over.
    pub fn phase(&self, id: StreamId) -> Option<Phase> {
        self.live.get(&id).map(|stream| stream.state.phase())
    }

    /// The live streams, by id.
    pub fn iter(&self) -> impl Iterator<Item = (StreamId, &T)> {
        self.live.iter().map(|(id, stream)| (*id, &stream.local))
    }

    /// The live streams, by id, to change what their owner keeps.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (StreamId, &mut T)> {
        self.live.iter_mut().map(|(id, stream)| (*id, &mut stream.local))
    }

    /// How many streams are live; half-closed ones are not.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// True if no stream is live.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The stream that has waited longest for its answer, and since when. How long is too long is not decided here:
    /// the owner arms a timer for the patience that it has, and calls [`Streams::end`].
    pub fn oldest_waiting(&self) -> Option<(Instant, StreamId)> {
        self.waiting.first().copied()
    }
}

fn on_half_closed<'a, T>(
    half_closed: &mut BTreeMap<StreamId, HalfClosed>,
    id: StreamId,
    command: RelayCmd,
) -> Result<StreamEvent<'a, T>, StreamError> {
    let Entry::Occupied(mut entry) = half_closed.entry(id) else {
        return Err(StreamError::UnknownStream { command, stream: id });
    };
    match entry.get().on_message(command).ok_or(StreamError::HalfClosed { command, stream: id })? {
        Then::Stay(left) => {
            entry.insert(left);
        }
        Then::Forget => {
            entry.remove();
        }
    }
    Ok(StreamEvent::Nothing)
}

fn queue_sendmes(output: &mut VecDeque<Outgoing>, stream: StreamId, count: u16) {
    // Stream-level SENDMEs are empty, so this allocates nothing.
    output.extend((0..count).map(|_| Outgoing { command: RelayCmd::SENDME, stream, body: Vec::new() }));
}

/// Bytes of a request that fit in a cell of either relay format.
const MAX_REQUEST: usize = 488;
