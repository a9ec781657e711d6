//! Which events of a type a subscriber wants to see: by circuit, stream, purpose, status.

use std::{borrow::Cow, collections::BTreeSet};

use crate::{CircuitId, Event, EventKinds, StreamId};

/// A condition on events of some types. Each set that isn't empty is a condition; an event that lacks what the condition
/// is about (a stream on no circuit, a `STREAM … SUCCEEDED`, which tells no purpose) is let through.
///
/// ```
/// use tor_ctrl_events::{CircuitId, EventKind, Filter};
///
/// let filter = Filter {
///     kinds: [EventKind::Circ, EventKind::Stream].into_iter().collect(),
///     circuits: [CircuitId(7)].into(),
///     ..Filter::default()
/// };
/// # let _ = filter;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The types that it applies to.
    pub kinds: EventKinds,
    /// Circuits: of CIRC, CIRC_MINOR, CIRC_BW, CELL_STATS, STREAM.
    pub circuits: BTreeSet<CircuitId>,
    /// Streams: of STREAM, STREAM_BW, ADDRMAP.
    pub streams: BTreeSet<StreamId>,
    /// Purposes, as the events write them: of CIRC, CIRC_MINOR, STREAM.
    pub purposes: BTreeSet<String>,
    /// Statuses, as the events write them: of CIRC, STREAM, ORCONN, GUARD; the change of CIRC_MINOR, the action of HS_DESC.
    pub statuses: BTreeSet<String>,
}

/// One that applies to every type, and lets everything through.
impl Default for Filter {
    fn default() -> Self {
        Self {
            kinds: EventKinds::all(),
            circuits: BTreeSet::new(),
            streams: BTreeSet::new(),
            purposes: BTreeSet::new(),
            statuses: BTreeSet::new(),
        }
    }
}

impl Filter {
    /// Whether an event may pass.
    pub fn passes(&self, event: &Event) -> bool {
        !self.kinds.contains(event.kind()) || self.lets_through(&Facts::of(event))
    }

    pub(crate) fn lets_through(&self, facts: &Facts) -> bool {
        fn fits<T: Ord>(wanted: &BTreeSet<T>, fact: Option<&T>) -> bool {
            wanted.is_empty() || fact.is_none_or(|fact| wanted.contains(fact))
        }
        fn names(wanted: &BTreeSet<String>, fact: Option<&str>) -> bool {
            wanted.is_empty() || fact.is_none_or(|fact| wanted.contains(fact))
        }
        fits(&self.circuits, facts.circuit.as_ref())
            && fits(&self.streams, facts.stream.as_ref())
            && names(&self.purposes, facts.purpose.as_deref())
            && names(&self.statuses, facts.status.as_deref())
    }
}

/// What filters look at. An event's text is kept for its readers, the event itself isn't: this is what is left of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    circuit: Option<CircuitId>,
    stream: Option<StreamId>,
    purpose: Option<Cow<'static, str>>,
    status: Option<Cow<'static, str>>,
}

impl Facts {
    pub(crate) fn of(event: &Event) -> Self {
        let none = Self::default();
        match event {
            Event::Circ(circ) => Self {
                circuit: Some(circ.id),
                purpose: Some(circ.info.purpose.word()),
                status: Some(circ.status.word()),
                ..none
            },
            Event::CircMinor(minor) => Self {
                circuit: Some(minor.id),
                purpose: Some(minor.info.purpose.word()),
                status: Some(minor.change.word()),
                ..none
            },
            Event::Stream(stream) => Self {
                circuit: stream.circuit,
                stream: Some(stream.id),
                purpose: stream.purpose.as_ref().map(|purpose| purpose.word()),
                status: Some(stream.status.word()),
            },
            Event::OrConn(conn) => Self { status: Some(conn.status.word()), ..none },
            Event::StreamBw(bw) => Self { stream: Some(bw.id), ..none },
            Event::CircBw(bw) => Self { circuit: Some(bw.id), ..none },
            Event::CellStats(stats) => Self { circuit: stats.id, ..none },
            Event::AddrMap(map) => Self { stream: map.stream, ..none },
            Event::Guard(guard) => Self { status: Some(guard.status.word()), ..none },
            Event::HsDesc(desc) => Self { status: Some(desc.action.word()), ..none },
            Event::Bw(_)
            | Event::ConnBw(_)
            | Event::Log(_)
            | Event::Status(_)
            | Event::Ns(_)
            | Event::NewConsensus(_)
            | Event::NewDesc(_)
            | Event::DescChanged(_)
            | Event::BuildTimeoutSet(_)
            | Event::Signal(_)
            | Event::ConfChanged(_)
            | Event::HsDescContent(_)
            | Event::TransportLaunched(_)
            | Event::NetworkLiveness(_)
            | Event::ClientsSeen(_)
            | Event::PtLog(_)
            | Event::PtStatus(_) => none,
        }
    }
}
