//! Paths that somebody has put together by hand, relay by relay, as a controller may. No rule is applied to them.

use tor_dir::{NetworkView, Relay};
use tor_id::RsaId;

use crate::{Hop, Path};

/// A relay that can't be a hop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The consensus has no such relay.
    #[error("No such router \"{0}\"")]
    Unknown(String),
    /// Its microdescriptor is not here.
    #[error("No descriptor for \"{0}\"")]
    NoDescriptor(String),
}

impl Path {
    /// A path through these relays, each named by its fingerprint (`$FP`, `FP`, `$FP~nick`) or its nickname.
    ///
    /// # Errors
    /// If there is no such relay, or not enough is known of it.
    pub fn by_hand(view: &NetworkView, names: &[impl AsRef<str>]) -> Result<Self, NameError> {
        Self::through(view, Vec::new(), names)
    }

    /// This path, and these relays behind its last one.
    ///
    /// # Errors
    /// As [`Path::by_hand`].
    pub fn extended(&self, view: &NetworkView, names: &[impl AsRef<str>]) -> Result<Self, NameError> {
        Self::through(view, self.hops().to_vec(), names)
    }

    fn through(view: &NetworkView, mut hops: Vec<Hop>, names: &[impl AsRef<str>]) -> Result<Self, NameError> {
        let mut last = None;
        for name in names.iter().map(AsRef::as_ref) {
            let relay = relay_named(view, name).ok_or_else(|| NameError::Unknown(name.to_owned()))?;
            hops.push(Hop::of(&relay).ok_or_else(|| NameError::NoDescriptor(name.to_owned()))?);
            last = Some(relay);
        }
        let policies = last.and_then(|last| last.microdesc().cloned());
        let (v4, v6) =
            policies.map_or((None, None), |microdesc| (microdesc.policy.clone(), microdesc.policy6.clone()));
        Ok(Self::of_hand(hops, v4, v6))
    }
}

/// The relay of that name: `$FP`, `FP`, `$FP~nick` or a nickname. Of several of one nickname it is any, as in C Tor.
pub fn relay_named<'a>(view: &'a NetworkView, name: &str) -> Option<Relay<'a>> {
    let bare = name.strip_prefix('$').unwrap_or(name);
    let (fingerprint, rest) = bare.split_at_checked(2 * RsaId::LEN).unwrap_or(("", ""));
    let id = RsaId::from_hex(fingerprint).ok();
    // `=` was for relays whose name was theirs by right; there are none any more.
    if let Some(id) = id.filter(|_| rest.is_empty() || rest.starts_with('~')) {
        return view.relay(&id);
    }
    if name.eq_ignore_ascii_case("Unnamed") {
        return None;
    }
    view.all_relays().find(|relay| relay.nickname().as_str().eq_ignore_ascii_case(name))
}
