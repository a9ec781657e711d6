//! Subprotocol version lists: `Link=3-5 Relay=2,4-6`. <https://spec.torproject.org/tor-spec/subprotocol-versioning.html>
//!
//! Read as leniently as C Tor does: versions 0–63, leading zeros and overlapping ranges are fine, a repeated
//! protocol counts by its first entry; any malformed entry spoils the whole list.

use std::fmt;

use thiserror::Error;

use crate::lines::decimal;

/// The name of a subprotocol. Names are compared without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub &'static str);

impl Protocol {
    /// Multipath circuits.
    pub const CONFLUX: Self = Self("Conflux");
    /// Consensus formats.
    pub const CONS: Self = Self("Cons");
    /// Router descriptor formats.
    pub const DESC: Self = Self("Desc");
    /// Directory requests.
    pub const DIR_CACHE: Self = Self("DirCache");
    /// SENDME versions (1) and congestion control (2).
    pub const FLOW_CTRL: Self = Self("FlowCtrl");
    /// Onion service directories.
    pub const HS_DIR: Self = Self("HSDir");
    /// Introduction points.
    pub const HS_INTRO: Self = Self("HSIntro");
    /// Rendezvous points.
    pub const HS_REND: Self = Self("HSRend");
    /// Link protocol versions.
    pub const LINK: Self = Self("Link");
    /// Link authentication methods.
    pub const LINK_AUTH: Self = Self("LinkAuth");
    /// Microdescriptor formats.
    pub const MICRODESC: Self = Self("Microdesc");
    /// Padding negotiation.
    pub const PADDING: Self = Self("Padding");
    /// Relay cell features: 2 EXTEND2, 3 extending by IPv6, 4 ntor-v3, 5 subprotocol request, 6 CGO.
    pub const RELAY: Self = Self("Relay");

    const ALL: [Self; 13] = [
        Self::CONFLUX,
        Self::CONS,
        Self::DESC,
        Self::DIR_CACHE,
        Self::FLOW_CTRL,
        Self::HS_DIR,
        Self::HS_INTRO,
        Self::HS_REND,
        Self::LINK,
        Self::LINK_AUTH,
        Self::MICRODESC,
        Self::PADDING,
        Self::RELAY,
    ];
}

/// A list of subprotocols with the versions of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protocols(Box<[(Box<str>, u64)]>);

/// A list that is malformed somewhere. It supports nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed list of subprotocols")]
pub struct ProtocolsError;

impl Protocols {
    /// Longest name of a protocol.
    const MAX_NAME: usize = 100;
    /// Longest list that is looked at. C Tor has no limit but the one on lines.
    const MAX_ENTRIES: usize = 256;
    /// Versions are the bits of a `u64`.
    const MAX_VERSION: u32 = 63;

    /// Reads a list.
    ///
    /// # Errors
    /// If any entry is malformed.
    pub fn parse(text: &str) -> Result<Self, ProtocolsError> {
        let mut entries = Vec::new();
        for entry in text.split(' ').filter(|entry| !entry.is_empty()) {
            if entries.len() == Self::MAX_ENTRIES {
                return Err(ProtocolsError);
            }
            let (name, versions) = entry.split_once('=').ok_or(ProtocolsError)?;
            let legal = (1..=Self::MAX_NAME).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !legal {
                return Err(ProtocolsError);
            }
            entries.push((Box::from(name), parse_versions(versions).ok_or(ProtocolsError)?));
        }
        Ok(Self(entries.into()))
    }

    /// The entries of protocols that have a constant in [`Protocol`], each once: what a client wants to know of a
    /// relay. Lists are made up by relays, and before its signatures are checked a consensus by whoever sent it; there
    /// may be a hundred thousand of them.
    #[must_use]
    pub(crate) fn known(&self) -> Self {
        let known = Protocol::ALL.iter().filter_map(|protocol| {
            self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(protocol.0)).cloned()
        });
        Self(known.collect())
    }

    /// True if the list has this version of this protocol.
    pub fn supports(&self, protocol: Protocol, version: u32) -> bool {
        self.mask(protocol.0) & bit(version) != 0
    }

    /// True if the list has this version of this protocol or a later one.
    pub fn supports_or_later(&self, protocol: Protocol, version: u32) -> bool {
        version <= Self::MAX_VERSION && self.mask(protocol.0) >> version != 0
    }

    /// What of this list `ours` lacks; empty if nothing. This is the question that the lists of required
    /// protocols in a consensus put to us.
    #[must_use]
    pub fn missing_from(&self, ours: &Self) -> Self {
        self.0
            .iter()
            .map(|(name, mask)| (name.clone(), mask & !ours.mask(name)))
            .filter(|(_, mask)| *mask != 0)
            .collect::<Vec<_>>()
            .into()
    }

    /// True if the list names no version of any protocol.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, mask)| *mask == 0)
    }

    /// The protocols and the bit masks of their versions, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, mask)| (name.as_ref(), *mask))
    }

    fn mask(&self, name: &str) -> u64 {
        self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map_or(0, |(_, mask)| *mask)
    }
}

impl From<Vec<(Box<str>, u64)>> for Protocols {
    fn from(entries: Vec<(Box<str>, u64)>) -> Self {
        Self(entries.into())
    }
}

/// The form that [`Protocols::parse`] reads, with ranges joined.
impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, mask)) in self.0.iter().enumerate() {
            write!(f, "{}{name}=", if index > 0 { " " } else { "" })?;
            let mut comma = "";
            let mut version = 0;
            while version <= Self::MAX_VERSION {
                let length = (mask >> version).trailing_ones();
                match length {
                    0 => version += 1,
                    1 => write!(f, "{comma}{version}")?,
                    _ => write!(f, "{comma}{version}-{}", version + length - 1)?,
                }
                if length > 0 {
                    comma = ",";
                    version += length;
                }
            }
        }
        Ok(())
    }
}

fn parse_versions(text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    text.split(',').try_fold(0, |mask, range| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let (low, high): (u32, u32) = (decimal(low)?, decimal(high)?);
        if low > high || high > Protocols::MAX_VERSION {
            return None;
        }
        Some(mask | (u64::MAX << low & u64::MAX >> (Protocols::MAX_VERSION - high)))
    })
}

fn bit(version: u32) -> u64 {
    1_u64.checked_shl(version).unwrap_or(0)
}

#[cfg(test)]
mod tests;
