//! The layers, flattened: for each option, what was assigned last and where.
//!
//! A *source* is one file with all it includes, or the command line. Sources are assigned from the lowest to the
//! highest; within one, lines count in order:
//!
//! * An option with one value takes the last; a second one in the same source earns a warning.
//! * The first line of a list in a source replaces what lower sources say, unless it is marked `+`; further
//!   lines add to it.
//! * `/Option`, and an option with one value that has none, clear it: to zero, not to its default.
//! * Some lists are one list under several names (`SocksPort` and `__SocksPort`).
//!
//! Values are checked against their type here, for every option that exists. What they mean comes later.

use std::collections::BTreeMap;

use crate::table::{self, Kind, Lookup, Network, OptionSpec};
use crate::value::Value;
use crate::{AutoBool, ConfigError, Line, Mark, Notice, Origin, Problem};

/// Everything that was assigned. `GETCONF` and `SAVECONF` read it; [`Config`](crate::Config) is made of it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    network: Network,
    single: BTreeMap<&'static str, Assigned>,
    lists: BTreeMap<&'static str, List>,
}

#[derive(Clone, Debug)]
struct Assigned {
    value: Value,
    origin: Origin,
}

#[derive(Clone, Debug, Default)]
struct List {
    lines: Vec<Setting>,
    /// The next line replaces these, because they are from a lower source.
    fragile: bool,
}

/// What a controller's assignment does first to an option that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// `SETCONF`: zero, or nothing.
    Clear,
    /// `RESETCONF`: the built-in default.
    ToDefault,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The option's canonical name.
    pub name: &'static str,
    /// The line's value.
    pub value: String,
    /// Where it stands.
    pub origin: Origin,
}

impl Settings {
    /// Nothing assigned: the defaults of this network.
    pub fn new(network: Network) -> Self {
        Self { network, ..Self::default() }
    }

    /// Whose defaults hold.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Adds one source. What deserves a log line goes to `notices`.
    ///
    /// # Errors
    /// At the first line that names no option or whose value is not of the option's type.
    pub fn assign(&mut self, source: &[Line], notices: &mut Vec<Notice>) -> Result<(), ConfigError> {
        let mut seen = BTreeMap::new();
        for line in source {
            let Some(spec) = resolve(line, notices)? else { continue };
            if let Some(why) = table::deprecation(spec.name) {
                notices.push(Notice::warn(format!("{}{} is deprecated: {why}.", line.origin, spec.name)));
            }
            if spec.kind.is_list() {
                self.assign_list(spec, line, notices)?;
                continue;
            }
            if !line.value.is_empty() && seen.insert(spec.name, ()).is_some() {
                notices.push(Notice::warn(format!(
                    "{}{} is set more than once; the last value counts.",
                    line.origin, spec.name
                )));
            }
            let value = if line.value.is_empty() {
                spec.kind.cleared()
            } else {
                read(spec, &line.value, &line.origin)?
            };
            self.single.insert(spec.name, Assigned { value, origin: line.origin.clone() });
        }
        self.lists.values_mut().for_each(|list| list.fragile = true);
        Ok(())
    }

    /// Assigns as a controller does: each option that is named is first cleared (or, with [`Named::ToDefault`],
    /// put back to its default) and then takes the values that are given for it, a list all of them.
    ///
    /// # Errors
    /// At the first name that is no option, and the first value that is not of its option's type. `self` is then
    /// half changed: work on a copy.
    pub fn assign_named(
        &mut self,
        assignments: &[(String, Option<String>)],
        named: Named,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ConfigError> {
        let lines: Vec<_> = assignments
            .iter()
            .map(|(key, value)| Line {
                key: key.clone(),
                value: value.clone().unwrap_or_default(),
                mark: Mark::Append,
                origin: Origin::Controller,
            })
            .collect();
        let specs: Vec<_> = lines.iter().map(|line| resolve(line, notices)).collect();
        for spec in specs.iter().flatten().flatten() {
            self.reset(spec, named);
        }
        for (line, spec) in lines.iter().zip(specs) {
            let Some(spec) = spec? else { continue };
            if line.value.is_empty() {
                continue;
            }
            if spec.kind.is_list() {
                self.assign_list(spec, line, notices)?;
            } else {
                let value = read(spec, &line.value, &line.origin)?;
                self.single.insert(spec.name, Assigned { value, origin: line.origin.clone() });
            }
        }
        Ok(())
    }

    fn reset(&mut self, spec: &'static OptionSpec, named: Named) {
        if spec.kind.is_list() {
            self.lists.remove(spec.list_key());
            return;
        }
        // "The default" is the public network's, even where a testing network began with another: so does C Tor.
        let value = match (named, spec.default) {
            (Named::ToDefault, Some(default)) => {
                spec.kind.parse(default).unwrap_or_else(|_| spec.kind.cleared())
            }
            (Named::ToDefault, None) | (Named::Clear, _) => spec.kind.cleared(),
        };
        self.single.insert(spec.name, Assigned { value, origin: Origin::Controller });
    }

    /// Puts a corrected value in place of the one that was assigned: a value that was out of its bounds is shown
    /// as the one that is used.
    pub(crate) fn correct(&mut self, name: &'static str, value: Value) {
        if let Some(assigned) = self.single.get_mut(name) {
            assigned.value = value;
        }
    }

    fn assign_list(
        &mut self,
        spec: &'static OptionSpec,
        line: &Line,
        notices: &mut Vec<Notice>,
    ) -> Result<(), ConfigError> {
        if spec.kind == Kind::Virtual && !line.value.is_empty() {
            return Err(ConfigError::new(line.origin.clone(), line.key.clone(), Problem::Virtual));
        }
        let list = self.lists.entry(spec.list_key()).or_default();
        match (line.mark, line.value.is_empty()) {
            (Mark::Clear, _) => *list = List::default(),
            (Mark::Set | Mark::Append, true) => {
                notices.push(Notice::warn(format!("{}{} has no value; skipped.", line.origin, spec.name)));
            }
            (Mark::Set | Mark::Append, false) => {
                if list.fragile && line.mark == Mark::Set {
                    list.lines.clear();
                }
                list.fragile = false;
                let (value, origin) = (line.value.clone(), line.origin.clone());
                list.lines.push(Setting { name: spec.name, value, origin });
            }
        }
        Ok(())
    }

    /// The value of an option with one value: as assigned, else its default. `None` if there is no such
    /// option, or it is a list.
    pub fn value(&self, name: &str) -> Option<Value> {
        let spec = table::find(name).filter(|spec| !spec.kind.is_list())?;
        if let Some(assigned) = self.single.get(spec.name) {
            return Some(assigned.value.clone());
        }
        match spec.default_in(self.network) {
            Some(default) => spec.kind.parse(default).ok(),
            None => Some(spec.kind.cleared()),
        }
    }

    /// The lines of a list, in order; for a group, or for a member of one, the whole group's.
    pub fn lines(&self, name: &str) -> &[Setting] {
        let list = table::find(name).and_then(|spec| self.lists.get(spec.list_key()));
        list.map_or(&[], |list| list.lines.as_slice())
    }

    /// Whether an option has the same value, or the same lines in the same order, here and there. Where they were
    /// set does not count.
    pub fn same(&self, other: &Self, spec: &OptionSpec) -> bool {
        if spec.kind.is_list() {
            let (ours, theirs) = (self.lines(spec.name), other.lines(spec.name));
            let pairs = ours.iter().zip(theirs);
            return ours.len() == theirs.len()
                && pairs.into_iter().all(|(a, b)| a.name == b.name && a.value == b.value);
        }
        self.value(spec.name).and_then(|value| value.text())
            == other.value(spec.name).and_then(|value| value.text())
    }

    /// Where an option was set: for a list, where its first line stands.
    pub fn origin(&self, name: &str) -> Origin {
        let single = self.single.get(name).map(|assigned| assigned.origin.clone());
        single.or_else(|| self.lines(name).first().map(|line| line.origin.clone())).unwrap_or_default()
    }

    /// Whether an option is set to something other than its default. A port that is `0` is as good as none.
    pub fn differs(&self, spec: &OptionSpec) -> bool {
        if spec.kind.is_list() {
            let is_port = spec.name.ends_with("Port") || spec.name == "ControlSocket";
            let lines = self.lines(spec.name).iter().filter(|line| line.name == spec.name);
            return lines.filter(|line| !(is_port && line.value.trim() == "0")).count() > 0;
        }
        let Some(assigned) = self.single.get(spec.name) else { return false };
        let default = spec.default_in(self.network).and_then(|default| spec.kind.parse(default).ok());
        assigned.value != default.unwrap_or_else(|| spec.kind.cleared())
    }

    pub(crate) fn error(&self, name: &'static str, problem: impl Into<Problem>) -> ConfigError {
        ConfigError::new(self.origin(name), name, problem)
    }

    /// An error in C Tor's words.
    pub(crate) fn says(&self, name: &'static str, text: impl Into<String>) -> ConfigError {
        self.error(name, Problem::Says(text.into()))
    }

    // The readers below are for names from the table. One that is missing there, or of another type, would be
    // a mistake in this crate; it reads as zero, and the test that compares `Config::default()` with an empty
    // torrc finds it.

    pub(crate) fn bool(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    pub(crate) fn auto(&self, name: &str) -> AutoBool {
        if let Some(Value::Auto(auto)) = self.value(name) { auto } else { AutoBool::Off }
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        if let Some(Value::Number(number)) = self.value(name) { number } else { 0 }
    }

    pub(crate) fn float(&self, name: &str) -> f64 {
        if let Some(Value::Float(number)) = self.value(name) { number } else { 0.0 }
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        if let Some(Value::Text(text)) = self.value(name) { text } else { None }
    }

    pub(crate) fn items(&self, name: &str) -> Vec<String> {
        if let Some(Value::Items(items)) = self.value(name) { items } else { Vec::new() }
    }
}

/// Finds the option that a line names; `None` if the line is to be skipped.
fn resolve(line: &Line, notices: &mut Vec<Notice>) -> Result<Option<&'static OptionSpec>, ConfigError> {
    let error = |problem: Problem| Err(ConfigError::new(line.origin.clone(), line.key.clone(), problem));
    let key = match table::expand_alias(&line.key, false) {
        Some((full, deprecated)) => {
            if deprecated {
                notices.push(Notice::warn(format!("{}{} is deprecated; use {full}.", line.origin, line.key)));
            }
            full
        }
        None => &line.key,
    };
    let spec = match table::lookup(key) {
        Lookup::Exact(spec) => spec,
        Lookup::Abbreviated(spec) => {
            let text = format!("{}the abbreviation {key} is deprecated; use {}.", line.origin, spec.name);
            notices.push(Notice::warn(text));
            spec
        }
        Lookup::Obsolete(name) => {
            notices.push(Notice::warn(format!("{}the obsolete option {name} is skipped.", line.origin)));
            return Ok(None);
        }
        Lookup::Ambiguous(first, second) => return error(Problem::Ambiguous(first, second)),
        Lookup::Unknown { nearest } => return error(Problem::Unknown { nearest }),
    };
    Ok(Some(spec))
}

/// Reads the value of an option that is no list.
fn read(spec: &OptionSpec, text: &str, origin: &Origin) -> Result<Value, ConfigError> {
    spec.kind.parse(text).map_err(|error| {
        let problem = Problem::Value { kind: spec.kind, value: text.to_owned(), error };
        ConfigError::new(origin.clone(), spec.name, problem)
    })
}

#[cfg(test)]
mod tests;
