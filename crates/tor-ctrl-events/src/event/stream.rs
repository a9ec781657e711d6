//! STREAM, and the line of `GETINFO stream-status`.

use serde::Serialize;

use super::{Form, circ::put_credential};
use crate::{
    CircuitId, Endpoint, ParseError, StreamId, json,
    text::{Args, Raw, Text, put, put_i64, put_list, put_number, put_pair, put_u64},
    words::words,
};

words! {
    /// What happened to a stream. NEW (or NEWRESOLVE), SENTCONNECT (or SENTRESOLVE), SUCCEEDED, CLOSED; DETACHED and FAILED
    /// where it goes wrong, REMAP anywhere before SUCCEEDED.
    closed StreamStatus {
        /// Somebody wants to connect.
        New = "NEW",
        /// Somebody wants to resolve.
        NewResolve = "NEWRESOLVE",
        /// Its target became another.
        Remap = "REMAP",
        /// The request is on its way.
        SentConnect = "SENTCONNECT",
        /// The request is on its way.
        SentResolve = "SENTRESOLVE",
        /// The exit has connected, or resolved.
        Succeeded = "SUCCEEDED",
        /// It can't be done.
        Failed = "FAILED",
        /// It is over.
        Closed = "CLOSED",
        /// Its circuit didn't do; another will be tried.
        Detached = "DETACHED",
        /// It waits for ATTACHSTREAM.
        ControllerWait = "CONTROLLER_WAIT",
        /// We told the exit to stop sending.
        XoffSent = "XOFF_SENT",
        /// The exit told us to stop sending.
        XoffReceived = "XOFF_RECV",
        /// We told the exit to go on.
        XonSent = "XON_SENT",
        /// The exit told us to go on.
        XonReceived = "XON_RECV",
    }
}

words! {
    /// Why a stream ended or left its circuit.
    open StreamReason {
        /// The exit didn't say.
        Misc = "MISC",
        /// No such host.
        ResolveFailed = "RESOLVEFAILED",
        /// The host refused.
        ConnectRefused = "CONNECTREFUSED",
        /// The exit refuses.
        ExitPolicy = "EXITPOLICY",
        /// The circuit is gone.
        Destroy = "DESTROY",
        /// All is said.
        Done = "DONE",
        /// It took too long.
        Timeout = "TIMEOUT",
        /// The host can't be reached.
        NoRoute = "NOROUTE",
        /// The exit saves its bandwidth.
        Hibernating = "HIBERNATING",
        /// An error at the exit.
        Internal = "INTERNAL",
        /// The exit has no more to give.
        ResourceLimit = "RESOURCELIMIT",
        /// The host broke the connection.
        ConnReset = "CONNRESET",
        /// Somebody broke the protocol.
        TorProtocol = "TORPROTOCOL",
        /// That relay has no directory.
        NotDirectory = "NOTDIRECTORY",
        /// The exit ended it, and told why: see [`Stream::remote_reason`].
        End = "END",
        /// No circuit could be had.
        CantAttach = "CANT_ATTACH",
        /// The network is down.
        NetUnreachable = "NET_UNREACHABLE",
        /// The application spoke bad SOCKS.
        SocksProtocol = "SOCKS_PROTOCOL",
        /// The application spoke bad HTTP.
        HttpProtocol = "HTTP_PROTOCOL",
        /// A private address, which is none that Tor can reach.
        PrivateAddr = "PRIVATE_ADDR",
    }
}

words! {
    /// Who remapped a stream's target.
    open RemapSource {
        /// A mapping that was known.
        Cache = "CACHE",
        /// The exit, in its answer.
        Exit = "EXIT",
    }
}

words! {
    /// What a stream is for.
    open StreamPurpose {
        /// Directory documents for ourselves.
        DirFetch = "DIR_FETCH",
        /// Our documents, for a directory.
        DirUpload = "DIR_UPLOAD",
        /// A relay tests itself.
        DirPortTest = "DIRPORT_TEST",
        /// A name to resolve.
        DnsRequest = "DNS_REQUEST",
        /// The user's.
        User = "USER",
    }
}

words! {
    /// By which door a stream came.
    open ClientProtocol {
        /// SOCKS4 or SOCKS4a.
        Socks4 = "SOCKS4",
        /// SOCKS5.
        Socks5 = "SOCKS5",
        /// TransPort.
        Trans = "TRANS",
        /// NATDPort.
        Natd = "NATD",
        /// DNSPort.
        Dns = "DNS",
        /// HTTPTunnelPort.
        HttpConnect = "HTTPCONNECT",
        /// MetricsPort.
        Metrics = "METRICS",
        /// By none: our own, or a RESOLVE of the controller.
        Unknown = "UNKNOWN",
    }
}

/// In what two streams must be equal to share a circuit: the isolation of the port by which a stream came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct IsoFields {
    /// `DESTPORT`.
    pub dest_port: bool,
    /// `DESTADDR`.
    pub dest_addr: bool,
    /// `SOCKS_USERNAME` and `SOCKS_PASSWORD`.
    pub socks_auth: bool,
    /// `CLIENT_PROTOCOL`.
    pub client_protocol: bool,
    /// `CLIENTADDR`.
    pub client_addr: bool,
    /// `SESSION_GROUP`.
    pub session_group: bool,
    /// `NYM_EPOCH`.
    pub nym_epoch: bool,
}

impl IsoFields {
    fn words(self) -> impl Iterator<Item = &'static str> {
        [
            (self.dest_port, "DESTPORT"),
            (self.dest_addr, "DESTADDR"),
            (self.socks_auth, "SOCKS_USERNAME,SOCKS_PASSWORD"),
            (self.client_protocol, "CLIENT_PROTOCOL"),
            (self.client_addr, "CLIENTADDR"),
            (self.session_group, "SESSION_GROUP"),
            (self.nym_epoch, "NYM_EPOCH"),
        ]
        .into_iter()
        .filter_map(|(set, word)| set.then_some(word))
    }

    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut fields = Self::default();
        for word in words {
            match word {
                "DESTPORT" => fields.dest_port = true,
                "DESTADDR" => fields.dest_addr = true,
                "SOCKS_USERNAME" | "SOCKS_PASSWORD" => fields.socks_auth = true,
                "CLIENT_PROTOCOL" => fields.client_protocol = true,
                "CLIENTADDR" => fields.client_addr = true,
                "SESSION_GROUP" => fields.session_group = true,
                "NYM_EPOCH" => fields.nym_epoch = true,
                _ => {}
            }
        }
        fields
    }
}

/// Who asked for a stream, as far as isolation cares.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct StreamClient {
    /// `SOCKS_USERNAME`; empty ones aren't told.
    #[serde(serialize_with = "json::credential")]
    pub socks_username: Option<Vec<u8>>,
    /// `SOCKS_PASSWORD`; empty ones aren't told.
    #[serde(serialize_with = "json::credential")]
    pub socks_password: Option<Vec<u8>>,
    /// `CLIENT_PROTOCOL`.
    pub protocol: ClientProtocol,
    /// `NYM_EPOCH`: how many NEWNYMs there were before it.
    pub nym_epoch: u64,
    /// `SESSION_GROUP`: the port's own; negative where the configuration names none.
    pub session_group: i64,
    /// `ISO_FIELDS`.
    pub iso_fields: IsoFields,
}

impl Default for StreamClient {
    fn default() -> Self {
        Self {
            socks_username: None,
            socks_password: None,
            protocol: ClientProtocol::Unknown,
            nym_epoch: 0,
            session_group: 0,
            iso_fields: IsoFields::default(),
        }
    }
}

/// Each part with a blank before it.
impl Text for StreamClient {
    fn put(&self, out: &mut Vec<u8>) {
        put_credential(out, " SOCKS_USERNAME=", self.socks_username.as_deref());
        put_credential(out, " SOCKS_PASSWORD=", self.socks_password.as_deref());
        put_pair(out, " CLIENT_PROTOCOL=", Some(&self.protocol), ClientProtocol::put);
        put_number(out, " NYM_EPOCH=", self.nym_epoch);
        put_pair(out, " SESSION_GROUP=", Some(self.session_group), put_i64);
        put_pair(out, " ISO_FIELDS=", Some(self.iso_fields.words()), |out, words| put_list(out, words, put));
    }
}

/// Something happened to a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Stream {
    /// Which.
    pub id: StreamId,
    /// What.
    pub status: StreamStatus,
    /// The circuit that it is on; none before it is attached (the text says 0).
    pub circuit: Option<CircuitId>,
    /// Where to: the name or address, with `.$FP.exit` or `.onion` if it has it, and the port (0 to resolve).
    pub target: Endpoint,
    /// `REASON`, with FAILED, CLOSED and DETACHED.
    pub reason: Option<StreamReason>,
    /// `REMOTE_REASON`: what the exit said; then [`Self::reason`] is [`StreamReason::End`].
    pub remote_reason: Option<StreamReason>,
    /// `SOURCE`, with REMAP.
    pub source: Option<RemapSource>,
    /// `SOURCE_ADDR`, with NEW and NEWRESOLVE: the application's side of the connection; none for our own streams.
    pub source_addr: Option<Endpoint>,
    /// `PURPOSE`, with NEW and NEWRESOLVE.
    pub purpose: Option<StreamPurpose>,
    /// Who asked. C Tor before 0.4.6 doesn't say.
    pub client: Option<StreamClient>,
}

impl Stream {
    /// A stream with nothing to add.
    pub fn new(id: StreamId, status: StreamStatus, circuit: Option<CircuitId>, target: Endpoint) -> Self {
        Self {
            id,
            status,
            circuit,
            target,
            reason: None,
            remote_reason: None,
            source: None,
            source_addr: None,
            purpose: None,
            client: None,
        }
    }

    /// Writes the line of `GETINFO stream-status`, without its end: the first four words alone.
    pub fn write_status(&self, out: &mut Vec<u8>) {
        put_u64(out, self.id.0);
        out.push(b' ');
        put(out, self.status.as_str());
        out.push(b' ');
        put_u64(out, self.circuit.map_or(0, |circuit| circuit.0));
        out.push(b' ');
        self.target.put(out);
    }

    /// The line of `GETINFO stream-status`, without its end. C Tor knows five words there: NEW, NEWRESOLVE (also for a
    /// stream that waits for the controller), SENTCONNECT, SENTRESOLVE and SUCCEEDED; the caller sets the status to one.
    pub fn status_line(&self) -> String {
        let mut out = Vec::new();
        self.write_status(&mut out);
        crate::text::lossless(out)
    }

    /// Reads a line of `GETINFO stream-status`, or what follows `650 STREAM`.
    ///
    /// # Errors
    /// If the text is no such line.
    pub fn parse_status_line(line: &str) -> Result<Self, ParseError> {
        Self::from_args(Raw { name: "", rest: line, lines: Vec::new(), data: None }.args())
    }

    fn from_args(mut args: Args<'_>) -> Result<Self, ParseError> {
        let id = StreamId(args.number("stream")?);
        let status = StreamStatus::from_word(args.word("status")?);
        let status = status.ok_or(ParseError::Bad { what: "status" })?;
        let circuit = Some(CircuitId(args.number("circuit")?)).filter(|circuit| circuit.0 != 0);
        let target = Endpoint::parse(args.word("target")?).ok_or(ParseError::Bad { what: "target" })?;
        let mut stream = Self::new(id, status, circuit, target);
        for pair in args.pairs() {
            match pair.key {
                "REASON" => stream.reason = Some(StreamReason::from_word(pair.value)),
                "REMOTE_REASON" => stream.remote_reason = Some(StreamReason::from_word(pair.value)),
                "SOURCE" => stream.source = Some(RemapSource::from_word(pair.value)),
                "SOURCE_ADDR" => stream.source_addr = Endpoint::parse(pair.value),
                "PURPOSE" => stream.purpose = Some(StreamPurpose::from_word(pair.value)),
                "SOCKS_USERNAME" => stream.client().socks_username = Some(pair.bytes("SOCKS_USERNAME")?),
                "SOCKS_PASSWORD" => stream.client().socks_password = Some(pair.bytes("SOCKS_PASSWORD")?),
                "CLIENT_PROTOCOL" => stream.client().protocol = ClientProtocol::from_word(pair.value),
                "NYM_EPOCH" => stream.client().nym_epoch = pair.number("NYM_EPOCH")?,
                "SESSION_GROUP" => stream.client().session_group = pair.number("SESSION_GROUP")?,
                "ISO_FIELDS" => stream.client().iso_fields = IsoFields::parse(pair.list()),
                _ => {}
            }
        }
        Ok(stream)
    }

    fn client(&mut self) -> &mut StreamClient {
        self.client.get_or_insert_default()
    }
}

impl Form for Stream {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 STREAM ");
        self.write_status(out);
        put_pair(out, " REASON=", self.reason.as_ref(), StreamReason::put);
        put_pair(out, " REMOTE_REASON=", self.remote_reason.as_ref(), StreamReason::put);
        put_pair(out, " SOURCE=", self.source.as_ref(), RemapSource::put);
        put_pair(out, " SOURCE_ADDR=", self.source_addr.as_ref(), |out, address| address.put(out));
        put_pair(out, " PURPOSE=", self.purpose.as_ref(), StreamPurpose::put);
        if let Some(client) = &self.client {
            client.put(out);
        }
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        Self::from_args(raw.args())
    }
}
