//! What a SOCKS request asks for: whether it may, of which exit, kept apart from whom, and what it is answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};
use tor_cell::relay::{BeginFlags, reverse_name};
use tor_circmgr::{ConnectError, IsolationKey, StreamRefusal};
use tor_path::{ExitNeed, Family};
use tor_socks::{Command, Host, Request, Status, Version};
use tracing::warn;

use super::SocksPort;
use crate::{Answer, OpenRequest, Opened};

impl SocksPort {
    /// Refuses what the configuration forbids and what this client can't do; answers what needs no network.
    pub(super) fn judge(&self, request: Request, out: &mut BytesMut) -> Result<Request, &'static str> {
        let config = &self.door.config;
        let flags = self.settings.flags;
        if request.bare_address {
            self.door.say_unsafe(&request);
            if config.safe {
                request.fail(Status::NOT_ALLOWED, out);
                return Err("an address instead of a name, under SafeSocks");
            }
        }
        let refuse = |status: Status, why| (status, why);
        let refused = match (&request.host, request.command) {
            (Host::Ip(address), Command::Resolve) => {
                // It is its own answer.
                request.succeed(Some((&Host::Ip(*address), 0)), out);
                return Err("an address needs no look-up");
            }
            (Host::Ip(address), Command::Connect) if !flags.ipv4_traffic && address.is_ipv4() => {
                Some(refuse(Status::NOT_ALLOWED, "IPv4 is off on this port"))
            }
            (Host::Ip(address), Command::Connect) if !flags.ipv6_traffic && address.is_ipv6() => {
                Some(refuse(Status::NOT_ALLOWED, "IPv6 is off on this port"))
            }
            (Host::Ip(address), _) if config.reject_internal_addresses && is_internal(address) => {
                warn!(
                    "Rejecting SOCKS request for an internal address. (Set ClientRejectInternalAddresses 0 to allow it.)"
                );
                Some(refuse(Status::GENERAL_FAILURE, "an internal address"))
            }
            (Host::Name(name), _) => self.judge_name(name),
            (Host::Ip(_), _) => None,
        };
        let plaintext = |ports: &[u16]| request.command == Command::Connect && ports.contains(&request.port);
        let refused = refused.or_else(|| {
            if plaintext(&config.reject_plaintext_ports) {
                warn!("Application request to port {}: this port is commonly used for unencrypted protocols. Closing.", request.port);
                return Some(refuse(Status::NOT_ALLOWED, "a plaintext port"));
            }
            if plaintext(&config.warn_plaintext_ports) {
                warn!("Application request to port {}: this port is commonly used for unencrypted protocols. Please make sure you don't send anything you would mind the rest of the Internet reading!", request.port);
            }
            None
        });
        match refused {
            None => Ok(request),
            Some((status, why)) => {
                request.fail(status, out);
                Err(why)
            }
        }
    }

    fn judge_name(&self, name: &str) -> Option<(Status, &'static str)> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let ends = |suffix: &str| {
            name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if ends("onion") {
            warn!("A request for an onion service was refused: this version does not reach onion services.");
            return Some((Status::GENERAL_FAILURE, "onion services are not built yet"));
        }
        if ends("exit") {
            warn!("The \".exit\" notation is disabled in Tor due to security risks.");
            return Some((Status::GENERAL_FAILURE, "the .exit notation is disabled"));
        }
        if self.door.config.reject_internal_addresses && (ends("localhost") || ends("local")) {
            return Some((Status::GENERAL_FAILURE, "a name of this machine or its network"));
        }
        if !self.settings.flags.dns_request {
            return Some((Status::NOT_ALLOWED, "names are off on this port"));
        }
        None
    }

    pub(super) fn isolation_key(&self, request: &Request, peer: Option<IpAddr>) -> IsolationKey {
        let isolation = &self.settings.isolation;
        let socks_auth = request.credentials.as_ref().filter(|_| isolation.socks_auth);
        IsolationKey {
            session_group: self.session_group,
            nym_epoch: 0,
            socks_auth: socks_auth.map(|auth| (auth.username().to_vec(), auth.password().to_vec())),
            client_addr: peer.filter(|_| isolation.client_addr),
            client_protocol: isolation.client_protocol.then_some(match request.version {
                Version::V4 | Version::V4a => 4,
                Version::V5 => 5,
            }),
            dest_port: isolation.dest_port.then_some(request.port),
            dest_addr: isolation.dest_addr.then(|| match &request.host {
                Host::Name(name) => name.to_ascii_lowercase(),
                Host::Ip(address) => address.to_string(),
            }),
        }
    }

    /// What to ask of a circuit, and of which exit.
    pub(super) fn plan(&self, request: &Request, early: Bytes) -> (OpenRequest, ExitNeed) {
        let flags = self.settings.flags;
        let name = match &request.host {
            Host::Name(name) => name.clone(),
            Host::Ip(address) => address.to_string(),
        };
        match (request.command, &request.host) {
            (Command::Connect, host) => {
                let family = match host {
                    Host::Ip(IpAddr::V6(_)) => Family::V6,
                    Host::Ip(IpAddr::V4(_)) => Family::V4,
                    Host::Name(_) if !flags.ipv4_traffic => Family::V6,
                    Host::Name(_) => Family::Any,
                };
                let long_lived = self.door.long_lived_ports.contains(&request.port);
                let begin = BeginFlags(match (flags.ipv4_traffic, flags.ipv6_traffic) {
                    (_, false) => 0,
                    (false, true) => BeginFlags::IPV6_OK.0 | BeginFlags::IPV4_NOT_OK.0,
                    (true, true) if flags.prefer_ipv6 => BeginFlags::IPV6_OK.0 | BeginFlags::IPV6_PREFERRED.0,
                    (true, true) => BeginFlags::IPV6_OK.0,
                });
                let host = match host {
                    Host::Ip(IpAddr::V6(address)) => format!("[{address}]"),
                    Host::Ip(IpAddr::V4(_)) | Host::Name(_) => name,
                };
                let open = OpenRequest::Connect { host, port: request.port, flags: begin, early };
                (open, ExitNeed::Connect { port: request.port, family, long_lived })
            }
            (Command::ResolvePtr, Host::Ip(address)) => {
                (OpenRequest::Resolve(reverse_name(*address)), ExitNeed::Resolve)
            }
            (Command::ResolvePtr | Command::Resolve, _) => (OpenRequest::Resolve(name), ExitNeed::Resolve),
        }
    }

    /// Writes the reply. A stream, where there is one, is the client's from then on.
    pub(super) fn accept(
        &self,
        request: &Request,
        opened: Result<Opened, ConnectError>,
        out: &mut BytesMut,
    ) -> Result<Option<crate::DataStream>, String> {
        let believe =
            |address: &IpAddr| !(self.door.config.dns_reject_internal_addresses && is_internal(address));
        match opened {
            Ok(Opened::Stream(_, Some(address)))
                if matches!(request.host, Host::Name(_)) && !believe(&address) =>
            {
                request.fail(Status::GENERAL_FAILURE, out);
                Err("the exit claims that the name is an internal address".to_owned())
            }
            Ok(Opened::Stream(stream, _)) => {
                request.succeed(None, out);
                Ok(Some(stream))
            }
            Ok(Opened::Answers(answers)) => {
                let found = answers.into_iter().find_map(|answer| match (request.command, answer) {
                    (Command::ResolvePtr, Answer::Name(name, _)) => Some(Host::Name(name)),
                    (Command::ResolvePtr, Answer::Address(..)) | (_, Answer::Name(..)) => None,
                    (_, Answer::Address(address, _)) => believe(&address).then_some(Host::Ip(address)),
                });
                match found {
                    Some(host) => {
                        request.succeed(Some((&host, 0)), out);
                        Ok(None)
                    }
                    None => {
                        request.fail(Status::HOST_UNREACHABLE, out);
                        Err("the exit's answer is not one to believe".to_owned())
                    }
                }
            }
            Err(error) => {
                request.fail(status_of(&error), out);
                Err(error.to_string())
            }
        }
    }
}

/// The reply that tells an application why.
fn status_of(error: &ConnectError) -> Status {
    match error {
        ConnectError::Refused(StreamRefusal::Ended(reason)) => Status::from_end_reason(reason.0),
        ConnectError::Refused(StreamRefusal::Unresolved { .. }) => Status::HOST_UNREACHABLE,
        ConnectError::TimedOut => Status::TTL_EXPIRED,
        ConnectError::Refused(StreamRefusal::CircuitClosed)
        | ConnectError::NoPath(_)
        | ConnectError::Shutdown
        | _ => Status::GENERAL_FAILURE,
    }
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
