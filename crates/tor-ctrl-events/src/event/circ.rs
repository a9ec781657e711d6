//! CIRC, CIRC_MINOR, and the line of `GETINFO circuit-status`.

use std::time::SystemTime;

use serde::Serialize;

use super::Form;
use crate::{
    CircuitId, LongName, ParseError, json,
    text::{
        Args, Pair, Raw, Text, parse_time, put, put_hex_upper, put_list, put_pair, put_quoted, put_time_usec,
        put_u64, put_word,
    },
    words::words,
};

words! {
    /// Where a circuit is in its life. LAUNCHED, then EXTENDED once a hop, then (GUARD_WAIT and) BUILT and in the end
    /// CLOSED; or FAILED instead of BUILT, and nothing after it.
    closed CircStatus {
        /// It got its id.
        Launched = "LAUNCHED",
        /// All hops are there.
        Built = "BUILT",
        /// All hops are there, but a better guard may come yet. Only in `GETINFO circuit-status`.
        GuardWait = "GUARD_WAIT",
        /// One hop more.
        Extended = "EXTENDED",
        /// Closed before it was built.
        Failed = "FAILED",
        /// Closed.
        Closed = "CLOSED",
    }
}

words! {
    /// What a circuit is for.
    open CircPurpose {
        /// The application's streams, and directory requests.
        General = "GENERAL",
        /// To fetch an onion service's descriptor.
        HsClientHsDir = "HS_CLIENT_HSDIR",
        /// To an introduction point.
        HsClientIntro = "HS_CLIENT_INTRO",
        /// To our rendezvous point; then it carries streams.
        HsClientRend = "HS_CLIENT_REND",
        /// To upload our service's descriptor.
        HsServiceHsDir = "HS_SERVICE_HSDIR",
        /// Our service's introduction point.
        HsServiceIntro = "HS_SERVICE_INTRO",
        /// Our service at a client's rendezvous point.
        HsServiceRend = "HS_SERVICE_REND",
        /// A relay tests itself.
        Testing = "TESTING",
        /// The controller's own.
        Controller = "CONTROLLER",
        /// Given up for time, left to see how long it takes.
        MeasureTimeout = "MEASURE_TIMEOUT",
        /// Built ahead of need, for onion services.
        HsVanguards = "HS_VANGUARDS",
        /// Probes whether circuits are closed on purpose.
        PathBiasTesting = "PATH_BIAS_TESTING",
        /// Kept open to hide when it ended.
        CircuitPadding = "CIRCUIT_PADDING",
        /// Leg of a conflux set that isn't linked yet.
        ConfluxUnlinked = "CONFLUX_UNLINKED",
        /// Leg of a conflux set.
        ConfluxLinked = "CONFLUX_LINKED",
    }
}

words! {
    /// Where an onion-service circuit is in its own protocol.
    open HsState {
        /// Client: on the way to the introduction point, or to the directory.
        ClientIntroConnecting = "HSCI_CONNECTING",
        /// Client: INTRODUCE1 is sent.
        ClientIntroSent = "HSCI_INTRO_SENT",
        /// Client: the introduction point has answered.
        ClientIntroDone = "HSCI_DONE",
        /// Client: on the way to the rendezvous point.
        ClientRendConnecting = "HSCR_CONNECTING",
        /// Client: the rendezvous point is ready.
        ClientRendIdle = "HSCR_ESTABLISHED_IDLE",
        /// Client: ready, and the service has been told.
        ClientRendWaiting = "HSCR_ESTABLISHED_WAITING",
        /// Client: joined.
        ClientRendJoined = "HSCR_JOINED",
        /// Service: on the way to the introduction point, or to the directory.
        ServiceIntroConnecting = "HSSI_CONNECTING",
        /// Service: the introduction point is ready.
        ServiceIntroEstablished = "HSSI_ESTABLISHED",
        /// Service: on the way to the client's rendezvous point.
        ServiceRendConnecting = "HSSR_CONNECTING",
        /// Service: joined.
        ServiceRendJoined = "HSSR_JOINED",
    }
}

words! {
    /// Why a circuit ended.
    open CircReason {
        /// None told.
        None = "NONE",
        /// Somebody broke the protocol.
        TorProtocol = "TORPROTOCOL",
        /// An error within.
        Internal = "INTERNAL",
        /// A controller, or the client, wanted it closed.
        Requested = "REQUESTED",
        /// The relay saves its bandwidth.
        Hibernating = "HIBERNATING",
        /// Out of memory, sockets, circuit ids.
        ResourceLimit = "RESOURCELIMIT",
        /// The next relay can't be reached.
        ConnectFailed = "CONNECTFAILED",
        /// The next relay is another than it should be.
        OrIdentity = "OR_IDENTITY",
        /// The connection that carried it is gone.
        ChannelClosed = "CHANNEL_CLOSED",
        /// No longer needed.
        Finished = "FINISHED",
        /// It took too long.
        Timeout = "TIMEOUT",
        /// Another relay closed it, and told why: see [`Circ::remote_reason`].
        Destroyed = "DESTROYED",
        /// Not enough relays.
        NoPath = "NOPATH",
        /// No such onion service.
        NoSuchService = "NOSUCHSERVICE",
        /// As [`Self::Timeout`], after it was left open to be measured.
        MeasurementExpired = "MEASUREMENT_EXPIRED",
        /// Another introduction circuit was faster.
        IpNowRedundant = "IP_NOW_REDUNDANT",
        /// Closed here, for no reason that has a name.
        Origin = "ORIGIN",
    }
}

/// What a circuit was asked to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct BuildFlags {
    /// `ONEHOP_TUNNEL`: one hop, for directory requests.
    pub onehop_tunnel: bool,
    /// `IS_INTERNAL`: not for streams that leave the network.
    pub is_internal: bool,
    /// `NEED_CAPACITY`: only fast relays.
    pub need_capacity: bool,
    /// `NEED_UPTIME`: only relays that stay.
    pub need_uptime: bool,
}

impl BuildFlags {
    fn words(self) -> impl Iterator<Item = &'static str> {
        [
            (self.onehop_tunnel, "ONEHOP_TUNNEL"),
            (self.is_internal, "IS_INTERNAL"),
            (self.need_capacity, "NEED_CAPACITY"),
            (self.need_uptime, "NEED_UPTIME"),
        ]
        .into_iter()
        .filter_map(|(set, word)| set.then_some(word))
    }

    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut flags = Self::default();
        for word in words {
            match word {
                "ONEHOP_TUNNEL" => flags.onehop_tunnel = true,
                "IS_INTERNAL" => flags.is_internal = true,
                "NEED_CAPACITY" => flags.need_capacity = true,
                "NEED_UPTIME" => flags.need_uptime = true,
                _ => {} // "Clients MUST accept build flags not listed"
            }
        }
        flags
    }
}

/// What there is to say of a circuit: the words that CIRC, CIRC_MINOR and `GETINFO circuit-status` have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CircInfo {
    /// The hops that are there, nearest first.
    pub path: Vec<LongName>,
    /// `BUILD_FLAGS`; left out of the text if there are none.
    pub build_flags: BuildFlags,
    /// `PURPOSE`.
    pub purpose: CircPurpose,
    /// `HS_STATE`, for onion services' circuits.
    pub hs_state: Option<HsState>,
    /// `REND_QUERY`: the onion address without `.onion`.
    pub rend_query: Option<String>,
    /// `TIME_CREATED`, to the microsecond: when it was launched, or taken over.
    #[serde(serialize_with = "json::time")]
    pub time_created: Option<SystemTime>,
    /// `SOCKS_USERNAME` of the stream that it was built for; empty ones aren't told.
    #[serde(serialize_with = "json::credential")]
    pub socks_username: Option<Vec<u8>>,
    /// `SOCKS_PASSWORD` of the stream that it was built for; empty ones aren't told.
    #[serde(serialize_with = "json::credential")]
    pub socks_password: Option<Vec<u8>>,
    /// `HS_POW`: the effort of the proof of work, version 1; zero isn't told.
    pub hs_pow: Option<u32>,
    /// `CONFLUX_ID`: the first half of the set's nonce. The whole of it is a secret.
    #[serde(serialize_with = "json::conflux_id")]
    pub conflux_id: Option<[u8; 16]>,
    /// `CONFLUX_RTT` of a linked leg; zero isn't told.
    pub conflux_rtt: Option<u64>,
}

impl CircInfo {
    /// A circuit of which nothing but its purpose is known.
    pub fn new(purpose: CircPurpose) -> Self {
        Self {
            path: Vec::new(),
            build_flags: BuildFlags::default(),
            purpose,
            hs_state: None,
            rend_query: None,
            time_created: None,
            socks_username: None,
            socks_password: None,
            hs_pow: None,
            conflux_id: None,
            conflux_rtt: None,
        }
    }

    fn parse(args: &mut Args<'_>) -> Result<Self, ParseError> {
        let mut info = Self::new(CircPurpose::General);
        if let Some(path) = args.positional() {
            let hops = path.split(',').map(LongName::parse).collect::<Option<_>>();
            info.path = hops.ok_or(ParseError::Bad { what: "path" })?;
        }
        Ok(info)
    }

    /// Takes one keyword argument; `false` if it is none of these.
    fn set(&mut self, pair: &Pair<'_>) -> Result<bool, ParseError> {
        match pair.key {
            "BUILD_FLAGS" => self.build_flags = BuildFlags::parse(pair.list()),
            "PURPOSE" => self.purpose = CircPurpose::from_word(pair.value),
            "HS_STATE" => self.hs_state = Some(HsState::from_word(pair.value)),
            "REND_QUERY" => self.rend_query = Some(pair.value.to_owned()),
            "TIME_CREATED" => self.time_created = Some(pair.time("TIME_CREATED")?),
            "SOCKS_USERNAME" => self.socks_username = Some(pair.bytes("SOCKS_USERNAME")?),
            "SOCKS_PASSWORD" => self.socks_password = Some(pair.bytes("SOCKS_PASSWORD")?),
            "HS_POW" => self.hs_pow = parse_hs_pow(pair.value)?,
            "CONFLUX_ID" => self.conflux_id = Some(parse_conflux_id(pair.value)?),
            "CONFLUX_RTT" => self.conflux_rtt = Some(pair.number("CONFLUX_RTT")?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Each part with a blank before it.
impl Text for CircInfo {
    fn put(&self, out: &mut Vec<u8>) {
        if !self.path.is_empty() {
            out.push(b' ');
            put_list(out, &self.path, |out, hop| hop.put(out));
        }
        if self.build_flags != BuildFlags::default() {
            put(out, " BUILD_FLAGS=");
            put_list(out, self.build_flags.words(), put);
        }
        put_pair(out, " PURPOSE=", Some(&self.purpose), CircPurpose::put);
        put_pair(out, " HS_STATE=", self.hs_state.as_ref(), HsState::put);
        put_pair(out, " REND_QUERY=", self.rend_query.as_deref(), put_word);
        put_pair(out, " TIME_CREATED=", self.time_created, put_time_usec);
        put_credential(out, " SOCKS_USERNAME=", self.socks_username.as_deref());
        put_credential(out, " SOCKS_PASSWORD=", self.socks_password.as_deref());
        put_pair(out, " HS_POW=", self.hs_pow.filter(|effort| *effort > 0), |out, effort| {
            put(out, "v1,");
            put_u64(out, effort.into());
        });
        put_pair(out, " CONFLUX_ID=", self.conflux_id, |out, id| put_hex_upper(out, &id));
        put_pair(out, " CONFLUX_RTT=", self.conflux_rtt.filter(|rtt| *rtt > 0), put_u64);
    }
}

/// ` KEY="value"`; nothing for an empty one, as in C Tor. One that begins with a NUL, which ends the text, is as empty.
pub(super) fn put_credential(out: &mut Vec<u8>, key: &str, value: Option<&[u8]>) {
    put_pair(out, key, value.filter(|value| !matches!(value, [] | [0, ..])), put_quoted);
}

/// Later versions of the proof of work are later versions' business.
fn parse_hs_pow(text: &str) -> Result<Option<u32>, ParseError> {
    let effort = text.strip_prefix("v1,").map(str::parse).transpose();
    effort.map_err(|_| ParseError::Bad { what: "HS_POW" })
}

fn parse_conflux_id(text: &str) -> Result<[u8; 16], ParseError> {
    let error = ParseError::Bad { what: "CONFLUX_ID" };
    let mut id = [0; 16];
    if text.len() != 2 * id.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(error);
    }
    for (index, byte) in id.iter_mut().enumerate() {
        let digits = text.get(2 * index..2 * index + 2).ok_or(error)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| error)?;
    }
    Ok(id)
}

/// A circuit changed its status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Circ {
    /// Which.
    pub id: CircuitId,
    /// Its status now.
    pub status: CircStatus,
    /// All else about it.
    pub info: CircInfo,
    /// `REASON`, with FAILED and CLOSED.
    pub reason: Option<CircReason>,
    /// `REMOTE_REASON`: why a relay closed it; then [`Self::reason`] is [`CircReason::Destroyed`].
    pub remote_reason: Option<CircReason>,
}

impl Circ {
    /// A circuit that goes on: without a reason.
    pub fn new(id: CircuitId, status: CircStatus, info: CircInfo) -> Self {
        Self { id, status, info, reason: None, remote_reason: None }
    }

    /// Writes the line of `GETINFO circuit-status`, without its end: the event's words without the reasons.
    pub fn write_status(&self, out: &mut Vec<u8>) {
        put_u64(out, self.id.0);
        out.push(b' ');
        put(out, self.status.as_str());
        self.info.put(out);
    }

    /// The line of `GETINFO circuit-status`, without its end.
    pub fn status_line(&self) -> String {
        let mut out = Vec::new();
        self.write_status(&mut out);
        crate::text::lossless(out)
    }

    /// Reads a line of `GETINFO circuit-status`, or what follows `650 CIRC`.
    ///
    /// # Errors
    /// If the text is no such line.
    pub fn parse_status_line(line: &str) -> Result<Self, ParseError> {
        Self::from_args(Raw { name: "", rest: line, lines: Vec::new(), data: None }.args())
    }

    fn from_args(mut args: Args<'_>) -> Result<Self, ParseError> {
        let id = CircuitId(args.number("circuit")?);
        let status = CircStatus::from_word(args.word("status")?);
        let status = status.ok_or(ParseError::Bad { what: "status" })?;
        let mut circ = Self::new(id, status, CircInfo::parse(&mut args)?);
        for pair in args.pairs() {
            match pair.key {
                _ if circ.info.set(&pair)? => {}
                "REASON" => circ.reason = Some(CircReason::from_word(pair.value)),
                "REMOTE_REASON" => circ.remote_reason = Some(CircReason::from_word(pair.value)),
                _ => {}
            }
        }
        Ok(circ)
    }
}

impl Form for Circ {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 CIRC ");
        self.write_status(out);
        put_pair(out, " REASON=", self.reason.as_ref(), CircReason::put);
        put_pair(out, " REMOTE_REASON=", self.remote_reason.as_ref(), CircReason::put);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        Self::from_args(raw.args())
    }
}

words! {
    /// What small thing happened.
    closed CircMinorChange {
        /// Another purpose.
        PurposeChanged = "PURPOSE_CHANGED",
        /// Taken over, for another purpose and one hop more.
        Cannibalized = "CANNIBALIZED",
    }
}

/// A circuit changed in a small way: [`CircInfo`] says how it is now, the other fields how it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CircMinor {
    /// Which.
    pub id: CircuitId,
    /// What happened.
    pub change: CircMinorChange,
    /// The circuit as it is now.
    pub info: CircInfo,
    /// `OLD_PURPOSE`.
    pub old_purpose: Option<CircPurpose>,
    /// `OLD_HS_STATE`, if it had one.
    pub old_hs_state: Option<HsState>,
    /// `OLD_TIME_CREATED`, if it was taken over.
    #[serde(serialize_with = "json::time")]
    pub old_time_created: Option<SystemTime>,
}

impl Form for CircMinor {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 CIRC_MINOR ");
        put_u64(out, self.id.0);
        out.push(b' ');
        put(out, self.change.as_str());
        self.info.put(out);
        put_pair(out, " OLD_PURPOSE=", self.old_purpose.as_ref().map(CircPurpose::as_str), put_word);
        put_pair(out, " OLD_HS_STATE=", self.old_hs_state.as_ref().map(HsState::as_str), put_word);
        put_pair(out, " OLD_TIME_CREATED=", self.old_time_created, put_time_usec);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        let id = CircuitId(args.number("circuit")?);
        let change = CircMinorChange::from_word(args.word("change")?);
        let change = change.ok_or(ParseError::Bad { what: "change" })?;
        let info = CircInfo::parse(&mut args)?;
        let mut minor =
            Self { id, change, info, old_purpose: None, old_hs_state: None, old_time_created: None };
        for pair in args.pairs() {
            match pair.key {
                _ if minor.info.set(&pair)? => {}
                "OLD_PURPOSE" => minor.old_purpose = Some(CircPurpose::from_word(pair.value)),
                "OLD_HS_STATE" => minor.old_hs_state = Some(HsState::from_word(pair.value)),
                "OLD_TIME_CREATED" => minor.old_time_created = parse_time(pair.value),
                _ => {}
            }
        }
        Ok(minor)
    }
}
