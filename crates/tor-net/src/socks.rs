//! The SOCKS ports: accept, understand, find a circuit, join the two.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
};
use tor_cell::relay::{BeginFlags, reverse_name};
use tor_circmgr::{CircMgr, ConnectError, IsolationKey, StreamRefusal};
use tor_config::{Bind, SocksConfig, SocksListener};
use tor_id::Sensitive;
use tor_path::{ExitNeed, Family};
use tor_socks::{Command, Handshake, Host, PortOptions, Request, SocksError, Status, Step, Version};
use tracing::{debug, info, warn};

use crate::{Answer, OpenRequest, Opened, RelayCircuits, clock, splice::splice};

/// Connections of one port that may be open at once.
const MAX_CLIENTS: usize = 4096;
/// A client may send so much before its stream is open.
const MAX_EARLY: usize = 64 * 1024;
/// How often "your application leaks names" is said.
const UNSAFE_EVERY: Duration = Duration::from_secs(5);
/// How often other complaints about applications are said, each for itself: a page load brings dozens at once.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// What is behind all SOCKS ports.
#[derive(Debug)]
pub struct SocksDoor {
    manager: Arc<CircMgr<RelayCircuits>>,
    config: SocksConfig,
    long_lived_ports: Vec<u16>,
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

/// An open SOCKS port.
#[derive(Debug)]
pub struct SocksPort {
    door: Arc<SocksDoor>,
    settings: SocksListener,
    session_group: i32,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl SocksDoor {
    /// Streams from the ports go to `manager`'s circuits.
    pub const fn new(
        manager: Arc<CircMgr<RelayCircuits>>,
        config: SocksConfig,
        long_lived_ports: Vec<u16>,
        safe_logging: bool,
    ) -> Self {
        Self {
            manager,
            config,
            long_lived_ports,
            safe_logging,
            unsafe_said: Mutex::new(None),
            complained: Mutex::new(BTreeMap::new()),
        }
    }

    /// Opens a port. Ports get different session groups unless they say otherwise.
    ///
    /// # Errors
    /// If the address can't be listened on.
    pub async fn open(self: &Arc<Self>, settings: SocksListener) -> io::Result<SocksPort> {
        static NEXT_GROUP: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(-3);
        let socket = match &settings.bind {
            Bind::Tcp { address, port } => {
                Socket::Tcp(TcpListener::bind((*address, port.map_or(0, std::num::NonZero::get))).await?)
            }
            Bind::Unix { path, group_writable, world_writable, .. } => {
                Socket::Unix(bind_unix(path, *group_writable, *world_writable)?, path.clone())
            }
        };
        let session_group = settings
            .isolation
            .session_group
            .and_then(|group| i32::try_from(group).ok())
            .unwrap_or_else(|| NEXT_GROUP.fetch_sub(1, Ordering::Relaxed));
        Ok(SocksPort { door: Arc::clone(self), settings, session_group, socket })
    }
}

/// The file of a Unix socket goes with it: a program that finds one expects somebody behind it.
impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _gone_already = std::fs::remove_file(path);
        }
    }
}

impl SocksPort {
    /// Where it listens, as the log and `GETINFO net/listeners/socks` say it.
    pub fn local_name(&self) -> String {
        match &self.socket {
            Socket::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "?".to_owned(), |addr| addr.to_string())
            }
            Socket::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// Accepts clients for as long as it is polled. Each is served by a task of its own.
    pub async fn serve(self) {
        let port = Arc::new(self);
        let clients = Arc::new(AtomicUsize::new(0));
        loop {
            let accepted = match &port.socket {
                Socket::Tcp(listener) => listener.accept().await.map(|(socket, peer)| {
                    let _only_slower = socket.set_nodelay(true);
                    Client::Tcp(socket, peer.ip())
                }),
                Socket::Unix(listener, _) => listener.accept().await.map(|(socket, _)| Client::Unix(socket)),
            };
            let client = match accepted {
                Ok(client) => client,
                Err(error) => {
                    // Out of file descriptors, most likely: give some back first.
                    if port.door.may_complain(Complaint::Accept) {
                        warn!("Can't accept a SOCKS connection: {error}");
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            if let Client::Tcp(_, peer) = &client
                && !port.door.config.policy.permits(*peer)
            {
                info!("Denying socks connection from untrusted address {}.", port.door.shown(peer));
                continue;
            }
            if clients.fetch_add(1, Ordering::Relaxed) >= MAX_CLIENTS {
                clients.fetch_sub(1, Ordering::Relaxed);
                if port.door.may_complain(Complaint::TooMany) {
                    warn!(
                        "There are {MAX_CLIENTS} SOCKS connections on {} already; refusing others.",
                        port.local_name()
                    );
                }
                continue;
            }
            let (port, clients) = (Arc::clone(&port), Arc::clone(&clients));
            clock::spawn(async move {
                let result = match client {
                    Client::Tcp(socket, peer) => port.serve_client(socket, Some(peer)).await,
                    Client::Unix(socket) => port.serve_client(socket, None).await,
                };
                if let Err(error) = result {
                    debug!("SOCKS connection ended: {error}");
                }
                clients.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    async fn serve_client<S>(&self, mut app: S, peer: Option<IpAddr>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut input = BytesMut::with_capacity(512);
        let request = self.handshake(&mut app, &mut input).await?;
        let mut out = BytesMut::new();
        let request = match self.judge(request, &mut out) {
            Ok(request) => request,
            Err(why) => {
                app.write_all(&out).await?;
                app.shutdown().await?;
                return Err(io::Error::other(why));
            }
        };
        let key = self.isolation_key(&request, peer);
        // Tor sends what the client says before its stream is open along with the request.
        let early = input.split().freeze();
        let (open, need) = self.plan(&request, early);
        let opened = {
            let opening =
                self.door.manager.open(&open, &need, &key, self.settings.flags.keep_alive_socks_auth);
            tokio::pin!(opening);
            tokio::select! {
                opened = &mut opening => opened,
                gone = watch(&mut app, &mut input) => match gone {
                    Ok(()) => opening.await,
                    Err(error) => return Err(error),
                },
            }
        };
        match self.accept(&request, opened, &mut out) {
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

    async fn handshake<S>(&self, app: &mut S, input: &mut BytesMut) -> io::Result<Request>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let flags = self.settings.flags;
        let options =
            PortOptions { prefer_no_auth: flags.prefer_no_auth, extended_errors: flags.extended_errors };
        let mut handshake = Handshake::start(options);
        let mut out = BytesMut::new();
        let deadline = tokio::time::Instant::now() + self.door.config.timeout;
        loop {
            let step = handshake.on_bytes(input, &mut out);
            if !out.is_empty() {
                app.write_all(&out.split()).await?;
            }
            match step {
                Ok(Step::Done(request)) => return Ok(request),
                Ok(Step::More(next)) => handshake = next,
                Err(error) => {
                    self.door.say_not_socks(error);
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

    /// Refuses what the configuration forbids and what this client can't do; answers what needs no network.
    fn judge(&self, request: Request, out: &mut BytesMut) -> Result<Request, &'static str> {
        let config = &self.door.config;
        let flags = self.settings.flags;
        if request.bare_address {
            self.door.say_unsafe(&request);
            if config.safe {
                request.fail(Status::NOT_ALLOWED, out);
                return Err("an address instead of a name, under SafeSocks");
            }
        }
        let refuse = |status: Status, why| (status, why);
        let refused = match (&request.host, request.command) {
            (Host::Ip(address), Command::Resolve) => {
                // It is its own answer.
                request.succeed(Some((&Host::Ip(*address), 0)), out);
                return Err("an address needs no look-up");
            }
            (Host::Ip(address), Command::Connect) if !flags.ipv4_traffic && address.is_ipv4() => {
                Some(refuse(Status::NOT_ALLOWED, "IPv4 is off on this port"))
            }
            (Host::Ip(address), Command::Connect) if !flags.ipv6_traffic && address.is_ipv6() => {
                Some(refuse(Status::NOT_ALLOWED, "IPv6 is off on this port"))
            }
            (Host::Ip(address), _) if config.reject_internal_addresses && is_internal(address) => {
                warn!(
                    "Rejecting SOCKS request for an internal address. (Set ClientRejectInternalAddresses 0 to allow it.)"
                );
                Some(refuse(Status::GENERAL_FAILURE, "an internal address"))
            }
            (Host::Name(name), _) => self.judge_name(name),
            (Host::Ip(_), _) => None,
        };
        let plaintext = |ports: &[u16]| request.command == Command::Connect && ports.contains(&request.port);
        let refused = refused.or_else(|| {
            if plaintext(&config.reject_plaintext_ports) {
                warn!("Application request to port {}: this port is commonly used for unencrypted protocols. Closing.", request.port);
                return Some(refuse(Status::NOT_ALLOWED, "a plaintext port"));
            }
            if plaintext(&config.warn_plaintext_ports) {
                warn!("Application request to port {}: this port is commonly used for unencrypted protocols. Please make sure you don't send anything you would mind the rest of the Internet reading!", request.port);
            }
            None
        });
        match refused {
            None => Ok(request),
            Some((status, why)) => {
                request.fail(status, out);
                Err(why)
            }
        }
    }

    fn judge_name(&self, name: &str) -> Option<(Status, &'static str)> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let ends = |suffix: &str| {
            name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if ends("onion") {
            warn!("A request for an onion service was refused: this version does not reach onion services.");
            return Some((Status::GENERAL_FAILURE, "onion services are not built yet"));
        }
        if ends("exit") {
            warn!("The \".exit\" notation is disabled in Tor due to security risks.");
            return Some((Status::GENERAL_FAILURE, "the .exit notation is disabled"));
        }
        if self.door.config.reject_internal_addresses && (ends("localhost") || ends("local")) {
            return Some((Status::GENERAL_FAILURE, "a name of this machine or its network"));
        }
        if !self.settings.flags.dns_request {
            return Some((Status::NOT_ALLOWED, "names are off on this port"));
        }
        None
    }

    fn isolation_key(&self, request: &Request, peer: Option<IpAddr>) -> IsolationKey {
        let isolation = &self.settings.isolation;
        let socks_auth = request.credentials.as_ref().filter(|_| isolation.socks_auth);
        IsolationKey {
            session_group: self.session_group,
            nym_epoch: 0,
            socks_auth: socks_auth.map(|auth| (auth.username().to_vec(), auth.password().to_vec())),
            client_addr: peer.filter(|_| isolation.client_addr),
            client_protocol: isolation.client_protocol.then_some(match request.version {
                Version::V4 | Version::V4a => 4,
                Version::V5 => 5,
            }),
            dest_port: isolation.dest_port.then_some(request.port),
            dest_addr: isolation.dest_addr.then(|| match &request.host {
                Host::Name(name) => name.to_ascii_lowercase(),
                Host::Ip(address) => address.to_string(),
            }),
        }
    }

    /// What to ask of a circuit, and of which exit.
    fn plan(&self, request: &Request, early: Bytes) -> (OpenRequest, ExitNeed) {
        let flags = self.settings.flags;
        let name = match &request.host {
            Host::Name(name) => name.clone(),
            Host::Ip(address) => address.to_string(),
        };
        match (request.command, &request.host) {
            (Command::Connect, host) => {
                let family = match host {
                    Host::Ip(IpAddr::V6(_)) => Family::V6,
                    Host::Ip(IpAddr::V4(_)) => Family::V4,
                    Host::Name(_) if !flags.ipv4_traffic => Family::V6,
                    Host::Name(_) => Family::Any,
                };
                let long_lived = self.door.long_lived_ports.contains(&request.port);
                let begin = BeginFlags(match (flags.ipv4_traffic, flags.ipv6_traffic) {
                    (_, false) => 0,
                    (false, true) => BeginFlags::IPV6_OK.0 | BeginFlags::IPV4_NOT_OK.0,
                    (true, true) if flags.prefer_ipv6 => BeginFlags::IPV6_OK.0 | BeginFlags::IPV6_PREFERRED.0,
                    (true, true) => BeginFlags::IPV6_OK.0,
                });
                let host = match host {
                    Host::Ip(IpAddr::V6(address)) => format!("[{address}]"),
                    Host::Ip(IpAddr::V4(_)) | Host::Name(_) => name,
                };
                let open = OpenRequest::Connect { host, port: request.port, flags: begin, early };
                (open, ExitNeed::Connect { port: request.port, family, long_lived })
            }
            (Command::ResolvePtr, Host::Ip(address)) => {
                (OpenRequest::Resolve(reverse_name(*address)), ExitNeed::Resolve)
            }
            (Command::ResolvePtr | Command::Resolve, _) => (OpenRequest::Resolve(name), ExitNeed::Resolve),
        }
    }

    /// Writes the reply. A stream, where there is one, is the client's from then on.
    fn accept(
        &self,
        request: &Request,
        opened: Result<Opened, ConnectError>,
        out: &mut BytesMut,
    ) -> Result<Option<crate::DataStream>, String> {
        let believe =
            |address: &IpAddr| !(self.door.config.dns_reject_internal_addresses && is_internal(address));
        match opened {
            Ok(Opened::Stream(_, Some(address)))
                if matches!(request.host, Host::Name(_)) && !believe(&address) =>
            {
                request.fail(Status::GENERAL_FAILURE, out);
                Err("the exit claims that the name is an internal address".to_owned())
            }
            Ok(Opened::Stream(stream, _)) => {
                request.succeed(None, out);
                Ok(Some(stream))
            }
            Ok(Opened::Answers(answers)) => {
                let found = answers.into_iter().find_map(|answer| match (request.command, answer) {
                    (Command::ResolvePtr, Answer::Name(name, _)) => Some(Host::Name(name)),
                    (Command::ResolvePtr, Answer::Address(..)) | (_, Answer::Name(..)) => None,
                    (_, Answer::Address(address, _)) => believe(&address).then_some(Host::Ip(address)),
                });
                match found {
                    Some(host) => {
                        request.succeed(Some((&host, 0)), out);
                        Ok(None)
                    }
                    None => {
                        request.fail(Status::HOST_UNREACHABLE, out);
                        Err("the exit's answer is not one to believe".to_owned())
                    }
                }
            }
            Err(error) => {
                request.fail(status_of(&error), out);
                Err(error.to_string())
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
    fn say_not_socks(&self, error: SocksError) {
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
        if self.may_complain(Complaint::NotSocks) {
            warn!("Socks version {version} not recognized. ({hint})");
        }
    }

    fn say_unsafe(&self, request: &Request) {
        let now = clock::now();
        let mut said = self.unsafe_said.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.is_none_or(|said| now >= said + UNSAFE_EVERY);
        if !(due || self.config.test || self.config.safe) {
            return;
        }
        *said = Some(now);
        let version = match request.version {
            Version::V4 | Version::V4a => 4,
            Version::V5 => 5,
        };
        let action = if self.config.safe { " Rejecting." } else { "" };
        warn!(
            "Your application (using socks{version} to port {}) is giving Tor only an IP address. Applications \
             that do DNS resolves themselves may leak information. Consider using Socks4A (e.g. via privoxy or \
             socat) instead.{action}",
            request.port
        );
    }
}

enum Client {
    Tcp(tokio::net::TcpStream, IpAddr),
    Unix(tokio::net::UnixStream),
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

/// The reply that tells an application why.
fn status_of(error: &ConnectError) -> Status {
    match error {
        ConnectError::Refused(StreamRefusal::Ended(reason)) => Status::from_end_reason(reason.0),
        ConnectError::Refused(StreamRefusal::Unresolved { .. }) => Status::HOST_UNREACHABLE,
        ConnectError::TimedOut => Status::TTL_EXPIRED,
        ConnectError::Refused(StreamRefusal::CircuitClosed)
        | ConnectError::NoPath(_)
        | ConnectError::Shutdown
        | _ => Status::GENERAL_FAILURE,
    }
}

fn bind_unix(path: &PathBuf, group: bool, world: bool) -> io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    // A socket that a run before this one left behind; anything else is not ours to remove.
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let mode = 0o600 | if group { 0o060 } else { 0 } | if world { 0o066 } else { 0 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// True for addresses that lead nowhere on the public internet: an exit must not be asked for them, and is not
/// believed if it answers with one.
pub fn is_internal(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_internal_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_internal_v4(&v4),
            None => is_internal_v6(v6),
        },
    }
}

fn is_internal_v4(v4: &Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
}

fn is_internal_v6(v6: &Ipv6Addr) -> bool {
    v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        // Site-local, deprecated but still in use.
        || v6.segments().first().is_some_and(|first| first & 0xffc0 == 0xfec0)
}
