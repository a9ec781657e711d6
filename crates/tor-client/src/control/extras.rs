//! What the control port has beyond C Tor's: the history of events as GETINFO keys, and events to a file.

use std::{
    future::poll_fn,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;
use tor_ctrl::{EventLog, InfoAnswer, InfoError, Reply};
use tor_ctrl_events::{Dispatcher, EventKind, EventText, JsonLog, Rotation, Subscriber};
use tor_net::clock;
use tracing::warn;

use super::Shared;

/// Events that are written to the file in one piece.
const BATCH: usize = 256;

/// The task that writes events to a file, if there is one; it ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct EventFile(Mutex<Option<oneshot::Sender<()>>>);

impl Shared {
    /// X-EVENTLOG: in place of the file before, which ends either way once the new one is open.
    pub(super) async fn set_event_log(&self, log: Option<EventLog>) -> Reply {
        let writing = match log {
            None => None,
            Some(EventLog { file, kinds, max_size, keep }) => {
                let path = file.clone();
                let rotation = Rotation { max_bytes: max_size, keep };
                let opened = tokio::task::spawn_blocking(move || JsonLog::open(path, rotation)).await;
                match opened.map_err(std::io::Error::other).flatten() {
                    Err(error) => return Reply::line(551, format!("Unable to open \"{file}\": {error}")),
                    Ok(log) => {
                        let mut events = self.events.subscribe();
                        events.set(kinds);
                        let (stop, stopped) = oneshot::channel::<()>();
                        clock::spawn(async move {
                            tokio::select! {
                                () = write(log, events, &file) => {}
                                _ = stopped => {}
                            }
                        });
                        Some(stop)
                    }
                }
            }
        };
        *self.event_file.0.lock().unwrap_or_else(PoisonError::into_inner) = writing;
        Reply::ok()
    }

    /// `GETINFO x-events/…`.
    pub(super) fn extra_info(&self, key: &str) -> InfoAnswer {
        let Some(key) = key.strip_prefix("x-events/") else { return Ok(None) };
        if let Some(name) = key.strip_prefix("history/") {
            let kind = EventKind::from_name(name)
                .ok_or_else(|| InfoError::unknown(format!("Unrecognized event \"{name}\"")))?;
            return Ok(Some(history(&self.events, kind)));
        }
        Ok(match key {
            "kept" => {
                let kept = self.events.histories();
                let words: Vec<_> =
                    kept.iter().map(|(kind, most)| format!("{}={most}", kind.name())).collect();
                Some(words.join(" "))
            }
            "subscribers" => Some(self.events.subscribers().to_string()),
            _ => None,
        })
    }
}

/// What is kept of a type, a line each, without the line ends.
fn history(events: &Dispatcher, kind: EventKind) -> String {
    let text = |event: EventText| String::from_utf8_lossy(event.as_bytes()).trim_end().to_owned();
    events.history(kind.into()).into_iter().map(text).collect::<Vec<_>>().join("\r\n")
}

/// Writes events as they come, on a thread that may wait for the disk, until that fails.
async fn write(mut log: JsonLog, mut events: Subscriber, file: &str) {
    loop {
        let mut batch =
            vec![(clock::wall(), poll_fn(|context| events.poll_next(clock::now(), context)).await)];
        while batch.len() < BATCH
            && let Some(event) = events.try_next(clock::now())
        {
            batch.push((clock::wall(), event));
        }
        let written = tokio::task::spawn_blocking(move || {
            batch.iter().try_for_each(|(at, event)| log.write(*at, event)).map(|()| log)
        });
        match written.await.map_err(std::io::Error::other).flatten() {
            Ok(same) => log = same,
            Err(error) => return warn!("Events are no longer written to \"{file}\": {error}"),
        }
    }
}
