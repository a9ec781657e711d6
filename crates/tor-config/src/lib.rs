//! torrc and the command line, read into plain structs.
//!
//! ```text
//! arguments ──Invocation::parse──▶ CommandLine ─┐
//! torrc-defaults, torrc, %include ──Entries─────┴─▶ Line … ──▶ Settings ──▶ Config, notices
//!                                                              ▲
//!                                  table: every option of C Tor 0.4.9.11
//! ```
//!
//! [`Invocation::parse`] reads arguments, [`load`](crate::load()) reads files, and the result is a [`Config`]:
//! plain structs with `Default`, in which every value has its type and its unit. [`Settings`] lies between them
//! and knows what was set and where; whatever names options at run time will ask it.
//!
//! Every option of C Tor is known. [`Support`](table::Support) says what this version does with each: it obeys,
//! it ignores what can't hurt, it ignores (with one notice) what only relays have, and it refuses to start with
//! what it does not have yet. [`ConfigError`]s name file, line and option.
//!
//! ```
//! use tor_config::{Config, Origin, Settings, Verbosity, table::Network, torrc::Entries};
//!
//! let text = b"SocksPort 9150 IsolateDestAddr   # our port\nMaxCircuitDirtiness 1.5 hours\nNickname us\n";
//! let lines: Vec<_> = Entries::new(text).map(|entry| entry.unwrap().at(Origin::CommandLine)).collect();
//!
//! let mut notices = Vec::new();
//! let mut settings = Settings::new(Network::Public);
//! settings.assign(&lines, &mut notices).unwrap();
//! let config = Config::from_settings(&settings, None, Verbosity::Normal, &mut notices).unwrap();
//!
//! assert_eq!(config.socks.listeners[0].bind.to_string(), "127.0.0.1:9150");
//! assert_eq!(config.circuits.max_dirtiness.as_secs(), 5400);
//! assert!(notices[0].text.ends_with("options for relays are ignored: Nickname."));
//! ```
//!
//! While the client runs, [`Loaded`] answers for its configuration and changes it: [`Settings::show`] is `GETCONF`,
//! [`Loaded::set`] is `SETCONF` and `RESETCONF`, [`Loaded::load_text`] is `LOADCONF`, [`Loaded::save`] is `SAVECONF`.

pub use self::change::{Change, ConfError, ReloadError};
pub use self::cmdline::{
    BadCommandLine, CommandLine, CommandLineError, Invocation, Password, Torrc, Verbosity,
};
pub use self::config::{
    AddressConfig, AutoBool, CircuitConfig, Config, DirectoryConfig, GuardConfig, LinkConfig, LogConfig,
    ProcessConfig, SafeLogging, SocksConfig, StorageConfig,
};
pub use self::control::{ControlConfig, PasswordHash};
pub use self::dirline::DirLineError;
pub use self::error::{ConfigError, Problem};
pub use self::files::{ConfigFiles, Disk};
pub use self::line::{Line, Mark, Notice, NoticeLevel, Origin};
pub use self::load::{Environment, Loaded, load};
pub use self::log::{LogDomains, LogError, LogLine, LogTarget, Severity};
pub use self::policy::{PolicyError, PolicyRemarks, SocksPolicy};
pub use self::port::{Bind, Isolation, PortError, SocksFlags, SocksListener};
pub use self::relays::{RelayList, RelayPattern, RelaysError};
pub use self::save::TorrcStore;
pub use self::settings::{Named, Setting, Settings};
pub use self::show::{ConfLine, Extent, config_defaults, config_names};
pub use self::value::{Value, ValueError};

mod change;
mod checks;
mod cmdline;
mod config;
mod control;
mod dirline;
mod error;
mod files;
mod foreign;
mod line;
mod load;
mod log;
mod policy;
mod port;
pub mod quote;
mod relays;
mod resolve;
mod save;
mod settings;
mod show;
pub mod table;
pub mod torrc;
mod units;
mod value;

/// Every option that a torrc may set, as `--list-torrc-options` prints them: sorted, without regard to case.
pub fn torrc_option_names() -> impl Iterator<Item = &'static str> {
    table::options().iter().filter(|spec| spec.settable()).map(|spec| spec.name)
}
