//! Text to [`UnverifiedConsensus`].

use std::{
    net::Ipv4Addr,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use tor_id::RsaId;

use super::{
    Body, Flavor, Lifetime, NetworkKind, ProtocolLists, RelayEntry, SharedRandom, Voter,
    relay::{Lines, Shared},
    verify::{Signature, SignatureDigest, UnverifiedConsensus},
};
use crate::{
    DocError, NetParams, Protocols, iso_time,
    lines::{self, Item, Items, need, once},
};

/// Most relays that a consensus may have; ten times what there are.
const MAX_RELAYS: usize = 100_000;
/// Most authorities and most signatures.
const MAX_VOTERS: usize = 64;
/// Least seconds for voting and for distributing signatures.
const MIN_DELAY: u32 = 2;
/// What stands between the signed part and the first authority's words.
const SIGNATURE_KEYWORD: &str = "directory-signature ";

impl UnverifiedConsensus {
    /// Reads a consensus of either flavour.
    ///
    /// # Errors
    /// If any part is malformed: one bad entry refuses the whole, as in C Tor, since authorities check each
    /// other.
    pub fn parse(text: impl Into<Arc<str>>, network: NetworkKind) -> Result<Self, DocError> {
        let text = text.into();
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return Err(DocError::NotText);
        }
        let (body, signatures) = parse(&text, network)?;
        Ok(Self { body: Body { text: Arc::clone(&text), ..body }, signatures })
    }
}

/// Reads the text; `Body::text` is left empty for the caller, who shares it.
fn parse(text: &str, network: NetworkKind) -> Result<(Body, Box<[Signature]>), DocError> {
    let mut items = Items::new(text).peekable();
    let mut header = Header::default();
    let flavor = match items.next().transpose()? {
        Some(first) if first.keyword == "network-status-version" && first.span.start == 0 => {
            parse_version(&first)?
        }
        Some(_) | None => return Err(DocError::Misplaced { keyword: "network-status-version" }),
    };
    while let Some(item) = items.next_if(|item| !matches!(item, Ok(item) if is_past_header(item.keyword))) {
        header.add(item?)?;
    }
    let relays = parse_relays(&mut items, flavor)?;
    let footer = parse_footer(&mut items, text)?;
    let mut body = header.finish(flavor, network)?;
    check_signers(&footer.signatures, &body.authorities)?;
    body.relays = relays;
    body.bandwidth_weights = footer.bandwidth_weights;
    body.signed = 0..footer.signed_end;
    Ok((body, footer.signatures.into()))
}

fn is_past_header(keyword: &str) -> bool {
    matches!(keyword, "r" | "directory-footer" | "directory-signature")
}

fn parse_version(item: &Item<'_>) -> Result<Flavor, DocError> {
    let [version] = item.first("network-status-version")?;
    if version != "3" {
        return Err(DocError::Unsupported { what: "network-status-version" });
    }
    match item.args().nth(1) {
        None | Some("ns") => Ok(Flavor::Ns),
        Some("microdesc") => Ok(Flavor::Microdesc),
        Some(_) => Err(DocError::Unsupported { what: "consensus flavour" }),
    }
}

/// The header's lines that may come once, and the authorities.
#[derive(Debug, Default)]
struct Header<'a> {
    vote_status: Option<Item<'a>>,
    method: Option<Item<'a>>,
    valid_after: Option<Item<'a>>,
    fresh_until: Option<Item<'a>>,
    valid_until: Option<Item<'a>>,
    voting_delay: Option<Item<'a>>,
    known_flags: Option<Item<'a>>,
    client_versions: Option<Item<'a>>,
    server_versions: Option<Item<'a>>,
    params: Option<Item<'a>>,
    previous_random: Option<Item<'a>>,
    current_random: Option<Item<'a>>,
    recommended_client: Option<Item<'a>>,
    recommended_relay: Option<Item<'a>>,
    required_client: Option<Item<'a>>,
    required_relay: Option<Item<'a>>,
    authorities: Vec<Voter>,
    contact_seen: bool,
    vote_digest_seen: bool,
}

impl<'a> Header<'a> {
    fn add(&mut self, item: Item<'a>) -> Result<(), DocError> {
        let (slot, keyword) = match item.keyword {
            "vote-status" => (&mut self.vote_status, "vote-status"),
            "consensus-method" => (&mut self.method, "consensus-method"),
            "valid-after" => (&mut self.valid_after, "valid-after"),
            "fresh-until" => (&mut self.fresh_until, "fresh-until"),
            "valid-until" => (&mut self.valid_until, "valid-until"),
            "voting-delay" => (&mut self.voting_delay, "voting-delay"),
            "known-flags" => (&mut self.known_flags, "known-flags"),
            "client-versions" => (&mut self.client_versions, "client-versions"),
            "server-versions" => (&mut self.server_versions, "server-versions"),
            "params" => (&mut self.params, "params"),
            "shared-rand-previous-value" => (&mut self.previous_random, "shared-rand-previous-value"),
            "shared-rand-current-value" => (&mut self.current_random, "shared-rand-current-value"),
            "recommended-client-protocols" => (&mut self.recommended_client, "recommended-client-protocols"),
            "recommended-relay-protocols" => (&mut self.recommended_relay, "recommended-relay-protocols"),
            "required-client-protocols" => (&mut self.required_client, "required-client-protocols"),
            "required-relay-protocols" => (&mut self.required_relay, "required-relay-protocols"),
            "network-status-version" => {
                return Err(DocError::Repeated { keyword: "network-status-version", line: item.line });
            }
            "dir-source" | "contact" | "vote-digest" => return self.add_authority_line(&item),
            _ => return Ok(()),
        };
        once(slot, keyword, item)
    }

    fn add_authority_line(&mut self, item: &Item<'_>) -> Result<(), DocError> {
        if item.keyword == "dir-source" {
            if self.authorities.len() == MAX_VOTERS {
                return Err(DocError::TooLong { what: "list of authorities" });
            }
            self.authorities.push(parse_voter(item)?);
            (self.contact_seen, self.vote_digest_seen) = (false, false);
            return Ok(());
        }
        let (seen, keyword) = if item.keyword == "contact" {
            (&mut self.contact_seen, "contact")
        } else {
            let [digest] = item.first("vote-digest")?;
            lines::hex::<20>(digest).ok_or_else(|| item.malformed("vote-digest"))?;
            (&mut self.vote_digest_seen, "vote-digest")
        };
        if self.authorities.is_empty() || *seen {
            return Err(DocError::Misplaced { keyword });
        }
        *seen = true;
        Ok(())
    }

    fn finish(self, flavor: Flavor, network: NetworkKind) -> Result<Body, DocError> {
        let [status] = need(&self.vote_status, "vote-status")?.first("vote-status")?;
        if status != "consensus" {
            return Err(DocError::Unsupported { what: "vote-status" });
        }
        need(&self.known_flags, "known-flags")?;
        if self.authorities.is_empty() {
            return Err(DocError::Missing { keyword: "dir-source" });
        }
        let lifetime = Lifetime {
            valid_after: time(&self.valid_after, "valid-after")?,
            fresh_until: time(&self.fresh_until, "fresh-until")?,
            valid_until: time(&self.valid_until, "valid-until")?,
        };
        check_lifetime(&lifetime, network)?;
        Ok(Body {
            text: Arc::default(),
            flavor,
            method: parse_method(self.method.as_ref())?,
            lifetime,
            voting_delay: parse_voting_delay(need(&self.voting_delay, "voting-delay")?)?,
            client_versions: self.client_versions.map(|item| item.rest.into()),
            server_versions: self.server_versions.map(|item| item.rest.into()),
            protocols: ProtocolLists {
                recommended_client: protocols(self.recommended_client.as_ref())?,
                required_client: protocols(self.required_client.as_ref())?,
                recommended_relay: protocols(self.recommended_relay.as_ref())?,
                required_relay: protocols(self.required_relay.as_ref())?,
            },
            params: self
                .params
                .as_ref()
                .map_or_else(|| Ok(NetParams::default()), NetParams::parse_ordered)?,
            shared_random: SharedRandom {
                previous: shared_random(self.previous_random.as_ref())?,
                current: shared_random(self.current_random.as_ref())?,
            },
            authorities: self.authorities.into(),
            relays: Box::default(),
            bandwidth_weights: NetParams::default(),
            signed: 0..0,
            sha3: OnceLock::new(),
        })
    }
}

fn time(item: &Option<Item<'_>>, keyword: &'static str) -> Result<SystemTime, DocError> {
    iso_time::from_item(need(item, keyword)?, keyword)
}

fn check_lifetime(lifetime: &Lifetime, network: NetworkKind) -> Result<(), DocError> {
    let shortest = match network {
        NetworkKind::Public => Duration::from_secs(300),
        NetworkKind::Testing => Duration::from_secs(10),
    };
    let Lifetime { valid_after, fresh_until, valid_until } = *lifetime;
    if valid_after + shortest > fresh_until || valid_after + 2 * shortest > valid_until {
        return Err(DocError::Inconsistent { what: "validity times" });
    }
    Ok(())
}

/// Absent means method 1.
fn parse_method(item: Option<&Item<'_>>) -> Result<u32, DocError> {
    let Some(item) = item else { return Ok(1) };
    let [method] = item.exactly("consensus-method")?;
    lines::decimal(method).filter(|method| *method > 0).ok_or_else(|| item.malformed("consensus-method"))
}

fn parse_voting_delay(item: &Item<'_>) -> Result<(Duration, Duration), DocError> {
    let delays = item.first::<2>("voting-delay")?.map(|word| {
        let seconds = lines::decimal::<u32>(word).filter(|seconds| *seconds >= MIN_DELAY)?;
        Some(Duration::from_secs(seconds.into()))
    });
    match delays {
        [Some(vote), Some(distribute)] => Ok((vote, distribute)),
        [_, _] => Err(item.malformed("voting-delay")),
    }
}

fn protocols(item: Option<&Item<'_>>) -> Result<Protocols, DocError> {
    let Some(item) = item else { return Ok(Protocols::default()) };
    Protocols::parse(item.rest).map_err(|_| item.malformed("list of protocols"))
}

/// A malformed value counts as absent, but not a wrong number of words.
fn shared_random(item: Option<&Item<'_>>) -> Result<Option<[u8; 32]>, DocError> {
    let Some(item) = item else { return Ok(None) };
    let [reveals, value] = item.exactly("shared random value")?;
    Ok(lines::decimal::<u64>(reveals).and_then(|_| lines::base64(value)))
}

fn parse_voter(item: &Item<'_>) -> Result<Voter, DocError> {
    let bad = || item.malformed("dir-source");
    let [nickname, v3_ident, _host, ipv4, dir_port, or_port] = item.first("dir-source")?;
    Ok(Voter {
        nickname: nickname.into(),
        v3_ident: RsaId::from_bytes(lines::hex(v3_ident).ok_or_else(bad)?),
        ipv4: ipv4.parse::<Ipv4Addr>().map_err(|_| bad())?,
        dir_port: lines::decimal(dir_port).ok_or_else(bad)?,
        or_port: lines::decimal(or_port).ok_or_else(bad)?,
    })
}

fn parse_relays<'a>(
    items: &mut std::iter::Peekable<Items<'a>>,
    flavor: Flavor,
) -> Result<Box<[RelayEntry]>, DocError> {
    let mut relays: Vec<RelayEntry> = Vec::new();
    let mut shared = Shared::default();
    while let Some(first) = items.next_if(|item| matches!(item, Ok(item) if item.keyword == "r")) {
        let first = first?;
        let line = first.line;
        let mut entry = Lines::start(first);
        while let Some(item) = items.next_if(|item| !matches!(item, Ok(item) if is_past_header(item.keyword)))
        {
            entry.add(item?)?;
        }
        let entry = entry.finish(flavor, &mut shared)?;
        if relays.last().is_some_and(|last| last.rsa >= entry.rsa) {
            return Err(DocError::OutOfOrder { what: "relays", line });
        }
        if relays.len() == MAX_RELAYS {
            return Err(DocError::TooLong { what: "list of relays" });
        }
        relays.push(entry);
    }
    Ok(relays.into())
}

#[derive(Debug)]
struct Footer {
    bandwidth_weights: NetParams,
    signatures: Vec<Signature>,
    signed_end: usize,
}

/// Everything before the first signature is signed; after it there may be nothing but signatures.
fn parse_footer<'a>(items: &mut std::iter::Peekable<Items<'a>>, text: &str) -> Result<Footer, DocError> {
    let (mut start, mut weights) = (None, None);
    let (mut signatures, mut signed_end) = (Vec::new(), None);
    for (index, item) in items.enumerate() {
        let item = item?;
        if signed_end.is_some() && item.keyword != "directory-signature" {
            return Err(DocError::Misplaced { keyword: "directory-signature" });
        }
        match item.keyword {
            "directory-footer" if index == 0 => once(&mut start, "directory-footer", item)?,
            "directory-footer" | "r" => return Err(DocError::Misplaced { keyword: "directory-footer" }),
            "bandwidth-weights" => once(&mut weights, "bandwidth-weights", item)?,
            "directory-signature" => {
                if signed_end.is_none() {
                    signed_end = Some(end_of_signed_part(&item, text)?);
                }
                if let Some(signature) = parse_signature(&item)? {
                    add_signature(&mut signatures, signature)?;
                }
            }
            _ => {}
        }
    }
    let missing = DocError::Missing { keyword: "directory-signature" };
    if signatures.is_empty() {
        return Err(missing);
    }
    let bandwidth_weights = match &weights {
        Some(item) => NetParams::parse(item, "bandwidth-weights")?,
        None => NetParams::default(),
    };
    Ok(Footer { bandwidth_weights, signatures, signed_end: signed_end.ok_or(missing)? })
}

/// The signed part ends after the blank that follows the first `directory-signature`, which must start its line.
fn end_of_signed_part(item: &Item<'_>, text: &str) -> Result<usize, DocError> {
    let (before, after) = text.split_at_checked(item.span.start).unwrap_or_default();
    if before.ends_with('\n') && after.starts_with(SIGNATURE_KEYWORD) {
        Ok(item.span.start + SIGNATURE_KEYWORD.len())
    } else {
        Err(item.malformed("directory-signature"))
    }
}

/// `None` if the algorithm is none that signatures are made with. That includes names of digests that we do know
/// for other uses, such as `sha3-256` (TROVE-2026-019).
fn parse_signature(item: &Item<'_>) -> Result<Option<Signature>, DocError> {
    let bad = || item.malformed("directory-signature");
    if item.object.is_none() {
        return Err(bad());
    }
    let [first, second] = item.first("directory-signature")?;
    let (digest, v3_ident, signing_key) = match item.args().nth(2) {
        None => (SignatureDigest::Sha1, first, second),
        Some(third) => match first {
            "sha1" => (SignatureDigest::Sha1, second, third),
            "sha256" => (SignatureDigest::Sha256, second, third),
            _ => return Ok(None),
        },
    };
    let signature = item.object("SIGNATURE")?;
    if !(128..=512).contains(&signature.len()) {
        return Err(bad());
    }
    Ok(Some(Signature {
        digest,
        v3_ident: RsaId::from_bytes(lines::hex(v3_ident).ok_or_else(bad)?),
        signing_key: RsaId::from_bytes(lines::hex(signing_key).ok_or_else(bad)?),
        signature: signature.into(),
    }))
}

/// Of two signatures by one authority with one algorithm the first counts.
fn add_signature(signatures: &mut Vec<Signature>, new: Signature) -> Result<(), DocError> {
    if signatures.iter().any(|old| old.v3_ident == new.v3_ident && old.digest == new.digest) {
        return Ok(());
    }
    if signatures.len() == MAX_VOTERS {
        return Err(DocError::TooLong { what: "list of signatures" });
    }
    signatures.push(new);
    Ok(())
}

/// Whoever signs must have voted.
fn check_signers(signatures: &[Signature], voters: &[Voter]) -> Result<(), DocError> {
    let voted = |signature: &Signature| voters.iter().any(|voter| voter.v3_ident == signature.v3_ident);
    if signatures.iter().all(voted) {
        Ok(())
    } else {
        Err(DocError::Inconsistent { what: "signatures and dir-source" })
    }
}
