//! A handle to the documents: what others may ask of them, and tell the directory, while it is at work.
//!
//! The documents themselves are with the directory's task, and on a blocking thread while an answer is read. A look at
//! them waits for its turn there, so that what it sees is of one piece.

use tokio::sync::{mpsc, oneshot, watch};
use tor_dir::{
    DirState, DirWanted, Moment,
    info::{self, KeyAnswer, KeyError},
};

use crate::DiskStore;

/// Most looks that wait for their turn.
const MAX_LOOKS: usize = 64;

/// A handle to the documents of a [`crate::Directory`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Documents {
    looks: mpsc::Sender<Look>,
    orders: watch::Sender<Orders>,
}

/// The other end of the handle.
#[derive(Debug)]
pub(super) struct Callers {
    pub(super) looks: mpsc::Receiver<Look>,
    pub(super) orders: watch::Receiver<Orders>,
}

/// What the directory is to do at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orders {
    pub(super) network: bool,
    pub(super) wanted: DirWanted,
}

/// Something to be done with the documents on a blocking thread.
pub(super) type Look = Box<dyn FnOnce(&DirState, &DiskStore, Moment) + Send>;

impl Documents {
    pub(super) fn new() -> (Self, Callers) {
        let (looks, looked) = mpsc::channel(MAX_LOOKS);
        let (orders, ordered) = watch::channel(Orders { network: true, wanted: DirWanted::default() });
        (Self { looks, orders }, Callers { looks: looked, orders: ordered })
    }

    /// Looks at the documents, on a blocking thread; `None` if the directory is gone.
    pub async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&DirState, &DiskStore, Moment) -> R + Send + 'static,
    ) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        let look = move |state: &DirState, store: &DiskStore, at: Moment| {
            // Nobody listens any more if the controller has gone.
            let _gone = answer.send(look(state, store, at));
        };
        self.looks.send(Box::new(look)).await.ok()?;
        answered.await.ok()
    }

    /// Answers a key of GETINFO about documents; `Ok(None)` if there is no such key, or it names nothing that is known.
    ///
    /// # Errors
    /// If the key has no value and C Tor has a text that says why.
    pub async fn info(&self, key: &str) -> KeyAnswer {
        let key = key.to_owned();
        let answer = self.look(move |state, store, at| info::answer(state, store, at, &key)).await;
        answer.unwrap_or(Err(KeyError::Unavailable("Internal error")))
    }

    /// Whether documents may be fetched (`DisableNetwork 0`). If not, running fetches are given up.
    pub fn set_network(&self, network: bool) {
        self.orders.send_modify(|orders| orders.network = network);
    }

    /// Which documents are fetched beyond those that a client needs.
    pub fn set_wanted(&self, wanted: DirWanted) {
        self.orders.send_modify(|orders| orders.wanted = wanted);
    }
}
