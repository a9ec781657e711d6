//! What the authorities think of our version: `status/version/*`, and DANGEROUS_VERSION.
//! <https://spec.torproject.org/version-spec.html>

use std::fmt;

use crate::DirState;

/// The version of C Tor whose protocol and control port this client has.
pub const TOR_VERSION: &str = "0.4.9.11";

/// A version, compared with those that are recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionStatus {
    /// It is one of them.
    Recommended,
    /// It is older than all of them.
    Obsolete,
    /// It is newer than all of them.
    New,
    /// It is newer than those of its series, and there is a newer series.
    NewInSeries,
    /// It is between them.
    Unrecommended,
    /// None is recommended.
    NoneRecommended,
    /// There is no consensus.
    Unknown,
}

pub(super) fn recommended(state: &DirState) -> String {
    let list = state.consensus().map(|consensus| consensus.client_versions().unwrap_or_default());
    list.unwrap_or("?").to_owned()
}

pub(super) fn current(state: &DirState) -> VersionStatus {
    state.consensus().map_or(VersionStatus::Unknown, |consensus| {
        VersionStatus::of(TOR_VERSION, consensus.client_versions().unwrap_or_default())
    })
}

impl VersionStatus {
    /// What a list of recommended versions, separated by commas, says of a version.
    pub fn of(version: &str, recommended: &str) -> Self {
        if recommended.is_empty() {
            return Self::NoneRecommended;
        }
        let Some(mine) = Version::parse(version) else { return Self::Unrecommended };
        let (mut newer, mut older, mut in_series, mut newer_in_series) = (false, false, false, false);
        for other in recommended.split(',').filter_map(|other| Version::parse(other.trim())) {
            let same_series = mine.numbers == other.numbers;
            in_series |= same_series;
            match mine.cmp(&other) {
                std::cmp::Ordering::Equal => return Self::Recommended,
                std::cmp::Ordering::Less => {
                    newer = true;
                    newer_in_series |= same_series;
                }
                std::cmp::Ordering::Greater => older = true,
            }
        }
        if in_series && !newer_in_series && newer {
            Self::NewInSeries
        } else if newer && !older {
            Self::Obsolete
        } else if older && !newer {
            Self::New
        } else {
            Self::Unrecommended
        }
    }
}

/// The words of `status/version/current`.
impl fmt::Display for VersionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recommended => "recommended",
            Self::Obsolete => "obsolete",
            Self::New => "new",
            Self::NewInSeries => "new in series",
            Self::Unrecommended => "unrecommended",
            Self::NoneRecommended => "none recommended",
            Self::Unknown => "unknown",
        })
    }
}

/// A version, in the order of age: `MAJOR.MINOR[.MICRO[.PATCH][-TAG]]`; long ago `0.0.9pre1` and `0.0.9rc2`, too.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version<'a> {
    /// Major, minor, micro: the series.
    numbers: [u32; 3],
    stage: Stage,
    patch: u32,
    tag: &'a str,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Pre,
    Candidate,
    Release,
}

impl<'a> Version<'a> {
    /// What follows a blank is not looked at.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix("Tor ").unwrap_or(text);
        let text = text.split([' ', '\t']).next()?;
        let (major, rest) = number(text)?;
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        let mut version = Self { numbers: [major, minor, 0], stage: Stage::Release, patch: 0, tag: "" };
        if rest.is_empty() || rest.starts_with('-') {
            version.tag = rest.get(1..).unwrap_or_default();
            return Some(version);
        }
        let (micro, rest) = number(rest.strip_prefix('.')?)?;
        version.numbers = [major, minor, micro];
        if rest.is_empty() || rest.starts_with('-') {
            version.tag = rest.get(1..).unwrap_or_default();
            return Some(version);
        }
        let (stage, rest) = [(".", Stage::Release), ("pre", Stage::Pre), ("rc", Stage::Candidate)]
            .into_iter()
            .find_map(|(sign, stage)| Some((stage, rest.strip_prefix(sign)?)))?;
        let (patch, rest) = number(rest)?;
        (version.stage, version.patch) = (stage, patch);
        version.tag = rest.strip_prefix(['-', '.']).unwrap_or(rest);
        Some(version)
    }
}

/// The number at the start, and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = digits.parse::<u32>().ok().filter(|number| i32::try_from(*number).is_ok())?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lists_say_of_a_version() {
        use VersionStatus as S;
        for (version, list, status) in [
            ("0.4.9.11", "", S::NoneRecommended),
            ("0.4.9.11", "0.4.8.1,0.4.9.11", S::Recommended),
            ("0.4.9.11", "Tor 0.4.9.11", S::Recommended),
            ("0.4.9.11", "0.4.9.12", S::Obsolete),
            ("0.4.9.11", "0.4.9.12,0.5.0.1", S::Obsolete),
            ("0.4.9.11", "0.4.8.10,0.4.9.1-alpha", S::New),
            ("0.4.9.11", "0.4.9.10,0.5.0.1-alpha", S::NewInSeries),
            ("0.4.9.11", "0.4.8.22,0.4.9.12", S::Unrecommended),
            ("0.4.9.11", "0.4.8.22,0.5.0.1", S::Unrecommended),
            ("0.4.9.11", "0.4.9.11-dev", S::Obsolete),
            ("0.4.9.11-alpha", "0.4.9.11", S::New),
            ("0.4.9.11", "nonsense", S::Unrecommended),
            ("0.4.9.11", "0.4.9.10, nonsense, 0.4.9.9", S::New),
            ("0.0.9rc1", "0.0.9", S::Obsolete),
            ("0.0.9pre2", "0.0.9rc1", S::Obsolete),
            ("0.4", "0.4.0", S::Recommended),
        ] {
            assert_eq!(VersionStatus::of(version, list), status, "{version} in {list}");
        }
        assert_eq!(VersionStatus::NewInSeries.to_string(), "new in series");
        for bad in ["", "0", "0.", "a.b", "0.4.", "0.4.x", "0.4.9.", "0.4.9x1", "0.2147483648"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
