//! The names of the events, and sets of them.
//! <https://spec.torproject.org/control-spec/replies.html#asynchronous-events>

use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// One type of event: what `SETEVENTS` asks for. In the order in which C Tor's `GETINFO events/names` lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum EventKind { $($(#[$doc])* $kind,)* }

        impl EventKind {
            /// Every kind, in the order of `GETINFO events/names`; the two that C Tor cannot name come last.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$kind,)*];

            /// How many kinds there are.
            pub const COUNT: usize = [$($name,)*].len();

            /// The keyword on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// A circuit was launched, extended, built, failed or closed.
    Circ = "CIRC",
    /// A circuit changed its purpose or was taken over for another.
    CircMinor = "CIRC_MINOR",
    /// A stream came, was attached, answered, closed …
    Stream = "STREAM",
    /// A connection to a relay changed.
    OrConn = "ORCONN",
    /// Bytes of the last second.
    Bw = "BW",
    /// A line of the log.
    Debug = "DEBUG",
    /// A line of the log.
    Info = "INFO",
    /// A line of the log.
    Notice = "NOTICE",
    /// A line of the log.
    Warn = "WARN",
    /// A line of the log.
    Err = "ERR",
    /// New router descriptors.
    NewDesc = "NEWDESC",
    /// An address was mapped to another.
    AddrMap = "ADDRMAP",
    /// Our own descriptor changed; a client has none.
    DescChanged = "DESCCHANGED",
    /// Relays whose entry in the consensus changed.
    Ns = "NS",
    /// What concerns clients and relays.
    StatusGeneral = "STATUS_GENERAL",
    /// What concerns clients: bootstrap, circuits established …
    StatusClient = "STATUS_CLIENT",
    /// What concerns relays.
    StatusServer = "STATUS_SERVER",
    /// An entry guard changed.
    Guard = "GUARD",
    /// Bytes of a stream.
    StreamBw = "STREAM_BW",
    /// A bridge's statistics.
    ClientsSeen = "CLIENTS_SEEN",
    /// A new consensus, whole.
    NewConsensus = "NEWCONSENSUS",
    /// A new circuit build timeout.
    BuildTimeoutSet = "BUILDTIMEOUT_SET",
    /// A signal was acted on.
    Signal = "SIGNAL",
    /// Options changed.
    ConfChanged = "CONF_CHANGED",
    /// Bytes of a connection, on testing networks.
    ConnBw = "CONN_BW",
    /// Cells of a circuit, on testing networks.
    CellStats = "CELL_STATS",
    /// Bytes of a circuit.
    CircBw = "CIRC_BW",
    /// A pluggable transport listens.
    TransportLaunched = "TRANSPORT_LAUNCHED",
    /// An onion service's descriptor was asked for, came, was uploaded …
    HsDesc = "HS_DESC",
    /// An onion service's descriptor.
    HsDescContent = "HS_DESC_CONTENT",
    /// The network works, or doesn't.
    NetworkLiveness = "NETWORK_LIVENESS",
    /// A pluggable transport's log. C Tor documents it and refuses to name it.
    PtLog = "PT_LOG",
    /// A pluggable transport's status. C Tor documents it and refuses to name it.
    PtStatus = "PT_STATUS",
}

impl EventKind {
    /// The kind of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// The place in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        #[expect(clippy::as_conversions, reason = "a fieldless enum with repr(u8)")]
        usize::from(self as u8)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EventKinds(u64);

impl EventKinds {
    /// None.
    pub const NONE: Self = Self(0);

    /// All.
    pub fn all() -> Self {
        EventKind::ALL.into_iter().collect()
    }

    /// With one kind more.
    #[must_use]
    pub fn with(self, kind: EventKind) -> Self {
        Self(self.0 | 1 << kind.index())
    }

    /// With one kind less.
    #[must_use]
    pub fn without(self, kind: EventKind) -> Self {
        Self(self.0 & !(1 << kind.index()))
    }

    /// The kinds of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds that are in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True if the kind is in it.
    pub fn contains(self, kind: EventKind) -> bool {
        self.0 & (1 << kind.index()) != 0
    }

    /// True if it holds nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, in the order of [`EventKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = EventKind> {
        EventKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// As bits, for an atomic.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// From [`Self::bits`].
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl FromIterator<EventKind> for EventKinds {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

impl From<EventKind> for EventKinds {
    fn from(kind: EventKind) -> Self {
        Self::NONE.with(kind)
    }
}

impl fmt::Debug for EventKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `GETINFO events/names` of C Tor 0.4.9.11.
    const C_TOR: &str = "CIRC CIRC_MINOR STREAM ORCONN BW DEBUG INFO NOTICE WARN ERR NEWDESC ADDRMAP DESCCHANGED NS \
        STATUS_GENERAL STATUS_CLIENT STATUS_SERVER GUARD STREAM_BW CLIENTS_SEEN NEWCONSENSUS BUILDTIMEOUT_SET SIGNAL \
        CONF_CHANGED CONN_BW CELL_STATS CIRC_BW TRANSPORT_LAUNCHED HS_DESC HS_DESC_CONTENT NETWORK_LIVENESS";

    #[test]
    fn the_names_are_c_tors_in_its_order() {
        let names: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.join(" "), format!("{C_TOR} PT_LOG PT_STATUS"));
    }

    #[test]
    fn names_in_any_case() {
        assert_eq!(EventKind::from_name("circ_Minor"), Some(EventKind::CircMinor));
        assert_eq!(EventKind::from_name("TB_EMPTY"), None);
        for (index, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(EventKind::from_name(kind.name()), Some(kind));
            assert_eq!(kind.index(), index);
        }
    }

    #[test]
    fn sets() {
        let set: EventKinds = [EventKind::Bw, EventKind::PtStatus].into_iter().collect();
        assert!(set.contains(EventKind::Bw) && !set.contains(EventKind::Circ));
        assert_eq!(set.without(EventKind::Bw), EventKind::PtStatus.into());
        assert_eq!(EventKinds::all().iter().count(), EventKind::COUNT);
        assert_eq!(EventKinds::all().intersection(set), set);
        assert!(EventKinds::NONE.is_empty());
    }
}
