//! The control ports: where controllers come in, and what they must show.
//!
//! ```text
//! ControlPort 9051
//! ControlPort unix:"/run/my tor/control" GroupWritable
//! ControlSocket /run/tor/control
//! HashedControlPassword 16:872860B76453A77D60CA2BB8C1A7042072093276A3D701AD684053EC4C
//! CookieAuthentication 1
//! ```
//!
//! A port that others than this machine can reach, where nobody has to show anything, is not opened, as in C Tor:
//! the client says so and runs without it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::port::{Place, PortError};
use crate::resolve::expand_home;
use crate::settings::Setting;
use crate::{Bind, Config, ConfigError, Notice, Settings};

/// Controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlConfig {
    /// `ControlPort` and `ControlSocket`: where to listen.
    pub listeners: Vec<Bind>,
    /// `ControlPortWriteToFile`: where to write the ports that were opened.
    pub port_file: Option<PathBuf>,
    /// `ControlPortFileGroupReadable`: the group may read that file.
    pub port_file_group_readable: bool,
    /// `HashedControlPassword` and those of `__HashedControlSessionPassword`: any of these will do.
    pub passwords: Vec<PasswordHash>,
    /// `CookieAuthentication`: who can read the cookie's file may come in.
    pub cookie: bool,
    /// `CookieAuthFile`: where the cookie is written; see [`Config::cookie_file`](crate::Config::cookie_file).
    pub cookie_file: Option<PathBuf>,
    /// `CookieAuthFileGroupReadable`: the group may read the cookie. No effect without `CookieAuthFile`.
    pub cookie_group_readable: bool,
    /// `__OwningControllerFD`: a control connection that is there from the start, and that this client lives with.
    pub owner_fd: Option<i32>,
    /// `__ReloadTorrcOnSIGHUP`: a `SIGHUP` reads the torrc again.
    pub reload_on_hup: bool,
    /// `__LeaveStreamsUnattached`: new streams wait for a controller.
    pub leave_streams_unattached: bool,
    /// `TestingEnableConnBwEvent`: there are `CONN_BW` events.
    pub conn_bw_events: bool,
    /// `TestingEnableCellStatsEvent`: there are `CELL_STATS` events.
    pub cell_stats_events: bool,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            port_file: None,
            port_file_group_readable: false,
            passwords: Vec::new(),
            cookie: false,
            cookie_file: None,
            cookie_group_readable: false,
            owner_fd: None,
            reload_on_hup: true,
            leave_streams_unattached: false,
            conn_bw_events: false,
            cell_stats_events: false,
        }
    }
}

/// The value of a `HashedControlPassword` line: 29 bytes, as `16:` and hex digits or in base 64. Checked for its form;
/// `tor-ctrl` gives it its meaning. It is not shown when it is debugged.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Checks the form.
    fn parse(text: &str) -> Option<Self> {
        let good = match text.strip_prefix("16:") {
            Some(hex) => hex.len() == 2 * HASH_BYTES && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => {
                let digits = text.trim_end_matches('=');
                let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
                digits.len() == (4 * HASH_BYTES).div_ceil(3) && digits.bytes().all(is_digit)
            }
        };
        good.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

pub(crate) fn control(
    settings: &Settings,
    home: Option<&Path>,
    notices: &mut Vec<Notice>,
) -> Result<ControlConfig, ConfigError> {
    let path = |name| settings.text(name).map(|path| expand_home(&path, home));
    let mut passwords = hashes(settings, "HashedControlPassword", "HashedControlPassword")?;
    passwords.extend(hashes(settings, "__HashedControlSessionPassword", "HashedControlSessionPassword")?);
    let cookie = settings.bool("CookieAuthentication");
    let guarded = cookie || !passwords.is_empty();
    let cookie_file = path("CookieAuthFile");
    let cookie_group_readable = settings.bool("CookieAuthFileGroupReadable");
    if cookie_group_readable && cookie_file.is_none() {
        notices.push(Notice::warn(
            "CookieAuthFileGroupReadable has no effect without a CookieAuthFile of your own.",
        ));
    }
    let owner_fd = match settings.number("__OwningControllerFD") {
        u64::MAX => None,
        number => Some(i32::try_from(number).map_err(|_| {
            settings.says("__OwningControllerFD", "Bad OwningControllerFD: no such file descriptor")
        })?),
    };
    Ok(ControlConfig {
        listeners: listeners(settings, guarded, notices)?,
        port_file: path("ControlPortWriteToFile"),
        port_file_group_readable: settings.bool("ControlPortFileGroupReadable"),
        passwords,
        cookie,
        cookie_group_readable: cookie_group_readable && cookie_file.is_some(),
        cookie_file,
        owner_fd,
        reload_on_hup: settings.bool("__ReloadTorrcOnSIGHUP"),
        leave_streams_unattached: settings.bool("__LeaveStreamsUnattached"),
        conn_bw_events: settings.bool("TestingEnableConnBwEvent"),
        cell_stats_events: settings.bool("TestingEnableCellStatsEvent"),
    })
}

fn hashes(settings: &Settings, name: &'static str, title: &str) -> Result<Vec<PasswordHash>, ConfigError> {
    let lines = settings.lines(name).iter();
    let read = |line: &Setting| {
        let bad = || settings.says(name, format!("Bad {title}: wrong length or bad encoding"));
        PasswordHash::parse(&line.value).ok_or_else(bad)
    };
    lines.map(read).collect()
}

fn listeners(
    settings: &Settings,
    guarded: bool,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Bind>, ConfigError> {
    let group_writable = settings.bool("ControlSocketsGroupWritable");
    if group_writable && settings.lines("ControlSocket").is_empty() {
        let says = "Setting ControlSocketsGroupWritable without setting a ControlSocket makes no sense.";
        return Err(settings.says("ControlSocketsGroupWritable", says));
    }
    let ports = settings.lines("ControlPortLines");
    let mut listeners = read_lines(
        settings,
        "ControlPort",
        ports,
        |line, notices| parse(line, group_writable, notices),
        notices,
    )?;
    refuse_unguarded(&mut listeners, guarded, notices);
    let sockets = settings.lines("ControlSocket");
    listeners.extend(read_lines(
        settings,
        "ControlSocket",
        sockets,
        |line, notices| parse_socket(line, group_writable, notices),
        notices,
    )?);

    let tcp = listeners.iter().any(|bind| matches!(bind, Bind::Tcp { .. }));
    let open = listeners.iter().any(|bind| matches!(bind, Bind::Unix { world_writable: true, .. }));
    if !guarded && (tcp || open) {
        let what = if tcp { "ControlPort is open" } else { "ControlSocket is world writable" };
        notices.push(Notice::warn(format!(
            "{what} to every program of this computer: neither CookieAuthentication nor HashedControlPassword is set."
        )));
    }
    Ok(listeners)
}

fn read_lines(
    settings: &Settings,
    name: &'static str,
    lines: &[Setting],
    read: impl Fn(&str, &mut Vec<Notice>) -> Result<Option<Bind>, PortError>,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Bind>, ConfigError> {
    let mut listeners = Vec::new();
    let mut closed = false;
    for line in lines {
        let read = read(&line.value, notices);
        match read.map_err(|problem| ConfigError::new(line.origin.clone(), line.name, problem))? {
            Some(bind) => listeners.push(bind),
            None => closed = true,
        }
    }
    if closed && !listeners.is_empty() {
        return Err(settings.error(name, PortError::ZeroAndNonzero));
    }
    Ok(listeners)
}

/// Takes out the ports by which anybody on the network could take over the client.
fn refuse_unguarded(listeners: &mut Vec<Bind>, guarded: bool, notices: &mut Vec<Notice>) {
    let exposed = |bind: &Bind| match bind {
        Bind::Tcp { address, .. } => !address.to_canonical().is_loopback(),
        Bind::Unix { .. } => false,
    };
    if !listeners.iter().any(exposed) {
        return;
    }
    if guarded {
        notices.push(Notice::warn(
            "A ControlPort is open to other machines. The control protocol is not encrypted: whoever listens on the way \
             learns the password, and controls this client. Listen on 127.0.0.1, and come through a tunnel.",
        ));
    } else {
        notices.push(Notice::warn(
            "A ControlPort would let any other machine control this client, with neither password nor cookie. That port \
             is not opened. Set HashedControlPassword or CookieAuthentication, and come through a tunnel.",
        ));
        listeners.retain(|bind| !exposed(bind));
    }
}

/// The value of a `ControlPort` line; `None` if it is `0`.
fn parse(line: &str, group_writable: bool, notices: &mut Vec<Notice>) -> Result<Option<Bind>, PortError> {
    let (place, flags) = Place::parse(line.trim_ascii_start())?;
    finish("ControlPort", place, flags, group_writable, notices)
}

/// The value of a `ControlSocket` line, which may do without `unix:`.
fn parse_socket(
    line: &str,
    group_writable: bool,
    notices: &mut Vec<Notice>,
) -> Result<Option<Bind>, PortError> {
    let line = line.trim_ascii_start();
    let (place, flags) = if line.starts_with("unix:") {
        Place::parse(line)?
    } else {
        let (path, flags) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let place = match path {
            "" => return Err(PortError::Address),
            "0" => Place::None,
            path => Place::Unix(path.into()),
        };
        (place, flags)
    };
    finish("ControlSocket", place, flags, group_writable, notices)
}

fn finish(
    name: &str,
    place: Place,
    flags: &str,
    mut group_writable: bool,
    notices: &mut Vec<Notice>,
) -> Result<Option<Bind>, PortError> {
    let (mut world_writable, mut relax_dir_mode, mut for_unix) = (false, false, false);
    for flag in flags.split_ascii_whitespace() {
        let lower = flag.to_ascii_lowercase();
        let (word, on) = lower.strip_prefix("no").map_or((lower.as_str(), true), |word| (word, false));
        let known = match word {
            "groupwritable" => &mut group_writable,
            "worldwritable" => &mut world_writable,
            "relaxdirmodecheck" => &mut relax_dir_mode,
            _ if lower.starts_with("sessiongroup=") => return Err(PortError::NoStreams),
            _ => {
                notices.push(Notice::warn(format!("{name}: the unknown option {flag} is ignored.")));
                continue;
            }
        };
        *known = on;
        for_unix = true;
    }
    match place {
        Place::Tcp { .. } | Place::None if for_unix => Err(PortError::NotUnix),
        Place::None => Ok(None),
        Place::Tcp { address, port } => Ok(Some(Bind::Tcp { address, port })),
        Place::Unix(path) => Ok(Some(Bind::Unix { path, group_writable, world_writable, relax_dir_mode })),
    }
}

impl Config {
    /// Where the control cookie is written: `CookieAuthFile`, else a file in the data directory.
    pub fn cookie_file(&self) -> PathBuf {
        let own = self.control.cookie_file.clone();
        own.unwrap_or_else(|| self.storage.data.join("control_auth_cookie"))
    }
}

/// Salt, indicator and digest.
const HASH_BYTES: usize = 29;

#[cfg(test)]
mod tests;
