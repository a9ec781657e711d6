//! What `GETINFO` says of the process: its id, its user, its limits.

use std::fs;

use rustix::process::{Resource, geteuid, getrlimit};

/// The process id.
pub(super) fn pid() -> String {
    std::process::id().to_string()
}

/// The effective user id.
pub(super) fn uid() -> String {
    geteuid().as_raw().to_string()
}

/// The effective user's name; empty if the system does not know it.
pub(super) fn user() -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    user_in(&passwd, &uid()).unwrap_or_default().to_owned()
}

/// How many files this process may have open.
pub(super) fn descriptor_limit() -> String {
    getrlimit(Resource::Nofile).current.map_or_else(|| "-1".to_owned(), |limit| limit.to_string())
}

/// The name of a user id in the text of `/etc/passwd`.
fn user_in<'a>(passwd: &'a str, uid: &str) -> Option<&'a str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_id() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\ntor:x:107:113::/var/lib/tor:/bin/false\n";
        assert_eq!(user_in(passwd, "107"), Some("tor"));
        assert_eq!(user_in(passwd, "0"), Some("root"));
        assert_eq!(user_in(passwd, "113"), None);
    }

    #[test]
    fn this_process_is_described() {
        assert_eq!(pid(), std::process::id().to_string());
        assert!(descriptor_limit().parse::<i64>().is_ok());
        assert!(!user().is_empty());
    }
}
