//! One relay's entry: `r`, `a`, `s`, `v`, `pr`, `w`, `p`, `m`.
//! <https://spec.torproject.org/dir-spec/consensus-formats.html>

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    ops::Range,
    sync::Arc,
};

use tor_id::RsaId;

use super::{Flavor, RelayFlags};
use crate::{
    DocError, MdDigest, Nickname, PortPolicy, Protocols, iso_time,
    lines::{self, Item, need, once},
    microdesc::parse_ipv6,
};

/// What the consensus says of one relay.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayEntry {
    /// The relay's RSA identity; entries ascend by it.
    pub rsa: RsaId,
    /// The document that describes the relay further.
    pub descriptor: DescriptorDigest,
    /// Its nickname.
    pub nickname: Nickname,
    /// IPv4 address; 0.0.0.0 if it has none that can be used.
    pub ipv4: Ipv4Addr,
    /// OR port on IPv4; 0 if none.
    pub or_port: u16,
    /// Port for plain HTTP directory requests; 0 if none.
    pub dir_port: u16,
    /// IPv6 OR address. The microdescriptor flavour has it since consensus method 28.
    pub ipv6: Option<SocketAddrV6>,
    /// Flags. `Running` and `Valid` are always set.
    pub flags: RelayFlags,
    /// The `Unmeasured=1` mark: the bandwidth is the relay's own claim.
    pub unmeasured: bool,
    /// Weight for path selection, in 1000 bytes a second; `None` if the consensus has none.
    pub bandwidth: Option<u32>,
    /// Subprotocols, of those that we know.
    pub protocols: Arc<Protocols>,
    /// Software, such as `Tor 0.4.9.11`.
    pub version: Option<Arc<str>>,
    /// Exit policy summary; only the `ns` flavour has it here.
    pub policy: Option<Arc<PortPolicy>>,
    /// Where the entry lies in the text of the consensus.
    pub(super) span: Range<u32>,
}

/// The digest that names a relay's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorDigest {
    /// SHA-256 of the microdescriptor (flavour `microdesc`).
    Microdesc(MdDigest),
    /// SHA-1 of the router descriptor's signed part (flavour `ns`).
    Router([u8; 20]),
    /// The entry has no `m` line: nothing more can be learned of the relay.
    Absent,
}

impl RelayEntry {
    /// The digest of the microdescriptor, if the entry has one.
    pub const fn microdesc(&self) -> Option<MdDigest> {
        match self.descriptor {
            DescriptorDigest::Microdesc(digest) => Some(digest),
            DescriptorDigest::Router(_) | DescriptorDigest::Absent => None,
        }
    }

    /// The addresses at which the relay takes OR connections: IPv4 first. An address or a port of zero is none.
    pub fn or_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let ipv4 = SocketAddrV4::new(self.ipv4, self.or_port);
        let ipv4 = Some(ipv4).filter(|address| !address.ip().is_unspecified() && address.port() != 0);
        ipv4.map(SocketAddr::V4).into_iter().chain(self.ipv6.map(SocketAddr::V6))
    }
}

/// Subprotocol lists and versions that the entries of one consensus share.
#[derive(Debug, Default)]
pub(super) struct Shared<'a> {
    protocols: HashMap<&'a str, Arc<Protocols>>,
    versions: HashMap<&'a str, Arc<str>>,
}

/// The lines of one entry.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    r: Item<'a>,
    s: Option<Item<'a>>,
    v: Option<Item<'a>>,
    pr: Option<Item<'a>>,
    w: Option<Item<'a>>,
    p: Option<Item<'a>>,
    m: Option<Item<'a>>,
    ipv6: Option<SocketAddrV6>,
    end: usize,
}

impl<'a> Lines<'a> {
    pub(super) const fn start(r: Item<'a>) -> Self {
        let end = r.span.end;
        Self { r, s: None, v: None, pr: None, w: None, p: None, m: None, ipv6: None, end }
    }

    pub(super) fn add(&mut self, item: Item<'a>) -> Result<(), DocError> {
        self.end = item.span.end;
        match item.keyword {
            "s" => once(&mut self.s, "s", item),
            "v" => once(&mut self.v, "v", item),
            "pr" => once(&mut self.pr, "pr", item),
            "w" => once(&mut self.w, "w", item),
            "p" => once(&mut self.p, "p", item),
            // More than one is for votes; the first counts.
            "m" => {
                self.m.get_or_insert(item);
                Ok(())
            }
            "a" => {
                self.ipv6 = self.ipv6.or(parse_ipv6(&item)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self, flavor: Flavor, shared: &mut Shared<'a>) -> Result<RelayEntry, DocError> {
        let Identity { nickname, rsa, router_digest, ipv4, or_port, dir_port } = parse_r(&self.r, flavor)?;
        let descriptor = match (router_digest, &self.m) {
            (Some(digest), _) => DescriptorDigest::Router(digest),
            (None, Some(m)) => DescriptorDigest::Microdesc(parse_m(m)?),
            (None, None) => DescriptorDigest::Absent,
        };
        let flags = need(&self.s, "s")?
            .args()
            .fold(RelayFlags::RUNNING | RelayFlags::VALID, |flags, name| flags | RelayFlags::named(name));
        let (bandwidth, unmeasured) = self.w.as_ref().map_or(Ok((None, false)), parse_w)?;
        let span = |at: usize| u32::try_from(at).map_err(|_| DocError::TooLong { what: "consensus" });
        Ok(RelayEntry {
            rsa,
            descriptor,
            nickname,
            ipv4,
            or_port,
            dir_port,
            ipv6: self.ipv6,
            flags,
            unmeasured,
            bandwidth,
            protocols: shared.protocols(need(&self.pr, "pr")?)?,
            version: self.v.as_ref().map(|v| shared.version(v.rest)),
            policy: self.p.as_ref().map(parse_p).transpose()?.flatten(),
            span: span(self.r.span.start)?..span(self.end)?,
        })
    }
}

impl<'a> Shared<'a> {
    // An unparseable list refuses the whole consensus, as in C Tor: authorities check what they list.
    fn protocols(&mut self, item: &Item<'a>) -> Result<Arc<Protocols>, DocError> {
        if let Some(known) = self.protocols.get(item.rest) {
            return Ok(Arc::clone(known));
        }
        let list = Protocols::parse(item.rest).map_err(|_| item.malformed("pr"))?;
        let list = Arc::new(list.known());
        self.protocols.insert(item.rest, Arc::clone(&list));
        Ok(list)
    }

    fn version(&mut self, text: &'a str) -> Arc<str> {
        Arc::clone(self.versions.entry(text).or_insert_with(|| text.into()))
    }
}

/// What an `r` line says.
struct Identity {
    nickname: Nickname,
    rsa: RsaId,
    router_digest: Option<[u8; 20]>,
    ipv4: Ipv4Addr,
    or_port: u16,
    dir_port: u16,
}

fn parse_r(item: &Item<'_>, flavor: Flavor) -> Result<Identity, DocError> {
    let bad = || item.malformed("r");
    let [nickname, id, rest @ ..]: [&str; 7] = item.first("r")?;
    let (router_digest, [date, clock, ipv4, or_port, dir_port]) = match flavor {
        Flavor::Microdesc => (None, rest),
        Flavor::Ns => {
            let [_, _, digest, rest @ ..]: [&str; 8] = item.first("r")?;
            (Some(lines::base64(digest).ok_or_else(bad)?), rest)
        }
    };
    iso_time::parse(date, clock).ok_or_else(bad)?;
    Ok(Identity {
        nickname: Nickname::new(nickname).map_err(|_| bad())?,
        rsa: RsaId::from_bytes(lines::base64(id).ok_or_else(bad)?),
        router_digest,
        ipv4: ipv4.parse().map_err(|_| bad())?,
        // A port that is no port counts as none.
        or_port: lines::decimal(or_port).unwrap_or(0),
        dir_port: lines::decimal(dir_port).unwrap_or(0),
    })
}

fn parse_m(item: &Item<'_>) -> Result<MdDigest, DocError> {
    let [digest] = item.first("m")?;
    MdDigest::from_base64(digest).ok_or_else(|| item.malformed("m"))
}

fn parse_w(item: &Item<'_>) -> Result<(Option<u32>, bool), DocError> {
    let (mut bandwidth, mut unmeasured) = (None, false);
    for word in item.args() {
        if let Some(number) = word.strip_prefix("Bandwidth=") {
            bandwidth = Some(lines::decimal(number).ok_or_else(|| item.malformed("w"))?);
        }
        unmeasured |= word == "Unmeasured=1";
    }
    Ok((bandwidth, unmeasured))
}

/// Another verb than `accept` and `reject` refuses the consensus, a malformed list only means no policy.
fn parse_p(item: &Item<'_>) -> Result<Option<Arc<PortPolicy>>, DocError> {
    if !item.rest.starts_with("accept ") && !item.rest.starts_with("reject ") {
        return Err(item.malformed("p"));
    }
    Ok(PortPolicy::parse(item.rest).ok().map(Arc::new))
}
