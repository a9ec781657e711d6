//! What the state wants of its driver.

use std::{io, sync::Arc, time::Duration};

use thiserror::Error;
use tor_id::{Fault, RsaId};
use tor_netdoc::{Consensus, DocError, Nickname, Protocols, VerifyError, diff::DiffError};

use crate::{DirFile, DirRequest, NetworkView};

/// Something for the driver to do or to tell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Ask a server for documents, and report with an [`crate::Input::Answer`] or [`crate::Input::Failed`].
    Fetch(Fetch),
    /// Give this fetch up; its answer is not wanted any more.
    Cancel(FetchId),
    /// More is known of the network.
    View(Arc<NetworkView>),
    /// A new consensus was verified and is held.
    ConsensusArrived {
        /// The one that it replaces.
        old: Option<Arc<Consensus>>,
        /// It was in the store.
        from_store: bool,
    },
    /// A consensus of the `ns` flavour was verified and is held, for tools.
    NsConsensusArrived,
    /// Router descriptors of these relays have come, or were in the store.
    RoutersArrived(Vec<(RsaId, Nickname)>),
    /// A server's answer was of no use. The documents are asked of another.
    Refused {
        /// Which fetch.
        id: FetchId,
        /// Which server.
        from: RsaId,
        /// What was wrong.
        error: DirError,
    },
    /// The consensus begins after our clock's time by this much: our clock is probably behind.
    ClockBehind(Duration),
    /// The network requires subprotocols of clients that we lack: we must not use it.
    Obsolete(Protocols),
    /// The network recommends subprotocols to clients that we lack.
    Outdated(Protocols),
    /// A file of the store can't be read or written. We go on without.
    StoreFailed {
        /// Which file.
        file: DirFile,
        /// Why.
        error: io::ErrorKind,
    },
}

/// Names a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(pub(super) u64);

/// A request for the driver to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetch {
    /// Its name, for the report.
    pub id: FetchId,
    /// What to ask for.
    pub request: DirRequest,
    /// What kind of server to ask.
    pub source: Source,
    /// A server that probably has the documents; to be asked if it can be.
    pub prefer: Option<RsaId>,
    /// Servers that have failed to give these documents; to be asked only if there are no others.
    pub avoid: Vec<RsaId>,
}

/// A kind of directory server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A fallback (or authority): no consensus says who else there is.
    Fallback,
    /// An authority.
    Authority,
    /// A directory guard, or another cache of the network view. Different fetches should go to different ones.
    Cache,
}

/// Why an answer was of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DirError {
    /// The server answered with this HTTP status.
    #[error("directory server answered with status {0}")]
    Status(u16),
    /// The answer is not UTF-8.
    #[error("directory document is not text")]
    NotText,
    /// The document is malformed.
    #[error(transparent)]
    Doc(#[from] DocError),
    /// The diff can't be applied.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// Too few authorities have signed the consensus.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// We asked for the other flavour.
    #[error("consensus of another flavour")]
    WrongFlavor,
    /// We have this consensus, or a newer one.
    #[error("consensus is no newer than the one we have")]
    NotNewer,
    /// The consensus ended more than a day ago. If it is the network's current one, our clock is ahead.
    #[error("consensus expired {} seconds ago", .by.as_secs())]
    Expired {
        /// How long ago.
        by: Duration,
    },
    /// The consensus begins more than a day from now. Our clock is probably behind.
    #[error("consensus begins in {} seconds", .by.as_secs())]
    FromTheFuture {
        /// In how long.
        by: Duration,
    },
    /// None of the documents that were asked for is in the answer.
    #[error("none of the requested documents was in the answer")]
    NothingRequested,
}

impl DirError {
    /// Who must change.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Verify(error) => error.fault(),
            Self::Status(_) | Self::NotNewer => Fault::Network,
            Self::NotText
            | Self::Doc(_)
            | Self::Diff(_)
            | Self::WrongFlavor
            | Self::Expired { .. }
            | Self::FromTheFuture { .. }
            | Self::NothingRequested => Fault::Peer,
        }
    }
}
