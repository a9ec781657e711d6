//! What a control port tells: every event that C Tor's client emits, its text both ways, and its delivery.
//! <https://spec.torproject.org/control-spec/replies.html#asynchronous-events>
//!
//! An [`Event`] is one of some thirty plain structs with public fields ([`Circ`], [`Stream`], [`Bw`] …).
//! [`Event::write`] makes of it the bytes that C Tor 0.4.9 would send, [`Event::parse`] reads them back, for those who
//! write controllers. [`Circ`], [`Stream`] and [`OrConn`] also give the lines of `GETINFO circuit-status`,
//! `stream-status` and `orconn-status`.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use tor_ctrl_events::{Circ, CircInfo, CircPurpose, CircStatus, CircuitId, Event, LongName};
//! use tor_id::RsaId;
//!
//! let relay = LongName::new(RsaId::from_bytes([0xab; 20]), Some("moria1"));
//! let mut info = CircInfo::new(CircPurpose::General);
//! info.path.push(relay);
//! info.build_flags.need_capacity = true;
//! info.time_created = Some(UNIX_EPOCH + Duration::from_micros(1_795_352_101_033_570));
//! let circ = Circ::new(CircuitId(7), CircStatus::Extended, info);
//!
//! let line = "7 EXTENDED $ABABABABABABABABABABABABABABABABABABABAB~moria1 BUILD_FLAGS=NEED_CAPACITY \
//!     PURPOSE=GENERAL TIME_CREATED=2026-11-22T12:55:01.033570";
//! assert_eq!(circ.status_line(), line);
//! let event = Event::from(circ);
//! assert_eq!(event.to_text(), format!("650 CIRC {line}\r\n"));
//! assert_eq!(Event::parse(&event.to_text()), Ok(event));
//! ```
//!
//! The client's parts know only [`EventSink`]: `sink.emit_with(EventKind::Bw, || Bw { read, written })` costs a relaxed
//! atomic load as long as nobody listens.
//!
//! [`Dispatcher`] is the sink of a client with a control port. Each connection holds a [`Subscriber`]: `set` the types,
//! then `poll_next` one event at a time, or `take` many; each is whole lines, to be written between replies.
//!
//! Beyond C Tor, for those who ask: [`Dispatcher::keep_history`] and [`Subscriber::replay`], [`Filter`]s, [`RateLimit`]s,
//! [`Event::to_json_line`] and the [`JsonLog`].
//!
//! Left out on purpose: framing of a control connection's bytes and everything that isn't an event (`tor-ctrl`), and what
//! makes events happen (the drivers).

mod dispatch;
mod event;
mod filter;
mod ids;
mod json;
mod json_log;
mod kind;
mod sink;
mod text;
mod words;

pub use dispatch::{Dispatcher, EventText, RateLimit, Subscriber, Value};
pub use event::{
    AddrMap, Argument, BuildFlags, BuildTimeoutChange, BuildTimeoutSet, Bw, ByCellType, CellQueue, CellStats,
    Circ, CircBw, CircInfo, CircMinor, CircMinorChange, CircPurpose, CircReason, CircStatus, ClientProtocol,
    ClientsSeen, ConfChange, ConfChanged, Congestion, ConnBw, ConnType, DescChanged, Event, Expiry, Guard,
    GuardStatus, HsAuth, HsDesc, HsDescAction, HsDescContent, HsDescReason, HsState, IsoFields, Log,
    LogLevel, NetworkLiveness, NewConsensus, NewDesc, Ns, OrConn, OrConnReason, OrConnStatus, OrTarget,
    ParseError, PtLog, PtStatus, RemapSource, Severity, Signal, SignalName, Status, StatusType, Stream,
    StreamBw, StreamClient, StreamPurpose, StreamReason, StreamStatus, TransportLaunched, TransportMode,
};
pub use filter::Filter;
pub use ids::{CircuitId, ConnId, Endpoint, LongName, StreamId};
pub use json_log::{JsonLog, Rotation};
pub use kind::{EventKind, EventKinds};
pub use sink::{EventSink, NoEvents};
