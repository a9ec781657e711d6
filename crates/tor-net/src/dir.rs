//! Fetches what `tor-dir` asks for, over one-hop circuits, and publishes the views that come of it.
//!
//! Documents are read, checked and written to disk on a blocking thread: an hourly consensus must not hold up
//! anybody's bytes.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    future::{AbortHandle, Abortable},
    stream::FuturesUnordered,
};
use rand::RngExt;
use tokio::{
    io::AsyncReadExt,
    sync::{mpsc, watch},
};
use tor_circ::{HopHandshake, HopSpec};
use tor_circmgr::{BuiltCircuit, CircMgr};
use tor_dir::{
    DirConfig, DirServer, DirState, Fetch, FetchId, Input, Moment, NetworkView, Output, Readiness, Response,
    ResponseReader, ServerKind, Source,
};
use tor_id::{RelayIds, RsaId};
use tor_path::Hop;
use tracing::{debug, error, info, warn};

use crate::{
    Bootstrap, Channels, CircuitHandle, DiskStore, OpenRequest, Opened, Phase, RelayAddress, RelayCircuits,
    clock, factory::hop_spec,
};

/// How long a server may take to create the one-hop circuit.
const CREATE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server may take to begin its answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Who serves documents, and how patient we are.
#[derive(Clone, Debug)]
pub struct DirectorySettings {
    /// The directory authorities.
    pub authorities: Vec<DirServer>,
    /// Fallback directories; may be none.
    pub fallbacks: Vec<DirServer>,
    /// How long a fetch may make no progress.
    pub max_stall: Duration,
}

/// Keeps the documents of the network up to date.
#[derive(Debug)]
pub struct Directory {
    settings: DirectorySettings,
    state: Option<Box<Documents>>,
    channels: Arc<Channels>,
    manager: Arc<CircMgr<RelayCircuits>>,
    view: watch::Sender<Option<Arc<NetworkView>>>,
    bootstrap: Arc<Bootstrap>,
    /// One-hop circuits to servers that were asked a moment ago.
    circuits: HashMap<RsaId, CircuitHandle>,
}

/// What goes to the blocking thread and comes back.
#[derive(Debug)]
struct Documents {
    state: DirState,
    store: DiskStore,
}

/// A server, and how to get to it.
#[derive(Clone, Debug)]
struct Server {
    ids: RelayIds,
    addrs: Vec<SocketAddr>,
    /// Its keys, where the view has them.
    hop: Option<Hop>,
    /// It is one of our guards, whose record should know how it went.
    guard: bool,
}

/// How a fetch went.
#[derive(Debug)]
struct Report {
    id: FetchId,
    from: Option<Server>,
    circuit: Option<CircuitHandle>,
    result: Result<Response, FetchError>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("no server to ask")]
    NoServer,
    #[error("{0}")]
    Circuit(#[from] crate::CircuitError),
    #[error("{0}")]
    Refused(#[from] tor_circmgr::StreamRefusal),
    #[error("the answer broke off: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Response(#[from] tor_dir::ResponseError),
    #[error("the server was silent for too long")]
    Stalled,
    #[error("the server opened no stream")]
    NoStream,
}

impl Directory {
    /// Loads what the store has; if that is enough, the view is there when this returns.
    pub async fn open(
        config: DirConfig,
        settings: DirectorySettings,
        store: DiskStore,
        channels: Arc<Channels>,
        manager: Arc<CircMgr<RelayCircuits>>,
        view: watch::Sender<Option<Arc<NetworkView>>>,
        bootstrap: Arc<Bootstrap>,
    ) -> Self {
        let documents = Documents { state: DirState::new(config, clock::now()), store };
        let mut directory = Self {
            settings,
            state: Some(Box::new(documents)),
            channels,
            manager,
            view,
            bootstrap,
            circuits: HashMap::new(),
        };
        directory
            .with_documents(|documents| {
                documents.state.load(moment(), &mut documents.store, &mut clock::rng());
            })
            .await;
        directory
    }

    /// Keeps the documents up to date until dropped. Returns only if the network requires of clients what this
    /// one does not have.
    pub async fn run(mut self) {
        let mut fetches = FuturesUnordered::new();
        let (answering, mut answers) = mpsc::unbounded_channel();
        let mut aborts: HashMap<FetchId, AbortHandle> = HashMap::new();
        let mut input = Input::Timer;
        loop {
            let outputs = self.handle(input).await;
            for output in outputs {
                match output {
                    Output::Fetch(fetch) => {
                        let (handle, registration) = AbortHandle::new_pair();
                        let id = fetch.id;
                        aborts.insert(id, handle);
                        let task = self.fetch(fetch, answering.clone());
                        fetches.push(async move { (id, Abortable::new(task, registration).await) });
                    }
                    Output::Cancel(id) => {
                        if let Some(abort) = aborts.remove(&id) {
                            abort.abort();
                        }
                    }
                    told @ (Output::View(_)
                    | Output::ConsensusArrived
                    | Output::Refused { .. }
                    | Output::ClockBehind(_)
                    | Output::Obsolete(_)
                    | Output::Outdated(_)
                    | Output::StoreFailed { .. }
                    | _) => self.tell(told),
                }
            }
            let Some(documents) = &self.state else { return };
            if documents.state.missing_protocols().is_some() {
                return;
            }
            let deadline = documents.state.deadline(moment());
            input = loop {
                tokio::select! {
                    Some((id, report)) = fetches.next(), if !fetches.is_empty() => {
                        aborts.remove(&id);
                        // One that was cancelled has nothing to report.
                        if let Ok(report) = report {
                            break self.on_report(report);
                        }
                    }
                    Some(id) = answers.recv() => break Input::Answering(id),
                    () = clock::at(deadline) => break Input::Timer,
                }
            };
            if fetches.is_empty() {
                self.circuits.clear();
            }
        }
    }

    /// Runs `work` on a blocking thread; the documents are away meanwhile.
    async fn with_documents<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Documents) -> R + Send + 'static,
    ) -> Option<R> {
        let mut documents = self.state.take()?;
        let work = tokio::task::spawn_blocking(move || {
            let result = work(&mut documents);
            (documents, result)
        });
        match work.await {
            Ok((documents, result)) => {
                self.state = Some(documents);
                Some(result)
            }
            Err(failed) => {
                error!("The directory task failed: {failed}");
                None
            }
        }
    }

    async fn handle(&mut self, input: Input) -> Vec<Output> {
        let done = self
            .with_documents(move |documents| {
                let Documents { state, store } = documents;
                state.handle(moment(), input, store, &mut clock::rng());
                let outputs: Vec<_> = std::iter::from_fn(|| state.poll_output()).collect();
                let wall = clock::wall();
                (outputs, state.readiness(wall), state.view(wall).cloned())
            })
            .await;
        let Some((outputs, readiness, view)) = done else { return Vec::new() };
        self.publish(view);
        self.report_readiness(readiness);
        outputs
    }

    fn publish(&self, view: Option<Arc<NetworkView>>) {
        let same = match (&*self.view.borrow(), &view) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return;
        }
        if view.is_none() {
            warn!(
                "Our view of the network is out of date; no circuits are built until a new consensus is here."
            );
        }
        let padding =
            view.as_ref().map(|view| tor_chan::PaddingParams::from_consensus(|name| view.params().get(name)));
        self.view.send_replace(view);
        self.manager.network_changed();
        if let Some(padding) = padding {
            let channels = Arc::clone(&self.channels);
            clock::spawn(async move { channels.set_padding(padding).await });
        }
    }

    fn report_readiness(&self, readiness: Readiness) {
        match readiness {
            // Told when the request is really sent.
            Readiness::RequestingStatus => {}
            Readiness::LoadingStatus => self.bootstrap.reached(Phase::LoadingStatus),
            Readiness::LoadingKeys => self.bootstrap.reached(Phase::LoadingKeys),
            Readiness::RequestingDescriptors => self.bootstrap.reached(Phase::RequestingDescriptors),
            Readiness::LoadingDescriptors { percent } => self.bootstrap.loading_descriptors(percent),
            Readiness::Enough => self.bootstrap.reached(Phase::EnoughDirinfo),
            _ => {}
        }
    }

    fn tell(&self, output: Output) {
        match output {
            Output::ConsensusArrived => debug!("A new consensus is here."),
            Output::Refused { from, error, .. } => {
                info!("Received nothing of use from directory server {from}: {error}. Will try another.");
            }
            Output::ClockBehind(by) => warn!(
                "The consensus begins {} seconds from now: our clock is probably behind. Tor needs an accurate clock.",
                by.as_secs()
            ),
            Output::Obsolete(missing) => error!(
                "The network requires protocols that this version does not have ({missing}). It must not use the network."
            ),
            Output::Outdated(missing) => {
                debug!("The network recommends protocols that this version does not have ({missing}).");
            }
            Output::StoreFailed { file, error } => warn!("Can't use the cache file {}: {error}", file.name()),
            // The view is published from the state itself; fetches are served by `run`.
            Output::View(_) | Output::Fetch(_) | Output::Cancel(_) | _ => {}
        }
    }

    fn on_report(&mut self, report: Report) -> Input {
        let Report { id, from, circuit, result } = report;
        let rsa = from.as_ref().map(|server| server.ids.rsa);
        if let (Some(circuit), Some(rsa)) = (circuit, rsa) {
            self.circuits.insert(rsa, circuit);
        }
        match (result, rsa) {
            (Ok(Response { status, body, .. }), Some(from)) => Input::Answer { id, from, status, body },
            (Err(error), Some(from)) => {
                debug!("Directory server {from} did not answer: {error}");
                self.circuits.remove(&from);
                Input::Failed { id, from: Some(from) }
            }
            (_, None) => {
                debug!("No directory server can be asked now");
                Input::Failed { id, from: None }
            }
        }
    }

    /// Prepares a fetch; the future that is returned borrows nothing.
    fn fetch(
        &self,
        fetch: Fetch,
        answering: mpsc::UnboundedSender<FetchId>,
    ) -> impl Future<Output = Report> + use<> {
        let server = self.choose_server(&fetch);
        let held = server
            .as_ref()
            .and_then(|server| self.circuits.get(&server.ids.rsa))
            .filter(|circuit| circuit.is_open())
            .cloned();
        let channels = Arc::clone(&self.channels);
        let manager = Arc::clone(&self.manager);
        let bootstrap = Arc::clone(&self.bootstrap);
        let max_stall = self.settings.max_stall;
        async move {
            let Some(server) = server else {
                return Report { id: fetch.id, from: None, circuit: None, result: Err(FetchError::NoServer) };
            };
            let circuit = match held {
                Some(circuit) => Ok(circuit),
                None => one_hop(&channels, &manager, &bootstrap, &server).await,
            };
            let (circuit, result) = match circuit {
                Err(error) => (None, Err(error)),
                Ok(circuit) => {
                    let result = request(&circuit, &fetch, &server, &bootstrap, &answering, max_stall).await;
                    (Some(circuit), result)
                }
            };
            Report { id: fetch.id, from: Some(server), circuit, result }
        }
    }

    fn choose_server(&self, fetch: &Fetch) -> Option<Server> {
        if let Some(server) = fetch.prefer.and_then(|id| self.known(&id)) {
            return Some(server);
        }
        let authorities = self
            .settings
            .authorities
            .iter()
            .filter(|server| matches!(server.kind, ServerKind::Authority { bridge: false, .. }));
        let from_list = |servers: Vec<&DirServer>| {
            let usable: Vec<_> = servers
                .into_iter()
                .filter_map(|server| self.configured(server).map(|s| (s, server.weight)))
                .collect();
            let fresh: Vec<_> =
                usable.iter().filter(|(server, _)| !fetch.avoid.contains(&server.ids.rsa)).cloned().collect();
            weighted(if fresh.is_empty() { usable } else { fresh })
        };
        match fetch.source {
            Source::Authority => from_list(authorities.collect()),
            Source::Fallback if self.settings.fallbacks.is_empty() => from_list(authorities.collect()),
            Source::Fallback => from_list(self.settings.fallbacks.iter().collect()),
            Source::Cache => {
                let guard = self.manager.factory().directory_guard(&fetch.avoid);
                guard.map(|(ids, addrs, hop)| Server { ids, addrs, hop, guard: true }).or_else(|| {
                    let all = self.settings.fallbacks.iter().chain(authorities);
                    from_list(all.collect())
                })
            }
        }
    }

    /// The server with this identity, if we know where it is.
    fn known(&self, id: &RsaId) -> Option<Server> {
        let mut configured = self.settings.fallbacks.iter().chain(&self.settings.authorities);
        match configured.find(|server| server.ids.rsa == *id) {
            Some(server) => self.configured(server),
            None => {
                let view = self.view.borrow();
                let hop = Hop::of(&view.as_ref()?.relay(id)?)?;
                let addrs = self.manager.factory().reachable(hop.addrs.iter().copied());
                Some(Server { ids: hop.ids, addrs, hop: Some(hop), guard: false })
            }
        }
    }

    fn configured(&self, server: &DirServer) -> Option<Server> {
        let addrs = self.manager.factory().reachable(server.or_addresses());
        (!addrs.is_empty()).then_some(Server { ids: server.ids, addrs, hop: None, guard: false })
    }
}

/// A circuit of one hop: it hides nothing, and encrypts what is public anyway; its point is that it looks like
/// any other.
async fn one_hop(
    channels: &Channels,
    manager: &CircMgr<RelayCircuits>,
    bootstrap: &Bootstrap,
    server: &Server,
) -> Result<CircuitHandle, FetchError> {
    let built = async {
        let address = RelayAddress { ids: server.ids, addrs: server.addrs.clone() };
        let channel = channels.get(&address).await.map_err(crate::CircuitError::from)?;
        bootstrap.reached(Phase::OnehopCreate);
        let circuit = CircuitHandle::new(&channel, manager.factory().circ_params())
            .await
            .map_err(crate::CircuitError::from)?;
        let spec = match &server.hop {
            Some(hop) => hop_spec(hop),
            // Nobody has told us its onion key yet; the link protects the keys.
            None => {
                HopSpec { ids: server.ids, addrs: server.addrs.clone(), handshake: HopHandshake::CreateFast }
            }
        };
        circuit.add_hop(spec, CREATE_TIMEOUT).await?;
        Ok::<_, crate::CircuitError>(circuit)
    };
    let built = built.await;
    if server.guard {
        // Whether a better guard may be up matters to traffic only.
        let _usable = manager.factory().guard_answered(&server.ids.rsa, built.as_ref().map(|_| ()));
    }
    Ok(built?)
}

async fn request(
    circuit: &CircuitHandle,
    fetch: &Fetch,
    server: &Server,
    bootstrap: &Bootstrap,
    answering: &mpsc::UnboundedSender<FetchId>,
    max_stall: Duration,
) -> Result<Response, FetchError> {
    let at = server.addrs.first().copied().ok_or(FetchError::NoServer)?;
    let head = fetch.request.to_http(at, false);
    match &fetch.request {
        tor_dir::DirRequest::Consensus(_) => bootstrap.reached(Phase::RequestingStatus),
        tor_dir::DirRequest::Certs { .. } => bootstrap.reached(Phase::LoadingKeys),
        tor_dir::DirRequest::Microdescs(_) | _ => bootstrap.reached(Phase::RequestingDescriptors),
    }
    let open = OpenRequest::Dir(head.into());
    let opened =
        tokio::time::timeout(OPEN_TIMEOUT, circuit.open(&open)).await.map_err(|_| FetchError::Stalled)??;
    let Opened::Stream(mut stream, _) = opened else { return Err(FetchError::NoStream) };
    let mut reader = ResponseReader::new();
    let mut chunk = vec![0; 16 * 1024];
    let mut told = false;
    loop {
        let count = tokio::time::timeout(max_stall, stream.read(&mut chunk))
            .await
            .map_err(|_| FetchError::Stalled)??;
        if count == 0 {
            break;
        }
        reader.push(chunk.get(..count).unwrap_or_default())?;
        if reader.status() == Some(200) && !std::mem::replace(&mut told, true) {
            // Nobody waits for it if the directory task is ending.
            let _ending = answering.send(fetch.id);
        }
    }
    // Decompression may take a while too.
    tokio::task::spawn_blocking(move || reader.finish())
        .await
        .map_err(std::io::Error::other)?
        .map_err(FetchError::from)
}

fn moment() -> Moment {
    Moment { now: clock::now(), wall: clock::wall() }
}

fn weighted(servers: Vec<(Server, f64)>) -> Option<Server> {
    let total: f64 = servers.iter().map(|(_, weight)| weight).sum();
    let mut left = clock::rng().random::<f64>() * total;
    let mut last = None;
    for (server, weight) in servers {
        last = Some(server);
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}
