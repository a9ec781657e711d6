//! Microdescriptors: what a client needs to know of a relay beyond its consensus entry.
//! <https://spec.torproject.org/dir-spec/computing-microdescriptors.html>
//!
//! A consensus names each by its SHA-256, so they carry no signature. [`split`] walks a text with many of them,
//! as servers send and caches keep them. A [`Microdesc`] does not hold its text, only what the text says, with
//! what many relays have in common (policies, families) shared through an [`Interner`].

use std::{
    collections::HashSet,
    hash::Hash,
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    ops::Range,
    sync::Arc,
    time::SystemTime,
};

use sha2::{Digest, Sha256};
use tor_id::Ed25519Id;

use crate::{
    DocError, Family, FamilyIds, PortPolicy, iso_time,
    lines::{self, Item, Items, need, once},
};

/// SHA-256 of a microdescriptor: its name in the consensus and in requests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MdDigest([u8; Self::LEN]);

/// One relay's microdescriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Microdesc {
    /// SHA-256 of the text.
    pub digest: MdDigest,
    /// The Curve25519 onion key for ntor.
    pub ntor_key: [u8; 32],
    /// The Ed25519 identity. C Tor accepts a microdescriptor without one, but such a relay can't be extended to
    /// by a modern client.
    pub ed25519: Option<Ed25519Id>,
    /// The first IPv6 OR address, from an `a` line.
    pub ipv6: Option<SocketAddrV6>,
    /// The declared family.
    pub family: Option<Arc<Family>>,
    /// The identities of the families that the relay has proved to belong to.
    pub family_ids: Option<FamilyIds>,
    /// Ports that the relay exits to over IPv4; `None` is none.
    pub policy: Option<Arc<PortPolicy>>,
    /// Ports that the relay exits to over IPv6; `None` is none.
    pub policy6: Option<Arc<PortPolicy>>,
}

/// One piece of a text with many microdescriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// Where the text lies that the digest covers, without annotations.
    pub span: Range<usize>,
    /// SHA-256 of that text.
    pub digest: MdDigest,
    /// When a consensus last listed it, as a cache's `@last-listed` annotation says.
    pub last_listed: Option<SystemTime>,
    /// The microdescriptor, or why it is none.
    pub microdesc: Result<Microdesc, DocError>,
}

/// Shares equal values between microdescriptors.
#[derive(Debug, Default)]
pub struct Interner {
    policies: HashSet<Arc<PortPolicy>>,
    families: HashSet<Arc<Family>>,
    family_ids: HashSet<FamilyIds>,
}

/// Where a text with microdescriptors comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A directory server. Annotations are an error.
    Network,
    /// Our own cache.
    Cache,
}

impl MdDigest {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A digest from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// A digest from base64, as consensuses and requests write it.
    pub fn from_base64(text: &str) -> Option<Self> {
        lines::base64(text).map(Self)
    }

    /// The digest of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// Base64 without padding: the form in the consensus and in URLs.
impl std::fmt::Display for MdDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use base64::{display::Base64Display, engine::general_purpose::STANDARD_NO_PAD};
        std::fmt::Display::fmt(&Base64Display::new(&self.0, &STANDARD_NO_PAD), f)
    }
}

impl std::fmt::Debug for MdDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Microdesc {
    /// Reads one microdescriptor: the whole text, which the digest covers.
    ///
    /// # Errors
    /// If the text is not a microdescriptor. A malformed exit policy is no error, it allows nothing.
    pub fn parse(text: &str, interner: &mut Interner) -> Result<Self, DocError> {
        let digest = MdDigest::of(text);
        parse_body(text, digest, interner)
    }

    /// True if the relay says that it exits nowhere.
    pub fn exits_nowhere(&self) -> bool {
        let closed =
            |policy: &Option<Arc<PortPolicy>>| policy.as_ref().is_none_or(|policy| policy.rejects_all());
        closed(&self.policy) && closed(&self.policy6)
    }
}

impl Interner {
    /// How many values are shared.
    pub fn len(&self) -> usize {
        self.policies.len() + self.families.len() + self.family_ids.len()
    }

    /// True if nothing is shared.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets values that nothing uses any more.
    pub fn prune(&mut self) {
        self.policies.retain(|value| Arc::strong_count(value) > 1);
        self.families.retain(|value| Arc::strong_count(value) > 1);
        self.family_ids.retain(|value| Arc::strong_count(value) > 1);
    }
}

/// Walks the microdescriptors of a text. A malformed one does not spoil its neighbours.
pub fn split<'a>(
    text: &'a str,
    origin: Origin,
    interner: &'a mut Interner,
) -> impl Iterator<Item = Piece> + 'a {
    let mut at = text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = length_of_first(rest);
        let (whole, start) = (rest.get(..length)?, at);
        at += length;
        Some(parse_piece(whole, start, origin, interner))
    })
}

/// Where the microdescriptor of this digest lies in a text.
pub fn find(text: &str, digest: &MdDigest) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let end = at + length_of_first(rest);
        let span = at + body_start(text.get(at..end)?).unwrap_or(0)..end;
        if MdDigest::of(text.get(span.clone())?) == *digest {
            return Some(span);
        }
        at = end;
    }
    None
}

/// The length of the first microdescriptor with its annotations: up to the next line that starts one.
fn length_of_first(text: &str) -> usize {
    let (mut at, mut seen_body) = (0, false);
    for line in text.split_inclusive('\n') {
        let starts_body = line.starts_with("onion-key");
        if seen_body && (starts_body || line.starts_with('@')) {
            return at;
        }
        seen_body |= starts_body || !line.starts_with('@') && !line.trim().is_empty();
        at += line.len();
    }
    text.len()
}

/// Where the annotations end.
fn body_start(piece: &str) -> Option<usize> {
    let mut at = 0;
    for line in piece.split_inclusive('\n') {
        if line.starts_with("onion-key") {
            return Some(at);
        }
        at += line.len();
    }
    None
}

fn parse_piece(whole: &str, start: usize, origin: Origin, interner: &mut Interner) -> Piece {
    let Some(at) = body_start(whole) else {
        let error = DocError::Misplaced { keyword: "onion-key" };
        let span = start..start + whole.len();
        return Piece { span, digest: MdDigest::of(whole), last_listed: None, microdesc: Err(error) };
    };
    let (annotations, body) = whole.split_at(at);
    let digest = MdDigest::of(body);
    let (last_listed, microdesc) = match parse_annotations(annotations, origin) {
        Ok(last_listed) => (last_listed, parse_body(body, digest, interner)),
        Err(error) => (None, Err(error)),
    };
    Piece { span: start + at..start + whole.len(), digest, last_listed, microdesc }
}

fn parse_annotations(text: &str, origin: Origin) -> Result<Option<SystemTime>, DocError> {
    let mut last_listed = None;
    for item in Items::new(text) {
        let item = item?;
        if origin == Origin::Network || !item.keyword.starts_with('@') {
            return Err(DocError::Misplaced { keyword: "onion-key" });
        }
        if item.keyword == "@last-listed" {
            once(&mut last_listed, "@last-listed", item)?;
        }
    }
    last_listed.map(|item| iso_time::from_item(&item, "@last-listed")).transpose()
}

fn parse_body(text: &str, digest: MdDigest, interner: &mut Interner) -> Result<Microdesc, DocError> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(DocError::NotText);
    }
    let (mut ntor, mut family, mut family_ids, mut policy, mut policy6) = (None, None, None, None, None);
    let (mut ed25519, mut ipv6) = (None, None);
    for (index, item) in Items::new(text).enumerate() {
        let item = item?;
        if (index == 0) != (item.keyword == "onion-key") {
            return Err(DocError::Misplaced { keyword: "onion-key" });
        }
        match item.keyword {
            "onion-key" => check_tap_key(&item)?,
            "ntor-onion-key" => once(&mut ntor, "ntor-onion-key", item)?,
            "id" => parse_id(&mut ed25519, &item)?,
            "a" => ipv6 = ipv6.or(parse_ipv6(&item)?),
            "family" => once(&mut family, "family", item)?,
            "family-ids" => once(&mut family_ids, "family-ids", item)?,
            "p" => once(&mut policy, "p", item)?,
            "p6" => once(&mut policy6, "p6", item)?,
            annotation if annotation.starts_with('@') => return Err(item.malformed("annotation")),
            _ => {}
        }
    }
    let ntor = need(&ntor, "ntor-onion-key")?;
    let [ntor_key] = ntor.first("ntor-onion-key")?;
    let mut policy_of = |item: Option<Item<'_>>| {
        item.and_then(|item| PortPolicy::parse(item.rest).ok())
            .map(|policy| intern(&mut interner.policies, policy))
    };
    let (policy, policy6) = (policy_of(policy), policy_of(policy6));
    Ok(Microdesc {
        digest,
        ntor_key: lines::base64(ntor_key).ok_or_else(|| ntor.malformed("ntor-onion-key"))?,
        ed25519,
        ipv6,
        family: family
            .map(|item| Family::parse(item.rest))
            .filter(|family| !family.is_empty())
            .map(|family| intern(&mut interner.families, family)),
        family_ids: family_ids.and_then(|item| intern_family_ids(&mut interner.family_ids, &item)),
        policy,
        policy6,
    })
}

/// The obsolete TAP key may be absent. If it is there, C Tor insists that it is a 1024-bit RSA key with the usual
/// exponent, which leaves DER no choice but the modulus.
fn check_tap_key(item: &Item<'_>) -> Result<(), DocError> {
    const HEAD: [u8; 7] = [0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
    const TAIL: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
    if item.object.is_none() {
        return Ok(());
    }
    let der = item.object("RSA PUBLIC KEY")?;
    let modulus = der.strip_prefix(&HEAD).and_then(|rest| rest.strip_suffix(&TAIL));
    match modulus {
        Some([0x80..=0xff, ..]) if der.len() == 140 => Ok(()),
        Some(_) | None => Err(item.malformed("onion-key")),
    }
}

fn parse_id(ed25519: &mut Option<Ed25519Id>, item: &Item<'_>) -> Result<(), DocError> {
    let [kind, key] = item.first("id")?;
    if kind != "ed25519" {
        return Ok(());
    }
    if ed25519.is_some() {
        return Err(DocError::Repeated { keyword: "id ed25519", line: item.line });
    }
    *ed25519 = Some(Ed25519Id::from_bytes(lines::base64(key).ok_or_else(|| item.malformed("id ed25519"))?));
    Ok(())
}

/// The IPv6 address of an `a` line; other addresses than IPv6 are skipped.
pub(crate) fn parse_ipv6(item: &Item<'_>) -> Result<Option<SocketAddrV6>, DocError> {
    let [address] = item.first("a")?;
    match address.parse() {
        Ok(SocketAddr::V6(address)) if *address.ip() != Ipv6Addr::UNSPECIFIED && address.port() != 0 => {
            Ok(Some(address))
        }
        Ok(SocketAddr::V4(_) | SocketAddr::V6(_)) | Err(_) => Ok(None),
    }
}

fn intern<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, value: T) -> Arc<T> {
    if let Some(shared) = known.get(&value) {
        return Arc::clone(shared);
    }
    let shared = Arc::new(value);
    known.insert(Arc::clone(&shared));
    shared
}

fn intern_family_ids(known: &mut HashSet<FamilyIds>, item: &Item<'_>) -> Option<FamilyIds> {
    let mut ids: Vec<Box<str>> = item.args().map(Box::from).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return None;
    }
    if let Some(shared) = known.get(ids.as_slice()) {
        return Some(Arc::clone(shared));
    }
    let shared: FamilyIds = ids.into();
    known.insert(Arc::clone(&shared));
    Some(shared)
}

#[cfg(test)]
mod tests;
