//! Places where programs of this machine reach us: a TCP port or a Unix socket, bound as the configuration says.
//!
//! Whoever can reach a Unix socket's file may speak to us, and some systems check only the directory: so the
//! directory must be closed to others, as C Tor demands, unless the socket is meant for everybody.

use std::{
    fs,
    future::poll_fn,
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    task::{Context, Poll, ready},
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tor_config::Bind;

/// A bound place. The file of a Unix socket goes when this is dropped: a program that finds one expects somebody
/// behind it.
#[derive(Debug)]
pub struct Listener(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// Who came.
#[derive(Debug)]
pub enum Accepted {
    /// By TCP, from an address.
    Tcp(TcpStream, std::net::SocketAddr),
    /// By a Unix socket.
    Unix(UnixStream),
}

impl Listener {
    /// Listens at a place. Must be called within a tokio runtime; it does not block.
    ///
    /// # Errors
    /// If the address is taken or not ours, or the directory of a Unix socket is open to others.
    pub fn bind(place: &Bind) -> io::Result<Self> {
        match place {
            Bind::Tcp { address, port } => {
                let port = port.map_or(0, std::num::NonZero::get);
                let listener = std::net::TcpListener::bind((*address, port))?;
                listener.set_nonblocking(true)?;
                Ok(Self(Socket::Tcp(TcpListener::from_std(listener)?)))
            }
            Bind::Unix { path, group_writable, world_writable, relax_dir_mode } => {
                if !world_writable {
                    check_directory(path, *group_writable, *relax_dir_mode)?;
                }
                let listener = bind_unix(path, *group_writable, *world_writable)?;
                Ok(Self(Socket::Unix(listener, path.clone())))
            }
        }
    }

    /// Where it listens, as the log and `GETINFO net/listeners/*` say it: `127.0.0.1:9050`, `unix:/path`.
    pub fn local_name(&self) -> String {
        match &self.0 {
            Socket::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "?".to_owned(), |addr| addr.to_string())
            }
            Socket::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// Waits for the next one who comes.
    ///
    /// # Errors
    /// When there are no file descriptors left, mostly; trying again may help.
    pub async fn accept(&self) -> io::Result<Accepted> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// [`Listener::accept`], for who must not hold on to the listener while it waits.
    ///
    /// # Errors
    /// As there.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        Poll::Ready(match &self.0 {
            Socket::Tcp(listener) => ready!(listener.poll_accept(cx)).map(|(socket, peer)| {
                let _only_slower = socket.set_nodelay(true);
                Accepted::Tcp(socket, peer)
            }),
            Socket::Unix(listener, _) => {
                ready!(listener.poll_accept(cx)).map(|(socket, _)| Accepted::Unix(socket))
            }
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _gone_already = fs::remove_file(path);
        }
    }
}

/// Fails unless only this user (and with `group` its group) can look into the directory of `path`.
fn check_directory(path: &Path, group: bool, relaxed: bool) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|_| path.is_absolute()) else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "a Unix socket needs an absolute path"));
    };
    let meta = fs::metadata(directory)?;
    let ours = rustix::process::geteuid().as_raw();
    let too_open = meta.mode()
        & if relaxed {
            0o022
        } else if group {
            0o027
        } else {
            0o077
        };
    if !meta.is_dir() || meta.uid() != ours && meta.uid() != 0 || too_open != 0 {
        let who = if group { "user and group" } else { "user" };
        let what = format!("{} must be accessible only by the {who} that runs Tor", directory.display());
        return Err(io::Error::new(ErrorKind::PermissionDenied, what));
    }
    Ok(())
}

/// Who may connect, as the permissions of the socket's file say.
pub(crate) fn set_mode(path: &Path, group: bool, world: bool) -> io::Result<()> {
    let mode = match (world, group) {
        (true, _) => 0o666,
        (false, true) => 0o660,
        (false, false) => 0o600,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn bind_unix(path: &Path, group: bool, world: bool) -> io::Result<UnixListener> {
    // A socket that a run before this one left behind; anything else is not ours to remove.
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    set_mode(path, group, world)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &Path, group: bool, world: bool, relaxed: bool) -> Bind {
        Bind::Unix {
            path: path.to_owned(),
            group_writable: group,
            world_writable: world,
            relax_dir_mode: relaxed,
        }
    }

    #[tokio::test]
    async fn a_socket_in_an_open_directory_is_refused_unless_it_is_for_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        let open = |mode| fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        open(0o755);
        assert_eq!(
            Listener::bind(&place(&path, false, false, false)).unwrap_err().kind(),
            ErrorKind::PermissionDenied
        );
        assert!(Listener::bind(&place(&path, false, true, false)).is_ok());
        assert!(Listener::bind(&place(&path, false, false, true)).is_ok());
        open(0o750);
        assert!(Listener::bind(&place(&path, false, false, false)).is_err());
        let listener = Listener::bind(&place(&path, true, false, false)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert_eq!(listener.local_name(), format!("unix:{}", path.display()));
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let path = directory.path().join("precious");
        fs::write(&path, "text").unwrap();
        assert!(Listener::bind(&place(&path, false, false, false)).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"text");
        assert!(Listener::bind(&place(Path::new("relative"), false, false, false)).is_err());
    }
}
