//! The SOCKS ports: accept, understand, find a circuit, join the two.

mod requests;

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
};
use tor_circmgr::CircMgr;
use tor_config::{Bind, SocksConfig, SocksListener};
use tor_id::Sensitive;
use tor_socks::{Handshake, PortOptions, Request, SocksError, Step, Version};
use tracing::{debug, info, warn};

pub use self::requests::is_internal;
use crate::{RelayCircuits, clock, splice::splice};

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
