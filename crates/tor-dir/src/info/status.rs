//! `ns/*` and `consensus/*`: what the consensus says, entry by entry, and the same for the events NS and NEWCONSENSUS.

use std::{
    fmt::Write,
    net::SocketAddrV6,
    time::{Duration, SystemTime},
};

use tor_netdoc::{Consensus, DescriptorDigest, RelayEntry, RelayFlags};

use super::{KeyAnswer, KeyError, base64, identity, relays};
use crate::{DirState, Moment, dates, state::Router};

/// How old a router descriptor may be to be shown by its purpose.
const MAX_AGE: Duration = Duration::from_secs(48 * 60 * 60);
/// What stands for the time of publication, which consensuses no longer have.
const PUBLISHED: &str = "2038-01-01 00:00:00";
/// The flags that are shown, in order.
const SHOWN: [(RelayFlags, &str); 13] = [
    (RelayFlags::AUTHORITY, " Authority"),
    (RelayFlags::BAD_EXIT, " BadExit"),
    (RelayFlags::EXIT, " Exit"),
    (RelayFlags::FAST, " Fast"),
    (RelayFlags::GUARD, " Guard"),
    (RelayFlags::HS_DIR, " HSDir"),
    (RelayFlags::MIDDLE_ONLY, " MiddleOnly"),
    (RelayFlags::RUNNING, " Running"),
    (RelayFlags::STABLE, " Stable"),
    (RelayFlags::STALE_DESC, " StaleDesc"),
    (RelayFlags::SYBIL, " Sybil"),
    (RelayFlags::V2_DIR, " V2Dir"),
    (RelayFlags::VALID, " Valid"),
];
/// The flags of those that a relay's entry by purpose takes from the consensus.
const OF_CONSENSUS: [RelayFlags; 9] = [
    RelayFlags::AUTHORITY,
    RelayFlags::EXIT,
    RelayFlags::STABLE,
    RelayFlags::FAST,
    RelayFlags::RUNNING,
    RelayFlags::VALID,
    RelayFlags::GUARD,
    RelayFlags::BAD_EXIT,
    RelayFlags::HS_DIR,
];

pub(super) fn answer(state: &DirState, at: Moment, key: &str) -> KeyAnswer {
    let (family, rest) = key.split_once('/').unwrap_or((key, ""));
    let is_key = family == "consensus"
        || rest == "all"
        || ["id/", "name/", "purpose/"].iter().any(|prefix| rest.starts_with(prefix));
    // Without a consensus there is nothing to be told, whatever the question.
    let Some(consensus) = state.consensus() else { return Ok(is_key.then(String::new)) };
    if family == "consensus" {
        return Ok(of_consensus(consensus, rest));
    }
    if rest == "all" {
        return Ok(Some(entries(state, consensus.relays())));
    }
    let entry = match rest.split_once('/') {
        Some(("id", id)) => {
            let id = identity(id.strip_prefix('$').unwrap_or(id))
                .ok_or(KeyError::Unavailable("Data not decodeable as hex"))?;
            consensus.relay(&id)
        }
        Some(("name", name)) => relays::by_name(state, name).and_then(|id| consensus.relay(&id)),
        Some(("purpose", purpose)) => return by_purpose(state, consensus, at, purpose),
        Some(_) | None => None,
    };
    Ok(entry.map(|entry| entries(state, [entry])))
}

fn of_consensus(consensus: &Consensus, key: &str) -> Option<String> {
    let lifetime = consensus.lifetime();
    match key {
        "valid-after" => Some(dates::iso(lifetime.valid_after)),
        "fresh-until" => Some(dates::iso(lifetime.fresh_until)),
        "valid-until" => Some(dates::iso(lifetime.valid_until)),
        "packages" => {
            let header = consensus.text().lines().take_while(|line| !line.starts_with("dir-source "));
            let packages: Vec<_> = header.filter_map(|line| line.strip_prefix("package ")).collect();
            Some(packages.join("\n"))
        }
        _ => None,
    }
}

/// Entries of the consensus in the form of the control port: `r`, `a`, `s`, `w`, and `p` of those whose router descriptor
/// is at hand.
pub fn entries<'a>(state: &DirState, entries: impl IntoIterator<Item = &'a RelayEntry>) -> String {
    let mut text = String::new();
    for entry in entries {
        let router = state.routers().get(&entry.rsa);
        Line::of(entry, router).write(&mut text, router);
    }
    text
}

/// The entries of `new` whose relays have other words in `old`: of relays in both, and of all if there is no old one.
pub fn changed_entries(state: &DirState, old: Option<&Consensus>, new: &Consensus) -> String {
    let Some(old) = old else { return entries(state, new.relays()) };
    let changed = new.relays().iter().filter(|entry| {
        old.relay(&entry.rsa).is_some_and(|before| Line::of(before, None) != Line::of(entry, None))
    });
    entries(state, changed)
}

fn by_purpose(state: &DirState, consensus: &Consensus, at: Moment, purpose: &str) -> KeyAnswer {
    let mut text = String::new();
    match purpose {
        "general" => {
            let young = state.routers().values().filter(|router| router.desc.published + MAX_AGE >= at.wall);
            for router in young {
                Line::of_router(router, consensus).write(&mut text, Some(router));
            }
        }
        // Descriptors of these come from controllers and bridges.
        "controller" | "bridge" => {}
        _ => return Err(KeyError::Unavailable("Internal error")),
    }
    Ok(Some(text))
}

/// What an entry says.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    nickname: &'a str,
    identity: &'a [u8; 20],
    digest: [u8; 20],
    published: Option<SystemTime>,
    ipv4: std::net::Ipv4Addr,
    or_port: u16,
    dir_port: u16,
    ipv6: Option<SocketAddrV6>,
    flags: RelayFlags,
    bandwidth: Option<u32>,
}

impl<'a> Line<'a> {
    fn of(entry: &'a RelayEntry, router: Option<&Router>) -> Self {
        let digest = match &entry.descriptor {
            // Of a longer digest, as much as a router descriptor's has.
            DescriptorDigest::Microdesc(digest) => *digest.as_bytes().first_chunk().unwrap_or(&[0; 20]),
            DescriptorDigest::Router(digest) => *digest,
            DescriptorDigest::Absent | _ => [0; 20],
        };
        Self {
            nickname: entry.nickname.as_str(),
            identity: entry.rsa.as_bytes(),
            digest,
            published: None,
            ipv4: entry.ipv4,
            or_port: entry.or_port,
            dir_port: entry.dir_port,
            ipv6: entry.ipv6,
            flags: entry.flags,
            bandwidth: entry.bandwidth.or_else(|| router.map(Router::kilobytes)),
        }
    }

    fn of_router(router: &'a Router, consensus: &Consensus) -> Self {
        let desc = &router.desc;
        let listed = consensus.relay(&desc.rsa).map_or(RelayFlags::NONE, |entry| entry.flags);
        let cache = if desc.tunnelled_dir { RelayFlags::V2_DIR } else { RelayFlags::NONE };
        let flags = OF_CONSENSUS.iter().filter(|flag| listed.contains(**flag));
        Self {
            nickname: desc.nickname.as_str(),
            identity: desc.rsa.as_bytes(),
            digest: desc.digest,
            published: Some(desc.published),
            ipv4: desc.ipv4,
            or_port: desc.or_port,
            dir_port: desc.dir_port,
            ipv6: desc.ipv6,
            flags: flags.fold(cache, |all, flag| all | *flag),
            bandwidth: Some(router.kilobytes()),
        }
    }

    fn write(&self, text: &mut String, router: Option<&Router>) {
        let Self { nickname, ipv4, or_port, dir_port, .. } = self;
        let (id, digest) = (base64(self.identity, false), base64(&self.digest, false));
        let published = self.published.map_or_else(|| PUBLISHED.to_owned(), dates::iso);
        // Writing to a string does not fail.
        let _ = writeln!(text, "r {nickname} {id} {digest} {published} {ipv4} {or_port} {dir_port}");
        if let Some(ipv6) = self.ipv6 {
            let _ = writeln!(text, "a {ipv6}");
        }
        text.push('s');
        let shown = SHOWN.iter().filter(|(flag, _)| self.flags.contains(*flag));
        text.extend(shown.map(|(_, name)| *name));
        text.push('\n');
        if let Some(bandwidth) = self.bandwidth {
            let _ = writeln!(text, "w Bandwidth={bandwidth}");
        }
        if let Some(router) = router {
            let _ = writeln!(text, "p {}", router.desc.policy);
        }
    }
}
