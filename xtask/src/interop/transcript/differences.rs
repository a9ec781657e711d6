//! Answers of ours that are not C Tor's, each with its reason. Whatever is not here has to be equal.
//!
//! An option that is known and not built is refused when it is set, rather than ignored. What follows from such a
//! refusal (no CONF_CHANGED, another GETCONF) is excused by the option's name.

use std::collections::BTreeSet;

use super::play::Exchange;

/// Goes through both transcripts in order, since a difference may follow from an earlier one.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// Options that we have refused to set and C Tor has not.
    refused: BTreeSet<String>,
}

impl Judge {
    /// Why these two may differ; `None` if nothing excuses it.
    pub(super) fn reason(&mut self, theirs: &Exchange, ours: &Exchange) -> Option<&'static str> {
        let says = |part: &str| ours.heard.iter().any(|line| line.contains(part));
        if says(NOT_BUILT) {
            self.refused.extend(options_in(&theirs.said));
            return Some("an option that is known and not built is refused, not ignored");
        }
        let found = JUSTIFIED.iter().find(|one| theirs.said.starts_with(one.said) && says(one.ours));
        if let Some(found) = found {
            return Some(found.reason);
        }
        let is_about_refused = |line: &String| {
            let name = line.get(4..).unwrap_or_default().split('=').next().unwrap_or_default();
            self.refused.contains(&name.to_ascii_lowercase())
        };
        if theirs.said == "GETINFO address-mappings/config" && self.refused.contains("mapaddress") {
            return Some("it follows from an option that was refused");
        }
        let without_fallbacks = |one: &Exchange| -> Vec<String> {
            one.heard.iter().filter(|line| !line.starts_with("FallbackDir ")).cloned().collect()
        };
        if theirs.said == "GETINFO config/defaults" && without_fallbacks(theirs) == without_fallbacks(ours) {
            return Some("no fallback directories beside authorities of one's own");
        }
        let asks = theirs.said.starts_with("@event") || theirs.said.starts_with("GETCONF");
        if asks && theirs.heard.iter().any(is_about_refused) {
            return Some("it follows from an option that was refused");
        }
        None
    }
}

/// The names in `SETCONF A=1 B="2"`, in lower case.
fn options_in(said: &str) -> impl Iterator<Item = String> {
    let words = said.split_whitespace().skip(1);
    words.filter_map(|word| Some(word.split_once('=')?.0.to_ascii_lowercase()))
}

/// A difference: what begins so is answered by us with a line that contains this.
struct Difference {
    said: &'static str,
    ours: &'static str,
    reason: &'static str,
}

const fn differs(said: &'static str, ours: &'static str, reason: &'static str) -> Difference {
    Difference { said, ours, reason }
}

/// How our refusal of an option that is not built goes on.
const NOT_BUILT: &str = ": this version can't do that yet";

const JUSTIFIED: &[Difference] = &[
    differs("! GET ", "HTTP/1.0 501", "a page for a browser, in our own words"),
    differs("! POST ", "HTTP/1.0 501", "a page for a browser, in our own words"),
    differs(
        "HSFETCH",
        "551 HSFETCH is not supported",
        "onion services are not built yet: refused before the servers are looked up",
    ),
    differs("ONION_CLIENT_AUTH_", "551 ", "onion services are not built yet"),
    differs("ADD_ONION", "551 ", "onion services are not built yet"),
    differs("GETINFO hs/", "551 ", "onion services are not built yet"),
    differs(
        "GETINFO limits/max-mem-in-queues",
        "551 ",
        "no limit is set by that option yet, and a number would be an invention",
    ),
    differs("GETINFO info/names", "x-events/", "our own keys are listed, too"),
    differs("GETINFO events/names", "PT_LOG", "C Tor documents PT_LOG and PT_STATUS and refuses them"),
    differs(
        "GETINFO dormant",
        "250-dormant=1",
        "C Tor does not fall asleep at SIGNAL DORMANT while circuits were wanted lately",
    ),
];
