//! `Log` lines: what goes where.
//!
//! ```text
//! Log notice stdout
//! Log info-warn [circ,guard]debug-err file /var/log/tor/circuits
//! Log [~net]debug stderr
//! ```
//!
//! Ranges of severity, from chatty to grave; one alone reaches up to `err`. A list of domains in brackets stands
//! before a range: `*` is all, `~x` is all but `x`. At most one range may have no domains. Without a place, it
//! is stdout.

use std::path::PathBuf;

use thiserror::Error;

/// One `Log` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// For each severity from the gravest on, the domains that are logged.
    domains: [LogDomains; 5],
    /// Where to.
    pub target: LogTarget,
}

/// Where log messages go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// `stdout`.
    #[default]
    Stdout,
    /// `stderr`.
    Stderr,
    /// `syslog`.
    Syslog,
    /// `file PATH`. In a [`LogLine::parse`]d line a leading `~` is still there; in a
    /// [`Config`](crate::Config) it is expanded.
    File(PathBuf),
}

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something has to stop.
    Err,
    /// Something is wrong.
    Warn,
    /// A user would want to know.
    Notice,
    /// A curious user would.
    Info,
    /// A developer would.
    Debug,
}

/// A set of C Tor's log domains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogDomains(u32);

/// A `Log` line that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogError {
    /// No severity, a word that is none, or a second range without domains.
    #[error("couldn't parse log levels")]
    Severity,
    /// A domain that does not exist, or a bracket without its other.
    #[error("no such logging domain")]
    Domain,
    /// A place that does not exist.
    #[error("bad syntax on a Log line: expected stdout, stderr, syslog or 'file' and a path")]
    Target,
    /// This version does not log there.
    #[error("this version can't log to syslog yet")]
    NoSyslog,
}

impl LogLine {
    /// Everything from `severity` on.
    pub fn from(severity: Severity, target: LogTarget) -> Self {
        let mut line = Self { domains: [LogDomains(0); 5], target };
        line.enable(severity, Severity::Err, LogDomains::ALL);
        line
    }

    pub(crate) fn notices_to(target: LogTarget) -> Self {
        Self::from(Severity::Notice, target)
    }

    /// Reads the value of a `Log` option.
    ///
    /// # Errors
    /// If it is not one.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let mut line = Self { domains: [LogDomains(0); 5], target: LogTarget::Stdout };
        let mut rest = text.trim_start();
        let (mut ranges, mut unqualified) = (0_u32, 0_u32);
        while !rest.is_empty() {
            let mut domains = LogDomains::ALL;
            let mut qualified = false;
            if let Some(inside) = rest.strip_prefix('[') {
                let (names, after) = inside.split_once(']').ok_or(LogError::Domain)?;
                domains = LogDomains::parse(names)?;
                qualified = true;
                rest = after.trim_start();
            }
            if begins_target(rest) {
                break;
            }
            unqualified = unqualified.saturating_add(u32::from(!qualified));
            if unqualified > 1 {
                return Err(LogError::Severity);
            }
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let (low, high) = word.split_once('-').unwrap_or((word, "err"));
            line.enable(Severity::parse(low)?, Severity::parse(high)?, domains);
            ranges = ranges.saturating_add(1);
            rest = after.trim_start();
        }
        if ranges == 0 {
            return Err(LogError::Severity);
        }
        line.target = LogTarget::parse(rest)?;
        Ok(line)
    }

    /// Whether a message is logged here. `domain` is one of C Tor's names, in any case; a name that is none
    /// belongs to `GENERAL`.
    pub fn logs(&self, severity: Severity, domain: &str) -> bool {
        let one = LogDomains::one(domain).unwrap_or(LogDomains(1));
        self.domains.iter().zip(Severity::ALL).any(|(set, of)| of == severity && set.0 & one.0 != 0)
    }

    /// The least grave severity of which anything is logged here; `None` if nothing is.
    pub fn lowest(&self) -> Option<Severity> {
        self.domains.iter().zip(Severity::ALL).filter(|(set, _)| set.0 != 0).map(|(_, of)| of).next_back()
    }

    fn enable(&mut self, from: Severity, to: Severity, domains: LogDomains) {
        for (set, severity) in self.domains.iter_mut().zip(Severity::ALL) {
            if to <= severity && severity <= from {
                set.0 |= domains.0;
            }
        }
    }
}

impl Severity {
    const ALL: [Self; 5] = [Self::Err, Self::Warn, Self::Notice, Self::Info, Self::Debug];

    /// C Tor's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Err => "err",
            Self::Warn => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    fn parse(text: &str) -> Result<Self, LogError> {
        Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(text)).ok_or(LogError::Severity)
    }
}

impl LogDomains {
    /// Every domain.
    pub const ALL: Self = Self(u32::MAX);

    fn one(name: &str) -> Option<Self> {
        let at = DOMAINS.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        1_u32.checked_shl(u32::try_from(at).ok()?).map(Self)
    }

    fn parse(names: &str) -> Result<Self, LogError> {
        let (mut with, mut without) = (0_u32, 0_u32);
        for name in names.split(',').map(str::trim) {
            match name.strip_prefix('~') {
                Some(name) => without |= Self::one(name).ok_or(LogError::Domain)?.0,
                None if name == "*" => with = Self::ALL.0,
                None => with |= Self::one(name).ok_or(LogError::Domain)?.0,
            }
        }
        // Only exceptions: from everything.
        let base = if with == 0 { Self::ALL.0 } else { with };
        Ok(Self(base & !without))
    }
}

impl LogTarget {
    fn parse(text: &str) -> Result<Self, LogError> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let path = rest.trim();
        match (word.to_ascii_lowercase().as_str(), path.is_empty()) {
            ("" | "stdout", true) => Ok(Self::Stdout),
            ("stderr", true) => Ok(Self::Stderr),
            ("syslog", true) => Ok(Self::Syslog),
            ("file", false) => Ok(Self::File(path.into())),
            (_, _) => Err(LogError::Target),
        }
    }
}

/// C Tor decides by the beginning of the word, too.
fn begins_target(rest: &str) -> bool {
    ["file", "stderr", "stdout", "syslog"]
        .iter()
        .any(|word| rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)))
}

/// C Tor's domains. The place of a name is its bit.
const DOMAINS: &[&str] = &[
    "GENERAL",
    "CRYPTO",
    "NET",
    "CONFIG",
    "FS",
    "PROTOCOL",
    "MM",
    "HTTP",
    "APP",
    "CONTROL",
    "CIRC",
    "REND",
    "BUG",
    "DIR",
    "DIRSERV",
    "OR",
    "EDGE",
    "ACCT",
    "HIST",
    "HANDSHAKE",
    "HEARTBEAT",
    "CHANNEL",
    "SCHED",
    "GUARD",
    "CONSDIFF",
    "DOS",
    "PROCESS",
    "PT",
    "BTRACK",
    "MESG",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> LogLine {
        LogLine::parse(text).unwrap()
    }

    #[test]
    fn severities_reach_up_to_err_or_as_far_as_said() {
        let line = parse("notice");
        assert_eq!(line.target, LogTarget::Stdout);
        assert!(line.logs(Severity::Notice, "NET") && line.logs(Severity::Err, "general"));
        assert!(!line.logs(Severity::Info, "NET"));
        let line = parse("Debug-Notice stderr");
        assert_eq!(line.target, LogTarget::Stderr);
        assert!(line.logs(Severity::Info, "CIRC") && !line.logs(Severity::Warn, "CIRC"));
        assert_eq!(line.lowest(), Some(Severity::Debug));
    }

    #[test]
    fn domains_narrow_a_range() {
        let line = parse("[circ,guard]debug notice file /tmp/a log");
        assert_eq!(line.target, LogTarget::File("/tmp/a log".into()));
        assert!(line.logs(Severity::Debug, "GUARD") && !line.logs(Severity::Debug, "NET"));
        assert!(line.logs(Severity::Notice, "NET"));
        let line = parse("[~net]info syslog");
        assert!(line.logs(Severity::Info, "CIRC") && !line.logs(Severity::Err, "NET"));
        let line = parse("[*,~net,~bug] warn");
        assert!(line.logs(Severity::Warn, "FS") && !line.logs(Severity::Warn, "BUG"));
    }

    #[test]
    fn a_range_the_wrong_way_round_logs_nothing() {
        assert_eq!(parse("err-debug").lowest(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, error) in [
            ("", LogError::Severity),
            ("stdout", LogError::Severity),
            ("loud stdout", LogError::Severity),
            ("info warn stdout", LogError::Severity),
            ("[nowhere]info", LogError::Domain),
            ("[net info", LogError::Domain),
            ("notice file", LogError::Target),
            ("notice stdout twice", LogError::Target),
            ("notice filed /tmp/x", LogError::Target),
        ] {
            assert_eq!(LogLine::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}", likely in "[\\[\\]~*, a-z-]{0,30}") {
            let _ = LogLine::parse(&text);
            let _ = LogLine::parse(&likely);
        }
    }
}
