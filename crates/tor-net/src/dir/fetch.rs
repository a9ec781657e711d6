//! One fetch: which server to ask, the one-hop circuit to it, the request and its answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use rand::RngExt;
use tokio::{io::AsyncReadExt, sync::mpsc};
use tor_circ::{HopHandshake, HopSpec};
use tor_circmgr::{BuiltCircuit, CircMgr, address_map::host_text, target::Errand};
use tor_ctrl_events::{IsoFields, LongName, StreamClient, StreamPurpose, StreamReason};
use tor_dir::{DirServer, Fetch, FetchId, Response, ResponseReader, ServerKind, Source};
use tor_id::{RelayIds, RsaId};
use tor_path::Hop;

use super::Directory;
use crate::{
    Bootstrap, Channels, CircuitEnd, CircuitHandle, DataStream, Ledger, OpenRequest, Opened, Phase,
    RelayAddress, RelayCircuits, StreamRequest, clock,
    factory::hop_spec,
    ledger::{NewStream, Plan, StreamRecord, Why},
};

/// The session group of directory fetches, as in C Tor.
const DIRECTORY_GROUP: i64 = -2;

/// How long a server may take to create the one-hop circuit.
const CREATE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server may take to begin its answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// A server, and how to get to it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) ids: RelayIds,
    addrs: Vec<SocketAddr>,
    /// Its keys, where the view has them.
    hop: Option<Hop>,
    /// It is one of our guards, whose record should know how it went.
    guard: bool,
}

/// How a fetch went.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) id: FetchId,
    pub(super) from: Option<Server>,
    pub(super) circuit: Option<CircuitHandle>,
    pub(super) result: Result<Response, FetchError>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
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
    /// Prepares a fetch; the future that is returned borrows nothing.
    pub(super) fn fetch(
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
            let stream = begin(channels.ledger(), &server);
            let circuit = match held {
                Some(circuit) => Ok(circuit),
                None => one_hop(&channels, &manager, &bootstrap, &server).await,
            };
            let (circuit, result) = match circuit {
                Err(error) => {
                    stream.failed(Why::Local(StreamReason::CantAttach));
                    (None, Err(error))
                }
                Ok(circuit) => {
                    let asked = request(&circuit, stream, &fetch, &server, &bootstrap, &answering, max_stall);
                    let result = asked.await;
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
    let record = channels.ledger().launch(Plan::ONE_HOP);
    let card = record.card().clone();
    let built = async {
        let address = RelayAddress { ids: server.ids, addrs: server.addrs.clone() };
        let channel = match channels.get(&address).await {
            Ok(channel) => channel,
            Err(error) => {
                record.over(CircuitEnd::of_channel(&error));
                return Err(error.into());
            }
        };
        bootstrap.reached(Phase::OnehopCreate);
        let circuit = CircuitHandle::start(&channel, manager.factory().circ_params(), record)
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
        circuit.card().built();
        Ok::<_, crate::CircuitError>(circuit)
    };
    let built = tokio::select! {
        built = built => built,
        _ = card.end_wanted() => Err(crate::CircuitError::Closed),
    };
    if server.guard {
        // Whether a better guard may be up matters to traffic only.
        let _usable = manager.factory().guard_answered(&server.ids.rsa, built.as_ref().map(|_| ()));
    }
    Ok(built?)
}

/// The fetch's stream, as the ledger has it.
fn begin(ledger: &Arc<Ledger>, server: &Server) -> StreamRecord {
    let address = server.addrs.first();
    let host = address.map_or_else(|| "0.0.0.0".to_owned(), |address| host_text(address.ip()));
    ledger.new_stream(NewStream {
        errand: Errand::Connect,
        host: format!("{host}.{}.exit", LongName::from(server.ids.rsa)),
        port: address.map_or(0, SocketAddr::port),
        purpose: StreamPurpose::DirFetch,
        source: None,
        client: StreamClient {
            nym_epoch: ledger.nym_epoch().into(),
            session_group: DIRECTORY_GROUP,
            iso_fields: IsoFields { session_group: true, ..IsoFields::default() },
            ..StreamClient::default()
        },
        managed: false,
    })
}

/// Opens the fetch's stream. Controllers may close it while it waits, like any other.
async fn open(circuit: &CircuitHandle, record: StreamRecord, head: Bytes) -> Result<DataStream, FetchError> {
    record.wrote(head.len());
    let request = StreamRequest::new(OpenRequest::Dir(head), record.card());
    let opened = tokio::select! {
        opened = tokio::time::timeout(OPEN_TIMEOUT, circuit.open_at(&request, None)) => opened,
        () = record.closing() => return Err(FetchError::NoStream),
    };
    match opened {
        Ok(Ok(Opened::Stream(mut stream, _))) => {
            record.succeeded();
            stream.keep(record);
            Ok(stream)
        }
        Ok(Ok(Opened::Answers(_))) => Err(FetchError::NoStream),
        Ok(Err(refusal)) => {
            record.failed(Why::refused(refusal, Errand::Connect));
            Err(refusal.into())
        }
        Err(_) => {
            record.failed(Why::Local(StreamReason::Timeout));
            Err(FetchError::Stalled)
        }
    }
}

async fn request(
    circuit: &CircuitHandle,
    record: StreamRecord,
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
        tor_dir::DirRequest::Microdescs(_) => bootstrap.reached(Phase::RequestingDescriptors),
        // What a client does not need is no step of its start.
        tor_dir::DirRequest::Routers(_) | _ => {}
    }
    let mut stream = open(circuit, record, head.into()).await?;
    let mut reader = ResponseReader::new(fetch.request.max_answer());
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
