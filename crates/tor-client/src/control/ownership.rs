//! Controllers that own the client: it ends with the first of them that leaves.
//!
//! An owner is a connection that said TAKEOWNERSHIP, the connection of `__OwningControllerFD`, or the process of
//! `__OwningControllerProcess`.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{OwnedFd, RawFd},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::sync::watch;
use tor_config::Config;
use tor_ctrl::ControllerId;

/// How often the owning process is looked for, as in C Tor.
const LOOK: Duration = Duration::from_secs(15);

/// Who has taken ownership.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<BTreeSet<ControllerId>>);

impl Owners {
    /// TAKEOWNERSHIP.
    pub(super) fn take(&self, controller: ControllerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(controller);
    }

    /// DROPOWNERSHIP, and the end of a connection: true if it was an owner.
    pub(super) fn drop(&self, controller: ControllerId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&controller)
    }
}

/// Waits until the process of `__OwningControllerProcess` is gone; the option may change meanwhile.
pub(super) async fn process_gone(mut config: watch::Receiver<Arc<Config>>) {
    loop {
        let owner = config.borrow_and_update().process.owner;
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            return;
        }
        let change = config.changed();
        if owner.is_some() {
            let _either = tokio::time::timeout(LOOK, change).await;
        } else if change.await.is_err() {
            return std::future::pending().await; // the client is over anyway
        }
    }
}

/// The socket of `__OwningControllerFD`, which whoever started us left open for us. (A second descriptor of it: the
/// first stays with the process.)
///
/// # Errors
/// If there is no such descriptor, or if it is no connected socket.
pub(super) fn inherited(descriptor: RawFd) -> io::Result<tokio::net::UnixStream> {
    let ourselves = pidfd_open(getpid(), PidfdFlags::empty())?;
    let socket: OwnedFd = pidfd_getfd(ourselves, descriptor, PidfdGetfdFlags::empty())?;
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.peer_addr()?;
    socket.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(socket)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_socket_is_taken_over_by_its_number() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut inherited = inherited(ours.as_raw_fd()).unwrap();
        inherited.write_all(b"hello").await.unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut theirs = tokio::net::UnixStream::from_std(theirs).unwrap();
        let mut said = [0; 5];
        theirs.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
        assert!(super::inherited(1_000_000).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_gone_is_noticed_and_one_that_lives_is_not() {
        let mut config = Config::default();
        config.process.owner = Some(std::process::id());
        let (sender, receiver) = watch::channel(Arc::new(config.clone()));
        let gone = process_gone(receiver);
        tokio::pin!(gone);
        assert!(tokio::time::timeout(4 * LOOK, &mut gone).await.is_err());
        config.process.owner = Some(0x7fff_fff0);
        sender.send_replace(Arc::new(config));
        tokio::time::timeout(LOOK, gone).await.unwrap();
    }
}
