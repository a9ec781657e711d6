//! What a SOCKS request asks for: whether it may, kept apart from whom, and what it is answered.

use bytes::{Bytes, BytesMut};
use tor_cell::EndReason;
use tor_circmgr::{
    ConnectError, IsolationKey, StreamRefusal,
    address_map::host_text,
    target::{Errand, Refusal, TargetRules, is_internal},
};
use tor_ctrl_events::{ClientProtocol, IsoFields, StreamClient, StreamPurpose};
use tor_socks::{Command, Host, Request, Status, Version};

use super::{Peer, SocksPort};
use crate::{
    Answer, DataStream,
    lead::{Failure, Led, Wants},
    ledger::{NewStream, StreamRecord},
};

impl SocksPort {
    /// Warns of an application that looks up names by itself, and refuses it under `SafeSocks`.
    pub(super) fn admit(&self, request: &Request, out: &mut BytesMut) -> Result<(), &'static str> {
        let host = host(request);
        let door = &self.door;
        if request.bare_address && !door.opener.ledger().addresses().maps(&host) {
            door.say_unsafe(request, &host);
            if door.config.safe {
                request.fail(Status::NOT_ALLOWED, out);
                return Err("an address instead of a name, under SafeSocks");
            }
        }
        Ok(())
    }

    pub(super) fn isolation_key(&self, request: &Request, peer: &Peer) -> IsolationKey {
        let isolation = &self.settings.isolation;
        let socks_auth = request.credentials.as_ref().filter(|_| isolation.socks_auth);
        IsolationKey {
            session_group: self.session_group,
            nym_epoch: self.door.opener.ledger().nym_epoch(),
            socks_auth: socks_auth.map(|auth| (auth.username().to_vec(), auth.password().to_vec())),
            client_addr: peer.ip.filter(|_| isolation.client_addr),
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

    /// The stream begins.
    pub(super) fn record(&self, request: &Request, key: &IsolationKey, peer: Peer) -> StreamRecord {
        let isolation = &self.settings.isolation;
        let auth = request.credentials.as_ref();
        let errand = errand(request.command);
        self.door.opener.ledger().new_stream(NewStream {
            errand,
            host: host(request),
            port: if errand == Errand::Connect { request.port } else { 0 },
            purpose: if errand == Errand::Connect { StreamPurpose::User } else { StreamPurpose::DnsRequest },
            source: Some(peer.name),
            client: StreamClient {
                socks_username: auth.map(|auth| auth.username().to_vec()),
                socks_password: auth.map(|auth| auth.password().to_vec()),
                protocol: match request.version {
                    Version::V4 | Version::V4a => ClientProtocol::Socks4,
                    Version::V5 => ClientProtocol::Socks5,
                },
                nym_epoch: key.nym_epoch.into(),
                session_group: key.session_group.into(),
                iso_fields: IsoFields {
                    dest_port: isolation.dest_port,
                    dest_addr: isolation.dest_addr,
                    socks_auth: isolation.socks_auth,
                    client_protocol: isolation.client_protocol,
                    client_addr: isolation.client_addr,
                    session_group: true,
                    nym_epoch: true,
                },
            },
            managed: true,
        })
    }

    /// What the stream is to be, by the rules of this port.
    pub(super) fn wants(&self, request: &Request, key: IsolationKey, early: Bytes) -> Wants {
        let (flags, config) = (self.settings.flags, &self.door.config);
        let rules = TargetRules {
            ipv4: flags.ipv4_traffic,
            ipv6: flags.ipv6_traffic,
            prefer_ipv6: flags.prefer_ipv6,
            dns_request: flags.dns_request,
            use_ipv4_cache: flags.use_ipv4_cache,
            use_ipv6_cache: flags.use_ipv6_cache,
            prefer_ipv6_automap: flags.prefer_ipv6_automap,
            ipv4_only: matches!(request.version, Version::V4 | Version::V4a),
            automap: self.door.opener.automap(),
            reject_internal: config.reject_internal_addresses,
            dns_reject_internal: config.dns_reject_internal_addresses,
            warn_ports: config.warn_plaintext_ports.clone(),
            reject_ports: config.reject_plaintext_ports.clone(),
        };
        Wants {
            rules,
            key,
            keep_alive: flags.keep_alive_socks_auth,
            long_lived_ports: self.door.long_lived_ports.clone(),
            cache: (flags.cache_ipv4, flags.cache_ipv6),
            early,
        }
    }

    /// Writes the reply. A stream, where there is one, is the client's from then on.
    pub(super) fn answer(
        &self,
        request: &Request,
        led: Result<Led, Failure>,
        out: &mut BytesMut,
    ) -> Result<Option<DataStream>, String> {
        let found = match led {
            Ok(Led::Stream(stream)) => {
                request.succeed(None, out);
                return Ok(Some(stream));
            }
            Ok(Led::Address(address)) => Some(Host::Ip(address)),
            Ok(Led::Name(name)) => Some(Host::Name(name)),
            Ok(Led::Answers(answers)) => self.believed(request, answers),
            Err(failure) => {
                request.fail(status_of(&failure, request.command), out);
                return Err(failure.to_string());
            }
        };
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

    fn believed(&self, request: &Request, answers: Vec<Answer>) -> Option<Host> {
        let reject = self.door.config.dns_reject_internal_addresses;
        answers.into_iter().find_map(|answer| match (request.command, answer) {
            (Command::ResolvePtr, Answer::Name(name, _)) => Some(Host::Name(name)),
            (Command::ResolvePtr, Answer::Address(..)) | (_, Answer::Name(..)) => None,
            (_, Answer::Address(address, _)) => {
                (!(reject && is_internal(&address))).then_some(Host::Ip(address))
            }
        })
    }
}

const fn errand(command: Command) -> Errand {
    match command {
        Command::Connect => Errand::Connect,
        Command::Resolve => Errand::Resolve,
        Command::ResolvePtr => Errand::ResolvePtr,
    }
}

/// The target's host, as events write it.
fn host(request: &Request) -> String {
    match &request.host {
        Host::Name(name) => name.to_ascii_lowercase(),
        Host::Ip(address) => host_text(*address),
    }
}

/// The reply that tells an application why.
const fn status_of(failure: &Failure, command: Command) -> Status {
    match failure {
        Failure::Target(Refusal::Forbidden) => Status::NOT_ALLOWED,
        Failure::Target(Refusal::PrivateReverse)
        | Failure::Connect(ConnectError::Refused(StreamRefusal::Unresolved { .. })) => {
            Status::HOST_UNREACHABLE
        }
        Failure::BadAnswer if !matches!(command, Command::Connect) => Status::HOST_UNREACHABLE,
        Failure::Closed(reason)
        | Failure::Connect(ConnectError::Refused(StreamRefusal::Ended(EndReason(reason)))) => {
            Status::from_end_reason(*reason)
        }
        Failure::Connect(ConnectError::TimedOut) => Status::TTL_EXPIRED,
        Failure::BadAnswer | Failure::Target(_) | Failure::Connect(_) => Status::GENERAL_FAILURE,
    }
}
