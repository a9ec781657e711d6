//! Router descriptors: what a relay says of itself.
//! <https://spec.torproject.org/dir-spec/server-descriptor-format.html>
//!
//! A client needs none of them, microdescriptors have all that it uses. Tools that read them from its control port do:
//! they get the text as the relay signed it.
//!
//! ```text
//! router NICKNAME IPV4 ORPORT 0 DIRPORT     ┐ ┐
//! identity-ed25519, master-key-ed25519      │ │
//! …                                         │ │ SHA-256 is signed with the Ed25519 signing key
//! router-sig-ed25519 …                      │ ┘ (up to the blank after the keyword)
//! router-signature                          ┘ SHA-1 is the name in the consensus, and signed with the RSA identity
//! ```
//!
//! [`RouterDesc::parse`] checks every signature of the text, as C Tor does: whoever has a [`RouterDesc`] has what the
//! relay said. That the network's authorities believe it, only a consensus of the `ns` flavour says, which names
//! its digest.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV6},
    ops::Range,
    time::SystemTime,
};

use sha1::{Digest, Sha1};
use tor_id::{Ed25519Id, RsaId};

use crate::{
    DocError, Nickname, PortPolicy, iso_time,
    lines::{self, Item, Items, need, once},
};

mod policy;
mod signatures;

/// Longest descriptor that is read, in bytes; authorities refuse longer ones.
pub const MAX_ROUTER_DESC: usize = 20_000;

const FIRST: &str = "router";
const LAST: &str = "router-signature";

/// A descriptor whose signatures have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterDesc {
    /// SHA-1 of the signed part: its name in the consensus.
    pub digest: [u8; 20],
    /// The relay's RSA identity.
    pub rsa: RsaId,
    /// The relay's Ed25519 identity.
    pub ed25519: Ed25519Id,
    /// Its nickname.
    pub nickname: Nickname,
    /// Its address.
    pub ipv4: Ipv4Addr,
    /// Its OR port.
    pub or_port: u16,
    /// Its port for plain HTTP, 0 if none.
    pub dir_port: u16,
    /// Its first OR address on IPv6.
    pub ipv6: Option<SocketAddrV6>,
    /// When it was made.
    pub published: SystemTime,
    /// Bytes a second that the relay is willing to sustain.
    pub bandwidth_rate: u32,
    /// Bytes a second that it has lately carried.
    pub bandwidth_observed: u32,
    /// Whether it takes directory requests through a circuit.
    pub tunnelled_dir: bool,
    /// SHA-1 of its extra-info document.
    pub extra_info: Option<[u8; 20]>,
    /// Its exit policy for IPv4, in the short form that consensuses have.
    pub policy: PortPolicy,
    text: Box<str>,
}

/// Bandwidth above this is not believed by those who only have the relay's word.
const MAX_BELIEVABLE_BANDWIDTH: u32 = 10_000_000;

impl RouterDesc {
    /// Reads one descriptor, without annotations, and checks its signatures.
    ///
    /// # Errors
    /// If the text is malformed, contradicts itself, has an expired certificate or a wrong signature.
    pub fn parse(text: &str, wall: SystemTime) -> Result<Self, DocError> {
        if text.len() > MAX_ROUTER_DESC {
            return Err(DocError::TooLong { what: "router descriptor" });
        }
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return Err(DocError::NotText);
        }
        let lines = Lines::collect(text)?;
        let digest = digest(text).ok_or(DocError::Missing { keyword: LAST })?;
        let (rsa, ed25519) = lines.check_signatures(text, &digest, wall)?;
        lines.check_fingerprint(&rsa)?;
        let router = need(&lines.router, FIRST)?;
        let bad = || router.malformed(FIRST);
        let [nickname, ipv4, or_port, _socks_port, dir_port] = router.first(FIRST)?;
        let bandwidth = need(&lines.bandwidth, "bandwidth")?;
        let [rate, _burst, observed] = bandwidth.first::<3>("bandwidth")?.map(lines::decimal::<u32>);
        let speed = |number: Option<u32>| {
            number
                .filter(|number| i32::try_from(*number).is_ok())
                .ok_or_else(|| bandwidth.malformed("bandwidth"))
        };
        Ok(Self {
            digest,
            rsa,
            ed25519,
            nickname: Nickname::new(nickname).map_err(|_| bad())?,
            ipv4: ipv4.parse().map_err(|_| bad())?,
            or_port: lines::decimal(or_port).ok_or_else(bad)?,
            dir_port: lines::decimal(dir_port).ok_or_else(bad)?,
            ipv6: lines.ipv6,
            published: iso_time::from_item(need(&lines.published, "published")?, "published")?,
            bandwidth_rate: speed(rate).and_then(|rate| match rate {
                0 => Err(bandwidth.malformed("bandwidth")),
                rate => Ok(rate),
            })?,
            bandwidth_observed: speed(observed)?,
            tunnelled_dir: lines.tunnelled_dir,
            extra_info: lines.extra_info.as_ref().map(parse_extra_info).transpose()?,
            policy: lines.policy.finish(),
            text: text.into(),
        })
    }

    /// The text, as the relay signed it.
    pub const fn text(&self) -> &str {
        &self.text
    }

    /// The bandwidth by the relay's own account, as far as it is believed, in bytes a second.
    pub fn believable_bandwidth(&self) -> u32 {
        self.bandwidth_rate.min(self.bandwidth_observed).min(MAX_BELIEVABLE_BANDWIDTH)
    }
}

/// A piece of a text with many descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterPiece {
    /// Where its annotations lie: lines that begin with `@`, which only a cache has.
    pub annotations: Range<usize>,
    /// Where the descriptor lies.
    pub body: Range<usize>,
    /// SHA-1 of its signed part; `None` if it has none.
    pub digest: Option<[u8; 20]>,
}

/// Walks the descriptors of a text, each from its `router` line, or its annotations, to the next one's. Nothing is checked: what
/// is wanted of them, [`RouterDesc::parse`] reads.
pub fn split(text: &str) -> impl Iterator<Item = RouterPiece> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.trim().is_empty())?;
        let (start, body) = (at, at + body_start(rest)?);
        let length = length_of_body(text.get(body..)?);
        at = body + length;
        let digest = digest(text.get(body..at)?);
        Some(RouterPiece { annotations: start..body, body: body..at, digest })
    })
}

/// Where the next `router` line is.
fn body_start(text: &str) -> Option<usize> {
    if text.starts_with("router ") { Some(0) } else { text.find("\nrouter ").map(|at| at + 1) }
}

/// Up to the next line that begins a descriptor or its annotations.
fn length_of_body(text: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > 0 && (line.starts_with("router ") || line.starts_with('@')) {
            return at;
        }
        at += line.len();
    }
    text.len()
}

/// SHA-1 of what the RSA identity signs: up to the end of the line that says `router-signature`.
fn digest(text: &str) -> Option<[u8; 20]> {
    let end = text.find("\nrouter-signature\n")? + LAST.len() + 2;
    Some(Sha1::digest(text.get(..end)?).into())
}

/// The lines that matter, each of which may come once.
#[derive(Debug, Default)]
struct Lines<'a> {
    router: Option<Item<'a>>,
    identity_cert: Option<Item<'a>>,
    master_key: Option<Item<'a>>,
    bandwidth: Option<Item<'a>>,
    published: Option<Item<'a>>,
    fingerprint: Option<Item<'a>>,
    signing_key: Option<Item<'a>>,
    onion_key: Option<Item<'a>>,
    onion_crosscert: Option<Item<'a>>,
    ntor_key: Option<Item<'a>>,
    ntor_crosscert: Option<Item<'a>>,
    extra_info: Option<Item<'a>>,
    ed25519_signature: Option<Item<'a>>,
    signature: Option<Item<'a>>,
    ipv6: Option<SocketAddrV6>,
    tunnelled_dir: bool,
    policy: policy::Rules,
}

impl<'a> Lines<'a> {
    fn collect(text: &'a str) -> Result<Self, DocError> {
        let mut found = Self::default();
        for (index, item) in Items::new(text).enumerate() {
            let item = item?;
            let keyword = item.keyword;
            if (index == 0) != (keyword == FIRST) || (index == 1) != (keyword == "identity-ed25519") {
                return Err(DocError::Misplaced { keyword: FIRST });
            }
            let (signed, closed) = (found.ed25519_signature.is_some(), found.signature.is_some());
            if closed || signed && keyword != LAST {
                return Err(DocError::Misplaced { keyword: LAST });
            }
            found.add(item)?;
        }
        Ok(found)
    }

    fn add(&mut self, item: Item<'a>) -> Result<(), DocError> {
        let (slot, keyword) = match item.keyword {
            FIRST => (&mut self.router, FIRST),
            "identity-ed25519" => (&mut self.identity_cert, "identity-ed25519"),
            "master-key-ed25519" => (&mut self.master_key, "master-key-ed25519"),
            "bandwidth" => (&mut self.bandwidth, "bandwidth"),
            "published" => (&mut self.published, "published"),
            "fingerprint" => (&mut self.fingerprint, "fingerprint"),
            "signing-key" => (&mut self.signing_key, "signing-key"),
            "onion-key" => (&mut self.onion_key, "onion-key"),
            "onion-key-crosscert" => (&mut self.onion_crosscert, "onion-key-crosscert"),
            "ntor-onion-key" => (&mut self.ntor_key, "ntor-onion-key"),
            "ntor-onion-key-crosscert" => (&mut self.ntor_crosscert, "ntor-onion-key-crosscert"),
            "extra-info-digest" => (&mut self.extra_info, "extra-info-digest"),
            "router-sig-ed25519" => (&mut self.ed25519_signature, "router-sig-ed25519"),
            LAST => (&mut self.signature, LAST),
            "tunnelled-dir-server" => {
                self.tunnelled_dir = true;
                return Ok(());
            }
            "or-address" => {
                self.ipv6 = self.ipv6.or(parse_ipv6(&item)?);
                return Ok(());
            }
            "accept" | "reject" => return self.policy.add(&item),
            annotation if annotation.starts_with('@') => return Err(item.malformed("annotation")),
            _ => return Ok(()),
        };
        once(slot, keyword, item)
    }

    /// The fingerprint, if the relay says it, must be that of its identity.
    fn check_fingerprint(&self, rsa: &RsaId) -> Result<(), DocError> {
        let Some(item) = &self.fingerprint else { return Ok(()) };
        let declared: String = item.args().collect();
        match lines::hex(&declared) {
            Some(declared) if RsaId::from_bytes(declared) == *rsa => Ok(()),
            Some(_) | None => Err(DocError::Inconsistent { what: "fingerprint and signing-key" }),
        }
    }
}

/// The SHA-1 of the extra-info document; its SHA-256 may follow.
fn parse_extra_info(item: &Item<'_>) -> Result<[u8; 20], DocError> {
    let [digest] = item.first("extra-info-digest")?;
    lines::hex(digest).ok_or_else(|| item.malformed("extra-info-digest"))
}

/// An `or-address`, if it is one of IPv6.
fn parse_ipv6(item: &Item<'_>) -> Result<Option<SocketAddrV6>, DocError> {
    let [address] = item.first("or-address")?;
    match address.parse() {
        Ok(SocketAddr::V6(address)) if !address.ip().is_unspecified() && address.port() != 0 => {
            Ok(Some(address))
        }
        Ok(SocketAddr::V4(_) | SocketAddr::V6(_)) | Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
