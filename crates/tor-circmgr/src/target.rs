//! What an application's target comes to: another target by the address map, an answer, or a refusal.
//!
//! ```text
//!  asked ─> assigned entries ─> made up, for a look-up ──> answer
//!                 │
//!                 └─> made-up and remembered entries ─> may it be asked of an exit? ─┬─> go, perhaps by one relay
//!                                                                                    └─> refused
//! ```
//!
//! The order is C Tor's (`connection_ap_handshake_rewrite_and_attach`), since controllers see it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand_core::CryptoRng;

use crate::address_map::{
    AddressMap, MapSource, Mapped, Uses, VirtualKind, host_text, is_destination, is_exit, parse_ip,
};

/// What is to be done with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "SOCKS has no others that make sense here")]
pub enum Errand {
    /// Connect to it.
    Connect,
    /// Look the name up.
    Resolve,
    /// Look the address's name up.
    ResolvePtr,
}

/// What the configuration allows a stream.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[expect(clippy::exhaustive_structs, reason = "plain configuration, made by its owner")]
pub struct TargetRules {
    /// Exits may connect by IPv4 (`IPv4Traffic`).
    pub ipv4: bool,
    /// Exits may connect by IPv6 (`IPv6Traffic`).
    pub ipv6: bool,
    /// By IPv6 rather (`PreferIPv6`).
    pub prefer_ipv6: bool,
    /// Names may be asked for (`DNSRequest`).
    pub dns_request: bool,
    /// Remembered IPv4 answers are used (`UseIPv4Cache`).
    pub use_ipv4_cache: bool,
    /// Remembered IPv6 answers are used (`UseIPv6Cache`).
    pub use_ipv6_cache: bool,
    /// Made-up addresses are IPv6 (`PreferIPv6Automap`).
    pub prefer_ipv6_automap: bool,
    /// The application can't be told of IPv6 (SOCKS4).
    pub ipv4_only: bool,
    /// Look-ups of names with these endings are answered by made-up addresses (`AutomapHostsOnResolve`,
    /// `AutomapHostsSuffixes`).
    pub automap: Vec<String>,
    /// No exit is asked for addresses that lead nowhere on the internet (`ClientRejectInternalAddresses`).
    pub reject_internal: bool,
    /// No exit is believed that answers with such (`ClientDNSRejectInternalAddresses`).
    pub dns_reject_internal: bool,
    /// Ports to warn of (`WarnPlaintextPorts`).
    pub warn_ports: Vec<u16>,
    /// Ports not to connect to (`RejectPlaintextPorts`).
    pub reject_ports: Vec<u16>,
}

impl Default for TargetRules {
    fn default() -> Self {
        Self {
            ipv4: true,
            ipv6: true,
            prefer_ipv6: false,
            dns_request: true,
            use_ipv4_cache: false,
            use_ipv6_cache: false,
            prefer_ipv6_automap: true,
            ipv4_only: false,
            automap: Vec::new(),
            reject_internal: true,
            dns_reject_internal: true,
            warn_ports: Vec::new(),
            reject_ports: Vec::new(),
        }
    }
}

/// What was found on the way to a decision, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The targets that the map led to, one a rewrite (REMAP SOURCE=CACHE).
    pub remapped: Vec<String>,
    /// An address that was made up.
    pub mapped: Option<Mapped>,
    /// What the user should know.
    pub complaint: Option<TargetComplaint>,
    /// And so.
    pub decision: Decision,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Ask an exit.
    Go {
        /// For this; `None`: for its own address.
        host: Option<String>,
        /// This one, by nickname or fingerprint.
        via: Option<String>,
    },
    /// The address is this.
    Answer(IpAddr),
    /// The name is this.
    AnswerName(String),
    /// Nothing.
    Refuse(Refusal),
}

/// Why nothing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The target is none.
    BadTarget,
    /// The configuration forbids it.
    Forbidden,
    /// The address leads nowhere on the internet.
    Private,
    /// A reverse look-up of such an address.
    PrivateReverse,
    /// A made-up address for which nothing stands, or none is left.
    Unmapped,
    /// A reverse look-up of something else than an address.
    NotAnAddress,
    /// An onion service.
    Onion,
}

/// What the user should know of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetComplaint {
    /// No name looks like that.
    BadHostname(String),
    /// `.exit`, said by an application.
    DotExit(String),
    /// A port of a protocol without encryption.
    DangerousPort {
        /// Which.
        port: u16,
        /// Whether it is refused.
        rejected: bool,
    },
    /// An address that leads nowhere on the internet.
    Private,
    /// The map goes round in circles.
    Loop,
}

/// Decides on a target. `chosen`: a controller has chosen the circuit, and knows what it does.
pub fn judge(
    errand: Errand,
    host: &str,
    port: u16,
    rules: &TargetRules,
    chosen: bool,
    map: &mut AddressMap,
    rng: &mut impl CryptoRng,
) -> Verdict {
    let mut verdict = Verdict {
        remapped: Vec::new(),
        mapped: None,
        complaint: None,
        decision: Decision::Refuse(Refusal::BadTarget),
    };
    let decided = verdict.rewrite(errand, host, rules, map, rng).and_then(|rewritten| {
        let Named { host, via } = verdict.name(rewritten)?;
        verdict.allow(errand, host, via, port, rules, chosen)
    });
    verdict.decision = decided.unwrap_or_else(|decided| decided);
    verdict
}

/// A target by the address map's end.
struct Mapping {
    host: String,
    exit_source: Option<MapSource>,
}

/// A target, and the relay that it names.
struct Named {
    /// `None`: the relay itself.
    host: Option<String>,
    via: Option<String>,
}

impl Verdict {
    fn rewrite(
        &mut self,
        errand: Errand,
        host: &str,
        rules: &TargetRules,
        map: &mut AddressMap,
        rng: &mut impl CryptoRng,
    ) -> Result<Mapping, Decision> {
        let host = host.to_ascii_lowercase();
        if is_exit(host.trim_end_matches('.')) {
            self.complaint = Some(TargetComplaint::DotExit(host));
            return Err(Decision::Refuse(Refusal::BadTarget));
        }
        let uses = Uses {
            assigned: false,
            made_up: true,
            dns_v4: rules.use_ipv4_cache,
            dns_v6: rules.use_ipv6_cache,
        };
        if errand == Errand::ResolvePtr {
            return self.reverse(host, rules, map, uses);
        }
        let mut now = Mapping { host, exit_source: None };
        self.follow(&mut now, map, Uses::ASSIGNED);
        if errand == Errand::Resolve && parse_ip(&now.host).is_none() && automaps(rules, &now.host) {
            let kind = if !rules.ipv4_only && (!rules.ipv4 || rules.prefers_ipv6_made_up()) {
                VirtualKind::V6
            } else {
                VirtualKind::V4
            };
            let made_up = map.make_up(kind, &now.host, rng);
            let answer = made_up.and_then(|(made_up, mapped)| {
                self.mapped = mapped;
                parse_ip(&made_up)
            });
            return Err(answer.map_or(Decision::Refuse(Refusal::Unmapped), Decision::Answer));
        }
        self.follow(&mut now, map, uses);
        if map.is_virtual(&now.host) {
            return Err(Decision::Refuse(Refusal::Unmapped));
        }
        Ok(now)
    }

    fn follow(&mut self, now: &mut Mapping, map: &AddressMap, uses: Uses) {
        let Some(rewritten) = map.rewrite(&now.host, uses) else { return };
        if rewritten.looped {
            self.complaint = Some(TargetComplaint::Loop);
        }
        now.exit_source = now.exit_source.or(rewritten.exit_source);
        now.host.clone_from(&rewritten.address);
        self.remapped.push(rewritten.address);
    }

    fn reverse(
        &self,
        host: String,
        rules: &TargetRules,
        map: &AddressMap,
        uses: Uses,
    ) -> Result<Mapping, Decision> {
        let address = parse_ip(&host);
        if let Some((name, _)) = address.and_then(|address| map.reverse(address, uses)) {
            return Err(Decision::AnswerName(name.to_owned()));
        }
        if rules.dns_reject_internal && address.is_some_and(|address| is_internal(&address)) {
            return Err(Decision::Refuse(Refusal::PrivateReverse));
        }
        Ok(Mapping { host, exit_source: None })
    }

    /// Which relay a target from the map names, and whether the rest is a name at all.
    fn name(&mut self, Mapping { host, exit_source }: Mapping) -> Result<Named, Decision> {
        let bad = Decision::Refuse(Refusal::BadTarget);
        let plain = host.trim_end_matches('.');
        if plain == "onion" || plain.ends_with(".onion") {
            if is_onion(plain) {
                return Err(Decision::Refuse(Refusal::Onion));
            }
            self.complaint = Some(TargetComplaint::BadHostname(host));
            return Err(bad);
        }
        let named = match host.strip_suffix(".exit") {
            None => Named { host: Some(host), via: None },
            // Only by a map that the user or a controller made; what was learned or made up may not choose.
            Some(rest) if matches!(exit_source, Some(MapSource::Config | MapSource::Controller)) => {
                match rest.rsplit_once('.') {
                    Some((_, "")) => {
                        self.complaint = Some(TargetComplaint::BadHostname(rest.to_owned()));
                        return Err(bad);
                    }
                    Some((host, relay)) => Named { host: Some(host.to_owned()), via: Some(relay.to_owned()) },
                    None => Named { host: None, via: Some(rest.to_owned()) },
                }
            }
            Some(rest) => {
                self.complaint = Some(TargetComplaint::BadHostname(rest.to_owned()));
                return Err(bad);
            }
        };
        match &named.host {
            Some(host) if !is_destination(host) => {
                self.complaint = Some(TargetComplaint::BadHostname(host.clone()));
                Err(bad)
            }
            Some(_) | None => Ok(named),
        }
    }

    fn allow(
        &mut self,
        errand: Errand,
        host: Option<String>,
        via: Option<String>,
        port: u16,
        rules: &TargetRules,
        chosen: bool,
    ) -> Result<Decision, Decision> {
        let address = host.as_deref().and_then(parse_ip);
        let allowed = match address {
            None => rules.dns_request || host.is_none(),
            Some(IpAddr::V4(_)) => rules.ipv4,
            Some(IpAddr::V6(_)) => rules.ipv6,
        };
        if !allowed {
            return Err(Decision::Refuse(Refusal::Forbidden));
        }
        match errand {
            Errand::Resolve => {
                if let Some(address) = address {
                    return Ok(Decision::Answer(address));
                }
            }
            Errand::ResolvePtr if address.is_none() => return Err(Decision::Refuse(Refusal::NotAnAddress)),
            Errand::ResolvePtr => {}
            Errand::Connect => {
                if port == 0 {
                    return Err(Decision::Refuse(Refusal::BadTarget));
                }
                let internal = address.is_some_and(|address| is_internal(&address))
                    || host.as_deref().is_some_and(is_local_name);
                if rules.reject_internal && via.is_none() && !chosen && internal {
                    self.complaint = Some(TargetComplaint::Private);
                    return Err(Decision::Refuse(Refusal::Private));
                }
                if rules.ipv4_only && matches!(address, Some(IpAddr::V6(_))) {
                    return Err(Decision::Refuse(Refusal::Forbidden));
                }
                let rejected = rules.reject_ports.contains(&port);
                if rules.warn_ports.contains(&port) {
                    self.complaint = Some(TargetComplaint::DangerousPort { port, rejected });
                }
                if rejected {
                    return Err(Decision::Refuse(Refusal::Forbidden));
                }
            }
        }
        // As an exit wants to be asked.
        let host = host.map(|host| address.map_or(host, host_text));
        Ok(Decision::Go { host, via })
    }
}

impl TargetRules {
    const fn prefers_ipv6_made_up(&self) -> bool {
        self.ipv6 && self.prefer_ipv6 || self.prefer_ipv6_automap
    }
}

fn automaps(rules: &TargetRules, host: &str) -> bool {
    rules.automap.iter().any(|suffix| {
        let suffix = suffix.to_ascii_lowercase();
        suffix == "." || host.ends_with(&suffix)
    })
}

/// Names that mean this machine or its network, wherever they are looked up.
fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    ["localhost", "local"]
        .iter()
        .any(|end| host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// The form of an onion service's address, subdomains before it allowed.
fn is_onion(host: &str) -> bool {
    let name = host.strip_suffix(".onion").unwrap_or_default();
    let service = name.rsplit_once('.').map_or(name, |(_, service)| service);
    service.len() == 56 && service.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}

/// True for addresses that lead nowhere on the public internet: an exit must not be asked for them, and is not
/// believed if it answers with one.
pub fn is_internal(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_internal_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_internal_v4(&v4),
            None => is_internal_v6(v6),
        },
    }
}

fn is_internal_v4(v4: &Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
}

fn is_internal_v6(v6: &Ipv6Addr) -> bool {
    v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        // Site-local, deprecated but still in use.
        || v6.segments().first().is_some_and(|first| first & 0xffc0 == 0xfec0)
}

#[cfg(test)]
mod tests;
