//! The control ports: accept, and one task for each controller, which carries between its socket, its
//! [`Session`] and its queue of events.
//!
//! ```text
//!  socket ──> Session ──> ControlBackend::execute ──> Session ──┐
//!  socket <── out (bounded) <───────────────────────────────────┴── Subscriber (bounded)
//! ```
//!
//! A controller that does not read what it asked for is not read from either; its events wait in the dispatcher,
//! which has its own bounds. Nobody else notices.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use rand::Rng;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
};
use tor_ctrl::{
    AuthConfig, Command, ControlBackend, ControllerId, Input, Notice, Output, Reply, Session, Subscription,
};
use tor_ctrl_events::{Dispatcher, EventText, Subscriber};
use tracing::{debug, info, warn};

use crate::{Accepted, Listener, clock};

/// Controllers that may be connected at once.
const MAX_CONTROLLERS: usize = 4096;
/// How many bytes may wait for a controller before its events do. A reply may be longer: it is whole.
const OUT_FULL: usize = 16 * 1024;
/// Bytes read at once.
const READ: usize = 4 * 1024;
/// How long a controller that is sent away may take to read why.
const LINGER: Duration = Duration::from_secs(5);
/// How often the same complaint is logged: a guesser must not fill the disk.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// What is behind all control ports.
#[derive(Debug)]
pub struct ControlDoor<B> {
    backend: Arc<B>,
    events: Dispatcher,
    auth: watch::Receiver<Arc<AuthConfig>>,
    next: AtomicU64,
    open: AtomicUsize,
    complained: Mutex<BTreeMap<String, Instant>>,
}

impl<B: ControlBackend> ControlDoor<B> {
    /// Controllers speak to `backend`, hear from `events`, and show who they are as `auth` says.
    pub fn new(backend: Arc<B>, events: Dispatcher, auth: watch::Receiver<Arc<AuthConfig>>) -> Self {
        Self {
            backend,
            events,
            auth,
            next: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            complained: Mutex::default(),
        }
    }

    /// Accepts controllers for as long as it is polled. Each is served by a task of its own, which outlives this.
    pub async fn serve(self: Arc<Self>, listener: Listener) {
        loop {
            match listener.accept().await {
                Ok(Accepted::Tcp(socket, _)) => self.admit(socket),
                Ok(Accepted::Unix(socket)) => self.admit(socket),
                Err(error) => {
                    self.complain(&format!("Can't accept a control connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// Serves the controller at the other end of `socket`, which need not say who it is (`__OwningControllerFD`).
    pub fn admit_owner<S>(self: &Arc<Self>, socket: S) -> ControllerId
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.start(socket, true)
    }

    fn admit<S>(self: &Arc<Self>, socket: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        if self.open.fetch_add(1, Ordering::Relaxed) >= MAX_CONTROLLERS {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.complain("There are too many control connections; refusing others.");
            return;
        }
        self.start(socket, false);
    }

    fn start<S>(self: &Arc<Self>, socket: S, trusted: bool) -> ControllerId
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let door = Arc::clone(self);
        let id = ControllerId(self.next.fetch_add(1, Ordering::Relaxed));
        clock::spawn(async move {
            let mut controller = Controller::new(&door, id, trusted);
            if let Err(error) = controller.serve(socket).await {
                debug!("Control connection {id} ended: {error}");
            }
            drop(controller);
            door.open.fetch_sub(1, Ordering::Relaxed);
        });
        id
    }

    fn complain(&self, what: &str) {
        let now = clock::now();
        let mut said = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, said| now < *said + COMPLAIN_EVERY);
        if !said.contains_key(what) {
            said.insert(what.to_owned(), now);
            drop(said);
            warn!("{what}");
        }
    }
}

/// A command on its way.
type Executing = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// One control connection.
struct Controller<'a, B: ControlBackend> {
    door: &'a Arc<ControlDoor<B>>,
    id: ControllerId,
    session: Session,
    auth: watch::Receiver<Arc<AuthConfig>>,
    /// From the moment that it has authenticated.
    events: Option<Subscriber>,
    executing: Option<Executing>,
    out: BytesMut,
    closing: bool,
}

impl<B: ControlBackend> Drop for Controller<'_, B> {
    fn drop(&mut self) {
        if self.events.is_some() {
            self.door.backend.closed(self.id);
        }
    }
}

impl<'a, B: ControlBackend> Controller<'a, B> {
    fn new(door: &'a Arc<ControlDoor<B>>, id: ControllerId, trusted: bool) -> Self {
        let mut auth = door.auth.clone();
        let now = Arc::clone(&auth.borrow_and_update());
        let mut seed = [0; 32];
        clock::rng().fill_bytes(&mut seed);
        let session = if trusted { Session::authenticated(now, seed) } else { Session::new(now, seed) };
        Self { door, id, session, auth, events: None, executing: None, out: BytesMut::new(), closing: false }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&mut self, socket: S) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(socket);
        let mut input = BytesMut::new();
        loop {
            self.work();
            if self.closing {
                let rest = async {
                    writer.write_all(&self.out).await?;
                    writer.shutdown().await
                };
                return tokio::time::timeout(LINGER, rest).await.unwrap_or(Ok(()));
            }
            let reads = self.session.wants_input() && self.out.len() < OUT_FULL;
            let hears = self.session.wants_events() && self.out.len() < OUT_FULL;
            let deadline = self.session.deadline();
            input.reserve(READ);
            tokio::select! {
                written = writer.write(&self.out), if !self.out.is_empty() => match written? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => self.out.advance(written),
                },
                read = reader.read_buf(&mut input), if reads => {
                    let input = match read? {
                        0 => Input::Closed,
                        _ => Input::Bytes(&input.split()),
                    };
                    self.session.handle(clock::now(), input);
                }
                reply = execute(&mut self.executing) => {
                    self.executing = None;
                    self.session.handle(clock::now(), Input::Reply(reply));
                }
                heard = hear(&mut self.events, hears) => match heard {
                    Some(event) => self.out.extend_from_slice(event.as_bytes()),
                    None => {
                        self.door.complain("A controller does not read its events; closing its connection.");
                        return Ok(());
                    }
                },
                () = clock::at(deadline) => self.session.handle(clock::now(), Input::Timer),
                changed = self.auth.changed() => {
                    if changed.is_err() {
                        return Ok(()); // the client is over
                    }
                    let auth = Arc::clone(&self.auth.borrow_and_update());
                    self.session.set_auth(auth);
                }
            }
        }
    }

    /// Everything that follows from one input.
    fn work(&mut self) {
        while self.out.len() < OUT_FULL {
            let Some(output) = self.session.poll_output() else { break };
            match output {
                Output::Send(bytes) => self.out.extend_from_slice(&bytes),
                Output::Execute(command) => self.execute(command),
                Output::Opened => {
                    self.events = Some(self.door.events.subscribe());
                    self.door.backend.opened(self.id);
                    debug!("Control connection {} authenticated", self.id);
                }
                Output::Log(notice) => match notice {
                    Notice::NotAuthenticated(_) => self.door.complain(&notice.to_string()),
                    Notice::Http | Notice::Version0 | _ => info!("{notice}"),
                },
                Output::Close => self.closing = true,
            }
        }
        let Some(events) = &mut self.events else { return };
        while self.session.wants_events() && self.out.len() < OUT_FULL {
            let Some(event) = events.try_next(clock::now()) else { break };
            self.out.extend_from_slice(event.as_bytes());
        }
    }

    /// Subscriptions belong to the connection; everything else is the client's.
    fn execute(&mut self, command: Command) {
        let reply = match (command, &mut self.events) {
            (Command::SetEvents(kinds), Some(events)) => {
                let all: Vec<_> = kinds.iter().map(Subscription::new).collect();
                Subscription::apply(&all, events);
                Reply::ok()
            }
            (Command::SetSubscriptions(wanted), Some(events)) => {
                Subscription::apply(&wanted, events);
                Reply::ok()
            }
            (command, _) => {
                let backend = Arc::clone(&self.door.backend);
                let id = self.id;
                self.executing = Some(Box::pin(async move { backend.execute(id, command).await }));
                return;
            }
        };
        self.session.handle(clock::now(), Input::Reply(reply));
    }
}

/// The reply of the command that is being executed; never if there is none.
async fn execute(executing: &mut Option<Executing>) -> Reply {
    match executing {
        Some(executing) => executing.await,
        None => std::future::pending().await,
    }
}

/// Waits for the next event, if one may be sent; `None` if the controller can't even be told any more what it missed. For
/// ever before authentication.
async fn hear(events: &mut Option<Subscriber>, may_send: bool) -> Option<EventText> {
    let Some(events) = events else { return std::future::pending().await };
    poll_fn(|context| {
        if events.poll_given_up(context).is_ready() {
            return Poll::Ready(None);
        }
        if may_send { events.poll_next(clock::now(), context).map(Some) } else { Poll::Pending }
    })
    .await
}
