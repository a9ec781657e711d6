//! The events: one type each, and [`Event`], which is one of them.

mod addr_map;
mod arguments;
mod bandwidth;
mod build_timeout;
mod cell_stats;
mod circ;
mod clients_seen;
mod control;
mod directory;
mod guard;
mod hs_desc;
mod log;
mod or_conn;
mod status;
mod stream;
mod transport;

use thiserror::Error;

pub use self::{
    addr_map::{AddrMap, Expiry},
    arguments::Argument,
    bandwidth::{Bw, CircBw, Congestion, ConnBw, ConnType, StreamBw},
    build_timeout::{BuildTimeoutChange, BuildTimeoutSet},
    cell_stats::{ByCellType, CellQueue, CellStats},
    circ::{
        BuildFlags, Circ, CircInfo, CircMinor, CircMinorChange, CircPurpose, CircReason, CircStatus, HsState,
    },
    clients_seen::ClientsSeen,
    control::{ConfChange, ConfChanged, NetworkLiveness, Signal, SignalName},
    directory::{DescChanged, NewConsensus, NewDesc, Ns},
    guard::{Guard, GuardStatus},
    hs_desc::{HsAuth, HsDesc, HsDescAction, HsDescContent, HsDescReason},
    log::{Log, LogLevel},
    or_conn::{OrConn, OrConnReason, OrConnStatus, OrTarget},
    status::{Severity, Status, StatusType},
    stream::{
        ClientProtocol, IsoFields, RemapSource, Stream, StreamClient, StreamPurpose, StreamReason,
        StreamStatus,
    },
    transport::{PtLog, PtStatus, TransportLaunched, TransportMode},
};
use crate::{
    EventKind,
    text::{Raw, lossless},
};

/// A text that is no event, or none that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The lines don't begin with 650, or there are too few or too many of them.
    #[error("not one whole event")]
    NotAnEvent,
    /// An event of a type that this crate does not know. Controllers are told to skip such.
    #[error("an event of an unknown type")]
    UnknownEvent,
    /// An argument is missing.
    #[error("event without {what}")]
    Missing {
        /// Which.
        what: &'static str,
    },
    /// An argument isn't what it should be.
    #[error("bad {what} in an event")]
    Bad {
        /// Which.
        what: &'static str,
    },
}

/// The text form of one type of event, both ways.
trait Form: Sized {
    /// Appends the whole event, with its code and line ends.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads it.
    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError>;
}

macro_rules! events {
    ($($(#[$doc:meta])* $event:ident,)*) => {
        /// Something that happened.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event { $($(#[$doc])* $event($event),)* }

        impl Event {
            /// Appends the event as the control port sends it: whole lines, from `650` to the last CRLF.
            pub fn write(&self, out: &mut Vec<u8>) {
                match self { $(Self::$event(event) => event.put(out),)* }
            }

            /// The fields alone, for JSON.
            pub(crate) fn fields(&self) -> serde_json::Result<serde_json::Value> {
                match self { $(Self::$event(event) => serde_json::to_value(event),)* }
            }
        }

        $(impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$event(event)
            }
        })*
    };
}

events! {
    /// CIRC
    Circ,
    /// CIRC_MINOR
    CircMinor,
    /// STREAM
    Stream,
    /// ORCONN
    OrConn,
    /// BW
    Bw,
    /// STREAM_BW
    StreamBw,
    /// CIRC_BW
    CircBw,
    /// CONN_BW
    ConnBw,
    /// CELL_STATS
    CellStats,
    /// DEBUG, INFO, NOTICE, WARN, ERR
    Log,
    /// ADDRMAP
    AddrMap,
    /// STATUS_GENERAL, STATUS_CLIENT, STATUS_SERVER
    Status,
    /// GUARD
    Guard,
    /// NS
    Ns,
    /// NEWCONSENSUS
    NewConsensus,
    /// NEWDESC
    NewDesc,
    /// DESCCHANGED
    DescChanged,
    /// BUILDTIMEOUT_SET
    BuildTimeoutSet,
    /// SIGNAL
    Signal,
    /// CONF_CHANGED
    ConfChanged,
    /// HS_DESC
    HsDesc,
    /// HS_DESC_CONTENT
    HsDescContent,
    /// TRANSPORT_LAUNCHED
    TransportLaunched,
    /// NETWORK_LIVENESS
    NetworkLiveness,
    /// CLIENTS_SEEN
    ClientsSeen,
    /// PT_LOG
    PtLog,
    /// PT_STATUS
    PtStatus,
}

impl Event {
    /// Its type.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Circ(_) => EventKind::Circ,
            Self::CircMinor(_) => EventKind::CircMinor,
            Self::Stream(_) => EventKind::Stream,
            Self::OrConn(_) => EventKind::OrConn,
            Self::Bw(_) => EventKind::Bw,
            Self::StreamBw(_) => EventKind::StreamBw,
            Self::CircBw(_) => EventKind::CircBw,
            Self::ConnBw(_) => EventKind::ConnBw,
            Self::CellStats(_) => EventKind::CellStats,
            Self::Log(log) => log.level.kind(),
            Self::AddrMap(_) => EventKind::AddrMap,
            Self::Status(status) => status.status_type.kind(),
            Self::Guard(_) => EventKind::Guard,
            Self::Ns(_) => EventKind::Ns,
            Self::NewConsensus(_) => EventKind::NewConsensus,
            Self::NewDesc(_) => EventKind::NewDesc,
            Self::DescChanged(_) => EventKind::DescChanged,
            Self::BuildTimeoutSet(_) => EventKind::BuildTimeoutSet,
            Self::Signal(_) => EventKind::Signal,
            Self::ConfChanged(_) => EventKind::ConfChanged,
            Self::HsDesc(_) => EventKind::HsDesc,
            Self::HsDescContent(_) => EventKind::HsDescContent,
            Self::TransportLaunched(_) => EventKind::TransportLaunched,
            Self::NetworkLiveness(_) => EventKind::NetworkLiveness,
            Self::ClientsSeen(_) => EventKind::ClientsSeen,
            Self::PtLog(_) => EventKind::PtLog,
            Self::PtStatus(_) => EventKind::PtStatus,
        }
    }

    /// The event as the control port sends it.
    pub fn to_text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        lossless(out)
    }

    /// Reads one whole event, from `650` to the end of its last line. Lines may end with CRLF or LF.
    ///
    /// Arguments and lines that this crate does not know are skipped, as the specification asks of controllers.
    ///
    /// # Errors
    /// If the text isn't one whole event, or is one of an unknown type, or lacks what must be there.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let raw = Raw::parse(text)?;
        let kind = EventKind::ALL.into_iter().find(|kind| kind.name() == raw.name);
        match kind.ok_or(ParseError::UnknownEvent)? {
            EventKind::Circ => Circ::parse(&raw).map(Self::Circ),
            EventKind::CircMinor => CircMinor::parse(&raw).map(Self::CircMinor),
            EventKind::Stream => Stream::parse(&raw).map(Self::Stream),
            EventKind::OrConn => OrConn::parse(&raw).map(Self::OrConn),
            EventKind::Bw => Bw::parse(&raw).map(Self::Bw),
            EventKind::StreamBw => StreamBw::parse(&raw).map(Self::StreamBw),
            EventKind::CircBw => CircBw::parse(&raw).map(Self::CircBw),
            EventKind::ConnBw => ConnBw::parse(&raw).map(Self::ConnBw),
            EventKind::CellStats => CellStats::parse(&raw).map(Self::CellStats),
            EventKind::Debug | EventKind::Info | EventKind::Notice | EventKind::Warn | EventKind::Err => {
                Log::parse(&raw).map(Self::Log)
            }
            EventKind::AddrMap => AddrMap::parse(&raw).map(Self::AddrMap),
            EventKind::StatusGeneral | EventKind::StatusClient | EventKind::StatusServer => {
                Status::parse(&raw).map(Self::Status)
            }
            EventKind::Guard => Guard::parse(&raw).map(Self::Guard),
            EventKind::Ns => Ns::parse(&raw).map(Self::Ns),
            EventKind::NewConsensus => NewConsensus::parse(&raw).map(Self::NewConsensus),
            EventKind::NewDesc => NewDesc::parse(&raw).map(Self::NewDesc),
            EventKind::DescChanged => DescChanged::parse(&raw).map(Self::DescChanged),
            EventKind::BuildTimeoutSet => BuildTimeoutSet::parse(&raw).map(Self::BuildTimeoutSet),
            EventKind::Signal => Signal::parse(&raw).map(Self::Signal),
            EventKind::ConfChanged => ConfChanged::parse(&raw).map(Self::ConfChanged),
            EventKind::HsDesc => HsDesc::parse(&raw).map(Self::HsDesc),
            EventKind::HsDescContent => HsDescContent::parse(&raw).map(Self::HsDescContent),
            EventKind::TransportLaunched => TransportLaunched::parse(&raw).map(Self::TransportLaunched),
            EventKind::NetworkLiveness => NetworkLiveness::parse(&raw).map(Self::NetworkLiveness),
            EventKind::ClientsSeen => ClientsSeen::parse(&raw).map(Self::ClientsSeen),
            EventKind::PtLog => PtLog::parse(&raw).map(Self::PtLog),
            EventKind::PtStatus => PtStatus::parse(&raw).map(Self::PtStatus),
        }
    }
}
