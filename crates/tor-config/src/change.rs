//! Changes while the client runs: `SETCONF`, `RESETCONF`, `LOADCONF`, and reading the files again.
//!
//! ```text
//! Loaded ──set / load_text / reload──▶ Change { loaded, changed } ──the client takes it──▶ the new Loaded
//!    ▲                       └──▶ ConfError: nothing has changed            │
//!    └──────────────────── the client can't (a port is taken) ◀─────────────┘
//! ```
//!
//! A change is all or nothing. It is worked out on a copy and checked as a whole, as if the client started with it;
//! then the client makes it true; only then the copy takes the place of the old one and others are told.

use crate::load::{Source, flatten, text_source};
use crate::table;
use crate::{ConfLine, Config, ConfigError, ConfigFiles, Loaded, Named, Problem, Settings, load};

/// A new configuration that is good, and not yet true.
#[derive(Clone, Debug)]
pub struct Change {
    /// What takes the place of the old one once the client works by it. Its [`Loaded::notices`] are of this change.
    pub loaded: Loaded,
    /// What `CONF_CHANGED` tells; empty if nothing is different.
    pub changed: Vec<ConfLine>,
}

/// A change that can't be: the code and the text of a controller's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ConfError {
    /// 513, 552 or 553 (551 if a file can't be written).
    pub code: u16,
    /// C Tor's text.
    pub text: String,
}

impl ConfError {
    /// The change was good, but the client can't do it: a port is taken, a file can't be opened.
    pub fn cant_act(why: &str) -> Self {
        Self { code: 553, text: format!("Unable to set option: {why}") }
    }

    fn assigning(error: &ConfigError) -> Self {
        let no_option = matches!(error.problem, Problem::Unknown { .. } | Problem::Ambiguous(..));
        let (code, what) =
            if no_option { (552, "Unrecognized option") } else { (513, "Unacceptable option value") };
        Self { code, text: format!("{what}: {}", error.plain()) }
    }

    fn loading(error: &ConfigError) -> Self {
        // C Tor tells what is wrong with the text itself only to its log.
        let text =
            if matches!(error.problem, Problem::Syntax(_) | Problem::Unreadable { .. } | Problem::TooDeep) {
                "Invalid config file".to_owned()
            } else {
                format!("Invalid config file: Failed to parse/validate config: {}", error.plain())
            };
        Self { code: 552, text }
    }

    fn transition(option: &str, prefix: &str) -> Self {
        let text =
            format!("Transition not allowed: {prefix}While Tor is running, changing {option} is not allowed");
        Self { code: 553, text }
    }
}

impl Loaded {
    /// `SETCONF` ([`Named::Clear`]) and `RESETCONF` ([`Named::ToDefault`]).
    ///
    /// # Errors
    /// If a name is no option (552), if a value is not of its type or the whole can't be used (513), or if an option
    /// may not change while the client runs (553).
    pub fn set(&self, assignments: &[(String, Option<String>)], named: Named) -> Result<Change, ConfError> {
        let mut notices = Vec::new();
        let mut settings = self.settings.clone();
        let assigned = settings.assign_named(assignments, named, &mut notices);
        assigned.map_err(|error| ConfError::assigning(&error))?;
        let home = self.environment.home.as_deref();
        let config = Config::from_settings(&settings, home, self.command_line.verbosity, &mut notices);
        let config = config.map_err(|error| {
            // What is not built is good in itself: that it may not change comes first, as in C Tor.
            let fixed =
                matches!(error.problem, Problem::NotBuilt(_)).then(|| self.transition_to(&settings, ""));
            let fixed = fixed.and_then(Result::err);
            fixed.unwrap_or_else(|| ConfError { code: 513, ..ConfError::assigning(&error) })
        })?;
        config.correct(&mut settings);
        let loaded = Self { config, settings, notices, ..self.clone() };
        self.change_to(loaded, "")
    }

    /// `LOADCONF`: this text instead of the torrc, below the command line. As in C Tor, what `torrc-defaults` said
    /// is forgotten.
    ///
    /// # Errors
    /// If the text is no torrc or can't be used (552), or if an option may not change while the client runs (553).
    pub fn load_text(&self, text: &str, files: &impl ConfigFiles) -> Result<Change, ConfError> {
        let mut notices = Vec::new();
        let source = text_source(text, files, &mut notices).map_err(|error| ConfError::loading(&error))?;
        let network = self.settings.network();
        let none = Source::default();
        let loaded = flatten(&none, &source, network, &self.command_line, &self.environment, notices);
        let loaded = loaded.map_err(|error| ConfError::loading(&error))?;
        let loaded = Self {
            defaults: self.defaults.clone(),
            torrc: self.torrc.clone(),
            torrc_defaults: self.torrc_defaults.clone(),
            ..loaded
        };
        self.change_to(loaded, "Failed to parse/validate config: ")
    }

    /// `SIGHUP`: reads the files again, below the same command line. Standard input can be read only once.
    ///
    /// # Errors
    /// As for [`Loaded::load_text`]. The error of a file that can't be used names its place, too.
    pub fn reload(&self, files: &impl ConfigFiles) -> Result<Change, ReloadError> {
        let loaded = load(&self.command_line, files, &self.environment)?;
        Ok(self.change_to(loaded, "Failed to parse/validate config: ")?)
    }

    /// Refuses to change what may not change while the client runs.
    fn transition_to(&self, settings: &Settings, prefix: &str) -> Result<(), ConfError> {
        let mut fixed = table::options().iter().filter(|spec| !spec.can_change);
        match fixed.find(|spec| !settings.same(&self.settings, spec)) {
            Some(spec) => Err(ConfError::transition(spec.name, prefix)),
            None => Ok(()),
        }
    }

    fn change_to(&self, loaded: Self, prefix: &str) -> Result<Change, ConfError> {
        self.transition_to(&loaded.settings, prefix)?;
        let changed = loaded.settings.changes_since(&self.settings);
        Ok(Change { loaded, changed })
    }
}

/// The files can't take the place of the configuration that runs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReloadError {
    /// They can't be read or used.
    #[error(transparent)]
    Unusable(#[from] ConfigError),
    /// They change what may not change.
    #[error(transparent)]
    Transition(#[from] ConfError),
}
