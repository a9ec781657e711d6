//! From the command line to a [`Config`]: find the files, read them with what they include, flatten the layers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::ConfigFiles;
use crate::resolve::expand_home;
use crate::table::Network;
use crate::torrc::Entries;
use crate::{
    CommandLine, Config, ConfigError, Line, Mark, Notice, Origin, Problem, Settings, Torrc,
    torrc::SyntaxError,
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
    /// Where relative names of torrc files begin, so that they mean the same for as long as the client runs.
    pub directory: Option<PathBuf>,
}

impl Environment {
    /// This process's home and directory, and `/etc/tor`.
    pub fn from_process() -> Self {
        Self {
            home: std::env::var_os("HOME").map(PathBuf::from),
            directory: std::env::current_dir().ok(),
            ..Self::default()
        }
    }

    fn torrc_path(&self, path: &Path) -> PathBuf {
        let path = expand_home(&path.to_string_lossy(), self.home.as_deref());
        match &self.directory {
            Some(directory) => directory.join(path),
            None => path,
        }
    }
}

/// No home, and `/etc/tor`.
impl Default for Environment {
    fn default() -> Self {
        Self {
            home: None,
            system_torrc: PathBuf::from("/etc/tor/torrc"),
            system_defaults: PathBuf::from("/etc/tor/torrc-defaults"),
            directory: None,
        }
    }
}

/// A configuration that has been read, and what is needed to change it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the client wants to know.
    pub config: Config,
    /// What was set, and where.
    pub settings: Settings,
    /// What is set below the torrc: the defaults, and what `torrc-defaults` says. `SAVECONF` leaves it out.
    pub defaults: Settings,
    /// The torrc, if there was one; not for standard input.
    pub torrc: Option<PathBuf>,
    /// The file of defaults, if there was one.
    pub torrc_defaults: Option<PathBuf>,
    /// Whether the torrc has an `%include`.
    pub includes: bool,
    pub(crate) command_line: CommandLine,
    pub(crate) environment: Environment,
    pub(crate) notices: Vec<Notice>,
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
    let reader = Reader::new(files);
    let (torrc_defaults, mut defaults) = defaults_source(command_line, &reader, environment, &mut notices)?;
    let (torrc, lines) = torrc_source(command_line, &reader, environment, &mut notices)?;
    let nobody_says_anything = lines.lines.is_empty() && torrc_defaults.is_none();
    if nobody_says_anything && command_line.torrc == Torrc::Default {
        defaults = Source::without_options();
    }
    let mut loaded = flatten(&defaults, &lines, Network::Public, command_line, environment, notices)?;
    loaded.torrc = torrc;
    loaded.torrc_defaults = torrc_defaults;
    Ok(loaded)
}

/// What stands in one source, with all that it includes.
#[derive(Default)]
pub(crate) struct Source {
    lines: Vec<Line>,
    includes: bool,
}

impl Source {
    /// The defaults where no file sets any option (Debian installs one of comments): there is a control port, and who may read this user's files may
    /// use it. C Tor would have none.
    fn without_options() -> Self {
        let line = |key: &str, value: &str| Line {
            key: key.to_owned(),
            value: value.to_owned(),
            mark: Mark::Set,
            origin: Origin::Default,
        };
        Self { lines: vec![line("ControlPort", "9051"), line("CookieAuthentication", "1")], includes: false }
    }
}

/// Reads text that a controller sends as if it were a torrc.
pub(crate) fn text_source(
    text: &str,
    files: &impl ConfigFiles,
    notices: &mut Vec<Notice>,
) -> Result<Source, ConfigError> {
    let mut source = Source::default();
    let path: Arc<Path> = Arc::from(Path::new("LOADCONF"));
    Reader::new(files).text(text.as_bytes(), &path, 1, &mut source, notices)?;
    Ok(source)
}

/// Puts defaults, torrc and command line over each other, and makes a configuration of them. `network` is what is
/// known beforehand: the sources may turn it into a testing network.
pub(crate) fn flatten(
    defaults: &Source,
    torrc: &Source,
    network: Network,
    command_line: &CommandLine,
    environment: &Environment,
    mut notices: Vec<Notice>,
) -> Result<Loaded, ConfigError> {
    let layers = |network| {
        let mut told = Vec::new();
        let mut settings = Settings::new(network);
        settings.assign(&defaults.lines, &mut told)?;
        let defaults = settings.clone();
        settings.assign(&torrc.lines, &mut told)?;
        settings.assign(&command_line.options, &mut told)?;
        Ok((settings, defaults, told))
    };
    let (mut settings, mut defaults, mut told) = layers(network)?;
    if network == Network::Public && settings.bool("TestingTorNetwork") {
        (settings, defaults, told) = layers(Network::Testing)?;
    }
    notices.append(&mut told);
    let home = environment.home.as_deref();
    let config = Config::from_settings(&settings, home, command_line.verbosity, &mut notices)?;
    config.correct(&mut settings);
    Ok(Loaded {
        config,
        settings,
        defaults,
        torrc: None,
        torrc_defaults: None,
        includes: torrc.includes,
        command_line: command_line.clone(),
        environment: environment.clone(),
        notices,
    })
}

/// The lower file. It never has to be there.
fn defaults_source(
    command_line: &CommandLine,
    reader: &Reader<'_, impl ConfigFiles>,
    environment: &Environment,
    notices: &mut Vec<Notice>,
) -> Result<(Option<PathBuf>, Source), ConfigError> {
    let named = command_line.defaults_torrc.as_deref();
    let path = named.map_or_else(|| environment.system_defaults.clone(), |path| environment.torrc_path(path));
    if !reader.files.is_file(&path) {
        return Ok((None, Source::default()));
    }
    let source = reader.source(&path, notices)?;
    Ok((Some(path), source))
}

/// The torrc: its path if it has one, and its lines.
fn torrc_source(
    command_line: &CommandLine,
    reader: &Reader<'_, impl ConfigFiles>,
    environment: &Environment,
    notices: &mut Vec<Notice>,
) -> Result<(Option<PathBuf>, Source), ConfigError> {
    let home = environment.home.as_deref();
    let (path, optional) = match &command_line.torrc {
        Torrc::Stdin => {
            let path: Arc<Path> = Arc::from(Path::new("-"));
            let text = reader.files.read_stdin().map_err(|error| {
                let problem = Problem::Unreadable { path: PathBuf::from("-"), kind: error.kind() };
                ConfigError::new(Origin::CommandLine, "", problem)
            })?;
            let mut source = Source::default();
            reader.text(&text, &path, 1, &mut source, notices)?;
            return Ok((None, source));
        }
        Torrc::File(path) => (environment.torrc_path(path), command_line.ignore_missing_torrc),
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
        let text =
            format!("Configuration file \"{}\" not present, using reasonable defaults.", path.display());
        notices.push(Notice::tell(text));
        return Ok((None, Source::default()));
    }
    let source = reader.source(&path, notices)?;
    Ok((Some(path), source))
}

struct Reader<'a, F> {
    files: &'a F,
}

impl<'a, F: ConfigFiles> Reader<'a, F> {
    fn new(files: &'a F) -> Self {
        Self { files }
    }

    /// One file and all it includes.
    fn source(&self, path: &Path, notices: &mut Vec<Notice>) -> Result<Source, ConfigError> {
        let mut source = Source::default();
        self.file(path, 1, &Origin::CommandLine, &mut source, notices)?;
        Ok(source)
    }

    fn file(
        &self,
        path: &Path,
        depth: u32,
        asked_at: &Origin,
        source: &mut Source,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ConfigError> {
        let text = self.files.read(path).map_err(|error| unreadable(asked_at, path, error.kind()))?;
        let how = if depth == 1 { "Read" } else { "Included" };
        notices.push(Notice::tell(format!("{how} configuration file \"{}\".", path.display())));
        self.text(&text, &Arc::from(path), depth, source, notices)
    }

    fn text(
        &self,
        text: &[u8],
        path: &Arc<Path>,
        depth: u32,
        source: &mut Source,
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
                source.lines.push(entry.at(origin));
                continue;
            }
            source.includes = true;
            if depth >= DEEPEST_INCLUDE {
                return Err(ConfigError::new(origin, INCLUDE, Problem::TooDeep));
            }
            let included = self.files.included(&entry.value);
            let included =
                included.map_err(|error| unreadable(&origin, Path::new(&entry.value), error.kind()))?;
            for file in included {
                self.file(&file, depth.saturating_add(1), &origin, source, notices)?;
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
