//! A file of events, one JSON object a line, that doesn't grow for ever.
//!
//! The one thing here that touches the disk, and it blocks: run it on a thread that may, fed by a [`Subscriber`] of the
//! chosen types. A line is written whole or not at all, as far as the disk allows; a line that would make the file too long
//! goes into a new one, and the old become `FILE.1`, `FILE.2` …
//!
//! [`Subscriber`]: crate::Subscriber

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{Event, EventText};

/// When the file ends and what is kept of the old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A file grows to this many bytes at most; one longer line makes a file of its own.
    pub max_bytes: u64,
    /// How many old files are kept. With 0 the file begins anew.
    pub keep: u32,
}

impl Rotation {
    /// Whether a line of that length belongs into a new file.
    pub fn is_due(self, size: u64, line: u64) -> bool {
        size > 0 && size.saturating_add(line) > self.max_bytes
    }

    /// The renamings that make room, in order: the oldest first, which is overwritten.
    pub fn renamings(self, path: &Path) -> Vec<(PathBuf, PathBuf)> {
        (1..=self.keep).rev().map(|age| (aged(path, age - 1), aged(path, age))).collect()
    }
}

/// `FILE` itself, `FILE.1` …
fn aged(path: &Path, age: u32) -> PathBuf {
    let mut name = OsString::from(path);
    if age > 0 {
        name.push(format!(".{age}"));
    }
    name.into()
}

/// The file of events.
#[derive(Debug)]
pub struct JsonLog {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    size: u64,
}

impl JsonLog {
    /// Opens the file, or makes it (readable by its owner alone: events tell where the user goes), to append to it.
    ///
    /// # Errors
    /// If that fails.
    pub fn open(path: impl Into<PathBuf>, rotation: Rotation) -> io::Result<Self> {
        let path = path.into();
        let file = open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, rotation, file, size })
    }

    /// Appends an event as it came from a subscriber; `at` is the time that the line tells.
    ///
    /// # Errors
    /// If writing or rotating fails. The next event is tried again.
    pub fn write(&mut self, at: SystemTime, text: &EventText) -> io::Result<()> {
        let text = str::from_utf8(text.as_bytes()).map_err(io::Error::other)?;
        self.write_event(at, &Event::parse(text).map_err(io::Error::other)?)
    }

    /// Appends an event.
    ///
    /// # Errors
    /// If writing or rotating fails. The next event is tried again.
    pub fn write_event(&mut self, at: SystemTime, event: &Event) -> io::Result<()> {
        let line = event.to_json_line(at);
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.rotation.is_due(self.size, length) {
            self.rotate()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.size = self.size.saturating_add(length);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.rotation.keep == 0 {
            self.file.set_len(0)?;
            self.size = 0;
            return Ok(());
        }
        for (from, to) in self.rotation.renamings(&self.path) {
            match fs::rename(from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = open(&self.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
