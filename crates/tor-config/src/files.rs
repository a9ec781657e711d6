//! Where the text of a configuration comes from.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::TorrcStore;

/// Reads files for [`load`](crate::load()). The second implementation is the one in tests, which has no disk.
pub trait ConfigFiles {
    /// The whole content of a file.
    ///
    /// # Errors
    /// If it can't be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The whole standard input, for `-f -`.
    ///
    /// # Errors
    /// If it can't be read.
    fn read_stdin(&self) -> io::Result<Vec<u8>>;

    /// Whether this is a file that could be read.
    fn is_file(&self, path: &Path) -> bool;

    /// The files that an `%include` of this path means, in order: the file itself; the files in a directory,
    /// sorted, without those that begin with a dot or are empty, and not those further down; or all of these for
    /// each of the sorted matches of a pattern with `*` or `?`.
    ///
    /// # Errors
    /// If it is no pattern, and nothing is there; or if a directory can't be read.
    fn included(&self, pattern: &str) -> io::Result<Vec<PathBuf>>;
}

/// The real ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl ConfigFiles for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_stdin(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        Ok(text)
    }

    fn is_file(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
    }

    fn included(&self, pattern: &str) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in matches(pattern)? {
            let metadata = fs::metadata(&path)?;
            if metadata.is_dir() {
                files.extend(in_directory(&path)?);
            } else if metadata.is_file() {
                files.push(path);
            } else {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
        Ok(files)
    }
}

impl TorrcStore for Disk {
    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = Path::new(&temporary);
        // It may hold passwords.
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(temporary, path)
    }
}

fn matches(pattern: &str) -> io::Result<Vec<PathBuf>> {
    if !pattern.contains(['*', '?']) {
        return Ok(vec![PathBuf::from(pattern)]);
    }
    // As in C: a star reaches neither over a slash nor to hidden files.
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    // `**` is one star in C; here it would walk the tree.
    let mut pattern = pattern.to_owned();
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    let found =
        glob::glob_with(&pattern, options).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut paths = found.map(|path| path.map_err(io::Error::from)).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn in_directory(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_file =
            fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0);
        if !hidden && is_file {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
