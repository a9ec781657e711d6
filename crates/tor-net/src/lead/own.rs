//! Streams that no application asked for: this program's own, and a controller's look-ups.

use std::sync::Arc;

use bytes::Bytes;
use tor_cell::EndReason;
use tor_circmgr::{
    ConnectError, IsolationKey,
    address_map::{host_text, parse_ip},
    target::{Errand, TargetRules, is_internal},
};
use tor_ctrl_events::{ClientProtocol, Endpoint, IsoFields, StreamClient, StreamPurpose};

use super::{Failure, Led, Opener, Wants, describe, refused};
use crate::{
    Answer, DataStream, clock,
    ledger::{NewStream, StreamRecord},
};

/// A controller's look-ups that may be under way at once.
pub(super) const MAX_LOOKUPS: usize = 256;
/// The session group of a controller's look-ups, as in C Tor.
const CONTROLLER_GROUP: i32 = -3;

impl Opener {
    /// Opens a connection for this program itself. The address map and controllers have their say, as with an
    /// application's.
    ///
    /// # Errors
    /// If no exit connects to it.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        isolation: &IsolationKey,
    ) -> Result<DataStream, ConnectError> {
        match self.own(Errand::Connect, host, port, isolation).await? {
            Led::Stream(stream) => Ok(stream),
            Led::Address(_) | Led::Name(_) | Led::Answers(_) => Err(refused(EndReason::INTERNAL)),
        }
    }

    /// Looks up the addresses of a name for this program itself, by an exit. Whether to believe them is the caller's
    /// to decide.
    ///
    /// # Errors
    /// If the name does not resolve.
    pub async fn resolve(&self, name: &str, isolation: &IsolationKey) -> Result<Vec<Answer>, ConnectError> {
        match self.own(Errand::Resolve, name, 0, isolation).await? {
            Led::Answers(answers) => Ok(answers),
            Led::Address(address) => Ok(vec![Answer::Address(address, 0)]),
            Led::Name(name) => Ok(vec![Answer::Name(name, 0)]),
            Led::Stream(_) => Err(refused(EndReason::INTERNAL)),
        }
    }

    async fn own(
        &self,
        errand: Errand,
        host: &str,
        port: u16,
        isolation: &IsolationKey,
    ) -> Result<Led, ConnectError> {
        let key =
            IsolationKey { nym_epoch: isolation.nym_epoch.max(self.ledger.nym_epoch()), ..isolation.clone() };
        let record = self.ledger.new_stream(NewStream {
            errand,
            host: parse_ip(host).map_or_else(|| host.to_owned(), host_text),
            port,
            purpose: if errand == Errand::Connect { StreamPurpose::User } else { StreamPurpose::DnsRequest },
            source: None,
            client: describe(&key, ClientProtocol::Unknown),
            managed: true,
        });
        // Whoever links us in knows what it asks for.
        let rules =
            TargetRules { reject_internal: false, dns_reject_internal: false, ..TargetRules::default() };
        let wants = Wants {
            rules,
            key,
            keep_alive: false,
            long_lived_ports: Arc::default(),
            cache: (false, false),
            early: Bytes::new(),
        };
        self.lead(record, wants).await.map_err(|failure| match failure {
            Failure::Connect(error) => error,
            Failure::Target(_) | Failure::BadAnswer => refused(EndReason::TORPROTOCOL),
            Failure::Closed(reason) => refused(EndReason(reason)),
        })
    }

    /// Starts a look-up for a controller (RESOLVE), whose address `source` is; the answer is told by an ADDRMAP event.
    /// The address of a name, or the name of an address where `reverse` is set.
    pub fn lookup(self: &Arc<Self>, name: &str, reverse: bool, source: Option<Endpoint>) {
        let Ok(permit) = Arc::clone(&self.lookups).try_acquire_owned() else {
            // The controller asked for more than there is room for.
            self.ledger.addresses().tell_answer(name, None, None);
            return;
        };
        let key = IsolationKey {
            session_group: CONTROLLER_GROUP,
            nym_epoch: self.ledger.nym_epoch(),
            ..IsolationKey::default()
        };
        let iso_fields = IsoFields {
            socks_auth: true,
            client_addr: true,
            session_group: true,
            nym_epoch: true,
            ..IsoFields::default()
        };
        let record = self.ledger.new_stream(NewStream {
            errand: if reverse { Errand::ResolvePtr } else { Errand::Resolve },
            host: name.to_owned(),
            port: 0,
            purpose: StreamPurpose::DnsRequest,
            source,
            client: StreamClient { iso_fields, ..describe(&key, ClientProtocol::Unknown) },
            managed: true,
        });
        let (this, name) = (Arc::clone(self), name.to_owned());
        clock::spawn(async move {
            let rules = TargetRules::clone(&this.rules());
            this.look_up(record, &name, key, rules).await;
            drop(permit);
        });
    }

    async fn look_up(&self, record: StreamRecord, name: &str, key: IsolationKey, rules: TargetRules) {
        let stream = Some(record.id());
        let believe = !rules.dns_reject_internal;
        let wants = Wants {
            rules,
            key,
            keep_alive: false,
            long_lived_ports: Arc::default(),
            cache: (false, false),
            early: Bytes::new(),
        };
        let led = self.lead_with(record, wants, |led| {
            let answer = match led {
                Ok(Led::Address(address)) => Some((address.to_string(), 0)),
                Ok(Led::Name(name)) => Some((name.clone(), 0)),
                Ok(Led::Answers(answers)) => answers.iter().find_map(|answer| match answer {
                    Answer::Address(address, ttl) if believe || !is_internal(address) => {
                        Some((address.to_string(), *ttl))
                    }
                    Answer::Address(..) => None,
                    Answer::Name(name, ttl) => Some((name.clone(), *ttl)),
                }),
                Ok(Led::Stream(_)) | Err(_) => None,
            };
            self.ledger.addresses().tell_answer(name, answer, stream);
        });
        let _told = led.await;
    }
}
