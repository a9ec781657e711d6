//! Fetches what `tor-dir` asks for, over one-hop circuits, and publishes the views that come of it.
//!
//! Documents are read, checked and written to disk on a blocking thread: an hourly consensus must not hold up
//! anybody's bytes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    future::{AbortHandle, Abortable},
    stream::FuturesUnordered,
};
use tokio::sync::{mpsc, watch};
use tor_circmgr::CircMgr;
use tor_dir::{
    DirConfig, DirServer, DirState, FetchId, Input, Moment, NetworkView, Output, Readiness, Response,
};
use tor_id::RsaId;
use tracing::{debug, error, info, warn};

use self::{
    documents::{Callers, Orders},
    events::Teller,
    fetch::Report,
};
use crate::{Bootstrap, Channels, CircuitHandle, DiskStore, Phase, RelayCircuits, clock};

mod documents;
mod events;
mod fetch;

pub use documents::Documents;

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
    state: Option<Box<Shelf>>,
    channels: Arc<Channels>,
    manager: Arc<CircMgr<RelayCircuits>>,
    view: watch::Sender<Option<Arc<NetworkView>>>,
    bootstrap: Arc<Bootstrap>,
    /// One-hop circuits to servers that were asked a moment ago.
    circuits: HashMap<RsaId, CircuitHandle>,
    documents: Documents,
    callers: Callers,
}

/// What goes to the blocking thread and comes back.
#[derive(Debug)]
struct Shelf {
    state: DirState,
    store: DiskStore,
    teller: Teller,
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
        let teller = Teller::new(Arc::clone(channels.ledger().events()));
        let documents = Shelf { state: DirState::new(config, clock::now()), store, teller };
        let (handle, callers) = Documents::new();
        let mut directory = Self {
            settings,
            state: Some(Box::new(documents)),
            channels,
            manager,
            view,
            bootstrap,
            circuits: HashMap::new(),
            documents: handle,
            callers,
        };
        directory
            .with_documents(|documents| {
                documents.state.load(moment(), &mut documents.store, &mut clock::rng());
            })
            .await;
        directory
    }

    /// A handle to the documents, which outlives neither this nor its [`Self::run`].
    pub fn documents(&self) -> Documents {
        self.documents.clone()
    }

    /// Keeps the documents up to date until dropped. Nothing is fetched any more if the network requires of clients what
    /// this one does not have.
    pub async fn run(mut self) {
        let mut fetches = FuturesUnordered::new();
        let (answering, mut answers) = mpsc::unbounded_channel();
        let mut aborts: HashMap<FetchId, AbortHandle> = HashMap::new();
        let mut input = self.orders();
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
                    | Output::ConsensusArrived { .. }
                    | Output::NsConsensusArrived
                    | Output::RoutersArrived(_)
                    | Output::Refused { .. }
                    | Output::ClockBehind(_)
                    | Output::Obsolete(_)
                    | Output::Outdated(_)
                    | Output::StoreFailed { .. }
                    | _) => self.tell(told),
                }
            }
            input = loop {
                // The documents are lost if the blocking thread failed.
                let Some(shelf) = &self.state else { return };
                let deadline = shelf.state.deadline(moment());
                tokio::select! {
                    Some(look) = self.callers.looks.recv() => self.look(look).await,
                    Ok(()) = self.callers.orders.changed() => break self.orders(),
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

    fn orders(&mut self) -> Input {
        let Orders { network, wanted } = *self.callers.orders.borrow_and_update();
        Input::Orders { network, wanted }
    }

    /// Runs `work` on a blocking thread; the documents are away meanwhile.
    async fn with_documents<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Shelf) -> R + Send + 'static,
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

    async fn look(&mut self, look: documents::Look) {
        self.with_documents(move |shelf| look(&shelf.state, &shelf.store, moment())).await;
    }

    async fn handle(&mut self, input: Input) -> Vec<Output> {
        let done = self
            .with_documents(move |documents| {
                let Shelf { state, store, teller } = documents;
                state.handle(moment(), input, store, &mut clock::rng());
                let outputs: Vec<_> = std::iter::from_fn(|| state.poll_output()).collect();
                outputs.iter().for_each(|output| teller.tell(state, output));
                let wall = clock::wall();
                let readiness = state.readiness(wall);
                teller.tell_enough(readiness == Readiness::Enough);
                (outputs, readiness, state.view(wall).cloned())
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
        if readiness != Readiness::Enough {
            self.bootstrap.circuit_doubtful();
        }
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
            Output::ConsensusArrived { .. } => debug!("A new consensus is here."),
            Output::NsConsensusArrived => debug!("A new consensus of the ns flavour is here."),
            Output::RoutersArrived(relays) => debug!("{} router descriptors have come.", relays.len()),
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
}

fn moment() -> Moment {
    Moment { now: clock::now(), wall: clock::wall() }
}
