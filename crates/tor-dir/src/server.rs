//! Directory servers that are known before any consensus is: authorities and fallbacks.
//!
//! Both come from torrc lines or from the built-in lists, which have the same form:
//!
//! ```text
//! DirAuthority [nickname] [bridge] [orport=N] [v3ident=HEX] [ipv6=[ADDR]:N] [weight=X] IPV4:DIRPORT FINGERPRINT
//! FallbackDir ADDR[:DIRPORT] orport=N id=FINGERPRINT [ipv6=[ADDR]:N] [weight=X]
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use thiserror::Error;
use tor_id::{Ed25519Id, RelayIds, RsaId};
use tor_netdoc::Nickname;

/// A directory server from configuration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DirServer {
    /// What it is trusted for.
    pub kind: ServerKind,
    /// Its nickname; only authorities have one.
    pub nickname: Option<Nickname>,
    /// The identities that its link handshake must prove.
    pub ids: RelayIds,
    /// Its address.
    pub address: IpAddr,
    /// Port for OR connections; 0 if it is not known, so that it can't be used.
    pub or_port: u16,
    /// Port for plain HTTP; 0 if none. We don't use it.
    pub dir_port: u16,
    /// A second OR address.
    pub ipv6: Option<SocketAddrV6>,
    /// How often it is chosen, relative to others of its kind; 1 by default.
    pub weight: f64,
}

/// What a server is trusted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// A directory authority.
    Authority {
        /// SHA-1 of the key that vouches for its signatures; `None` if it signs no consensus.
        v3_ident: Option<RsaId>,
        /// Whether it is an authority for bridges.
        bridge: bool,
    },
    /// A relay that had a stable address when the list was made. Trusted for nothing.
    Fallback,
}

/// Why a `DirAuthority` or `FallbackDir` line is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServerLineError {
    /// The line has no address, or more words than it should.
    #[error("expected an address and a fingerprint")]
    Form,
    /// The address, or its port, is none.
    #[error("not an address with a port")]
    Address,
    /// The fingerprint is not 40 hex digits.
    #[error("not a fingerprint of 40 hex digits")]
    Fingerprint,
    /// The `orport=` is absent or no port.
    #[error("missing or bad orport")]
    OrPort,
    /// The `ipv6=` is no IPv6 address with a port.
    #[error("bad ipv6 address")]
    Ipv6,
}

impl DirServer {
    /// Reads the value of a `DirAuthority` line. Like C Tor, skips flags that it doesn't know.
    ///
    /// # Errors
    /// If address or fingerprint are missing or malformed.
    pub fn parse_authority(line: &str) -> Result<Self, ServerLineError> {
        let mut words = line.split_ascii_whitespace().peekable();
        let nickname =
            words.next_if(|word| Nickname::new(word).is_ok()).and_then(|word| Nickname::new(word).ok());
        let (mut flags, mut v3_ident, mut bridge) = (Flags::default(), None, false);
        while let Some(flag) = words.next_if(|word| !word.starts_with(|first: char| first.is_ascii_digit())) {
            match flag.split_once('=') {
                // A bad identity only means that its signatures don't count, as in C Tor.
                Some((key, value)) if key.eq_ignore_ascii_case("v3ident") => {
                    v3_ident = hex_id(value).or(v3_ident)
                }
                Some((key, value)) if key.eq_ignore_ascii_case("orport") => {
                    flags.or_port = port(value).unwrap_or(0)
                }
                Some((key, value)) => flags.add(key, value)?,
                None => bridge |= flag.eq_ignore_ascii_case("bridge"),
            }
        }
        let address = words.next().ok_or(ServerLineError::Form)?;
        let (address, dir_port) = address.split_once(':').ok_or(ServerLineError::Address)?;
        let address: Ipv4Addr = address.parse().map_err(|_| ServerLineError::Address)?;
        let dir_port = port(dir_port).ok_or(ServerLineError::Address)?;
        // The fingerprint may be written in groups.
        let fingerprint: String = words.collect();
        let rsa = hex_id(&fingerprint).ok_or(ServerLineError::Fingerprint)?;
        let kind = ServerKind::Authority { v3_ident, bridge };
        Ok(flags.server(kind, nickname, rsa, address.into(), dir_port))
    }

    /// Reads the value of a `FallbackDir` line.
    ///
    /// # Errors
    /// If address, OR port or fingerprint are missing or malformed.
    pub fn parse_fallback(line: &str) -> Result<Self, ServerLineError> {
        let (mut flags, mut positional, mut rsa) = (Flags::default(), None, None);
        for word in line.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("orport", value)) => flags.or_port = port(value).ok_or(ServerLineError::OrPort)?,
                Some(("id", value)) => rsa = Some(hex_id(value).ok_or(ServerLineError::Fingerprint)?),
                Some((key, value)) => flags.add(key, value)?,
                None if positional.is_none() => positional = Some(word),
                None => return Err(ServerLineError::Form),
            }
        }
        let (address, dir_port) = split_address(positional.ok_or(ServerLineError::Form)?)?;
        let rsa = rsa.filter(|id| *id.as_bytes() != [0; RsaId::LEN]).ok_or(ServerLineError::Fingerprint)?;
        if flags.or_port == 0 {
            return Err(ServerLineError::OrPort);
        }
        Ok(flags.server(ServerKind::Fallback, None, rsa, address, dir_port))
    }

    /// The authorities of the public network.
    pub fn default_authorities() -> Vec<Self> {
        Self::default_authority_lines().filter_map(|line| Self::parse_authority(line).ok()).collect()
    }

    /// The authorities of the public network, as values of `DirAuthority` lines.
    pub fn default_authority_lines() -> impl Iterator<Item = &'static str> {
        lines(include_str!("../data/authorities.txt"))
    }

    /// The fallbacks of the public network, as values of `FallbackDir` lines.
    pub fn default_fallback_lines() -> impl Iterator<Item = &'static str> {
        lines(include_str!("../data/fallbacks.txt"))
    }

    /// The fallbacks of the public network.
    pub fn default_fallbacks() -> Vec<Self> {
        Self::default_fallback_lines().filter_map(|line| Self::parse_fallback(line).ok()).collect()
    }

    /// Where it takes OR connections. An address or a port of zero is none.
    pub fn or_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let first = SocketAddr::new(self.address, self.or_port);
        let usable = |address: &SocketAddr| !address.ip().is_unspecified() && address.port() != 0;
        [Some(first), self.ipv6.map(SocketAddr::V6)].into_iter().flatten().filter(usable)
    }

    /// The identity under which it signs consensuses.
    pub const fn v3_ident(&self) -> Option<RsaId> {
        match self.kind {
            ServerKind::Authority { v3_ident, .. } => v3_ident,
            ServerKind::Fallback => None,
        }
    }
}

/// What both kinds of lines have as `key=value`.
#[derive(Debug)]
struct Flags {
    or_port: u16,
    ipv6: Option<SocketAddrV6>,
    ed25519: Option<Ed25519Id>,
    weight: f64,
}

impl Default for Flags {
    fn default() -> Self {
        Self { or_port: 0, ipv6: None, ed25519: None, weight: 1.0 }
    }
}

impl Flags {
    fn add(&mut self, key: &str, value: &str) -> Result<(), ServerLineError> {
        if key.eq_ignore_ascii_case("ipv6") {
            // The first one counts.
            let address = value.parse().map_err(|_| ServerLineError::Ipv6)?;
            self.ipv6.get_or_insert(address);
        } else if key == "weight" {
            self.weight =
                value.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0).unwrap_or(1.0);
        } else if key == "ed25519" {
            let mut id = [0; Ed25519Id::LEN];
            self.ed25519 = hex::decode_to_slice(value, &mut id).ok().map(|()| Ed25519Id::from_bytes(id));
        }
        Ok(())
    }

    fn server(
        self,
        kind: ServerKind,
        nickname: Option<Nickname>,
        rsa: RsaId,
        address: IpAddr,
        dir_port: u16,
    ) -> DirServer {
        let Self { or_port, ipv6, ed25519, weight } = self;
        DirServer {
            kind,
            nickname,
            ids: RelayIds::new(rsa, ed25519),
            address,
            or_port,
            dir_port,
            ipv6,
            weight,
        }
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn hex_id(text: &str) -> Option<RsaId> {
    let mut id = [0; RsaId::LEN];
    hex::decode_to_slice(text, &mut id).ok().map(|()| RsaId::from_bytes(id))
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

/// `ADDR`, `IPV4:PORT` or `[IPV6]:PORT`; the port may be 0.
fn split_address(text: &str) -> Result<(IpAddr, u16), ServerLineError> {
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok((address, 0));
    }
    let address: SocketAddr = text.parse().map_err(|_| ServerLineError::Address)?;
    Ok((address.ip(), address.port()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "000102030405060708090A0B0C0D0E0F10111213";

    #[test]
    fn the_built_in_lists() {
        let authorities = DirServer::default_authorities();
        assert_eq!(authorities.len(), lines(include_str!("../data/authorities.txt")).count());
        assert_eq!(authorities.iter().filter_map(DirServer::v3_ident).count(), 9);
        assert!(authorities.iter().all(|server| server.or_port != 0 && server.nickname.is_some()));
        let bridge = |server: &&DirServer| matches!(server.kind, ServerKind::Authority { bridge: true, .. });
        assert_eq!(authorities.iter().filter(bridge).count(), 1);
        let fallbacks = DirServer::default_fallbacks();
        assert_eq!(fallbacks.len(), 200);
        assert!(
            fallbacks.iter().all(|server| server.ids.ed25519.is_some() && server.or_addresses().count() > 0)
        );
    }

    #[test]
    fn authority_lines() {
        let line = format!(
            "test0 no-v2 hs orport=5000 v3ident={ID} ipv6=[::1]:9 weight=0.5 future 127.0.0.1:7000 {ID}"
        );
        let server = DirServer::parse_authority(&line).unwrap();
        assert_eq!(server.nickname.unwrap().as_str(), "test0");
        assert_eq!((server.or_port, server.dir_port, server.weight), (5000, 7000, 0.5));
        assert_eq!(server.v3_ident(), hex_id(ID));
        assert_eq!(
            server.or_addresses().map(|a| a.to_string()).collect::<Vec<_>>(),
            ["127.0.0.1:5000", "[::1]:9"]
        );
        let grouped = "127.0.0.1:80 0001 0203 0405 0607 0809 0A0B 0C0D 0E0F 1011 1213";
        assert_eq!(DirServer::parse_authority(grouped).unwrap().ids.rsa, hex_id(ID).unwrap());
        // Without orport there is no way to it.
        assert_eq!(DirServer::parse_authority(grouped).unwrap().or_addresses().count(), 0);
        for (bad, error) in [
            (String::new(), ServerLineError::Form),
            ("test0 orport=1".to_owned(), ServerLineError::Form),
            (format!("127.0.0.1 {ID}"), ServerLineError::Address),
            (format!("127.0.0.1:0 {ID}"), ServerLineError::Address),
            ("127.0.0.1:1 00".to_owned(), ServerLineError::Fingerprint),
            (format!("ipv6=1.2.3.4:5 127.0.0.1:1 {ID}"), ServerLineError::Ipv6),
        ] {
            assert_eq!(DirServer::parse_authority(&bad), Err(error), "{bad}");
        }
    }

    #[test]
    fn fallback_lines() {
        let server = DirServer::parse_fallback(&format!("1.2.3.4:80 orport=443 id={ID} extra=1")).unwrap();
        assert_eq!((server.or_port, server.dir_port), (443, 80));
        assert!(DirServer::parse_fallback(&format!("[::1]:0 orport=443 id={ID}")).unwrap().address.is_ipv6());
        for (bad, error) in [
            (format!("orport=443 id={ID}"), ServerLineError::Form),
            (format!("1.2.3.4 1.2.3.5 orport=443 id={ID}"), ServerLineError::Form),
            (format!("1.2.3.4 id={ID}"), ServerLineError::OrPort),
            (format!("1.2.3.4 orport=0 id={ID}"), ServerLineError::OrPort),
            ("1.2.3.4 orport=1".to_owned(), ServerLineError::Fingerprint),
            (format!("1.2.3.4 orport=1 id={}", "0".repeat(40)), ServerLineError::Fingerprint),
            (format!("host orport=1 id={ID}"), ServerLineError::Address),
        ] {
            assert_eq!(DirServer::parse_fallback(&bad), Err(error), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "([a-z0-9=:.\\[\\] ]|orport=|id=|v3ident=){0,40}") {
            let _ = DirServer::parse_authority(&line);
            let _ = DirServer::parse_fallback(&line);
        }
    }
}
