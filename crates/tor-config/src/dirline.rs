//! The form of `DirAuthority` and `FallbackDir` lines. What they mean is `tor-dir`'s to know; this finds the
//! lines that C Tor would not start with, before anything starts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use thiserror::Error;

/// A line that describes no directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DirLineError {
    /// The address, or its port, is missing or malformed.
    #[error("bad or missing address:port")]
    Address,
    /// The identity is not 40 hex digits.
    #[error("bad or missing identity fingerprint")]
    Identity,
    /// The ORPort is missing or not a port.
    #[error("bad or missing orport")]
    OrPort,
    /// The IPv6 address is none, or has no port.
    #[error("bad ipv6 address:port")]
    Ipv6,
    /// Both the authorities and their alternates are given.
    #[error("DirAuthority and Alternate*Authority can't both be set")]
    WithAlternate,
    /// The `upload=`, `download=` or `vote=` address is no `http://address:port/`.
    #[error("bad upload, download or vote URL")]
    Url,
}

/// Checks `[nickname] [flag …] address:port fingerprint`, with spaces allowed in the fingerprint. Unknown flags
/// are left to whoever reads the line; C Tor warns of them and goes on.
pub(crate) fn check_authority(line: &str) -> Result<(), DirLineError> {
    let mut words = line.split_ascii_whitespace().peekable();
    words.next_if(|word| is_nickname(word));
    let mut has_ipv6 = false;
    while let Some(flag) = words.next_if(|word| !word.starts_with(|c: char| c.is_ascii_digit())) {
        let lower = flag.to_ascii_lowercase();
        match lower.split_once('=') {
            // Only the first counts.
            Some(("ipv6", _)) if has_ipv6 => {}
            Some(("ipv6", address)) => {
                check_ipv6(address)?;
                has_ipv6 = true;
            }
            Some(("upload" | "download" | "vote", url)) => check_url(url)?,
            Some(_) | None => {}
        }
    }
    let address = words.next().ok_or(DirLineError::Address)?;
    let (host, port) = address.split_once(':').ok_or(DirLineError::Address)?;
    host.parse::<Ipv4Addr>().map_err(|_| DirLineError::Address)?;
    nonzero_port(port).ok_or(DirLineError::Address)?;
    let fingerprint: String = words.collect();
    if is_fingerprint(&fingerprint) { Ok(()) } else { Err(DirLineError::Identity) }
}

/// Checks `address[:port] orport=… id=… [weight=…] [ipv6=…]`, in any order.
pub(crate) fn check_fallback(line: &str) -> Result<(), DirLineError> {
    let mut address = None;
    let (mut has_orport, mut has_id) = (false, false);
    for word in line.split_ascii_whitespace() {
        match word.split_once('=') {
            None => {
                if address.replace(word).is_some() {
                    return Err(DirLineError::Address);
                }
            }
            Some(("orport", port)) => {
                nonzero_port(port).ok_or(DirLineError::OrPort)?;
                has_orport = true;
            }
            Some(("id", id)) if is_fingerprint(id) && id.bytes().any(|digit| digit != b'0') => has_id = true,
            Some(("id", _)) => return Err(DirLineError::Identity),
            Some((key, value)) if key.eq_ignore_ascii_case("ipv6") => check_ipv6(value)?,
            Some(_) => {}
        }
    }
    let address = address.ok_or(DirLineError::Address)?;
    let plain = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let with_port = address.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0);
    if !plain && !with_port {
        return Err(DirLineError::Address);
    }
    match (has_id, has_orport) {
        (false, _) => Err(DirLineError::Identity),
        (true, false) => Err(DirLineError::OrPort),
        (true, true) => Ok(()),
    }
}

fn check_ipv6(address: &str) -> Result<(), DirLineError> {
    match address.parse::<SocketAddrV6>() {
        Ok(address) if address.port() != 0 => Ok(()),
        Ok(_) | Err(_) => Err(DirLineError::Ipv6),
    }
}

fn check_url(url: &str) -> Result<(), DirLineError> {
    let address = url.strip_prefix("http://").ok_or(DirLineError::Url)?;
    let address = address.strip_suffix('/').unwrap_or(address);
    address.parse::<SocketAddr>().map(|_| ()).map_err(|_| DirLineError::Url)
}

fn nonzero_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn is_nickname(word: &str) -> bool {
    (1..=19).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "000102030405060708090A0B0C0D0E0F10111213";

    #[test]
    fn authorities_are_recognised() {
        for line in [
            format!("127.0.0.1:80 {ID}"),
            format!("here orport=9001 v3ident={ID} 127.0.0.1:80 {ID}"),
            format!("here ipv6=[::1]:2 ipv6=again 10.0.0.1:80 {ID}"),
            format!("here bridge orport=1 ipv6=[::1]:2 weight=1.5 unknown 10.0.0.1:80 {ID}"),
            "here upload=http://1.2.3.4:5/ vote=http://1.2.3.4:5 1.1.1.1:80 0001 0203 0405 0607 0809 0A0B 0C0D \
             0E0F 1011 1213"
                .to_owned(),
        ] {
            assert_eq!(check_authority(&line), Ok(()), "{line}");
        }
        for (line, error) in [
            (String::new(), DirLineError::Address),
            ("here".to_owned(), DirLineError::Address),
            (format!("1.1.1.1 {ID}"), DirLineError::Address),
            (format!("1.1.1.1:0 {ID}"), DirLineError::Address),
            (format!("here 1.1.1:80 {ID}"), DirLineError::Address),
            ("1.1.1.1:80 0011".to_owned(), DirLineError::Identity),
            (format!("here ipv6=1.1.1.1:1 1.1.1.1:80 {ID}"), DirLineError::Ipv6),
            (format!("here vote=https://1.1.1.1:1/ 1.1.1.1:80 {ID}"), DirLineError::Url),
        ] {
            assert_eq!(check_authority(&line), Err(error), "{line}");
        }
    }

    #[test]
    fn fallbacks_are_recognised() {
        for line in [
            format!("1.2.3.4:80 orport=443 id={ID}"),
            format!("1.2.3.4 id={ID} orport=443 ipv6=[::1]:443 weight=2"),
            format!("[::1]:80 orport=443 id={ID}"),
        ] {
            assert_eq!(check_fallback(&line), Ok(()), "{line}");
        }
        for (line, error) in [
            (format!("orport=443 id={ID}"), DirLineError::Address),
            (format!("1.2.3.4:0 orport=443 id={ID}"), DirLineError::Address),
            (format!("a.example:80 orport=443 id={ID}"), DirLineError::Address),
            (format!("1.2.3.4:80 5.6.7.8:80 orport=443 id={ID}"), DirLineError::Address),
            (format!("1.2.3.4:80 id={ID}"), DirLineError::OrPort),
            (format!("1.2.3.4:80 orport=0 id={ID}"), DirLineError::OrPort),
            ("1.2.3.4:80 orport=443".to_owned(), DirLineError::Identity),
            ("1.2.3.4:80 orport=443 id=00".to_owned(), DirLineError::Identity),
            (format!("1.2.3.4:80 orport=443 id={}", "0".repeat(40)), DirLineError::Identity),
        ] {
            assert_eq!(check_fallback(&line), Err(error), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(line in ".{0,60}") {
            let _ = check_authority(&line);
            let _ = check_fallback(&line);
        }
    }
}
