//! Bytes from the controller → whole commands: a line, or, after a `+`, lines up to one that is a dot.
//! Spec: <https://spec.torproject.org/control-spec/message-format.html#commands-from-controller-to-tor>
//!
//! Lines end in CRLF or LF alone. A command is held back until it is complete and never grows past
//! [`MAX_COMMAND_LENGTH`]; more than that is refused as soon as it is certain, without waiting for the line's end, so
//! that a controller cannot make us hold what we will not read.

use zeroize::{Zeroize, Zeroizing};

/// The longest command, data and line ends included: C Tor's, which counts one byte more for the end of its string.
pub const MAX_COMMAND_LENGTH: usize = 1024 * 1024 - 1;

/// The longest command of a controller that has not authenticated: a thousand strangers must not cost a gigabyte.
pub(crate) const MAX_GUEST_COMMAND_LENGTH: usize = 16 * 1024;

/// A buffer that has held more than this is given back when it is empty.
const KEEP_CAPACITY: usize = 64 * 1024;

/// What the buffer begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole command, data included, without the dot that ends it.
    Command(Zeroizing<Vec<u8>>),
    /// The beginning of one, or nothing.
    Partial,
    /// More than a command may be.
    TooLong,
}

/// Bytes that have come and are not yet part of a command that was taken out.
///
/// They may hold passwords and keys, so what is taken out is overwritten.
#[derive(Default)]
pub(crate) struct Framer {
    buffer: Zeroizing<Vec<u8>>,
    /// Where the first command begins; before it is nothing but zeros.
    start: usize,
    /// Where the line that is being looked at begins.
    line: usize,
    /// No line end is between `line` and here.
    searched: usize,
}

impl Framer {
    /// Adds bytes from the controller.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// All that has come and was not taken out.
    pub(crate) fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Forgets all that has come.
    pub(crate) fn clear(&mut self) {
        self.buffer.zeroize();
        *self = Self::default();
    }

    /// Takes out the first command if it is there and no longer than `limit`.
    pub(crate) fn take(&mut self, limit: usize) -> Frame {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let end = memchr::memchr(b'\n', unsearched).map(|at| self.searched + at + 1);
            self.searched = end.unwrap_or(self.buffer.len());
            if self.searched - self.start + usize::from(end.is_none()) > limit {
                return Frame::TooLong;
            }
            let Some(end) = end else { return Frame::Partial };
            let first = self.line == self.start;
            let line = self.buffer.get(self.line..end).unwrap_or_default();
            if first && !line.starts_with(b"+") {
                return self.cut(end, end);
            }
            if !first && matches!(line, b".\r\n" | b".\n") {
                return self.cut(self.line, end);
            }
            self.line = end;
        }
    }

    /// Takes out what is before `end`; the next command begins at `next`.
    fn cut(&mut self, end: usize, next: usize) -> Frame {
        let taken = self.buffer.get_mut(self.start..next).unwrap_or_default();
        let command = Zeroizing::new(taken.get(..end - self.start).unwrap_or_default().to_vec());
        taken.fill(0);
        (self.start, self.line, self.searched) = (next, next, next);
        // Moving the rest to the front each time would make a thousand short commands in one read cost a million
        // moves; when half of the buffer is spent, each byte moves about once.
        if self.start * 2 >= self.buffer.len() {
            let left = self.buffer.len() - self.start;
            self.buffer.copy_within(self.start.., 0);
            if let Some(rest) = self.buffer.get_mut(left..) {
                rest.fill(0);
            }
            self.buffer.truncate(left);
            (self.start, self.line, self.searched) = (0, 0, 0);
        }
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP_CAPACITY {
            self.buffer = Zeroizing::default();
        }
        Frame::Command(command)
    }
}

impl std::fmt::Debug for Framer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Framer({} bytes)", self.pending().len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The commands in `input`, and what remains.
    fn frames(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Frame) {
        let (mut framer, mut commands) = (Framer::default(), Vec::new());
        for piece in pieces {
            framer.push(piece);
            loop {
                match framer.take(MAX_COMMAND_LENGTH) {
                    Frame::Command(command) => commands.push(command.to_vec()),
                    Frame::Partial => break,
                    Frame::TooLong => return (commands, Frame::TooLong),
                }
            }
        }
        (commands, Frame::Partial)
    }

    #[test]
    fn lines_and_data() {
        let input = b"A b\r\nC\n\n+D e\r\nf\r\n..\r\n.g\r\n.\r\n+\n.\nH";
        let expected = [&b"A b\r\n"[..], b"C\n", b"\n", b"+D e\r\nf\r\n..\r\n.g\r\n", b"+\n"];
        assert_eq!(frames(&[input]), (expected.map(<[u8]>::to_vec).to_vec(), Frame::Partial));
    }

    #[test]
    fn the_longest_command_passes_and_one_byte_more_does_not() {
        let mut line = vec![b'x'; MAX_COMMAND_LENGTH - 1];
        line.push(b'\n');
        assert_eq!(frames(&[&line]).0.len(), 1);
        line.insert(0, b'x');
        assert_eq!(frames(&[&line]), (vec![], Frame::TooLong));
        // Refused before the end comes, and however the bytes are cut.
        assert_eq!(frames(&[&line[..MAX_COMMAND_LENGTH]]), (vec![], Frame::TooLong));
        assert_eq!(frames(&[&line[..MAX_COMMAND_LENGTH - 1]]), (vec![], Frame::Partial));
        assert_eq!(frames(&line.chunks(4096).collect::<Vec<_>>()), (vec![], Frame::TooLong));
    }

    #[test]
    fn a_big_command_leaves_no_big_buffer() {
        let mut framer = Framer::default();
        framer.push(&[&[b'x'; 500_000][..], b"\n"].concat());
        assert!(matches!(framer.take(MAX_COMMAND_LENGTH), Frame::Command(_)));
        assert_eq!(framer.buffer.capacity(), 0);
    }

    #[test]
    fn data_without_end_is_refused() {
        let mut framer = Framer::default();
        framer.push(b"+LOADCONF\n");
        let mut fed = 0;
        while framer.take(MAX_COMMAND_LENGTH) == Frame::Partial {
            framer.push(b"SocksPort 9050\n");
            fed += 15;
        }
        assert!(fed <= MAX_COMMAND_LENGTH + 15);
        assert_eq!(framer.take(MAX_COMMAND_LENGTH), Frame::TooLong);
    }

    #[test]
    fn taken_bytes_are_overwritten() {
        let mut framer = Framer::default();
        framer.push(
            b"AUTHENTICATE \"secret\"\nGETINFO version\nGETINFO a-rather-long-key-that-stays-where-it-is\n",
        );
        assert!(matches!(framer.take(MAX_COMMAND_LENGTH), Frame::Command(_)));
        assert!(!framer.buffer.windows(6).any(|bytes| bytes == b"secret"));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(input in "[+.a\r\n]{0,60}", at in 0usize..60) {
            let input = input.as_bytes();
            let (first, second) = input.split_at(at.min(input.len()));
            prop_assert_eq!(frames(&[input]), frames(&[first, second]));
            let bytes: Vec<_> = input.chunks(1).collect();
            prop_assert_eq!(frames(&[input]), frames(&bytes));
        }
    }
}
