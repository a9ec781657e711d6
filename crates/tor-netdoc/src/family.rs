//! Who a relay says its family is. <https://spec.torproject.org/dir-spec/server-descriptor-format.html>

use std::sync::Arc;

use tor_id::RsaId;

use crate::Nickname;

/// The members of a `family` line: identities and, from old operators, nicknames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Family {
    ids: Box<[RsaId]>,
    nicknames: Box<[Nickname]>,
}

/// The entries of a `family-ids` line, such as `ed25519:BASE64`, sorted. Unknown schemes are kept: entries are
/// only ever compared.
pub type FamilyIds = Arc<[Box<str>]>;

impl Family {
    /// Reads the words of a line. Malformed members are left out, as C Tor does.
    pub fn parse(line: &str) -> Self {
        let (mut ids, mut nicknames) = (Vec::new(), Vec::new());
        for member in line.split_ascii_whitespace() {
            if let Ok(nickname) = Nickname::new(member) {
                nicknames.push(nickname.to_lowercase());
            } else if let Some(id) = parse_id(member) {
                ids.push(id);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        nicknames.sort_unstable();
        nicknames.dedup();
        Self { ids: ids.into(), nicknames: nicknames.into() }
    }

    /// True if the family names this relay, by identity or by nickname.
    pub fn contains(&self, id: &RsaId, nickname: &Nickname) -> bool {
        self.ids.binary_search(id).is_ok() || self.nicknames.binary_search(&nickname.to_lowercase()).is_ok()
    }

    /// The members that are named by identity, ascending.
    pub fn ids(&self) -> &[RsaId] {
        &self.ids
    }

    /// True if nobody is named.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.nicknames.is_empty()
    }
}

/// `$HEX`, `$HEX=nick`, `$HEX~nick`; the nickname must be legal and is ignored.
fn parse_id(member: &str) -> Option<RsaId> {
    let hex = member.strip_prefix('$').unwrap_or(member);
    let (hex, rest) = hex.split_at_checked(2 * RsaId::LEN)?;
    let legal = rest.is_empty()
        || rest.strip_prefix(['=', '~']).is_some_and(|nickname| Nickname::new(nickname).is_ok());
    if legal && !hex.starts_with('$') { RsaId::from_hex(hex).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_all_forms() {
        let hex = |digit: &str| digit.repeat(40);
        let line = format!(
            "${}=nick ${}~other {} Bob bob ${}!x $12 ${}= junk_here",
            hex("a"),
            hex("B"),
            hex("c"),
            hex("d"),
            hex("e")
        );
        let family = Family::parse(&line);
        let id = |digit: &str| RsaId::from_hex(&hex(digit)).unwrap();
        assert_eq!(family.ids(), [id("a"), id("b"), id("c")]);
        let nobody = Nickname::new("nobody").unwrap();
        assert!(family.contains(&id("b"), &nobody));
        assert!(!family.contains(&id("d"), &nobody));
        assert!(family.contains(&id("d"), &Nickname::new("BOB").unwrap()));
        assert!(Family::parse("").is_empty());
    }
}
