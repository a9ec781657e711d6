//! `SocksPort` lines: where to listen, and what the streams from there are like.
//!
//! ```text
//! SocksPort 9050                                   127.0.0.1
//! SocksPort [::1]:auto IsolateDestAddr
//! SocksPort unix:"/run/my tor/socks" WorldWritable
//! SocksPort 0                                      none
//! ```
//!
//! Flags are words in any case; most are undone by `No` in front. An unknown flag is ignored with a warning, as
//! C Tor does.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use thiserror::Error;

use crate::Notice;
use crate::quote::unquote;

/// One open SOCKS port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocksListener {
    /// Where.
    pub bind: Bind,
    /// Which of its streams may share a circuit.
    pub isolation: Isolation,
    /// What its streams may do.
    pub flags: SocksFlags,
}

/// `127.0.0.1:9050`, with no flags.
impl Default for SocksListener {
    fn default() -> Self {
        Self {
            bind: Bind::Tcp { address: LOCALHOST, port: NonZeroU16::new(9050) },
            isolation: Isolation::default(),
            flags: SocksFlags::default(),
        }
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// On a TCP port.
    Tcp {
        /// The local address.
        address: IpAddr,
        /// The port; `None` is `auto`: any free one.
        port: Option<NonZeroU16>,
    },
    /// On a Unix socket.
    Unix {
        /// Its path, as it was written: `~/` is not expanded, as in C Tor.
        path: PathBuf,
        /// `GroupWritable`: the group may use it.
        group_writable: bool,
        /// `WorldWritable`: everybody may.
        world_writable: bool,
        /// `RelaxDirModeCheck`: its directory may be open to others.
        relax_dir_mode: bool,
    },
}

/// As in a torrc: `127.0.0.1:9050`, `[::1]:auto`, `unix:/path`.
impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, port } => {
                match address {
                    IpAddr::V4(address) => write!(f, "{address}:")?,
                    IpAddr::V6(address) => write!(f, "[{address}]:")?,
                }
                match port {
                    Some(port) => write!(f, "{port}"),
                    None => f.write_str("auto"),
                }
            }
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Streams share a circuit only if they agree in all that is true here, and come from the same session group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// `IsolateClientAddr`: the client's address. Never set for Unix sockets.
    pub client_addr: bool,
    /// `IsolateSOCKSAuth`: SOCKS user name and password.
    pub socks_auth: bool,
    /// `IsolateClientProtocol`: SOCKS version.
    pub client_protocol: bool,
    /// `IsolateDestPort`: the target's port.
    pub dest_port: bool,
    /// `IsolateDestAddr`: the target's address.
    pub dest_addr: bool,
    /// `SessionGroup=N`: share with other ports of the same number; without, this port is its own group.
    pub session_group: Option<u32>,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            client_addr: true,
            socks_auth: true,
            client_protocol: false,
            dest_port: false,
            dest_addr: false,
            session_group: None,
        }
    }
}

/// What streams from a port may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocksFlags {
    /// `IPv4Traffic`: exits may connect by IPv4.
    pub ipv4_traffic: bool,
    /// `IPv6Traffic`: exits may connect by IPv6.
    pub ipv6_traffic: bool,
    /// `PreferIPv6`: exits should rather connect by IPv6.
    pub prefer_ipv6: bool,
    /// `DNSRequest`: host names may be asked for.
    pub dns_request: bool,
    /// `OnionTraffic`: onion services may be connected to.
    pub onion_traffic: bool,
    /// `CacheIPv4DNS`: IPv4 answers are remembered.
    pub cache_ipv4: bool,
    /// `CacheIPv6DNS`: IPv6 answers are.
    pub cache_ipv6: bool,
    /// `UseIPv4Cache`: remembered IPv4 answers are used.
    pub use_ipv4_cache: bool,
    /// `UseIPv6Cache`: remembered IPv6 answers are.
    pub use_ipv6_cache: bool,
    /// `PreferIPv6Automap`: names that are mapped to made-up addresses get IPv6 ones.
    pub prefer_ipv6_automap: bool,
    /// `PreferSOCKSNoAuth`: of a SOCKS5 client's methods, take "no authentication" where it is offered.
    pub prefer_no_auth: bool,
    /// `KeepAliveIsolateSOCKSAuth`: keep a circuit alive while its SOCKS credentials are in use.
    pub keep_alive_socks_auth: bool,
    /// `ExtendedErrors`: answer with the extended SOCKS5 codes for onion services.
    pub extended_errors: bool,
}

impl Default for SocksFlags {
    fn default() -> Self {
        Self {
            ipv4_traffic: true,
            ipv6_traffic: true,
            prefer_ipv6: false,
            dns_request: true,
            onion_traffic: true,
            cache_ipv4: false,
            cache_ipv6: false,
            use_ipv4_cache: false,
            use_ipv6_cache: false,
            prefer_ipv6_automap: true,
            prefer_no_auth: false,
            keep_alive_socks_auth: false,
            extended_errors: false,
        }
    }
}

/// A `SocksPort` line that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PortError {
    /// No address, port or path, or not a valid one. Host names other than `localhost` are not looked up.
    #[error("can't parse the address or port (a host name is not looked up)")]
    Address,
    /// An address with no port.
    #[error("there is an address but no port")]
    NoPort,
    /// `SessionGroup=` without a number.
    #[error("SessionGroup wants a number")]
    SessionGroup,
    /// Two of them.
    #[error("there is more than one SessionGroup")]
    TwoSessionGroups,
    /// Nothing is allowed.
    #[error("all of IPv4, IPv6 and .onion are disabled; that won't work")]
    NoTraffic,
    /// Names may be asked for but nothing found by them.
    #[error("DNSRequest is enabled, but IPv4 and IPv6 are disabled; DNS-based sites won't work")]
    UselessDns,
    /// A flag for Unix sockets on another.
    #[error("GroupWritable, WorldWritable and RelaxDirModeCheck are for unix sockets")]
    NotUnix,
    /// Keep alive what is not isolated.
    #[error("NoIsolateSOCKSAuth and KeepAliveIsolateSOCKSAuth exclude each other")]
    KeepAliveWithoutAuth,
    /// Some lines open ports, another says that there are none.
    #[error("a nonzero port stands along with one that is 0: is it to be disabled or not?")]
    ZeroAndNonzero,
    /// Isolation, for a port that has no streams.
    #[error("SessionGroup is not for this port")]
    NoStreams,
}

impl SocksListener {
    /// Reads the value of a `SocksPort` line; `None` if it is `0`. A Unix socket is group-writable from the
    /// start where `UnixSocksGroupWritable` says so. Unknown and deprecated flags go to `notices`.
    ///
    /// # Errors
    /// If C Tor would not start with it.
    pub fn parse(
        line: &str,
        unix_group_writable: bool,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<Self>, PortError> {
        let (place, flags) = Place::parse(line.trim_ascii_start())?;
        let mut reader = FlagReader {
            isolation: Isolation::default(),
            flags: SocksFlags::default(),
            group_writable: unix_group_writable,
            world_writable: false,
            relax_dir_mode: false,
            unix_only_used: false,
        };
        for flag in flags.split_ascii_whitespace() {
            reader.on_flag(flag, notices)?;
        }
        reader.finish(place)
    }
}

/// The first word of a line that opens a port.
pub(crate) enum Place {
    None,
    Tcp { address: IpAddr, port: Option<NonZeroU16> },
    Unix(PathBuf),
}

impl Place {
    /// Reads the first word, and returns the others.
    pub(crate) fn parse(line: &str) -> Result<(Self, &str), PortError> {
        if let Some(rest) = line.strip_prefix("unix:")
            && rest.starts_with('"')
        {
            let (path, length) = unquote(rest.as_bytes()).map_err(|_| PortError::Address)?;
            let path = String::from_utf8(path).map_err(|_| PortError::Address)?;
            let rest = rest.get(length..).unwrap_or_default();
            return Ok((Self::unix(&path)?, rest));
        }
        let end = line.find([' ', '\t', '\r', '\n', '#']).unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end).unwrap_or((line, ""));
        let place = match word.strip_prefix("unix:") {
            Some(path) => Self::unix(path)?,
            None => Self::tcp(word)?,
        };
        Ok((place, rest))
    }

    fn unix(path: &str) -> Result<Self, PortError> {
        if path.is_empty() || path.contains('\0') {
            Err(PortError::Address)
        } else {
            Ok(Self::Unix(path.into()))
        }
    }

    fn tcp(word: &str) -> Result<Self, PortError> {
        if word.eq_ignore_ascii_case("auto") {
            return Ok(Self::Tcp { address: LOCALHOST, port: None });
        }
        if let Ok(number) = word.parse::<u16>() {
            return Ok(match NonZeroU16::new(number) {
                Some(port) => Self::Tcp { address: LOCALHOST, port: Some(port) },
                None => Self::None,
            });
        }
        if ip_address(word).is_some() {
            return Err(PortError::NoPort);
        }
        let (host, port) = word.rsplit_once(':').ok_or(PortError::Address)?;
        let address = ip_address(host).ok_or(PortError::Address)?;
        if port.eq_ignore_ascii_case("auto") {
            return Ok(Self::Tcp { address, port: None });
        }
        let port: u16 = port.parse().map_err(|_| PortError::Address)?;
        let port = NonZeroU16::new(port).ok_or(PortError::NoPort)?;
        Ok(Self::Tcp { address, port: Some(port) })
    }
}

/// `1.2.3.4`, `[::1]`, `localhost`. IPv6 needs its brackets, since a port follows.
fn ip_address(text: &str) -> Option<IpAddr> {
    if text.eq_ignore_ascii_case("localhost") {
        return Some(LOCALHOST);
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

struct FlagReader {
    isolation: Isolation,
    flags: SocksFlags,
    group_writable: bool,
    world_writable: bool,
    relax_dir_mode: bool,
    unix_only_used: bool,
}

impl FlagReader {
    fn on_flag(&mut self, written: &str, notices: &mut Vec<Notice>) -> Result<(), PortError> {
        let lower = written.to_ascii_lowercase();
        if let Some(group) = lower.strip_prefix("sessiongroup=") {
            let group: u32 = group.parse().map_err(|_| PortError::SessionGroup)?;
            // C Tor keeps it in an `int`.
            i32::try_from(group).map_err(|_| PortError::SessionGroup)?;
            return match self.isolation.session_group.replace(group) {
                None => Ok(()),
                Some(_) => Err(PortError::TwoSessionGroups),
            };
        }
        let (name, on) = match lower.strip_prefix("no") {
            Some(name) => (name, false),
            None => (lower.as_str(), true),
        };
        if name.contains("cache") && on {
            notices.push(Notice::warn(format!(
                "SocksPort: {written} is deprecated: with answers cached by the client, one lying exit can lead \
                 you astray again and again."
            )));
        }
        if name == "oniontrafficonly" {
            if on {
                self.flags.ipv4_traffic = false;
                self.flags.ipv6_traffic = false;
                self.flags.dns_request = false;
            } else {
                notices.push(Notice::warn(format!(
                    "SocksPort: {written} is not supported; use DNSRequest, IPv4Traffic or IPv6Traffic."
                )));
            }
            return Ok(());
        }
        match self.places(name) {
            Some(places) => places.into_iter().flatten().for_each(|place| *place = on),
            None => {
                notices.push(Notice::warn(format!("SocksPort: the unknown option {written} is ignored.")))
            }
        }
        Ok(())
    }

    /// What a flag sets: one Boolean, or two.
    fn places(&mut self, name: &str) -> Option<[Option<&mut bool>; 2]> {
        let flags = &mut self.flags;
        let one = match name {
            "ipv4traffic" => &mut flags.ipv4_traffic,
            "ipv6traffic" => &mut flags.ipv6_traffic,
            "preferipv6" => &mut flags.prefer_ipv6,
            "dnsrequest" => &mut flags.dns_request,
            "oniontraffic" => &mut flags.onion_traffic,
            "cacheipv4dns" => &mut flags.cache_ipv4,
            "cacheipv6dns" => &mut flags.cache_ipv6,
            "cachedns" => return Some([Some(&mut flags.cache_ipv4), Some(&mut flags.cache_ipv6)]),
            "useipv4cache" => &mut flags.use_ipv4_cache,
            "useipv6cache" => &mut flags.use_ipv6_cache,
            "usednscache" => return Some([Some(&mut flags.use_ipv4_cache), Some(&mut flags.use_ipv6_cache)]),
            "preferipv6automap" => &mut flags.prefer_ipv6_automap,
            "prefersocksnoauth" => &mut flags.prefer_no_auth,
            "keepaliveisolatesocksauth" => &mut flags.keep_alive_socks_auth,
            "extendederrors" => &mut flags.extended_errors,
            "groupwritable" => {
                self.unix_only_used = true;
                &mut self.group_writable
            }
            "worldwritable" => {
                self.unix_only_used = true;
                &mut self.world_writable
            }
            "relaxdirmodecheck" => {
                self.unix_only_used = true;
                &mut self.relax_dir_mode
            }
            // Of these, C Tor takes the plural, too.
            _ => match name.strip_suffix('s').unwrap_or(name) {
                "isolatedestport" => &mut self.isolation.dest_port,
                "isolatedestaddr" => &mut self.isolation.dest_addr,
                "isolatesocksauth" => &mut self.isolation.socks_auth,
                "isolateclientprotocol" => &mut self.isolation.client_protocol,
                "isolateclientaddr" => &mut self.isolation.client_addr,
                _ => return None,
            },
        };
        Some([Some(one), None])
    }

    fn finish(mut self, place: Place) -> Result<Option<SocksListener>, PortError> {
        let some_ip = self.flags.ipv4_traffic || self.flags.ipv6_traffic;
        if !some_ip && !self.flags.onion_traffic {
            return Err(PortError::NoTraffic);
        }
        if !some_ip && self.flags.dns_request {
            return Err(PortError::UselessDns);
        }
        if self.unix_only_used && !matches!(place, Place::Unix(_)) {
            return Err(PortError::NotUnix);
        }
        if self.flags.keep_alive_socks_auth && !self.isolation.socks_auth {
            return Err(PortError::KeepAliveWithoutAuth);
        }
        if !self.isolation.socks_auth {
            self.flags.prefer_no_auth = true;
        }
        let bind = match place {
            Place::None => return Ok(None),
            Place::Tcp { address, port } => Bind::Tcp { address, port },
            Place::Unix(path) => {
                self.isolation.client_addr = false;
                Bind::Unix {
                    path,
                    group_writable: self.group_writable,
                    world_writable: self.world_writable,
                    relax_dir_mode: self.relax_dir_mode,
                }
            }
        };
        Ok(Some(SocksListener { bind, isolation: self.isolation, flags: self.flags }))
    }
}

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests;
