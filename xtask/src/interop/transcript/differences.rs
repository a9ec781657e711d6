//! Answers of ours that are not C Tor's, each with its reason. Whatever is not here has to be equal.

/// Why the answer to `said` may differ; `heard` is ours, masked. `None` if nothing excuses it.
pub(super) fn reason(said: &str, heard: &[String]) -> Option<&'static str> {
    let found = JUSTIFIED
        .iter()
        .find(|one| said.starts_with(one.said) && heard.iter().any(|line| line.contains(one.ours)));
    found.map(|one| one.reason)
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

const JUSTIFIED: &[Difference] =
    &[differs("SETEVENTS PT_LOG", "250 OK", "C Tor documents PT_LOG and refuses it")];
