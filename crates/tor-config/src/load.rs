//! From the command line to a [`Config`]: find the files, read them with what they include, flatten the layers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::ConfigFiles;
use crate::resolve::expand_home;
use crate::table::Network;
use crate::torrc::Entries;
use crate::{
    CommandLine, Config, ConfigError, Line, Notice, Origin, Problem, Settings, Torrc, torrc::SyntaxError,
};

/// What the machine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The user's home, which a leading `~` stands for.
    pub home: Option<PathBuf>,
    /// The torrc that is read if none is named.
    pub system_torrc: PathBuf,
    /// The defaults that are read if none are named.
    pub system_defaults: PathBuf,
}

impl Environment {
    /// This process's home, and `/etc/tor`.
    pub fn from_process() -> Self {
        Self { home: std::env::var_os("HOME").map(PathBuf::from), ..Self::default() }
    }
}

/// No home, and `/etc/tor`.
impl Default for Environment {
    fn default() -> Self {
        Self {
            home: None,
            system_torrc: PathBuf::from("/etc/tor/torrc"),
            system_defaults: PathBuf::from("/etc/tor/torrc-defaults"),
        }
    }
}

/// A configuration that has been read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the client wants to know.
    pub config: Config,
    /// What was set, and where.
    pub settings: Settings,
    /// The torrc, if there was one; not for standard input.
    pub torrc: Option<PathBuf>,
    notices: Vec<Notice>,
}

impl Loaded {
    /// What the client should log when it starts, in order.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// Reads the configuration that a command line asks for.
///
/// # Errors
/// If a file that is named can't be read, or if anything in it can't be used; nothing is half-read.
pub fn load(
    command_line: &CommandLine,
    files: &impl ConfigFiles,
    environment: &Environment,
) -> Result<Loaded, ConfigError> {
    let mut notices = command_line.notices.clone();
    let reader = Reader { files };
    let defaults = defaults_source(command_line, &reader, environment, &mut notices)?;
    let (path, torrc) = torrc_source(command_line, &reader, environment, &mut notices)?;
    let sources = [defaults, torrc, command_line.options.clone()];

    let mut told = Vec::new();
    let mut settings = flatten(&sources, Network::Public, &mut told)?;
    if settings.bool("TestingTorNetwork") {
        told.clear();
        settings = flatten(&sources, Network::Testing, &mut told)?;
    }
    notices.append(&mut told);
    let home = environment.home.as_deref();
    let config = Config::from_settings(&settings, home, command_line.verbosity, &mut notices)?;
    Ok(Loaded { config, settings, torrc: path, notices })
}

fn flatten(
    sources: &[Vec<Line>],
    network: Network,
    notices: &mut Vec<Notice>,
) -> Result<Settings, ConfigError> {
    let mut settings = Settings::new(network);
    for source in sources {
        settings.assign(source, notices)?;
    }
    Ok(settings)
}

/// The lower file. It never has to be there.
fn defaults_source(
    command_line: &CommandLine,
    reader: &Reader<'_, impl ConfigFiles>,
    environment: &Environment,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Line>, ConfigError> {
    let named = command_line.defaults_torrc.as_deref();
    let path = named.map_or_else(
        || environment.system_defaults.clone(),
        |path| expand_home(&path.to_string_lossy(), environment.home.as_deref()),
    );
    if reader.files.is_file(&path) { reader.source(&path, notices) } else { Ok(Vec::new()) }
}

/// The torrc: its path if it has one, and its lines.
fn torrc_source(
    command_line: &CommandLine,
    reader: &Reader<'_, impl ConfigFiles>,
    environment: &Environment,
    notices: &mut Vec<Notice>,
) -> Result<(Option<PathBuf>, Vec<Line>), ConfigError> {
    let home = environment.home.as_deref();
    let (path, optional) = match &command_line.torrc {
        Torrc::Stdin => {
            let path: Arc<Path> = Arc::from(Path::new("-"));
            let text = reader.files.read_stdin().map_err(|error| {
                let problem = Problem::Unreadable { path: PathBuf::from("-"), kind: error.kind() };
                ConfigError::new(Origin::CommandLine, "", problem)
            })?;
            let mut lines = Vec::new();
            reader.text(&text, &path, 1, &mut lines, notices)?;
            return Ok((None, lines));
        }
        Torrc::File(path) => (expand_home(&path.to_string_lossy(), home), command_line.ignore_missing_torrc),
        Torrc::Default => {
            let personal = home.map(|home| home.join(".torrc"));
            let personal = personal.filter(|path| reader.files.is_file(path));
            let path = match personal {
                Some(personal) if !reader.files.is_file(&environment.system_torrc) => personal,
                Some(_) | None => environment.system_torrc.clone(),
            };
            (path, true)
        }
    };
    if optional && !reader.files.is_file(&path) {
        let text = format!("Configuration file {} not present, using reasonable defaults.", path.display());
        notices.push(Notice::tell(text));
        return Ok((None, Vec::new()));
    }
    let lines = reader.source(&path, notices)?;
    Ok((Some(path), lines))
}

struct Reader<'a, F> {
    files: &'a F,
}

impl<F: ConfigFiles> Reader<'_, F> {
    /// One file and all it includes.
    fn source(&self, path: &Path, notices: &mut Vec<Notice>) -> Result<Vec<Line>, ConfigError> {
        let mut lines = Vec::new();
        self.file(path, 1, &Origin::CommandLine, &mut lines, notices)?;
        Ok(lines)
    }

    fn file(
        &self,
        path: &Path,
        depth: u32,
        asked_at: &Origin,
        lines: &mut Vec<Line>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ConfigError> {
        let text = self.files.read(path).map_err(|error| unreadable(asked_at, path, error.kind()))?;
        let how = if depth == 1 { "Read" } else { "Included" };
        notices.push(Notice::tell(format!("{how} configuration file {}.", path.display())));
        self.text(&text, &Arc::from(path), depth, lines, notices)
    }

    fn text(
        &self,
        text: &[u8],
        path: &Arc<Path>,
        depth: u32,
        lines: &mut Vec<Line>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ConfigError> {
        let at = |line| Origin::File { path: Arc::clone(path), line };
        // As C Tor: carriage returns are no part of a file, so that one from Windows is read the same.
        let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'\r').collect();
        for entry in Entries::new(&text) {
            let entry =
                entry.map_err(|(line, error): (u32, SyntaxError)| ConfigError::new(at(line), "", error))?;
            let origin = at(entry.line);
            if entry.key != INCLUDE {
                lines.push(entry.at(origin));
                continue;
            }
            if depth >= DEEPEST_INCLUDE {
                return Err(ConfigError::new(origin, INCLUDE, Problem::TooDeep));
            }
            let included = self.files.included(&entry.value);
            let included =
                included.map_err(|error| unreadable(&origin, Path::new(&entry.value), error.kind()))?;
            for file in included {
                self.file(&file, depth.saturating_add(1), &origin, lines, notices)?;
            }
        }
        Ok(())
    }
}

fn unreadable(at: &Origin, path: &Path, kind: std::io::ErrorKind) -> ConfigError {
    ConfigError::new(at.clone(), "", Problem::Unreadable { path: path.to_owned(), kind })
}

const INCLUDE: &str = "%include";

/// A file at this depth may include nothing more.
const DEEPEST_INCLUDE: u32 = 31;
