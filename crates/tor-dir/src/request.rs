//! What to ask a directory server, and how. <https://spec.torproject.org/dir-spec/standards-compliance.html>
//!
//! Requests go through a one-hop circuit (BEGIN_DIR). Such a request is not anonymous, so it says which encodings we
//! read; an anonymous one does not, since that would tell clients apart.

use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use tor_id::RsaId;
use tor_netdoc::{CertId, Consensus, MdDigest};

use crate::{Encoding, Param, dates};

/// A request for documents.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirRequest {
    /// The current microdescriptor consensus.
    Consensus(ConsensusRequest),
    /// Authority certificates: the current ones of some authorities, or those of certain signing keys.
    Certs {
        /// Authorities (v3 identities) whose current certificate is wanted.
        authorities: Vec<RsaId>,
        /// Certain certificates. Asked for only if `authorities` is empty: a URL has one or the other.
        exact: Vec<CertId>,
    },
    /// Microdescriptors.
    Microdescs(Vec<MdDigest>),
}

/// What is known when a consensus is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsensusRequest {
    /// Authorities that we recognise (v3 identities): the server answers only if enough of them have signed.
    pub authorities: Vec<RsaId>,
    /// Only a consensus that is newer than this is wanted.
    pub if_modified_since: Option<SystemTime>,
    /// We have the consensus with this SHA3-256 and can apply a diff to it.
    pub diff_from: Option<[u8; 32]>,
}

/// How old, in hours, a consensus may be for a diff from it to be asked for.
const TRY_DIFF: Param = Param::new("try-diff-for-consensus-newer-than", 72, 0, 8192);
/// A consensus is asked for if it is newer than ours by this, or by half an interval if that is less.
const IF_MODIFIED_SINCE_DELAY: Duration = Duration::from_secs(180);
/// How many bytes of an authority's identity a URL has.
const PREFIX: usize = 3;

impl ConsensusRequest {
    /// The request of a client that recognises `authorities` and holds `held`.
    pub fn new(authorities: &[RsaId], held: Option<&Consensus>, wall: SystemTime) -> Self {
        let mut request = Self { authorities: authorities.to_vec(), ..Self::default() };
        if let Some(held) = held {
            let lifetime = held.lifetime();
            let interval = lifetime.fresh_until.duration_since(lifetime.valid_after).unwrap_or_default();
            request.if_modified_since =
                Some(lifetime.valid_after + IF_MODIFIED_SINCE_DELAY.min(interval / 2));
            let hours = u64::try_from(TRY_DIFF.of(held.params())).unwrap_or_default();
            let is_recent = lifetime.valid_after + Duration::from_secs(3600 * hours) >= wall;
            request.diff_from = is_recent.then(|| held.sha3_as_signed());
        }
        request
    }

    fn path(&self) -> String {
        let mut prefixes: Vec<String> = self
            .authorities
            .iter()
            .map(|id| hex::encode_upper(id.as_bytes().get(..PREFIX).unwrap_or_default()))
            .collect();
        prefixes.sort_unstable();
        format!("/tor/status-vote/current/consensus-microdesc/{}.z", prefixes.join("+"))
    }
}

impl DirRequest {
    /// The path of the URL, as C Tor forms it.
    pub fn path(&self) -> String {
        match self {
            Self::Consensus(request) => request.path(),
            Self::Certs { authorities, exact } if authorities.is_empty() => {
                let pair = |id: &CertId| format!("{}-{}", hex(&id.v3_ident), hex(&id.signing_key));
                format!("/tor/keys/fp-sk/{}", join(exact.iter().map(pair), "+"))
            }
            Self::Certs { authorities, .. } => {
                format!("/tor/keys/fp/{}", join(authorities.iter().map(hex), "+"))
            }
            Self::Microdescs(digests) => {
                format!("/tor/micro/d/{}.z", join(digests.iter().map(ToString::to_string), "-"))
            }
        }
    }

    /// The request for one server. `anonymous` is whether more than one hop carries it.
    pub fn to_http(&self, server: SocketAddr, anonymous: bool) -> Vec<u8> {
        let mut text = format!("GET {} HTTP/1.0\r\nHost: {}\r\n", self.path(), host(server));
        let mut header = |name: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = write!(text, "{name}: {value}\r\n");
        };
        let (since, diff) = match self {
            Self::Consensus(request) => (request.if_modified_since, request.diff_from),
            Self::Certs { .. } | Self::Microdescs(_) => (None, None),
        };
        if let Some(since) = since {
            header("If-Modified-Since", &dates::http(since));
        }
        if !anonymous {
            header("Accept-Encoding", Encoding::ACCEPTED);
        }
        if let Some(digest) = diff {
            header("X-Or-Diff-From-Consensus", &hex::encode_upper(digest));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// Port 80 goes without saying.
fn host(server: SocketAddr) -> String {
    match server {
        SocketAddr::V4(v4) if v4.port() == 80 => v4.ip().to_string(),
        SocketAddr::V6(v6) if v6.port() == 80 => format!("[{}]", v6.ip()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => server.to_string(),
    }
}

fn hex(id: &RsaId) -> String {
    hex::encode_upper(id.as_bytes())
}

fn join(words: impl Iterator<Item = String>, separator: &str) -> String {
    words.collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{mini_consensus, mini_time};

    fn id(byte: u8) -> RsaId {
        RsaId::from_bytes([byte; 20])
    }

    #[test]
    fn urls() {
        let request = ConsensusRequest::new(&[id(0xbb), id(0x0a)], None, mini_time());
        assert_eq!(
            DirRequest::Consensus(request).path(),
            "/tor/status-vote/current/consensus-microdesc/0A0A0A+BBBBBB.z"
        );
        let both = DirRequest::Certs { authorities: vec![id(1), id(2)], exact: Vec::new() };
        assert_eq!(both.path(), format!("/tor/keys/fp/{}+{}", "01".repeat(20), "02".repeat(20)));
        let exact = CertId { v3_ident: id(1), signing_key: id(2) };
        let exact = DirRequest::Certs { authorities: Vec::new(), exact: vec![exact] };
        assert_eq!(exact.path(), format!("/tor/keys/fp-sk/{}-{}", "01".repeat(20), "02".repeat(20)));
        let digests = vec![MdDigest::from_bytes([0; 32]), MdDigest::from_bytes([0xff; 32])];
        let expected = format!("/tor/micro/d/{}-{}8.z", "A".repeat(43), "/".repeat(42));
        assert_eq!(DirRequest::Microdescs(digests).path(), expected);
    }

    #[test]
    fn headers() {
        let consensus = mini_consensus();
        let request = DirRequest::Consensus(ConsensusRequest::new(&[id(1)], Some(&consensus), mini_time()));
        let text = String::from_utf8(request.to_http("1.2.3.4:443".parse().unwrap(), false)).unwrap();
        let digest = hex::encode_upper(consensus.sha3_as_signed());
        assert_eq!(
            text,
            format!(
                "GET /tor/status-vote/current/consensus-microdesc/010101.z HTTP/1.0\r\nHost: 1.2.3.4:443\r\n\
                 If-Modified-Since: Fri, 07 Aug 2020 12:42:50 GMT\r\nAccept-Encoding: {}\r\n\
                 X-Or-Diff-From-Consensus: {digest}\r\n\r\n",
                Encoding::ACCEPTED
            )
        );
        // No diff from a consensus that is more than three days old.
        let late = mini_time() + Duration::from_secs(73 * 3600);
        let request = DirRequest::Consensus(ConsensusRequest::new(&[], Some(&consensus), late));
        let text = String::from_utf8(request.to_http("[::1]:80".parse().unwrap(), true)).unwrap();
        assert!(
            !text.contains("X-Or-Diff")
                && !text.contains("Accept-Encoding")
                && text.contains("Host: [::1]\r\n")
        );
    }
}
