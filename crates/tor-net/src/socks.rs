//! The SOCKS ports: understand what a client asks for, find a circuit, join the two. [`SocksServer`] accepts.

mod requests;
mod server;

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tor_config::{SocksConfig, SocksListener};
use tor_ctrl_events::{Endpoint, Severity, Status, StatusType};
use tor_id::Sensitive;
use tor_socks::{Handshake, PortOptions, Request, SocksError, Step, Version};
use tracing::warn;

pub use self::server::SocksServer;
use crate::{Opener, clock, splice::splice};

/// A client may send so much before its stream is open.
const MAX_EARLY: usize = 64 * 1024;
/// How often "your application leaks names" is said.
const UNSAFE_EVERY: Duration = Duration::from_secs(5);
/// How often other complaints about applications are said, each for itself: a page load brings dozens at once.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The session group of the first port that names none, as in C Tor: those above are other streams'.
const FIRST_GROUP: i32 = -4;

/// What is behind all SOCKS ports.
#[derive(Debug)]
pub struct SocksDoor {
    opener: Arc<Opener>,
    config: SocksConfig,
    long_lived_ports: Arc<[u16]>,
    /// Shown addresses are scrubbed unless this is false (`SafeLogging`).
    safe_logging: bool,
    unsafe_said: Mutex<Option<Instant>>,
    complained: Mutex<BTreeMap<Complaint, Instant>>,
}

/// What is complained about only so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Complaint {
    Accept,
    TooMany,
    NotSocks,
}

/// What the clients of one SOCKS port are served with.
#[derive(Debug)]
pub struct SocksPort {
    door: Arc<SocksDoor>,
    settings: SocksListener,
    session_group: i32,
}

impl SocksDoor {
    /// Streams from the ports are opened by `opener`.
    pub fn new(
        opener: Arc<Opener>,
        config: SocksConfig,
        long_lived_ports: Vec<u16>,
        safe_logging: bool,
    ) -> Self {
        Self {
            opener,
            config,
            long_lived_ports: long_lived_ports.into(),
            safe_logging,
            unsafe_said: Mutex::new(None),
            complained: Mutex::new(BTreeMap::new()),
        }
    }

    /// What a port with these settings serves its clients with. Ports get different session groups unless they
    /// say otherwise; one that has had a group before keeps it.
    fn port(self: &Arc<Self>, settings: SocksListener, had: Option<i32>) -> SocksPort {
        static NEXT_GROUP: AtomicI32 = AtomicI32::new(FIRST_GROUP);
        let session_group = settings
            .isolation
            .session_group
            .and_then(|group| i32::try_from(group).ok())
            .or_else(|| had.filter(|group| *group < 0))
            .unwrap_or_else(|| NEXT_GROUP.fetch_sub(1, Ordering::Relaxed));
        SocksPort { door: Arc::clone(self), settings, session_group }
    }
}

impl SocksPort {
    async fn serve_client<S>(&self, mut app: S, peer: Peer) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut input = BytesMut::with_capacity(512);
        let (request, said) = self.handshake(&mut app, &mut input).await?;
        let mut out = BytesMut::new();
        if let Err(why) = self.admit(&request, &mut out) {
            app.write_all(&out).await?;
            app.shutdown().await?;
            return Err(io::Error::other(why));
        }
        let key = self.isolation_key(&request, &peer);
        let record = self.record(&request, &key, peer);
        record.wrote(said.heard);
        record.read(said.told);
        // Tor sends what the client says before its stream is open along with the request.
        let early = input.split().freeze();
        let led = {
            let leading = self.door.opener.lead(record, self.wants(&request, key, early));
            tokio::pin!(leading);
            tokio::select! {
                led = &mut leading => led,
                gone = watch(&mut app, &mut input) => match gone {
                    Ok(()) => leading.await,
                    Err(error) => return Err(error),
                },
            }
        };
        match self.answer(&request, led, &mut out) {
            Ok(Some(stream)) => {
                app.write_all(&out).await?;
                splice(app, stream, input.freeze()).await
            }
            Ok(None) => {
                app.write_all(&out).await?;
                app.shutdown().await
            }
            Err(why) => {
                app.write_all(&out).await?;
                app.shutdown().await?;
                Err(io::Error::other(why))
            }
        }
    }

    async fn handshake<S>(&self, app: &mut S, input: &mut BytesMut) -> io::Result<(Request, Said)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let flags = self.settings.flags;
        let options =
            PortOptions { prefer_no_auth: flags.prefer_no_auth, extended_errors: flags.extended_errors };
        let mut handshake = Handshake::start(options);
        let mut out = BytesMut::new();
        let mut said = Said::default();
        let deadline = tokio::time::Instant::now() + self.door.config.timeout;
        loop {
            let before = input.len();
            let step = handshake.on_bytes(input, &mut out);
            said.heard += before.saturating_sub(input.len());
            said.told += out.len();
            if !out.is_empty() {
                app.write_all(&out.split()).await?;
            }
            match step {
                Ok(Step::Done(request)) => return Ok((request, said)),
                Ok(Step::More(next)) => handshake = next,
                Err(error) => {
                    self.door.say_not_socks(error, input);
                    app.shutdown().await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
            match tokio::time::timeout_at(deadline, app.read_buf(input)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}

impl SocksDoor {
    /// An address as the log may show it.
    fn shown(&self, address: &IpAddr) -> String {
        if self.safe_logging { Sensitive::new(address).to_string() } else { address.to_string() }
    }

    /// True if nothing of this kind was said for a while.
    fn may_complain(&self, about: Complaint) -> bool {
        let now = clock::now();
        let mut said = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.get(&about).is_none_or(|said| now >= *said + COMPLAIN_EVERY);
        if due {
            said.insert(about, now);
        }
        due
    }

    /// Anything else that is wrong is logged along with the end of the connection.
    fn say_not_socks(&self, error: SocksError, input: &[u8]) {
        let (version, hint) = match error {
            SocksError::Http => (71, "This port is not an HTTP proxy; did you want to use HTTPTunnelPort?"),
            SocksError::Version(version) => (version, "This port speaks SOCKS 4, 4a and 5 only."),
            SocksError::Confused
            | SocksError::TooLong
            | SocksError::NoMethod
            | SocksError::ExtendedParameters
            | SocksError::Command(_)
            | SocksError::AddressType(_)
            | SocksError::NotAnAddress
            | SocksError::Hostname
            | SocksError::ZeroAddress
            | SocksError::ZeroPort
            | _ => return,
        };
        let start = String::from_utf8_lossy(input.get(..8).unwrap_or(input));
        let status = Status::new(StatusType::Client, Severity::Warn, "SOCKS_UNKNOWN_PROTOCOL");
        self.opener.ledger().events().emit(status.quoted("DATA", start).into());
        if self.may_complain(Complaint::NotSocks) {
            warn!("Socks version {version} not recognized. ({hint})");
        }
    }

    fn say_unsafe(&self, request: &Request, address: &str) {
        let version = match request.version {
            Version::V4 | Version::V4a => 4,
            Version::V5 => 5,
        };
        let status = Status::new(StatusType::Client, Severity::Warn, "DANGEROUS_SOCKS")
            .arg("PROTOCOL", format_args!("SOCKS{version}"))
            .arg("ADDRESS", format_args!("{address}:{}", request.port));
        self.opener.ledger().events().emit(status.into());
        let now = clock::now();
        let mut said = self.unsafe_said.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.is_none_or(|said| now >= said + UNSAFE_EVERY);
        if !(due || self.config.test || self.config.safe) {
            return;
        }
        *said = Some(now);
        let action = if self.config.safe { " Rejecting." } else { "" };
        warn!(
            "Your application (using socks{version} to port {}) is giving Tor only an IP address. Applications \
             that do DNS resolves themselves may leak information. Consider using Socks4A (e.g. via privoxy or \
             socat) instead.{action}",
            request.port
        );
    }
}

/// How many bytes of SOCKS were spoken.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    heard: usize,
    told: usize,
}

/// Who is at the other end of a connection to us.
#[derive(Clone, Debug)]
struct Peer {
    /// `None` behind a Unix socket.
    ip: Option<IpAddr>,
    /// As events tell it.
    name: Endpoint,
}

/// Reads what the client says while its stream is being opened. `Ok` once it has said as much as it may; an error
/// when it is gone.
async fn watch<S: AsyncRead + Unpin>(app: &mut S, input: &mut BytesMut) -> io::Result<()> {
    while input.len() < MAX_EARLY {
        if app.read_buf(input).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the application left while it waited"));
        }
    }
    Ok(())
}
