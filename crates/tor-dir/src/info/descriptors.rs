//! `md/*`, `desc/*`, `desc-annotations/*`, `dir/*`: the texts of documents.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use tor_id::RsaId;
use tor_netdoc::{
    MdDigest,
    microdesc::{self, Interner, Origin},
};

use super::{KeyAnswer, KeyError, digest, relays};
use crate::{
    DirFile, DirState, DirStore, Moment,
    state::{Router, lossy},
};

/// How old a descriptor may be to be given out by its relay's identity.
const MAX_AGE: Duration = Duration::from_secs(48 * 60 * 60);
/// The files with microdescriptors, the newest first.
const MICRODESCS: [DirFile; 2] = [DirFile::MicrodescJournal, DirFile::Microdescs];

pub(super) fn answer(state: &DirState, store: &impl DirStore, at: Moment, key: &str) -> KeyAnswer {
    if let Some(question) = key.strip_prefix("dir/server/") {
        return served(state, at, question).map(Some);
    }
    if key.starts_with("dir/status/") {
        return Ok(Some(String::new()));
    }
    let tail = |prefix| key.strip_prefix(prefix);
    if let Some(id) = tail("md/id/") {
        return Ok(relays::by_fingerprint(id).and_then(|id| microdesc(state, store, &id)));
    }
    if let Some(name) = tail("md/name/") {
        return Ok(relays::by_name(state, name).and_then(|id| microdesc(state, store, &id)));
    }
    if let Some(id) = tail("desc/id/") {
        return router(state, relays::by_fingerprint(id), NO_DESC_BY_ID);
    }
    if let Some(name) = tail("desc/name/") {
        return router(state, relays::by_name(state, name), NO_DESC_BY_NAME);
    }
    if let Some(id) = tail("desc-annotations/id/") {
        let router = relays::by_fingerprint(id).and_then(|id| state.routers().get(&id));
        return Ok(router.map(|router| router.annotations.to_string()));
    }
    Ok(match key {
        "md/all" => Some(all_microdescs(state, store)),
        "md/download-enabled" => Some("1".to_owned()),
        // The second of these would show extra-info documents, of which there are none.
        "desc/all-recent" | "desc/all-recent-extrainfo-hack" => {
            Some(state.routers().values().map(|router| router.desc.text()).collect())
        }
        "desc/download-enabled" => Some(u8::from(state.wanted().useless).to_string()),
        "dir/status-vote/current/consensus-microdesc" => Some(consensus(state.consensus())?),
        "dir/status-vote/current/consensus" => Some(consensus(state.ns_consensus())?),
        _ => None,
    })
}

const NO_DESC_BY_ID: &str =
    "We fetch microdescriptors, not router descriptors. You'll need to use md/id/* instead of desc/id/*.";
const NO_DESC_BY_NAME: &str =
    "We fetch microdescriptors, not router descriptors. You'll need to use md/name/* instead of desc/name/*.";

fn consensus(consensus: Option<&std::sync::Arc<tor_netdoc::Consensus>>) -> Result<String, KeyError> {
    consensus.map(|consensus| consensus.text().to_string()).ok_or(KeyError::Unavailable(
        "Could not open cached consensus. Make sure FetchUselessDescriptors is set to 1.",
    ))
}

fn router(state: &DirState, id: Option<RsaId>, absent: &'static str) -> KeyAnswer {
    match id.and_then(|id| state.routers().get(&id)) {
        Some(router) => Ok(Some(router.desc.text().to_owned())),
        None if state.wanted().useless => Ok(None),
        None => Err(KeyError::Unknown(absent)),
    }
}

/// As a directory server would answer.
fn served(state: &DirState, at: Moment, question: &str) -> Result<String, KeyError> {
    let digests = |list: &str| -> BTreeSet<[u8; 20]> { list.split('+').filter_map(digest).collect() };
    let routers: Vec<&Router> = if question == "all" {
        state.routers().values().collect()
    } else if question == "authority" {
        // The server's own.
        Vec::new()
    } else if let Some(list) = question.strip_prefix("d/") {
        let wanted = digests(list);
        let mut found: Vec<_> =
            state.routers().values().filter(|router| wanted.contains(&router.desc.digest)).collect();
        found.sort_unstable_by_key(|router| router.desc.digest);
        found
    } else if let Some(list) = question.strip_prefix("fp/") {
        let of = |id: [u8; 20]| state.routers().get(&RsaId::from_bytes(id));
        let young = |router: &&Router| router.desc.published + MAX_AGE > at.wall;
        digests(list).into_iter().filter_map(of).filter(young).collect()
    } else {
        return Err(KeyError::Unavailable("Key not recognized"));
    };
    if routers.is_empty() {
        return Err(KeyError::Unavailable("Servers unavailable"));
    }
    Ok(routers.into_iter().map(|router| router.desc.text()).collect())
}

fn microdesc(state: &DirState, store: &impl DirStore, id: &RsaId) -> Option<String> {
    let digest = state.latest_view()?.relay(id)?.microdesc()?.digest;
    MICRODESCS.iter().find_map(|file| {
        let text = load(store, *file);
        Some(text.get(microdesc::find(&text, &digest)?)?.to_owned())
    })
}

/// The texts of all microdescriptors that are at hand, in the order of their relays. They are not kept in memory.
fn all_microdescs(state: &DirState, store: &impl DirStore) -> String {
    let Some(view) = state.latest_view() else { return String::new() };
    let order: Vec<MdDigest> = view.microdescs().map(|microdesc| microdesc.digest).collect();
    let wanted: HashSet<&MdDigest> = order.iter().collect();
    let texts = MICRODESCS.map(|file| load(store, file));
    let mut bodies: HashMap<MdDigest, &str> = HashMap::new();
    for text in &texts {
        for piece in microdesc::split(text, Origin::Cache, &mut Interner::default()) {
            if let (true, Some(body)) = (wanted.contains(&piece.digest), text.get(piece.span)) {
                bodies.entry(piece.digest).or_insert(body);
            }
        }
    }
    order.iter().filter_map(|digest| bodies.get(digest)).copied().collect()
}

/// A file of the store; one that can't be read has nothing to tell.
fn load(store: &impl DirStore, file: DirFile) -> String {
    lossy(store.load(file).ok().flatten().unwrap_or_default())
}
