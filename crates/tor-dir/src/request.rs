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
use tor_netdoc::{CertId, Consensus, Flavor, MdDigest};

use crate::{Encoding, Param, dates};

/// A request for documents.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirRequest {
    /// The current consensus.
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
    /// Router descriptors, by the SHA-1 of what is signed of them.
    Routers(Vec<[u8; 20]>),
}

/// What is known when a consensus is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsensusRequest {
    /// Which form of it.
    pub flavor: Flavor,
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
/// Longest consensus, in bytes, and longest list of certificates: several times what the public network has.
const MAX_CONSENSUS: usize = (1 << 24) - 1;
const MAX_CERTS: usize = 1 << 20;
/// Longest microdescriptor or router descriptor; authorities refuse longer ones.
const MAX_DESCRIPTOR: usize = 20_000;
/// Of that many, each may be the longest; the others share what is far more than they need on average.
const MAX_LONG: usize = 32;
const MAX_AVERAGE: usize = 6_000;
/// How many bytes of an authority's identity a URL has.
const PREFIX: usize = 3;

impl ConsensusRequest {
    /// The request of a client that recognises `authorities` and holds `held`, a consensus of the same flavour.
    pub fn new(flavor: Flavor, authorities: &[RsaId], held: Option<&Consensus>, wall: SystemTime) -> Self {
        let authorities = authorities.to_vec();
        let mut request = Self { flavor, authorities, if_modified_since: None, diff_from: None };
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
        let name = match self.flavor {
            Flavor::Ns => "consensus",
            Flavor::Microdesc => "consensus-microdesc",
        };
        format!("/tor/status-vote/current/{name}/{}.z", prefixes.join("+"))
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
            Self::Routers(digests) => {
                format!("/tor/server/d/{}.z", join(digests.iter().map(hex::encode_upper), "+"))
            }
        }
    }

    /// The longest answer that is taken, in bytes, both as it comes and decoded. A server that is asked for a few
    /// descriptors must not make us store more than a few.
    pub fn max_answer(&self) -> usize {
        let descriptors = |count: usize| {
            MAX_DESCRIPTOR * count.min(MAX_LONG) + MAX_AVERAGE * count.saturating_sub(MAX_LONG)
        };
        match self {
            Self::Consensus(_) => MAX_CONSENSUS,
            Self::Certs { .. } => MAX_CERTS,
            Self::Microdescs(digests) => descriptors(digests.len()),
            Self::Routers(digests) => descriptors(digests.len()),
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
            Self::Certs { .. } | Self::Microdescs(_) | Self::Routers(_) => (None, None),
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
        let request = ConsensusRequest::new(Flavor::Microdesc, &[id(0xbb), id(0x0a)], None, mini_time());
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
        let routers = DirRequest::Routers(vec![[0; 20], [0xab; 20]]);
        assert_eq!(routers.path(), format!("/tor/server/d/{}+{}.z", "0".repeat(40), "AB".repeat(20)));
        let ns = ConsensusRequest::new(Flavor::Ns, &[id(1)], None, mini_time());
        assert_eq!(DirRequest::Consensus(ns).path(), "/tor/status-vote/current/consensus/010101.z");
    }

    #[test]
    fn headers() {
        let consensus = mini_consensus();
        let request = DirRequest::Consensus(ConsensusRequest::new(
            Flavor::Microdesc,
            &[id(1)],
            Some(&consensus),
            mini_time(),
        ));
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
        let request =
            DirRequest::Consensus(ConsensusRequest::new(Flavor::Microdesc, &[], Some(&consensus), late));
        let text = String::from_utf8(request.to_http("[::1]:80".parse().unwrap(), true)).unwrap();
        assert!(
            !text.contains("X-Or-Diff")
                && !text.contains("Accept-Encoding")
                && text.contains("Host: [::1]\r\n")
        );
    }
}
