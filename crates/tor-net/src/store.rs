//! Files: the directory cache and the state file, in C Tor's places and under its names.
//!
//! A file is replaced by writing a new one beside it, syncing it, and renaming it over the old: a crash at any
//! instant leaves one or the other. Files are readable by their owner alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tor_dir::{DirFile, DirStore};
use tor_path::{Guards, StateError};

/// The directory cache on disk.
#[derive(Clone, Debug)]
pub struct DiskStore {
    directory: PathBuf,
}

/// The state file, and the lock that keeps a second client out of its directory.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    _lock: File,
}

impl DiskStore {
    /// The cache in this directory, which is made if there is none.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn open(directory: &Path) -> io::Result<Self> {
        make_private(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }
}

impl DirStore for DiskStore {
    fn load(&self, file: DirFile) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.directory.join(file.name())) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&mut self, file: DirFile, content: &[u8]) -> io::Result<()> {
        replace(&self.directory.join(file.name()), content)
    }

    fn append(&mut self, file: DirFile, content: &[u8]) -> io::Result<()> {
        let path = self.directory.join(file.name());
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        file.write_all(content)
    }
}

impl StateFile {
    /// Takes hold of a data directory, which is made if there is none.
    ///
    /// # Errors
    /// `WouldBlock` if another client has it; otherwise whatever the disk says.
    pub fn open(data_directory: &Path) -> io::Result<Self> {
        make_private(data_directory)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(data_directory.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Self { path: data_directory.join("state"), _lock: lock })
    }

    /// The guards of the last run, and the lines that could not be read.
    ///
    /// # Errors
    /// If the file is there and can't be read.
    pub fn load_guards(&self) -> io::Result<(Guards, Vec<StateError>)> {
        Ok(Guards::parse(&self.read()?))
    }

    /// Writes the guards, and leaves all other lines as they are.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn save_guards(&self, lines: &str) -> io::Result<()> {
        let old = self.read()?;
        let mut text = String::from("# Tor state file. Changes made while the client runs are lost.\n");
        let ours = |line: &str| line.starts_with("Guard in=default ") || line.starts_with('#');
        for line in old.lines().filter(|line| is_state_line(line) && !ours(line)) {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(lines);
        replace(&self.path, text.as_bytes())
    }

    fn read(&self) -> io::Result<String> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        }
    }
}

/// A keyword, and maybe a value. What is left of a file that was destroyed is not kept for ever.
fn is_state_line(line: &str) -> bool {
    let keyword = line.split(' ').next().unwrap_or_default();
    !keyword.is_empty()
        && keyword.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !line.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_file(path, content, 0o600)
}

/// Writes a file of these permissions in place of whatever is there, never half of it.
///
/// # Errors
/// Whatever the disk says.
pub fn replace_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let new = path.with_file_name(name);
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(mode & 0o600).open(&new)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_has_one_client() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/b");
        let held = StateFile::open(&data).unwrap();
        assert_eq!(StateFile::open(&data).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        StateFile::open(&data).unwrap();
    }

    #[test]
    fn other_lines_of_the_state_file_survive() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("state"),
            "TotalBuildTimes 5\nGuard in=default rsa_id=x\nGuard in=bridges y\n",
        )
        .unwrap();
        let state = StateFile::open(dir.path()).unwrap();
        assert_eq!(state.load_guards().unwrap().1.len(), 1, "the bad line is reported");
        state.save_guards("Guard in=default rsa_id=z\n").unwrap();
        let text = fs::read_to_string(dir.path().join("state")).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines, ["TotalBuildTimes 5", "Guard in=bridges y", "Guard in=default rsa_id=z"]);
    }

    #[test]
    fn a_destroyed_state_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("state"), b"\x00\xff\x13Guard\n%&/(\n\nDormant\xfe 0\nDormant 0\n")
            .unwrap();
        let state = StateFile::open(dir.path()).unwrap();
        assert_eq!(state.load_guards().unwrap().0.iter().count(), 0);
        state.save_guards("").unwrap();
        let text = fs::read_to_string(dir.path().join("state")).unwrap();
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["Dormant 0"]);
    }

    #[test]
    fn the_cache_replaces_and_appends() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = DiskStore::open(dir.path()).unwrap();
        assert_eq!(store.load(DirFile::Certs).unwrap(), None);
        store.append(DirFile::Certs, b"one").unwrap();
        store.append(DirFile::Certs, b"two").unwrap();
        assert_eq!(store.load(DirFile::Certs).unwrap().unwrap(), b"onetwo");
        store.replace(DirFile::Certs, b"three").unwrap();
        assert_eq!(store.load(DirFile::Certs).unwrap().unwrap(), b"three");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }
}
