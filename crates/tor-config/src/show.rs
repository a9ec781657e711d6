//! Settings as C Tor shows them to a controller and writes them to a file.
//!
//! `GETCONF`, `GETINFO config-text`, `config/names` and `config/defaults`, `CONF_CHANGED`, `SAVECONF` and
//! `--dump-config` are all views of the same table and the same values, and all of them are here:
//!
//! * A value is in its canonical form: `1 KB` is shown as `1024`, `2.5` as `2.500000`.
//! * Lists that are one list under several names are shown together by the name of the group, each line with the
//!   name that it was given.
//! * Names that begin with `__` are for the controller that set them, and are never written to a file.

use crate::quote::{needs_quotes, quote};
use crate::table::{self, Kind, OptionSpec, Readable};
use crate::{Settings, Value};

/// An option and its value as a controller sees them: `Name=value`, or the name alone where nothing is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfLine {
    /// The canonical name.
    pub name: &'static str,
    /// The value: between quotes if it holds what a line can't. It may be empty, which is not the same as `None`.
    pub value: Option<String>,
}

/// Which options a text of a configuration holds.
#[derive(Clone, Copy, Debug)]
pub enum Extent<'a> {
    /// Those that differ from these: the defaults, and what `torrc-defaults` makes of them.
    Changed(&'a Settings),
    /// All.
    Full,
}

impl Settings {
    /// What `GETCONF` answers for a name: a line, or several for a list. `None` if nothing has this name.
    ///
    /// An option that is not set has one line without a value. A member of a group is shown with those whose names
    /// begin with its own (`HiddenServiceDir` with `HiddenServiceDirGroupReadable`), as C Tor does.
    pub fn show(&self, name: &str) -> Option<Vec<ConfLine>> {
        let spec = match table::find_for_reading(name)? {
            Readable::Option(spec) => spec,
            Readable::Obsolete(name) => return Some(vec![ConfLine { name, value: None }]),
        };
        let lines = self.conf_lines(spec, for_controllers);
        Some(if lines.is_empty() { vec![ConfLine { name: spec.name, value: None }] } else { lines })
    }

    /// What `CONF_CHANGED` tells of the way from `before` to these, by name. An option that is no longer set has
    /// no value.
    pub fn changes_since(&self, before: &Self) -> Vec<ConfLine> {
        let compared = table::options().iter().filter(|spec| !matches!(spec.kind, Kind::Dependent(_)));
        compared
            .filter(|spec| !self.same(before, spec))
            .flat_map(|spec| {
                let lines = self.conf_lines(spec, for_controllers);
                if lines.is_empty() { vec![ConfLine { name: spec.name, value: None }] } else { lines }
            })
            .collect()
    }

    /// A torrc that says the same. One line an option, by name.
    pub fn config_text(&self, extent: Extent<'_>) -> String {
        let mut text = String::new();
        for spec in table::options().iter().filter(|spec| is_written(spec)) {
            if let Extent::Changed(defaults) = extent
                && self.same(defaults, spec)
            {
                continue;
            }
            for line in self.conf_lines(spec, for_files) {
                if line.name.starts_with("__") {
                    continue;
                }
                text.push_str(line.name);
                if let Some(value) = line.value.filter(|value| !value.is_empty()) {
                    text.push(' ');
                    text.push_str(&value);
                }
                text.push('\n');
            }
        }
        text
    }

    /// The lines of an option; none if it has no value.
    fn conf_lines(&self, spec: &OptionSpec, escape: fn(String) -> String) -> Vec<ConfLine> {
        if spec.kind.is_list() {
            let dependent = matches!(spec.kind, Kind::Dependent(_));
            let ours = |name: &str| !dependent || name.starts_with(spec.name);
            let lines = self.lines(spec.name).iter().filter(|line| ours(line.name));
            return lines
                .map(|line| ConfLine { name: line.name, value: Some(escape(line.value.clone())) })
                .collect();
        }
        let value = self.value(spec.name).and_then(|value: Value| value.text());
        let line = |value| ConfLine { name: spec.name, value: Some(escape(value)) };
        value.map(line).into_iter().collect()
    }
}

/// `GETINFO config/names`: each option and its type.
pub fn config_names() -> String {
    let visible = table::options().iter().filter(|spec| spec.visible);
    visible.map(|spec| format!("{} {}\n", spec.name, spec.kind.type_name())).collect()
}

/// `GETINFO config/defaults`: each default, then the built-in authorities and fallback directories, which are
/// values of `DirAuthority` and `FallbackDir` lines.
pub fn config_defaults<'a>(
    authorities: impl IntoIterator<Item = &'a str>,
    fallbacks: impl IntoIterator<Item = &'a str>,
) -> String {
    let defaults = table::options().iter().filter_map(|spec| Some((spec.name, spec.default?)));
    let authorities = authorities.into_iter().map(|line| ("DirAuthority", line));
    let fallbacks = fallbacks.into_iter().map(|line| ("FallbackDir", line));
    let all = defaults.chain(authorities).chain(fallbacks);
    all.map(|(name, value)| format!("{name} {}\n", quote(value.as_bytes()))).collect()
}

fn is_written(spec: &OptionSpec) -> bool {
    spec.saved && !matches!(spec.kind, Kind::Dependent(_))
}

/// C Tor's rule: what a line of an answer can't hold is quoted.
fn for_controllers(value: String) -> String {
    let special = |byte: u8| byte == b'#' || !(b' '..=b'~').contains(&byte);
    if value.starts_with('"') || value.bytes().any(special) { quote(value.as_bytes()) } else { value }
}

/// The same, and what would be read back as something else: spaces at the ends, a backslash at the end.
fn for_files(value: String) -> String {
    if needs_quotes(value.as_bytes()) { quote(value.as_bytes()) } else { value }
}

#[cfg(test)]
mod tests;
