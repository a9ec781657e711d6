//! Every option that C Tor 0.4.9.11 knows, and what this version does with it.
//!
//! The rows are in `client.rs` and `relay.rs`; names of the past are in `legacy.rs`. Nothing else in the crate
//! knows an option's type or default: the reader, the defaults and the checks all ask here, and so will
//! `GETCONF`, `SETCONF` and `SAVECONF`.

use std::cmp::Ordering;
use std::sync::LazyLock;

use self::client::CLIENT;
use self::legacy::{ALIASES, DEPRECATED, OBSOLETE};
use self::relay::RELAY;

mod client;
mod legacy;
mod relay;

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// Canonical spelling.
    pub name: &'static str,
    /// What a value looks like.
    pub kind: Kind,
    /// The default, as it would be written in a torrc; `None` is "not set".
    pub default: Option<&'static str>,
    /// The default where `TestingTorNetwork` is set, if it differs.
    pub testing_default: Option<&'static str>,
    /// What this version does with it.
    pub support: Support,
    /// Whether it may change while the client runs.
    pub can_change: bool,
    /// Whether `SAVECONF` writes it.
    pub saved: bool,
    /// Whether a user may set it and see it in lists.
    pub visible: bool,
}

impl OptionSpec {
    /// The default that holds in a public or in a testing network.
    pub fn default_in(&self, network: Network) -> Option<&'static str> {
        match network {
            Network::Public => self.default,
            Network::Testing => self.testing_default.or(self.default),
        }
    }

    /// Whether a line may name this option: a [`Kind::Virtual`] one is only a view of its members.
    pub fn settable(&self) -> bool {
        self.visible && !matches!(self.kind, Kind::Virtual)
    }

    /// Where an assignment to a list is kept: the group for its members, else the option itself.
    pub(crate) fn list_key(&self) -> &'static str {
        if let Kind::Dependent(group) = self.kind { group } else { self.name }
    }

    const fn testing(self, default: &'static str) -> Self {
        Self { testing_default: Some(default), ..self }
    }

    const fn immutable(self) -> Self {
        Self { can_change: false, ..self }
    }

    const fn unsaved(self) -> Self {
        Self { saved: false, ..self }
    }

    const fn invisible(self) -> Self {
        Self { saved: false, visible: false, ..self }
    }
}

const fn row(name: &'static str, kind: Kind, default: Option<&'static str>, support: Support) -> OptionSpec {
    OptionSpec {
        name,
        kind,
        default,
        testing_default: None,
        support,
        can_change: true,
        saved: true,
        visible: true,
    }
}

/// What an option's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `0` or `1`.
    Bool,
    /// `0`, `1` or `auto`.
    AutoBool,
    /// An integer that fits in 32 bits.
    Int,
    /// The same, and not negative.
    PosInt,
    /// An unsigned 64-bit integer.
    U64,
    /// A decimal fraction.
    Float,
    /// Bytes, with a unit: `10 MB`.
    DataSize,
    /// Seconds, with a unit: `2 minutes`.
    Seconds,
    /// Milliseconds, with a unit: `100 msec`.
    Millis,
    /// Seconds; once a comma-separated schedule, of which only the first item counts.
    FirstSeconds,
    /// Any text.
    String,
    /// A path.
    Filename,
    /// Items between commas.
    Csv,
    /// A set of relays: fingerprints, nicknames, countries, address patterns.
    Relays,
    /// Any number of lines.
    Lines,
    /// Lines that share one ordered list, the named [`Kind::Virtual`] option, with others.
    Dependent(&'static str),
    /// The shared list itself; it can be read, not set.
    Virtual,
}

impl Kind {
    /// C Tor's name for the type, as in `GETINFO config/names`.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Bool => "Boolean",
            Self::AutoBool => "Boolean+Auto",
            Self::Int => "SignedInteger",
            Self::PosInt | Self::U64 => "Integer",
            Self::Float => "Float",
            Self::DataSize => "DataSize",
            Self::Seconds | Self::FirstSeconds => "TimeInterval",
            Self::Millis => "TimeMsecInterval",
            Self::String => "String",
            Self::Filename => "Filename",
            Self::Csv => "CommaList",
            Self::Relays => "RouterList",
            Self::Lines => "LineList",
            Self::Dependent(_) => "Dependent",
            Self::Virtual => "Virtual",
        }
    }

    /// Whether a second line adds to the first instead of replacing it.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Lines | Self::Dependent(_) | Self::Virtual)
    }
}

/// What this version does with an option that somebody sets to other than its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Obeys it.
    Built,
    /// Ignores it with a warning: tuning, or something that is moot, with no effect on anybody's safety.
    Harmless,
    /// Refuses to start: ignoring it would leave the user with less than was asked for.
    Unbuilt,
    /// Ignores it; one notice names all of these.
    Relay,
}

/// Which set of defaults holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The Tor network.
    #[default]
    Public,
    /// A private one: `TestingTorNetwork 1`.
    Testing,
}

/// What a name turned out to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// An option, by its whole name (in any case).
    Exact(&'static OptionSpec),
    /// An option, by the beginning of its name that no other has; deprecated.
    Abbreviated(&'static OptionSpec),
    /// A name that once was an option and is skipped.
    Obsolete(&'static str),
    /// The beginning of the names of several options, of which these are two. C Tor takes the first one in the
    /// alphabet; a guess is worse than an error.
    Ambiguous(&'static str, &'static str),
    /// No option.
    Unknown {
        /// The known name that looks most like it, if one comes near.
        nearest: Option<&'static str>,
    },
}

/// Every option that is not obsolete, sorted by name without regard to case.
pub fn options() -> &'static [&'static OptionSpec] {
    &SORTED
}

/// Finds an option by its canonical name, in any case; no aliases, no abbreviations.
pub fn find(name: &str) -> Option<&'static OptionSpec> {
    let at = SORTED.binary_search_by(|spec| compare(spec.name, name)).ok()?;
    SORTED.get(at).copied()
}

/// Finds what a name in a torrc means, once aliases are expanded.
pub fn lookup(name: &str) -> Lookup {
    if let Some(spec) = find(name).filter(|spec| spec.visible) {
        return Lookup::Exact(spec);
    }
    if let Some(obsolete) = OBSOLETE.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        return Lookup::Obsolete(obsolete);
    }
    let mut longer = options().iter().filter(|spec| spec.settable() && starts_with(spec.name, name));
    match (longer.next(), longer.next()) {
        (Some(only), None) if !name.is_empty() => return Lookup::Abbreviated(only),
        (Some(first), Some(second)) if !name.is_empty() => return Lookup::Ambiguous(first.name, second.name),
        (Some(_) | None, _) => {}
    }
    match OBSOLETE.iter().find(|known| !name.is_empty() && starts_with(known, name)) {
        Some(obsolete) => Lookup::Obsolete(obsolete),
        None => Lookup::Unknown { nearest: nearest(name) },
    }
}

/// What `GETCONF` means by a name: an alias, a whole name in any case, else the first name in the alphabet that
/// begins like this. A guess does no harm here; hidden and obsolete names count.
pub fn find_for_reading(name: &str) -> Option<Readable> {
    let name = expand_alias(name, false).map_or(name, |(full, _)| full);
    if let Some(spec) = find(name) {
        return Some(Readable::Option(spec));
    }
    if let Some(obsolete) = OBSOLETE.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        return Some(Readable::Obsolete(obsolete));
    }
    if name.is_empty() {
        return None;
    }
    let option = options().iter().find(|spec| starts_with(spec.name, name));
    let obsolete = OBSOLETE.iter().filter(|known| starts_with(known, name)).min_by(|a, b| compare(a, b));
    match (option, obsolete) {
        (Some(spec), Some(obsolete)) if compare(spec.name, obsolete).is_gt() => {
            Some(Readable::Obsolete(obsolete))
        }
        (Some(spec), _) => Some(Readable::Option(spec)),
        (None, Some(obsolete)) => Some(Readable::Obsolete(obsolete)),
        (None, None) => None,
    }
}

/// What [`find_for_reading`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// An option.
    Option(&'static OptionSpec),
    /// A name that once was one; it never has a value.
    Obsolete(&'static str),
}

/// An alias, expanded: the full name and whether the short one is deprecated.
pub(crate) fn expand_alias(name: &str, on_command_line: bool) -> Option<(&'static str, bool)> {
    let mut found: Option<(&'static str, bool)> = None;
    for alias in ALIASES {
        let current = found.map_or(name, |(full, _)| full);
        if current.eq_ignore_ascii_case(alias.short) && (on_command_line || !alias.command_line_only) {
            found = Some((alias.full, alias.deprecated || found.is_some_and(|(_, deprecated)| deprecated)));
        }
    }
    found
}

/// Why an option should no longer be used, if that is so.
pub fn deprecation(name: &str) -> Option<&'static str> {
    DEPRECATED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, why)| *why)
}

/// The names that [`deprecation`] knows, in C Tor's order.
pub fn deprecated_names() -> impl Iterator<Item = &'static str> {
    DEPRECATED.iter().map(|(name, _)| *name)
}

static SORTED: LazyLock<Vec<&'static OptionSpec>> = LazyLock::new(|| {
    let mut all: Vec<_> = CLIENT.iter().chain(RELAY).collect();
    all.sort_by(|a, b| compare(a.name, b.name));
    all
});

/// How unlike a name may be and still be proposed: 0 is nothing alike, 1 is equal.
const LIKENESS: f64 = 0.8;

fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    options()
        .iter()
        .filter(|spec| spec.settable())
        .map(|spec| {
            (strsim::normalized_damerau_levenshtein(&name, &spec.name.to_ascii_lowercase()), spec.name)
        })
        .chain(ALIASES.iter().map(|alias| {
            (strsim::normalized_damerau_levenshtein(&name, &alias.short.to_ascii_lowercase()), alias.full)
        }))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// C Tor's order of names.
fn compare(a: &str, b: &str) -> Ordering {
    a.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(b.bytes().map(|byte| byte.to_ascii_lowercase()))
}

fn starts_with(name: &str, beginning: &str) -> bool {
    name.get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning))
}

#[cfg(test)]
mod tests;
