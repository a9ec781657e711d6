//! What events speak of: circuits, streams, connections, relays and addresses.

use std::{fmt, net::SocketAddr};

use serde::{Serialize, Serializer};
use tor_id::RsaId;

use crate::text::{Text, put_hex_upper, put_u64, put_word};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id! {
    /// A circuit, as the control port names it: decimal, counted through the life of the client, never used again.
    /// Zero is no circuit: events write it for "none", and here that is an `Option`.
    CircuitId
}

id! {
    /// A stream, as the control port names it. Streams and connections share one count.
    StreamId
}

id! {
    /// A connection to a relay, as the control port names it. Streams and connections share one count.
    ConnId
}

/// A relay: `$FINGERPRINT~nickname`, or `$FINGERPRINT` where the nickname isn't known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LongName {
    /// The fingerprint.
    pub id: RsaId,
    /// The nickname, 1 to 19 letters and digits; `None` where it isn't known. (GUARD events of C Tor have an empty one, after
    /// a `~`, for a bridge that it has never met.)
    pub nickname: Option<String>,
}

impl LongName {
    /// A relay of which the nickname is known, or isn't.
    pub fn new(id: RsaId, nickname: Option<impl Into<String>>) -> Self {
        Self { id, nickname: nickname.map(Into::into) }
    }

    /// From `$FINGERPRINT~nickname`, `$FINGERPRINT=nickname` (of old) or `$FINGERPRINT`.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.strip_prefix('$')?.split_at_checked(2 * RsaId::LEN)?;
        let id = RsaId::from_hex(id).ok()?;
        if rest.is_empty() {
            return Some(Self { id, nickname: None });
        }
        let nickname = rest.strip_prefix(['~', '='])?;
        let is_word = nickname.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        is_word.then(|| Self { id, nickname: Some(nickname.to_owned()) })
    }
}

impl Text for LongName {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(b'$');
        put_hex_upper(out, self.id.as_bytes());
        if let Some(nickname) = self.nickname.as_deref() {
            out.push(b'~');
            if !nickname.is_empty() {
                put_word(out, nickname);
            }
        }
    }
}

impl From<RsaId> for LongName {
    fn from(id: RsaId) -> Self {
        Self { id, nickname: None }
    }
}

/// As its text.
impl Serialize for LongName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl fmt::Display for LongName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// A host and a port: `host:port`. The host is written as it is: a name, an IPv4 address, `[::1]` where C Tor writes
/// brackets (a stream's target) and `::1` where it doesn't (a stream's source).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port; 0 where there is none, as in a request to resolve.
    pub port: u16,
}

impl Endpoint {
    /// A host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// From `host:port`: the last colon counts.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok())??;
        (!host.is_empty()).then(|| Self::new(host, port))
    }
}

/// Without brackets, as C Tor writes the source of a stream.
impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.ip().to_string(), address.port())
    }
}

impl Text for Endpoint {
    fn put(&self, out: &mut Vec<u8>) {
        put_word(out, &self.host);
        out.push(b':');
        put_u64(out, self.port.into());
    }
}

/// As its text.
impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names() {
        for text in
            ["$E73B4418B23D61B9875B073CB70E177288A838E8", "$E73B4418B23D61B9875B073CB70E177288A838E8~auth0"]
        {
            assert_eq!(LongName::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "$",
            "auth0",
            "E73B4418B23D61B9875B073CB70E177288A838E8",
            "$E73B4418B23D61B9875B073CB70E177288A838E8auth0",
            "$E73B4418B23D61B9875B073CB70E177288A838E8~a,b",
            "$$73B4418B23D61B9875B073CB70E177288A838E80",
            "$é3B4418B23D61B9875B073CB70E177288A838E8",
        ] {
            assert_eq!(LongName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn endpoints() {
        for text in ["127.0.0.1:80", "::1:80", "[::1]:80", "www.example.com.$AB.exit:443", "(Tor_internal):0"]
        {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "a", ":80", "a:", "a:65536", "a:+1"] {
            assert_eq!(Endpoint::parse(bad), None, "{bad}");
        }
        assert_eq!(Endpoint::from(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9))).to_string(), "::1:9");
    }
}
