//! Which names may be asked for. As lenient as C Tor: underscores are fine, and nothing is said about lengths of
//! labels, but what comes out is plain ASCII without spaces, quotes or control characters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Host;

/// Reads a name as a client writes it: an IPv4 address, an IPv6 address with or without brackets, or a hostname.
/// `None` for anything else.
pub(crate) fn parse_host(text: &[u8]) -> Option<Host> {
    let text = str::from_utf8(text).ok()?;
    if let Some(literal) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<IpAddr>().ok().map(Host::Ip);
    }
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(Host::Ip(v4.into()));
    }
    if let Ok(v6) = text.parse::<Ipv6Addr>() {
        return Some(Host::Ip(v6.into()));
    }
    is_hostname(text).then(|| Host::Name(text.to_owned()))
}

/// True for labels of letters, digits, `-` and `_`, none of which is empty or starts with `-` or `_`, joined by
/// dots; one dot may end the name.
fn is_hostname(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text);
    labels.split('.').all(|label| {
        !label.starts_with(['-', '_'])
            && !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in
            ["torproject.org", "a", "a.b.", "1.2.3", "256.1.1.1", "a-b_c.d", "xn--9ca.example", "x-.org"]
        {
            assert_eq!(parse_host(good.as_bytes()), Some(Host::Name(good.to_owned())), "{good}");
        }
        for bad in [
            "", ".", "..", "a..b", ".a", "a..", "-a.org", "a._b", "a b", "a:80", "a/b", "a\0b", "[a.org]",
            "é.org", "\"\"", "[::1", "::1]", "a@b",
        ] {
            assert_eq!(parse_host(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_host(&[0xff, b'a']), None);
    }

    #[test]
    fn addresses() {
        for (text, ip) in [
            ("8.8.8.8", "8.8.8.8"),
            ("[8.8.8.8]", "8.8.8.8"),
            ("::1", "::1"),
            ("[2001:0db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(parse_host(text.as_bytes()), Some(Host::Ip(ip.parse().unwrap())), "{text}");
        }
    }
}
