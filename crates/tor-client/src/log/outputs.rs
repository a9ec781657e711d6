//! Where log lines go: standard output, standard error, files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tor_config::{LogConfig, LogLine, LogTarget, SafeLogging, Severity};
use tracing::Level;

use crate::ReconfigureError;

/// A set of severities, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Levels(pub(super) u8);

/// What the `Log` lines of a configuration select, and where it goes.
#[derive(Debug)]
pub(super) struct Outputs {
    list: Vec<Output>,
    levels: Levels,
    granularity_ms: u32,
    truncate: bool,
    safe: SafeLogging,
}

#[derive(Debug)]
struct Output {
    levels: Levels,
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Stdout,
    Stderr,
    File(PathBuf, Mutex<File>),
}

/// Log files that are open and not in use yet.
#[derive(Debug)]
pub struct LogFiles {
    config: LogConfig,
    list: Vec<Output>,
    /// Files that were not there before.
    made: Vec<PathBuf>,
}

impl Levels {
    const ALL: Self = Self(0b1_1111);

    const fn bit(level: Level) -> u8 {
        match level {
            Level::ERROR => 1,
            Level::WARN => 1 << 1,
            Level::INFO => 1 << 2,
            Level::DEBUG => 1 << 3,
            Level::TRACE => 1 << 4,
        }
    }

    pub(super) const fn has(self, level: Level) -> bool {
        self.0 & Self::bit(level) != 0
    }

    pub(super) const fn add(&mut self, level: Level) {
        self.0 |= Self::bit(level);
    }

    /// The least grave.
    pub(super) fn lowest(self) -> Option<Level> {
        super::LEVELS.into_iter().rfind(|level| self.has(*level))
    }

    fn of(line: &LogLine) -> Self {
        let severities =
            [Severity::Err, Severity::Warn, Severity::Notice, Severity::Info, Severity::Debug].into_iter();
        let mut levels = Self::default();
        for (level, severity) in super::LEVELS.into_iter().zip(severities) {
            if line.logs(severity, "general") {
                levels.add(level);
            }
        }
        levels
    }
}

impl Outputs {
    /// Opens what the `Log` lines name.
    pub(super) fn open(config: &LogConfig) -> Result<LogFiles, ReconfigureError> {
        let mut files = LogFiles { config: config.clone(), list: Vec::new(), made: Vec::new() };
        for line in &config.lines {
            let writer = match &line.target {
                LogTarget::Stdout => Writer::Stdout,
                LogTarget::Stderr => Writer::Stderr,
                LogTarget::File(path) => {
                    let opened = files.open(path);
                    let failed = |error| ReconfigureError::Log { path: path.clone(), error };
                    Writer::File(path.clone(), Mutex::new(opened.map_err(failed)?))
                }
                LogTarget::Syslog => {
                    let error = io::Error::new(io::ErrorKind::Unsupported, "this version can't log there");
                    return Err(ReconfigureError::Log { path: PathBuf::from("syslog"), error });
                }
            };
            files.list.push(Output { levels: Levels::of(line), writer });
        }
        Ok(files)
    }

    pub(super) const fn levels(&self) -> Levels {
        self.levels
    }

    pub(super) const fn granularity_ms(&self) -> u32 {
        self.granularity_ms
    }

    pub(super) const fn safe(&self) -> SafeLogging {
        self.safe
    }

    pub(super) fn want_all(&mut self) {
        self.list.iter_mut().for_each(|output| output.levels = Levels::ALL);
        if !self.list.is_empty() {
            self.levels = Levels::ALL;
        }
    }

    pub(super) fn truncate(&self) {
        if self.truncate {
            self.list.iter().for_each(|output| output.writer.truncate());
        }
    }

    pub(super) fn write(&self, level: Level, line: &[u8]) {
        let selecting = self.list.iter().filter(|output| output.levels.has(level));
        selecting.for_each(|output| output.writer.write(line));
    }

    fn writes_to(&self, path: &Path) -> bool {
        self.list.iter().any(|output| matches!(&output.writer, Writer::File(ours, _) if ours == path))
    }
}

impl LogFiles {
    pub(super) const fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Files that were not in use before are emptied, if the configuration says so.
    pub(super) fn commit(mut self, old: Option<&Outputs>) -> Outputs {
        self.made.clear();
        let list = std::mem::take(&mut self.list);
        let LogConfig { time_granularity, truncate_files, safe, .. } = self.config;
        if truncate_files {
            for output in &list {
                let known = match &output.writer {
                    Writer::File(path, _) => old.is_some_and(|old| old.writes_to(path)),
                    Writer::Stdout | Writer::Stderr => true,
                };
                if !known {
                    output.writer.truncate();
                }
            }
        }
        let levels = list.iter().fold(0, |levels, output| levels | output.levels.0);
        Outputs {
            list,
            levels: Levels(levels),
            granularity_ms: u32::try_from(time_granularity.as_millis()).unwrap_or(1000).max(1),
            truncate: truncate_files,
            safe,
        }
    }

    fn open(&mut self, path: &Path) -> io::Result<File> {
        let there = OpenOptions::new().append(true).open(path);
        match there {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = OpenOptions::new().create(true).append(true).mode(0o640).open(path)?;
                self.made.push(path.to_owned());
                Ok(file)
            }
            opened => opened,
        }
    }
}

/// What was not committed is undone.
impl Drop for LogFiles {
    fn drop(&mut self) {
        for path in self.made.drain(..) {
            if fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
                let _gone_already = fs::remove_file(path);
            }
        }
    }
}

impl Writer {
    /// A log that can't be written has nobody to complain to.
    fn write(&self, line: &[u8]) {
        let _ = match self {
            Self::Stdout => io::stdout().lock().write_all(line),
            Self::Stderr => io::stderr().lock().write_all(line),
            Self::File(_, file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line),
        };
    }

    fn truncate(&self) {
        if let Self::File(_, file) = self {
            let _stays_as_it_is = file.lock().unwrap_or_else(PoisonError::into_inner).set_len(0);
        }
    }
}
