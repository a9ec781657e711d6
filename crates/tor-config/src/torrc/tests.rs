use proptest::prelude::*;

use super::*;
use crate::quote::{needs_quotes, quote};

fn pairs(text: &str) -> Vec<(String, String)> {
    Entries::new(text.as_bytes()).map(|entry| entry.unwrap()).map(|entry| (entry.key, entry.value)).collect()
}

#[track_caller]
fn one(text: &str, key: &str, value: &str) {
    assert_eq!(pairs(text), [(key.to_owned(), value.to_owned())], "{text:?}");
}

#[test]
fn plain_values_keep_inner_space_only() {
    one("Colour  dark   blue   \n", "Colour", "dark   blue");
    one("\t Colour\tblue", "Colour", "blue");
    one("Colour blue\r\n", "Colour", "blue");
    one("Colour", "Colour", "");
    one("Colour   # none\n", "Colour", "");
    one("Path C:\\new\\table", "Path", "C:\\new\\table");
    one("Path ends\\", "Path", "ends\\");
}

#[test]
fn comments_end_an_entry() {
    one("# first\n\n  # second\nKey value # third\n", "Key", "value");
    one("Key value#tight", "Key", "value");
    one("Key#tight", "Key", "");
    assert!(pairs("# nothing\n#at all").is_empty());
}

#[test]
fn a_backslash_at_the_end_continues() {
    one("Key\\\nvalue", "Key", "value");
    one("Key one\\\ntwo\\\nthree\n", "Key", "onetwothree");
    one("Key one \\\n  two", "Key", "one   two");
    one("Key a\\b\\\nc\\\\\nd", "Key", "a\\bc\\d");
}

#[test]
fn a_comment_in_a_continued_entry_does_not_end_it() {
    let with_backslashes = "Key one \\\n # first \\\n two \\\n three # second \\\n four\n";
    let without = "Key one \\\n # first\n two \\\n three # second\n four\n";
    one(with_backslashes, "Key", "one   two  three  four");
    one(without, "Key", "one   two  three  four");
    assert_eq!(pairs("Key a \\\n# c\nb\nOther x\n").len(), 2);
}

#[test]
fn a_continuation_that_leads_nowhere_leaves_its_backslash() {
    // The trailing line break is trimmed before continuations are removed.
    assert_eq!(pairs("Key a \\\n\nOther x")[0].1, "a \\");
}

#[test]
fn quotes_are_decoded() {
    one("Key \"a # b\\n\" # comment", "Key", "a # b\n");
    one("Key \"\"", "Key", "");
    one("Key \"x\"\r\n", "Key", "x");
    let error = |text: &str| Entries::new(text.as_bytes()).find_map(Result::err);
    assert_eq!(error("A b\n\nKey \"x\" y"), Some((3, SyntaxError::AfterQuote)));
    assert_eq!(error("Key \"x\n"), Some((1, SyntaxError::Quote(BadQuote))));
}

#[test]
fn marks_are_taken_from_the_key() {
    let marks: Vec<_> = Entries::new(b"+A x\n/B y\nC z").map(|entry| entry.unwrap()).collect();
    assert_eq!((marks[0].mark, marks[0].key.as_str(), marks[0].value.as_str()), (Mark::Append, "A", "x"));
    assert_eq!((marks[1].mark, marks[1].key.as_str(), marks[1].value.as_str()), (Mark::Clear, "B", ""));
    assert_eq!(marks[2].mark, Mark::Set);
}

#[test]
fn lines_are_counted_from_the_beginning_of_an_entry() {
    let text = "# one\nA x\nB y \\\n z\n\nC \"q\"\n";
    let lines: Vec<_> = Entries::new(text.as_bytes()).map(|entry| entry.unwrap().line).collect();
    assert_eq!(lines, [2, 3, 6]);
}

#[test]
fn other_encodings_are_fine_in_comments_only() {
    assert_eq!(Entries::new(b"# caf\xe9\nA b").count(), 1);
    assert_eq!(Entries::new(b"A caf\xe9\nB c").collect::<Vec<_>>(), [Err((1, SyntaxError::NotText))]);
    assert_eq!(Entries::new(b"A \"\\0\"").collect::<Vec<_>>(), [Err((1, SyntaxError::NotText))]);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        Entries::new(&bytes).for_each(drop);
    }

    #[test]
    fn no_torrc_like_text_panics(text in "[a+/ \\t\\\\#\"\\n\\r]{0,80}") {
        Entries::new(text.as_bytes()).for_each(drop);
    }

    #[test]
    fn what_is_written_is_read_back(values in proptest::collection::vec("[ -~\\n\\té]{0,30}", 0..5)) {
        let mut text = String::new();
        for value in &values {
            let written = if needs_quotes(value.as_bytes()) { quote(value.as_bytes()) } else { value.clone() };
            text.push_str(&format!("Key {written}\n"));
        }
        let read: Vec<_> = pairs(&text).into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, values);
    }
}
