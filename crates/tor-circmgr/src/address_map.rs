//! The address map: what an application's target is rewritten to before a circuit is chosen for it.
//!
//! ```text
//!  MAPADDRESS ──┐                                                      ┌──> another name or address
//!  MapAddress ──┼──> entries, by name ──> rewrite, 16 steps at most ───┼──> NAME.RELAY.exit: by that relay
//!  automapping ─┤         │                                            └──> unchanged
//!  DNS answers ─┘         └──> GETINFO address-mappings/*, ADDRMAP events
//! ```
//!
//! C Tor's rules (`addressmap.c`; <https://spec.torproject.org/control-spec/commands.html#mapaddress>): the
//! configuration's and the controller's entries replace others; what is made up or was learned replaces nothing.
//! An entry for `*.example.com` matches `example.com` and all names below it.
//!
//! A map is a value: it knows no clock, and says what it did in [`Mapped`], for whoever tells controllers. Two bounds
//! are our own: the number of entries, and the length of an address, which C Tor cuts off in silence.

mod virtual_net;

use std::{collections::BTreeMap, fmt::Write, net::IpAddr, time::SystemTime};

use rand_core::CryptoRng;
use thiserror::Error;

pub use self::virtual_net::{VirtualNet, VirtualNetError};

/// Steps of one rewrite, at the most.
const MAX_REWRITES: usize = 16;
/// Bytes of an address, as in a SOCKS request.
const MAX_LEN: usize = 255;
/// Entries that are not the configuration's, at the most: applications can cause them.
const MAX_ENTRIES: usize = 65_536;
/// How often to throw dice for a made-up address that is free.
const ATTEMPTS: usize = 1000;

/// Which targets lead elsewhere.
#[derive(Debug)]
pub struct AddressMap {
    /// By name in lower case, or by address; without the `*.`.
    entries: BTreeMap<String, Entry>,
    /// By what a made-up address stands for: the made-up ones, one a kind.
    made_up: BTreeMap<String, BTreeMap<VirtualKind, String>>,
    v4: VirtualNet,
    v6: VirtualNet,
}

#[derive(Clone, Debug)]
struct Entry {
    /// As it was given, without the `*.`.
    from: String,
    to: String,
    from_wildcard: bool,
    to_wildcard: bool,
    source: MapSource,
    expires: Expiry,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MapSource {
    /// A `MapAddress` line.
    Config,
    /// The controller's `MAPADDRESS`.
    Controller,
    /// An address made up for a name, on a controller's or an application's demand.
    Virtual,
    /// What an exit said.
    Dns,
}

/// Until when something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no third possibility")]
pub enum Expiry {
    /// Until that time.
    At(SystemTime),
    /// Until it is taken back.
    Never,
}

/// What kind of address to make up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VirtualKind {
    /// Of `VirtualAddrNetworkIPv4`; `0.0.0.0` in MAPADDRESS.
    V4,
    /// Of `VirtualAddrNetworkIPv6`; `::` in MAPADDRESS.
    V6,
    /// `….virtual`; `.` in MAPADDRESS.
    Name,
}

/// Which entries a rewrite may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// The configuration's and the controller's.
    pub assigned: bool,
    /// Made-up addresses.
    pub made_up: bool,
    /// Remembered IPv4 answers (`UseIPv4Cache`).
    pub dns_v4: bool,
    /// Remembered IPv6 answers (`UseIPv6Cache`).
    pub dns_v6: bool,
}

/// What a target became.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewritten {
    /// The new target.
    pub address: String,
    /// Until when it holds.
    pub expires: Expiry,
    /// By which entry a target that was not `.exit` became so.
    pub exit_source: Option<MapSource>,
    /// The entries lead on for ever; this is where they were left.
    pub looped: bool,
}

/// An entry that was made, as the ADDRMAP event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mapped {
    /// The name, without `*.`.
    pub from: String,
    /// What it leads to, without `*.`.
    pub to: String,
    /// For how long.
    pub expires: Expiry,
}

/// Which entries GETINFO asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing {
    /// All.
    All,
    /// Those that expire.
    Cache,
    /// The configuration's.
    Config,
    /// The controller's, and made-up addresses.
    Control,
}

/// An entry that can't be made. The texts are those of the replies to MAPADDRESS, after the code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MapError {
    /// The target has characters that no address has.
    #[error("syntax error: invalid address '{to}'")]
    Target {
        /// The target.
        to: String,
    },
    /// The pair makes no sense.
    #[error("syntax error: invalid address mapping  '{from}={to}': {why}")]
    Pair {
        /// The address.
        from: String,
        /// The target.
        to: String,
        /// What is wrong.
        why: BadPair,
    },
    /// No address is free to be made up, or there are too many entries.
    #[error("resource exhausted: skipping '{from}={to}'")]
    Exhausted {
        /// The address.
        from: String,
        /// The target.
        to: String,
    },
}

/// What is wrong with an address and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadPair {
    /// Everything.
    #[error("can't remap from or to *")]
    Everything,
    /// `MAPADDRESS a=*.b`.
    #[error("can only use wildcard (i.e. '*.') if 'from' address uses wildcard also")]
    LoneWildcard,
    /// Characters that no address has.
    #[error("destination is invalid")]
    Destination,
    /// Longer than a target can be.
    #[error("address is too long")]
    TooLong,
    /// A line of the configuration with one address.
    #[error("has too few arguments")]
    TooFew,
    /// A line of the configuration that could mean `*.`.
    #[error("is ambiguous - address starts with a '.'")]
    Ambiguous,
}

impl MapError {
    /// The code of the reply.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Target { .. } | Self::Pair { .. } => 512,
            Self::Exhausted { .. } => 451,
        }
    }
}

impl Uses {
    /// What was assigned, nothing else.
    pub const ASSIGNED: Self = Self { assigned: true, made_up: false, dns_v4: false, dns_v6: false };

    fn admit(self, entry: &Entry) -> bool {
        match entry.source {
            MapSource::Config | MapSource::Controller => self.assigned,
            MapSource::Virtual => self.made_up,
            MapSource::Dns => match parse_ip(&entry.to) {
                Some(IpAddr::V4(_)) => self.dns_v4,
                Some(IpAddr::V6(_)) => self.dns_v6,
                None => true,
            },
        }
    }
}

impl AddressMap {
    /// An empty map that makes up addresses of these networks.
    pub const fn new(v4: VirtualNet, v6: VirtualNet) -> Self {
        Self { entries: BTreeMap::new(), made_up: BTreeMap::new(), v4, v6 }
    }

    /// Makes up addresses of these networks from now on.
    pub fn set_networks(&mut self, v4: VirtualNet, v6: VirtualNet) {
        (self.v4, self.v6) = (v4, v6);
    }

    /// One pair of a controller's MAPADDRESS; the answer's text after the code is what comes back, `FROM=TO`. For
    /// `0.0.0.0`, `::` and `.` FROM is an address made up for TO. A pair of equals takes an entry back.
    ///
    /// # Errors
    /// See [`MapError`]; the other pairs of the command stand.
    pub fn assign(
        &mut self,
        from: &str,
        to: &str,
        rng: &mut impl CryptoRng,
    ) -> Result<(String, Option<Mapped>), MapError> {
        if !is_destination(to.strip_prefix("*.").unwrap_or(to)) {
            return Err(MapError::Target { to: to.to_owned() });
        }
        let kind = match from {
            "0.0.0.0" => VirtualKind::V4,
            "::" => VirtualKind::V6,
            "." => VirtualKind::Name,
            _ => {
                let mapped = self.assign_pair(from, to, MapSource::Controller)?;
                return Ok((format!("{from}={to}"), mapped));
            }
        };
        let exhausted = || MapError::Exhausted { from: from.to_owned(), to: to.to_owned() };
        let (made_up, mapped) = self.make_up(kind, to, rng).ok_or_else(exhausted)?;
        Ok((format!("{made_up}={to}"), mapped))
    }

    /// Replaces the configuration's entries by those of its `MapAddress` lines. Returns the entries made, and what is
    /// wrong with lines that are left out.
    pub fn configure<'a>(
        &mut self,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> (Vec<Mapped>, Vec<(&'a str, BadPair)>) {
        self.entries.retain(|_, entry| entry.source != MapSource::Config);
        let (mut mapped, mut wrong) = (Vec::new(), Vec::new());
        for line in lines {
            let mut words = line.split_ascii_whitespace();
            let result = match (words.next(), words.next()) {
                (Some(from), Some(to)) if from.starts_with('.') || to.starts_with('.') => {
                    Err(BadPair::Ambiguous)
                }
                (Some(from), Some(to)) => self.pair(from, to, MapSource::Config),
                (_, None) | (None, _) => Err(BadPair::TooFew),
            };
            match result {
                Ok(made) => mapped.extend(made),
                Err(why) => wrong.push((line, why)),
            }
        }
        (mapped, wrong)
    }

    /// An address that stands for `to` until it is dropped: the one that does already, or a new one. `None` if there
    /// is none left.
    pub fn make_up(
        &mut self,
        kind: VirtualKind,
        to: &str,
        rng: &mut impl CryptoRng,
    ) -> Option<(String, Option<Mapped>)> {
        let known = self.made_up.get(&key(to)).and_then(|of| of.get(&kind));
        if let Some(known) = known
            && self.entries.get(known).is_some_and(|entry| entry.to.eq_ignore_ascii_case(to))
        {
            return Some((known.clone(), None));
        }
        if to.len() > MAX_LEN || self.is_full() {
            return None;
        }
        let from = self.free_address(kind, rng)?;
        self.made_up.entry(key(to)).or_default().insert(kind, from.clone());
        let entry = Entry {
            from: from.clone(),
            to: to.to_owned(),
            from_wildcard: false,
            to_wildcard: false,
            source: MapSource::Virtual,
            expires: Expiry::Never,
        };
        let mapped = self.register(entry);
        Some((from, mapped))
    }

    /// Remembers an exit's answer. Nothing happens if the name leads somewhere already.
    pub fn learn(&mut self, name: &str, answer: &str, until: SystemTime) -> Option<Mapped> {
        if self.is_full() || name.len() > MAX_LEN + "REVERSE[]".len() || answer.len() > MAX_LEN {
            return None;
        }
        self.register(Entry {
            from: name.to_owned(),
            to: answer.to_owned(),
            from_wildcard: false,
            to_wildcard: false,
            source: MapSource::Dns,
            expires: Expiry::At(until),
        })
    }

    /// The name that an exit gave for an address, if it is remembered and may be used.
    pub fn reverse(&self, address: IpAddr, uses: Uses) -> Option<(&str, Expiry)> {
        if !(if address.is_ipv4() { uses.dns_v4 } else { uses.dns_v6 }) {
            return None;
        }
        let entry = self.entries.get(&key(&reverse_key(address)))?;
        Some((&entry.to, entry.expires))
    }

    /// Follows the entries from `address` on. `None` if none matches: the target stays as it is.
    pub fn rewrite(&self, address: &str, uses: Uses) -> Option<Rewritten> {
        let was_exit = is_exit(address);
        let mut now =
            Rewritten { address: key(address), expires: Expiry::Never, exit_source: None, looped: false };
        for step in 0..MAX_REWRITES {
            let Some((next, entry)) = self.step(&now.address, uses) else {
                return (step > 0).then_some(now);
            };
            now.address = next;
            now.expires = now.expires.min(entry.expires);
            if !was_exit && now.exit_source.is_none() && is_exit(&now.address) {
                now.exit_source = Some(entry.source);
            }
        }
        now.looped = true;
        Some(now)
    }

    /// True if an entry is about that very address.
    pub fn maps(&self, address: &str) -> bool {
        self.entries.contains_key(&key(address))
    }

    /// True for an address of the networks of made-up ones: if nothing stands behind it, no exit should hear of it.
    pub fn is_virtual(&self, address: &str) -> bool {
        match parse_ip(address) {
            Some(ip @ IpAddr::V4(_)) => self.v4.contains(ip),
            Some(ip @ IpAddr::V6(_)) => self.v6.contains(ip),
            None => key(address).ends_with(".virtual"),
        }
    }

    /// Drops what has expired.
    pub fn expire(&mut self, now: SystemTime) {
        self.entries.retain(|_, entry| match entry.expires {
            Expiry::At(until) => until > now,
            Expiry::Never => true,
        });
    }

    /// Drops all that expires ever (CLEARDNSCACHE, NEWNYM).
    pub fn clear_transient(&mut self) {
        self.entries.retain(|_, entry| entry.expires == Expiry::Never);
    }

    /// The lines of `GETINFO address-mappings/…`: `FROM TO NEVER` or `FROM TO "2026-11-22 12:55:05"`, UTC.
    pub fn lines(&self, listing: Listing, iso_time: impl Fn(SystemTime) -> String) -> Vec<String> {
        let wanted = self.entries.values().filter(|entry| match (listing, entry.source, entry.expires) {
            (Listing::All, _, _) => true,
            (Listing::Cache, _, expires) => expires != Expiry::Never,
            (Listing::Config, source, _) => source == MapSource::Config,
            (Listing::Control, source, _) => matches!(source, MapSource::Controller | MapSource::Virtual),
        });
        let star = |wildcard| if wildcard { "*." } else { "" };
        wanted
            .map(|entry| {
                let Entry { from, to, from_wildcard, to_wildcard, expires, .. } = entry;
                let mut line = format!("{}{from} {}{to} ", star(*from_wildcard), star(*to_wildcard));
                match expires {
                    Expiry::Never => line.push_str("NEVER"),
                    Expiry::At(until) => {
                        let _infallible = write!(line, "\"{}\"", iso_time(*until));
                    }
                }
                line
            })
            .collect()
    }

    fn assign_pair(&mut self, from: &str, to: &str, source: MapSource) -> Result<Option<Mapped>, MapError> {
        if self.is_full() && !self.entries.contains_key(&key(from.strip_prefix("*.").unwrap_or(from))) {
            return Err(MapError::Exhausted { from: from.to_owned(), to: to.to_owned() });
        }
        self.pair(from, to, source).map_err(|why| MapError::Pair {
            from: from.to_owned(),
            to: to.to_owned(),
            why,
        })
    }

    fn pair(&mut self, from: &str, to: &str, source: MapSource) -> Result<Option<Mapped>, BadPair> {
        if from == "*" || to == "*" {
            return Err(BadPair::Everything);
        }
        let strip = |name: &str| match name.strip_prefix("*.") {
            Some(rest) => (rest.to_owned(), true),
            None => (name.to_owned(), false),
        };
        let ((from, from_wildcard), (to, to_wildcard)) = (strip(from), strip(to));
        if to_wildcard && !from_wildcard {
            return Err(BadPair::LoneWildcard);
        }
        if !is_destination(&to) {
            return Err(BadPair::Destination);
        }
        if from.len() > MAX_LEN || to.len() > MAX_LEN {
            return Err(BadPair::TooLong);
        }
        let entry = Entry { from, to, from_wildcard, to_wildcard, source, expires: Expiry::Never };
        Ok(self.register(entry))
    }

    /// Makes an entry, or takes one back that would lead to itself.
    fn register(&mut self, entry: Entry) -> Option<Mapped> {
        let key = key(&entry.from);
        if entry.from.eq_ignore_ascii_case(&entry.to) && entry.from_wildcard == entry.to_wildcard {
            self.remove(&key);
            return None;
        }
        let assigned = matches!(entry.source, MapSource::Config | MapSource::Controller);
        if self.entries.contains_key(&key) {
            if !assigned {
                return None;
            }
            self.remove(&key);
        }
        let mapped = Mapped { from: entry.from.clone(), to: entry.to.clone(), expires: entry.expires };
        self.entries.insert(key, entry);
        Some(mapped)
    }

    fn remove(&mut self, from: &str) {
        let Some(entry) = self.entries.remove(from) else { return };
        if entry.source == MapSource::Virtual
            && let Some(of) = self.made_up.get_mut(&key(&entry.to))
        {
            of.retain(|_, made_up| made_up != from);
            if of.is_empty() {
                self.made_up.remove(&key(&entry.to));
            }
        }
    }

    /// One step: what `address` becomes by the entry that matches it best, if that may be used.
    fn step(&self, address: &str, uses: Uses) -> Option<(String, &Entry)> {
        if let Some(entry) = self.entries.get(address) {
            // `*.example.com` to `example.com`, and we are there.
            let arrived =
                entry.from_wildcard && !entry.to_wildcard && address.eq_ignore_ascii_case(&entry.to);
            return (!arrived && uses.admit(entry)).then(|| (key(&entry.to), entry));
        }
        let (stem, entry) = address.match_indices('.').find_map(|(dot, _)| {
            let (stem, rest) = (address.get(..dot)?, address.get(dot + 1..)?);
            Some((stem, self.entries.get(rest).filter(|entry| entry.from_wildcard)?))
        })?;
        if !uses.admit(entry) {
            return None;
        }
        let to = if entry.to_wildcard { format!("{stem}.{}", entry.to) } else { entry.to.clone() };
        (to.len() <= MAX_LEN).then(|| (key(&to), entry))
    }

    fn free_address(&self, kind: VirtualKind, rng: &mut impl CryptoRng) -> Option<String> {
        (0..ATTEMPTS).find_map(|_| {
            let address = match kind {
                VirtualKind::V4 => host_text(self.v4.throw(rng)?),
                VirtualKind::V6 => host_text(self.v6.throw(rng)?),
                VirtualKind::Name => virtual_net::name(rng),
            };
            (!self.entries.contains_key(&address)).then_some(address)
        })
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES
    }
}

/// An address as it stands in a target: IPv6 in brackets.
pub fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The name under which the answer to a look-up of an address's name is remembered, and told.
pub fn reverse_key(address: IpAddr) -> String {
    format!("REVERSE[{address}]")
}

/// True if all characters are such as stand in names, or it is an IP address.
pub fn is_destination(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    text.bytes().all(fine) || parse_ip(text).is_some()
}

/// An IP address, with or without brackets.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

/// True for the notation that names an exit.
pub fn is_exit(address: &str) -> bool {
    address.len() >= 5
        && address.get(address.len() - 5..).is_some_and(|end| end.eq_ignore_ascii_case(".exit"))
}

/// By what an entry is found.
fn key(address: &str) -> String {
    parse_ip(address).map_or_else(|| address.to_ascii_lowercase(), host_text)
}

#[cfg(test)]
mod tests;
