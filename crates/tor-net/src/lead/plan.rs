//! What to ask of a circuit, and of which exit.

use std::net::IpAddr;

use tor_cell::relay::{BeginFlags, reverse_name};
use tor_circmgr::{
    address_map::parse_ip,
    target::{Errand, TargetRules},
};
use tor_id::RsaId;
use tor_path::{ExitNeed, Family};

use super::Wants;
use crate::OpenRequest;

/// Where a stream goes, as far as its target decides.
#[derive(Debug)]
pub(super) struct Plan {
    errand: Errand,
    host: String,
    port: u16,
    pub(super) need: ExitNeed,
    /// The exit that it must be.
    pub(super) via: Option<RsaId>,
}

impl Plan {
    pub(super) fn new(errand: Errand, host: String, port: u16, wants: &Wants, via: Option<RsaId>) -> Self {
        let need = match errand {
            Errand::Resolve | Errand::ResolvePtr => ExitNeed::Resolve,
            Errand::Connect => {
                let family = match parse_ip(&host) {
                    Some(IpAddr::V6(_)) => Family::V6,
                    Some(IpAddr::V4(_)) => Family::V4,
                    None if !wants.rules.ipv4 => Family::V6,
                    None => Family::Any,
                };
                let long_lived = wants.long_lived_ports.contains(&port);
                ExitNeed::Connect { port, family, long_lived }
            }
        };
        Self { errand, host, port, need, via }
    }

    pub(super) fn request(&self, wants: &Wants) -> OpenRequest {
        match (self.errand, parse_ip(&self.host)) {
            (Errand::Connect, _) => OpenRequest::Connect {
                host: self.host.clone(),
                port: self.port,
                flags: begin_flags(&wants.rules),
                early: wants.early.clone(),
            },
            (Errand::ResolvePtr, Some(address)) => OpenRequest::Resolve(reverse_name(address)),
            (Errand::ResolvePtr | Errand::Resolve, _) => OpenRequest::Resolve(self.host.clone()),
        }
    }
}

const fn begin_flags(rules: &TargetRules) -> BeginFlags {
    BeginFlags(match (rules.ipv4, rules.ipv6) {
        (_, false) => 0,
        (false, true) => BeginFlags::IPV6_OK.0 | BeginFlags::IPV4_NOT_OK.0,
        (true, true) if rules.prefer_ipv6 => BeginFlags::IPV6_OK.0 | BeginFlags::IPV6_PREFERRED.0,
        (true, true) => BeginFlags::IPV6_OK.0,
    })
}
