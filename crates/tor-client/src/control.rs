//! The control port of the client: what stands behind each command.
//!
//! `tor-ctrl` reads the commands and refuses what can be refused without the client; here is what is left: the
//! configuration (`conf`), questions (`info`), circuits and streams, signals, and the ports themselves (`ports`).
//!
//! ```text
//!  ports ── ControlDoor ── Session ──> Backend::execute ──> conf ──> Client::reconfigure ──> ports, SOCKS, network
//!                                                      ├──> info ──> ledger, documents, process
//!                                                      ├──> circuits, streams, signals
//!  Unix signals ───────────────────────────────────────┘                    └──> Wish: shut down
//! ```

mod circuits;
mod conf;
mod extras;
mod info;
mod onions;
mod ownership;
mod ports;
mod signals;
mod streams;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tor_config::Loaded;
use tor_ctrl::{AuthConfig, Command, ControlBackend, ControllerId, Reply};
use tor_ctrl_events::{Dispatcher, EventKind, EventSink};
use tor_net::{ControlDoor, clock};
use tor_netdoc::RouterDesc;
use tracing::{debug, info, warn};

use self::{conf::Conf, extras::EventFile, ownership::Owners, ports::Ports, signals::Signals};
use crate::{C_TOR_VERSION, Client, Part, ReconfigureError};

pub use self::signals::Wish;
pub use tor_ctrl::Signal;

/// Events of which the last are kept, and how many: what a controller that comes late wants to know, and what tells
/// nothing of where the user went.
const HISTORY: [(EventKind, usize); 10] = [
    (EventKind::Notice, 200),
    (EventKind::Warn, 200),
    (EventKind::Err, 200),
    (EventKind::StatusGeneral, 100),
    (EventKind::StatusClient, 100),
    (EventKind::Guard, 100),
    (EventKind::Signal, 100),
    (EventKind::ConfChanged, 100),
    (EventKind::NetworkLiveness, 100),
    (EventKind::BuildTimeoutSet, 100),
];

/// The control port of a running client. Its ports are closed when this is dropped.
#[derive(Debug)]
pub struct Control {
    shared: Arc<Shared>,
    wishes: mpsc::UnboundedReceiver<Wish>,
    _ports: Arc<Ports>,
}

/// What commands work with.
#[derive(Debug)]
struct Shared {
    client: Arc<Client>,
    events: Dispatcher,
    conf: Conf,
    owners: Owners,
    signals: Signals,
    event_file: EventFile,
    wishes: mpsc::UnboundedSender<Wish>,
}

/// Executes what controllers ask.
#[derive(Debug)]
struct Backend(Arc<Shared>);

impl Control {
    /// Opens the control ports that the configuration names. `loaded` is the configuration that `client` was made
    /// with, `events` is what it tells its events to.
    ///
    /// # Errors
    /// If a port can't be opened or a file can't be written.
    pub fn start(client: Arc<Client>, events: Dispatcher, loaded: Loaded) -> Result<Self, ReconfigureError> {
        let owner_fd = loaded.config.control.owner_fd;
        let (sender, wishes) = mpsc::unbounded_channel();
        HISTORY.iter().for_each(|(kind, most)| events.keep_history(*kind, *most));
        let shared = Arc::new(Shared {
            client: Arc::clone(&client),
            events: events.clone(),
            conf: Conf::new(loaded),
            owners: Owners::default(),
            signals: Signals::default(),
            event_file: EventFile::default(),
            wishes: sender,
        });
        let (auth, auth_seen) = watch::channel(Arc::new(AuthConfig::new(C_TOR_VERSION)));
        let door = Arc::new(ControlDoor::new(Arc::new(Backend(Arc::clone(&shared))), events, auth_seen));
        let ports = Ports::new(Arc::clone(&door), auth);
        let part: Arc<dyn Part> = Arc::<Ports>::clone(&ports);
        client.join(&part)?;
        if let Some(descriptor) = owner_fd {
            let socket = ownership::inherited(descriptor).map_err(|error| ReconfigureError::Other {
                option: "__OwningControllerFD",
                text: format!("Couldn't use the owning controller's connection: {error}"),
            })?;
            shared.owners.take(door.admit_owner(socket));
        }
        Ok(Self { shared, wishes, _ports: ports })
    }

    /// Does what a signal to the process asks for.
    pub fn signal(&self, signal: Signal) {
        let _always_ok = self.shared.signal(signal);
    }

    /// Waits until somebody who may wants the client to end: a controller, an owner that is gone.
    pub async fn wish(&mut self) -> Wish {
        let gone = ownership::process_gone(self.shared.client.config_changes());
        tokio::select! {
            wish = self.wishes.recv() => wish.unwrap_or(Wish::Shutdown),
            () = gone => {
                info!("Owning controller process has vanished -- exiting now.");
                Wish::Shutdown
            }
        }
    }
}

impl Shared {
    fn events(&self) -> &dyn EventSink {
        &self.events
    }
}

impl ControlBackend for Backend {
    async fn execute(&self, from: ControllerId, command: Command) -> Reply {
        let Self(shared) = self;
        match command {
            Command::GetInfo(keys) => {
                let mut answers = Vec::with_capacity(keys.len());
                for key in &keys {
                    let answer = shared.info(key).await;
                    let fatal = matches!(&answer, Err(error) if error.code != 552);
                    answers.push((key.as_str(), answer));
                    if fatal {
                        break;
                    }
                }
                Reply::info(answers)
            }
            Command::GetConf(names) => shared.conf.show(&names),
            Command::SetConf { assignments, reset } => shared.set_conf(&assignments, reset),
            Command::SaveConf { force } => shared.save_conf(force),
            Command::LoadConf(text) => shared.load_conf(&text),
            Command::Signal(signal) => shared.signal(signal),
            Command::TakeOwnership => {
                debug!("Control connection {from} has taken ownership of this client.");
                shared.owners.take(from);
                Reply::ok()
            }
            Command::DropOwnership => {
                debug!("Control connection {from} has dropped ownership of this client.");
                shared.owners.drop(from);
                Reply::ok()
            }
            Command::ExtendCircuit { circuit, path, purpose } => {
                shared.extend_circuit(&circuit, path.as_deref(), purpose)
            }
            Command::SetCircuitPurpose { circuit, purpose } => shared.set_circuit_purpose(&circuit, purpose),
            Command::AttachStream { stream, circuit, hop } => {
                shared.attach_stream(&stream, &circuit, hop.as_ref()).await
            }
            Command::RedirectStream { stream, address, port } => {
                shared.redirect_stream(&stream, &address, port.as_ref())
            }
            Command::CloseStream { stream, reason } => shared.close_stream(&stream, &reason),
            Command::Resolve { targets, reverse } => shared.resolve(from, &targets, reverse),
            Command::MapAddress(mappings) => shared.map_addresses(&mappings),
            Command::DropGuards => shared.drop_guards(),
            Command::DropTimeouts => shared.drop_timeouts(),
            Command::PostDescriptor { descriptor, .. } => post_descriptor(&descriptor),
            Command::CloseCircuit { circuit, if_unused } => shared.close_circuit(&circuit, if_unused),
            Command::SetEventLog(log) => shared.set_event_log(log).await,
            Command::KeepHistory(wanted) => {
                wanted.into_iter().for_each(|(kind, most)| shared.events.keep_history(kind, most));
                Reply::ok()
            }
            Command::HsFetch { servers, .. } => shared.fetch_onion(&servers),
            Command::HsPost { servers, address, .. } => shared.post_onion(&servers, address),
            Command::AddOnion(_) => onions::unbuilt("ADD_ONION"),
            Command::DelOnion(_) => onions::delete(),
            Command::OnionClientAuthAdd(_) => onions::unbuilt("ONION_CLIENT_AUTH_ADD"),
            Command::OnionClientAuthRemove(address) => onions::remove_auth(&address),
            Command::OnionClientAuthView(address) => onions::view_auth(address.as_ref()),
            // Subscriptions are answered where the connection is; others are not known to this version.
            other @ (Command::SetEvents(_) | Command::SetSubscriptions(_) | _) => {
                warn!("No answer to {}", other.name());
                Reply::line(551, "Not supported by this version")
            }
        }
    }

    fn closed(&self, from: ControllerId) {
        let Self(shared) = self;
        if shared.owners.drop(from) {
            info!("Owning controller connection has closed -- exiting now.");
            let _ending_already = shared.wishes.send(Wish::Shutdown);
        }
    }
}

/// POSTDESCRIPTOR: a client takes relays from the consensus alone.
fn post_descriptor(text: &str) -> Reply {
    match RouterDesc::parse(text, clock::wall()) {
        Ok(_) => Reply::line(251, "Descriptor not added: this version takes relays from the consensus alone"),
        Err(_) => Reply::line(554, "Couldn't parse router descriptor."),
    }
}
