//! Where documents are kept between runs. The names and forms of the files are C Tor's.

use std::{collections::BTreeMap, io};

/// A file of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DirFile {
    /// Authority certificates, one after the other.
    Certs,
    /// The current consensus.
    Consensus,
    /// Microdescriptors, each after a line that says when it was last listed.
    Microdescs,
    /// More of them, which came since [`DirFile::Microdescs`] was last written.
    MicrodescJournal,
    /// The current consensus of the `ns` flavour.
    NsConsensus,
    /// Router descriptors, each after lines that say when and whence it came.
    Routers,
    /// More of them, which came since [`DirFile::Routers`] was last written.
    RouterJournal,
}

impl DirFile {
    /// The name in C Tor's cache directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certs => "cached-certs",
            Self::Consensus => "cached-microdesc-consensus",
            Self::Microdescs => "cached-microdescs",
            Self::MicrodescJournal => "cached-microdescs.new",
            Self::NsConsensus => "cached-consensus",
            Self::Routers => "cached-descriptors",
            Self::RouterJournal => "cached-descriptors.new",
        }
    }
}

/// Keeps documents between runs. All of them can be fetched again: losing them costs time, nothing else.
pub trait DirStore {
    /// A file's content; `None` if there is no such file.
    ///
    /// # Errors
    /// If the file can't be read.
    fn load(&self, file: DirFile) -> io::Result<Option<Vec<u8>>>;

    /// Replaces a file. A crash at any instant must leave the old content or the new.
    ///
    /// # Errors
    /// If the file can't be written.
    fn replace(&mut self, file: DirFile, content: &[u8]) -> io::Result<()>;

    /// Adds to the end of a file, which is made if there is none. A crash may leave part of the addition.
    ///
    /// # Errors
    /// If the file can't be written.
    fn append(&mut self, file: DirFile, content: &[u8]) -> io::Result<()>;
}

/// A store that forgets everything when it is dropped: for clients that must not write, and for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(BTreeMap<DirFile, Vec<u8>>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl DirStore for MemoryStore {
    fn load(&self, file: DirFile) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(&file).cloned())
    }

    fn replace(&mut self, file: DirFile, content: &[u8]) -> io::Result<()> {
        self.0.insert(file, content.to_vec());
        Ok(())
    }

    fn append(&mut self, file: DirFile, content: &[u8]) -> io::Result<()> {
        self.0.entry(file).or_default().extend_from_slice(content);
        Ok(())
    }
}
