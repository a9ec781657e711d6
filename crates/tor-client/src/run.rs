//! The life of the process: one thread, its signals, its control port, and the way to its end.

use std::{process::ExitCode, sync::Arc, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tor_client::{
    Client, Log, StartError, Surroundings,
    control::{Control, Signal, Wish},
};
use tor_config::Loaded;
use tor_ctrl_events::Dispatcher;
use tracing::{debug, error, info, warn};

use crate::cli::fail;

/// How long the last replies may take on their way to controllers.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How often the log says how the client is, as C Tor's default is.
const HEARTBEAT: Duration = Duration::from_secs(6 * 3600);

/// Runs a client until it is told to end. One thread: what one thread does needs no hand-over, and the bytes stay
/// in its caches.
pub(crate) fn run(loaded: Loaded, log: Log) -> ExitCode {
    raise_file_limit();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(failed) => return fail(&format!("can't start: {failed}")),
    };
    let code = runtime.block_on(serve(loaded, log));
    // What still runs on blocking threads (a document being read) is of no more use.
    runtime.shutdown_background();
    code
}

/// Each application's connection is an open file, and the limit that a shell gives is often 1024: takes as many as
/// the system allows.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, ..limit };
    if let Err(failed) = setrlimit(Resource::Nofile, most) {
        debug!("The limit on open files stays: {failed}");
    }
}

async fn serve(loaded: Loaded, log: Log) -> ExitCode {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(failed) => return fail(&format!("can't wait for signals: {failed}")),
    };
    let pid_file = loaded.config.process.pid_file.clone();
    if let Some(path) = &pid_file
        && let Err(failed) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        warn!("Unable to open \"{}\" for writing: {failed}", path.display());
    }
    let (client, mut control) = match start(loaded, log).await {
        Ok(started) => started,
        Err(StartError::Config(refused)) => {
            warn!("Failed to parse/validate config: {refused}");
            error!("Reading config failed--see warnings above. For usage, try -h.");
            return ExitCode::FAILURE;
        }
        Err(failed) => {
            error!("{failed}");
            return ExitCode::FAILURE;
        }
    };
    let ready = announce(&client);
    tokio::pin!(ready);
    let wish = loop {
        tokio::select! {
            signal = signals.next() => {
                if signal == Signal::Shutdown {
                    info!("Interrupt: exiting cleanly.");
                } else if signal == Signal::Halt {
                    info!("Catching signal TERM, exiting cleanly.");
                } else {
                    control.signal(signal);
                    continue;
                }
                break Wish::Shutdown;
            }
            wish = control.wish() => break wish,
            () = &mut ready => {}
        }
    };
    let good_order = async {
        tokio::time::sleep(LAST_WORDS).await;
        if wish == Wish::Shutdown {
            client.shut_down().await;
        }
    };
    // Circuits are closed in good order; who is in a hurry sends the signal again.
    tokio::select! {
        () = good_order => {}
        _ = signals.next() => {}
    }
    if let Some(path) = pid_file {
        let _nothing_more_to_do = std::fs::remove_file(path);
    }
    ExitCode::SUCCESS
}

/// The control ports open first: a controller may want to see all that follows.
async fn start(loaded: Loaded, log: Log) -> Result<(Arc<Client>, Control), StartError> {
    let events = Dispatcher::new();
    let telling = log.clone();
    events.on_interest_changed(move || telling.interest_changed());
    let surroundings = Surroundings { log: Some(log), events: Arc::new(events.clone()) };
    let client = Arc::new(Client::new(loaded.config.clone(), surroundings).await?);
    let control = Control::start(Arc::clone(&client), events, loaded)?;
    client.go()?;
    Ok((client, control))
}

/// Says when the proxy can be used, and now and then how it is. Never ends.
async fn announce(client: &Client) {
    client.ready().await;
    let ports = client.socks_ports().join(", ");
    if !ports.is_empty() {
        info!("The SOCKS proxy is ready on {ports}.");
    }
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        client.heartbeat();
    }
}

/// The signals that C Tor knows and a client can obey.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    user1: tokio::signal::unix::Signal,
    user2: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next signal, by what it asks for.
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Shutdown,
            _ = self.terminate.recv() => Signal::Halt,
            _ = self.hang_up.recv() => Signal::Reload,
            _ = self.user1.recv() => Signal::Dump,
            _ = self.user2.recv() => Signal::Debug,
        }
    }
}
