//! Which relay a controller means: `FINGERPRINT`, `$FINGERPRINT`, `$FINGERPRINT~name`, or a nickname.

use tor_id::RsaId;
use tor_netdoc::Nickname;

use super::identity;
use crate::DirState;

/// Nobody is looked up by the name of those who have none.
const UNNAMED: &str = "Unnamed";
const FINGERPRINT: usize = 40;

/// The identity that this text names by its fingerprint. The nickname behind `~` is not looked at; `=` stood for names that
/// authorities gave, which there are no more, so nobody has one.
pub(super) fn by_fingerprint(text: &str) -> Option<RsaId> {
    let text = text.strip_prefix('$').unwrap_or(text);
    let (fingerprint, rest) = text.split_at_checked(FINGERPRINT)?;
    let named = rest.strip_prefix('~').is_some_and(|name| name.len() <= Nickname::MAX);
    if rest.is_empty() || named { identity(fingerprint) } else { None }
}

/// The relay that this text names by fingerprint or nickname, of those that the consensus lists or that have a router
/// descriptor here. If several have the nickname, the first.
pub(super) fn by_name(state: &DirState, text: &str) -> Option<RsaId> {
    if let Some(id) = by_fingerprint(text).filter(|id| is_known(state, id)) {
        return Some(id);
    }
    if text.eq_ignore_ascii_case(UNNAMED) {
        return None;
    }
    let listed = state.consensus().into_iter().flat_map(|consensus| consensus.relays());
    let listed = listed.map(|entry| (entry.rsa, entry.nickname));
    let described = state.routers().iter().map(|(rsa, router)| (*rsa, router.desc.nickname));
    listed.chain(described).find(|(_, name)| name.as_str().eq_ignore_ascii_case(text)).map(|(rsa, _)| rsa)
}

fn is_known(state: &DirState, id: &RsaId) -> bool {
    state.consensus().is_some_and(|consensus| consensus.relay(id).is_some())
        || state.routers().contains_key(id)
}
