//! What can be wrong with a document.

use thiserror::Error;
use tor_id::Fault;

/// A document, or one line of it, that can't be accepted.
///
/// `line` counts from 1 within the text that was given; 0 stands for "no particular line".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DocError {
    /// The text holds a NUL byte or is not UTF-8.
    #[error("not a text document")]
    NotText,
    /// The document, a line or an object is longer than any honest one.
    #[error("{what} is too long")]
    TooLong {
        /// What is too long.
        what: &'static str,
    },
    /// The document does not begin, or does not end, as its kind must.
    #[error("misplaced or absent {keyword}")]
    Misplaced {
        /// The keyword that was expected in that place.
        keyword: &'static str,
    },
    /// A line that must be there is absent.
    #[error("no {keyword} line")]
    Missing {
        /// Its keyword.
        keyword: &'static str,
    },
    /// A line that may be there once is there again.
    #[error("second {keyword} on line {line}")]
    Repeated {
        /// Its keyword.
        keyword: &'static str,
        /// Where the second one is.
        line: u32,
    },
    /// A line or an object does not have the form of its kind.
    #[error("malformed {what} on line {line}")]
    Malformed {
        /// What is malformed: a keyword, or a part of the line.
        what: &'static str,
        /// Where it is.
        line: u32,
    },
    /// A version, type or flavour of document that we don't speak.
    #[error("unsupported {what}")]
    Unsupported {
        /// Which part says so.
        what: &'static str,
    },
    /// Entries that must be in ascending order, without duplicates, are not.
    #[error("{what} out of order on line {line}")]
    OutOfOrder {
        /// Which entries.
        what: &'static str,
        /// Where the order breaks.
        line: u32,
    },
    /// Two parts of the document contradict each other.
    #[error("inconsistent {what}")]
    Inconsistent {
        /// Which parts.
        what: &'static str,
    },
    /// A signature that the document carries over itself is wrong.
    #[error("bad signature: {what}")]
    BadSignature {
        /// Which signature.
        what: &'static str,
    },
}

impl DocError {
    /// Documents come from the network: whoever served this one is to blame.
    pub const fn fault(&self) -> Fault {
        Fault::Peer
    }
}
