//! The configuration commands: what `tor-config` works out, made true by the client, then told to everybody.
//!
//! A change is made true before it takes the old one's place, so that a port that is taken leaves everything as it
//! was.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tor_config::{
    Change, ConfError, ConfLine, Disk, Loaded, Named, Notice, ReloadError, Value, config_defaults,
    config_names,
};
use tor_ctrl::{Assignment, ConfAnswer, InfoAnswer, Reply};
use tor_ctrl_events::{ConfChange, ConfChanged, EventKind};
use tor_dir::DirServer;
use tracing::{info, warn};

use super::Shared;
use crate::log::say_notices;

/// The configuration that runs.
#[derive(Debug)]
pub(super) struct Conf(Mutex<Loaded>);

impl Conf {
    pub(super) const fn new(loaded: Loaded) -> Self {
        Self(Mutex::new(loaded))
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// GETCONF.
    pub(super) fn show(&self, names: &[String]) -> Reply {
        let loaded = self.lock();
        let answer = |name: &String| match loaded.settings.show(name) {
            None => ConfAnswer::Unknown,
            Some(lines) => conf_answer(lines),
        };
        Reply::conf(names.iter().map(|name| (name.as_str(), answer(name))))
    }

    /// `GETINFO config*`.
    pub(super) fn info(&self, key: &str) -> InfoAnswer {
        let loaded = self.lock();
        Ok(Some(match key {
            "config-file" => loaded.config_file().display().to_string(),
            "config-defaults-file" => loaded.config_defaults_file().display().to_string(),
            "config-text" => loaded.config_text(),
            "config-can-saveconf" => u8::from(loaded.can_save()).to_string(),
            "config/names" => config_names(),
            "config/defaults" => {
                let wanted = loaded.settings.value("UseDefaultFallbackDirs") == Some(Value::Bool(true));
                // The key is an addition of ours that C Tor's lines don't have.
                let fallbacks = DirServer::default_fallback_lines()
                    .filter(|_| wanted)
                    .map(|line| line.split_once(" ed25519=").map_or(line, |(line, _key)| line));
                config_defaults(DirServer::default_authority_lines(), fallbacks)
            }
            _ => return Ok(None),
        }))
    }
}

fn conf_answer(lines: Vec<ConfLine>) -> ConfAnswer {
    match lines.as_slice() {
        [ConfLine { name, value: None }] => ConfAnswer::Unset((*name).to_owned()),
        _ => ConfAnswer::Set(
            lines.into_iter().map(|line| (line.name.to_owned(), line.value.unwrap_or_default())).collect(),
        ),
    }
}

impl Shared {
    /// SETCONF and RESETCONF.
    pub(super) fn set_conf(&self, assignments: &[Assignment], reset: bool) -> Reply {
        let named = if reset { Named::ToDefault } else { Named::Clear };
        let assignments: Vec<_> = assignments
            .iter()
            .map(|Assignment { key, value }| {
                (key.clone(), Some(value.clone()).filter(|value| !value.is_empty()))
            })
            .collect();
        self.change(|loaded| loaded.set(&assignments, named))
    }

    /// LOADCONF.
    pub(super) fn load_conf(&self, text: &str) -> Reply {
        self.change(|loaded| loaded.load_text(text, &Disk))
    }

    /// SAVECONF.
    pub(super) fn save_conf(&self, force: bool) -> Reply {
        let mut notices: Vec<Notice> = Vec::new();
        let saved = self.conf.lock().save(force, &Disk, &mut notices);
        say_notices(&notices);
        saved.map_or_else(|ConfError { code, text }| Reply::line(code, text), |()| Reply::ok())
    }

    /// `SIGHUP` and `SIGNAL RELOAD`: reads the files again, unless `__ReloadTorrcOnSIGHUP` says not to. What can't be
    /// used changes nothing. (C Tor ends if the file is bad; a client that people rely on goes on.)
    pub(super) fn reload(&self) {
        if !self.conf.lock().config.control.reload_on_hup {
            info!("Not reloading config file on signal HUP: __ReloadTorrcOnSIGHUP is 0.");
            self.reopen_logs();
            return;
        }
        let mut loaded = self.conf.lock();
        let complaints = match loaded.reload(&Disk) {
            Ok(change) => self.act(&mut loaded, change).err().map(|error| vec![error.to_string()]),
            Err(ReloadError::Unusable(error)) => Some(error.log_lines()),
            Err(ReloadError::Transition(error)) => Some(vec![error.to_string()]),
        };
        drop(loaded);
        if let Some(complaints) = complaints {
            complaints.iter().for_each(|complaint| warn!("{complaint}"));
            warn!("Reading the configuration again failed; the old one stays.");
        }
        self.reopen_logs();
    }

    fn reopen_logs(&self) {
        if let Err(error) = self.client.reopen_logs() {
            warn!("{}", error.detail());
        }
    }

    fn change(&self, change: impl FnOnce(&Loaded) -> Result<Change, ConfError>) -> Reply {
        let mut loaded = self.conf.lock();
        let done = change(&loaded).and_then(|change| self.act(&mut loaded, change));
        match done {
            Ok(()) => Reply::ok(),
            Err(ConfError { code, text }) => {
                let why = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
                warn!("Controller gave us config lines that didn't validate: {why}");
                Reply::line(code, text)
            }
        }
    }

    /// Makes a change true and tells it.
    fn act(&self, loaded: &mut Loaded, change: Change) -> Result<(), ConfError> {
        let Change { loaded: new, changed } = change;
        self.client
            .reconfigure(new.config.clone())
            .map_err(|error| ConfError::cant_act(&error.to_string()))?;
        say_notices(new.notices());
        *loaded = new;
        if !changed.is_empty() {
            self.events().emit_with(EventKind::ConfChanged, || conf_changed(changed));
        }
        Ok(())
    }
}

fn conf_changed(lines: Vec<ConfLine>) -> ConfChanged {
    let change = |line: ConfLine| ConfChange { key: line.name.to_owned(), value: line.value };
    ConfChanged { changes: lines.into_iter().map(change).collect() }
}
