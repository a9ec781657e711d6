//! The control ports: where controllers reach the client, and how they show who they are.
//!
//! As a [`Part`] of the client they take part in every change of the configuration: new ports are bound and files
//! are written before anything old is given up, and if that fails nothing has changed. Connections outlive the port
//! that they came by.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use rand::Rng;
use tokio::sync::{Notify, watch};
use tor_config::{Bind, Config, ControlConfig};
use tor_ctrl::{AuthConfig, COOKIE_LEN, Cookie, HashedPassword};
use tor_net::{ControlDoor, Listener, clock, replace_file};
use tracing::{info, warn};

use super::Backend;
use crate::{C_TOR_VERSION, Commit, Part, ReconfigureError};

/// The control ports of a client.
#[derive(Debug)]
pub(super) struct Ports {
    this: Weak<Self>,
    door: Arc<ControlDoor<Backend>>,
    auth: watch::Sender<Arc<AuthConfig>>,
    open: Mutex<Vec<Open>>,
    /// One cookie for the life of the process, as in C Tor; where it was written.
    cookie: Mutex<Option<([u8; COOKIE_LEN], PathBuf)>>,
}

/// An open port.
#[derive(Debug)]
struct Open {
    bind: Bind,
    name: String,
    _accepting: Accepting,
}

/// The task that accepts controllers at one port.
#[derive(Debug)]
struct Accepting(Arc<Notify>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Ports {
    /// No ports yet: [`Part::prepare`] opens them.
    pub(super) fn new(door: Arc<ControlDoor<Backend>>, auth: watch::Sender<Arc<AuthConfig>>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            door,
            auth,
            open: Mutex::default(),
            cookie: Mutex::default(),
        })
    }

    fn ports(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change true that can't fail any more.
    fn commit(&self, control: &ControlConfig, new: Vec<(Bind, Listener)>, auth: AuthConfig) {
        {
            let mut open = self.ports();
            open.retain(|port| {
                let stays = control.listeners.contains(&port.bind);
                if !stays {
                    info!("Closing no-longer-configured Control listener on {}", port.name);
                }
                stays
            });
            for (bind, listener) in new {
                let name = listener.local_name();
                info!("Opened Control listener connection (ready) on {name}");
                open.push(Open { bind, name, _accepting: self.accept(listener) });
            }
        }
        self.auth.send_replace(Arc::new(auth));
        self.write_port_file(control);
    }

    fn accept(&self, listener: Listener) -> Accepting {
        let door = Arc::clone(&self.door);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        clock::spawn(async move {
            tokio::select! {
                () = door.serve(listener) => {}
                () = stopped.notified() => {}
            }
        });
        Accepting(stop)
    }

    /// `ControlPortWriteToFile`.
    fn write_port_file(&self, control: &ControlConfig) {
        let Some(path) = &control.port_file else { return };
        let line = |port: &Open| match port.name.strip_prefix("unix:") {
            Some(path) => format!("UNIX_PORT={path}\n"),
            None => format!("PORT={}\n", port.name),
        };
        let text: String = self.ports().iter().map(line).collect();
        let mode = if control.port_file_group_readable { 0o640 } else { 0o600 };
        if let Err(error) = replace_file(path, text.as_bytes(), mode) {
            warn!("Writing {} failed: {error}", path.display());
        }
    }

    /// Who may come in from now on. The cookie is written if it is not where it should be.
    fn auth(&self, config: &Config) -> Result<AuthConfig, ReconfigureError> {
        let control = &config.control;
        let mut auth = AuthConfig::new(C_TOR_VERSION);
        for hash in &control.passwords {
            // tor-config has looked at its form; one that still can't be read must not open the door.
            let password = hash.as_str().parse::<HashedPassword>().map_err(|error| {
                ReconfigureError::Other { option: "HashedControlPassword", text: error.to_string() }
            })?;
            auth.passwords.push(password);
        }
        if control.cookie {
            let path = config.cookie_file();
            let path = std::path::absolute(&path).unwrap_or(path);
            let secret = self.cookie(&path, control.cookie_group_readable)?;
            auth.cookie = Some(Cookie::new(secret, path.as_os_str().as_encoded_bytes()));
        }
        Ok(auth)
    }

    fn cookie(&self, path: &PathBuf, group: bool) -> Result<[u8; COOKIE_LEN], ReconfigureError> {
        let mut cookie = self.cookie.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((secret, written)) = &*cookie
            && written == path
        {
            return Ok(*secret);
        }
        let mut secret = [0; COOKIE_LEN];
        clock::rng().fill_bytes(&mut secret);
        let mode = if group { 0o640 } else { 0o600 };
        replace_file(path, &secret, mode).map_err(|error| {
            warn!("Error writing auth cookie to \"{}\": {error}", path.display());
            ReconfigureError::Other {
                option: "CookieAuthentication",
                text: "Error creating cookie authentication file.".to_owned(),
            }
        })?;
        *cookie = Some((secret, path.clone()));
        Ok(secret)
    }
}

impl Part for Ports {
    fn prepare(&self, _: Option<&Config>, new: &Config) -> Result<Commit, ReconfigureError> {
        let control = new.control.clone();
        let auth = self.auth(new)?;
        let missing: Vec<Bind> = {
            let open = self.ports();
            control
                .listeners
                .iter()
                .filter(|bind| open.iter().all(|port| port.bind != **bind))
                .cloned()
                .collect()
        };
        let mut bound = Vec::new();
        for bind in missing {
            let listener = Listener::bind(&bind).map_err(|error| ReconfigureError::Bind {
                option: "ControlPort",
                place: bind.to_string(),
                error,
            })?;
            bound.push((bind, listener));
        }
        let this = self.this.clone();
        Ok(Box::new(move || {
            if let Some(ports) = this.upgrade() {
                ports.commit(&control, bound, auth);
            }
        }))
    }

    fn listeners(&self, kind: &str) -> Vec<String> {
        if kind == "control" {
            self.ports().iter().map(|port| port.name.clone()).collect()
        } else {
            Vec::new()
        }
    }
}
