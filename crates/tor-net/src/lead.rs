//! Leads streams from their target to an open connection or an answer: the address map, a controller's choice of the
//! circuit, one circuit after another, and what the exit's answer is worth.
//!
//! ```text
//!   ┌────────────── a controller is to choose ──────────────┐
//!   v                                                       │
//!  wait for ATTACHSTREAM ─> address map ─> one attempt ─┬─> detached ─> next attempt, Tor chooses
//!                                ^             │  │     └─> failed
//!  Tor chooses ──────────────────┘             │  └─> ATTACHSTREAM: leave this circuit
//!                                              v
//!                                       open, or answered
//! ```

mod own;
mod plan;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use thiserror::Error;
use tokio::{sync::Semaphore, time::Instant};
use tor_cell::EndReason;
use tor_circmgr::{
    CircMgr, CircuitNumber, ConnectError, Detached, IsolationKey, Setback, StreamRefusal,
    address_map::{VirtualNet, host_text, parse_ip, reverse_key},
    target::{Decision, Errand, Refusal, TargetComplaint, TargetRules, Verdict, is_internal},
};
use tor_config::{AddressConfig, SocksConfig};
use tor_ctrl_events::{
    ClientProtocol, IsoFields, RemapSource, Severity, Status, StatusType, StreamClient, StreamReason,
};
use tor_path::ExitNeed;
use tracing::warn;

use self::{own::MAX_LOOKUPS, plan::Plan};
use crate::{
    Answer, DataStream, Ledger, Opened, RelayCircuits, StreamRequest,
    ledger::{AttachError, AttachOrder, ChosenCircuit, Order, StreamRecord, Why},
};

/// Opens streams, whoever wants them.
#[derive(Debug)]
pub struct Opener {
    manager: Arc<CircMgr<RelayCircuits>>,
    ledger: Arc<Ledger>,
    lookups: Arc<Semaphore>,
    /// What a controller's look-ups may ask; others take the endings of made-up names from it.
    rules: Mutex<Arc<TargetRules>>,
}

/// What a stream is to be, besides its target, which its record has.
#[derive(Debug)]
pub(crate) struct Wants {
    pub(crate) rules: TargetRules,
    pub(crate) key: IsolationKey,
    pub(crate) keep_alive: bool,
    /// Circuits to these ports must be stable.
    pub(crate) long_lived_ports: Arc<[u16]>,
    /// Remember the exit's answers, of either family.
    pub(crate) cache: (bool, bool),
    /// What the application has said already.
    pub(crate) early: Bytes,
}

/// What a stream came to.
#[derive(Debug)]
pub(crate) enum Led {
    Stream(DataStream),
    Address(IpAddr),
    Name(String),
    /// An exit's answers, none of which was looked at.
    Answers(Vec<Answer>),
}

/// Why a stream came to nothing.
#[derive(Clone, Debug, Error)]
pub(crate) enum Failure {
    #[error("its target is refused: {0:?}")]
    Target(Refusal),
    #[error("a controller closed it")]
    Closed(u8),
    #[error("the exit claims that the name is an internal address")]
    BadAnswer,
    #[error(transparent)]
    Connect(ConnectError),
}

/// How one attempt ended.
enum Step {
    Opened(Opened),
    Setback(Setback),
    Order(Order),
}

impl Opener {
    /// Opens streams on `manager`'s circuits, and enters them in the ledger.
    pub fn new(manager: Arc<CircMgr<RelayCircuits>>, ledger: Arc<Ledger>) -> Arc<Self> {
        let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
        Arc::new(Self { manager, ledger, lookups, rules: Mutex::default() })
    }

    /// Takes over the configuration's address map, and what holds for look-ups.
    pub fn configure(&self, socks: &SocksConfig, addresses: &AddressConfig) {
        let rules = TargetRules {
            // As C Tor's for look-ups of its own.
            ipv6: false,
            automap: if addresses.automap { addresses.automap_suffixes.clone() } else { Vec::new() },
            dns_reject_internal: socks.dns_reject_internal_addresses,
            ..TargetRules::default()
        };
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        let v4 = VirtualNet::parse_v4(&addresses.virtual_v4).unwrap_or(VirtualNet::DEFAULT_V4);
        let v6 = VirtualNet::parse_v6(&addresses.virtual_v6).unwrap_or(VirtualNet::DEFAULT_V6);
        let lines = addresses.maps.iter().map(String::as_str);
        for (line, why) in self.ledger.addresses().configure(lines, v4, v6) {
            warn!("MapAddress '{line}': {why}. Ignoring.");
        }
    }

    fn rules(&self) -> Arc<TargetRules> {
        Arc::clone(&self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The endings of names for which addresses are made up.
    pub(crate) fn automap(&self) -> Vec<String> {
        self.rules().automap.clone()
    }

    /// The circuits.
    pub fn manager(&self) -> &Arc<CircMgr<RelayCircuits>> {
        &self.manager
    }

    /// What is open.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Leads a stream until it is open, answered or given up, and tells so.
    pub(crate) async fn lead(&self, record: StreamRecord, wants: Wants) -> Result<Led, Failure> {
        self.lead_with(record, wants, |_| {}).await
    }

    /// `tell` sees the result before the stream is over.
    async fn lead_with(
        &self,
        record: StreamRecord,
        wants: Wants,
        tell: impl FnOnce(&Result<Led, Failure>),
    ) -> Result<Led, Failure> {
        record.wrote(wants.early.len());
        let led = match self.follow(&record, &wants).await {
            Ok(opened) => self.accept(&record, &wants, opened),
            Err(End::Led(led)) => Ok(led),
            Err(End::Failed(failure)) => Err(failure),
        };
        tell(&led);
        match &led {
            Ok(Led::Stream(_)) => record.succeeded(),
            Ok(Led::Address(_) | Led::Name(_) | Led::Answers(_)) => {}
            Err(failure) => record.failed(failure.why(record.errand())),
        }
        led.map(|led| match led {
            Led::Stream(mut stream) => {
                stream.keep(record);
                Led::Stream(stream)
            }
            led @ (Led::Address(_) | Led::Name(_) | Led::Answers(_)) => led,
        })
    }

    /// From circuit to circuit, until one serves the stream.
    async fn follow(&self, record: &StreamRecord, wants: &Wants) -> Result<Opened, End> {
        let deadline = Instant::now() + self.manager.timing().socks_timeout;
        let nowhere = ExitNeed::Resolve;
        let mut opening = self.manager.opening(nowhere, wants.key.clone(), wants.keep_alive, deadline);
        let mut plan: Option<Plan> = None;
        let mut order: Option<AttachOrder> = None;
        let mut controlled = self.ledger.leaves_streams_unattached();
        if controlled {
            record.controller_wait();
        }
        loop {
            let mut chosen = None;
            if controlled || order.is_some() {
                let (order, circuit) = self.chosen(record, order.take(), deadline).await?;
                record.circuit_wait();
                let judged = self.judge(record, wants, circuit.is_some());
                order.answer(judged.as_ref().map_or(Err(AttachError::Unable), |_| Ok(())));
                plan = Some(judged?);
                chosen = circuit;
            }
            let plan = match &mut plan {
                Some(plan) => plan,
                none @ None => none.insert(self.judge(record, wants, false)?),
            };
            opening.set_need(plan.need);
            opening.set_via(plan.via);
            let request = StreamRequest::new(plan.request(wants), record.card());
            let attempt = async {
                let result = match &chosen {
                    Some((circuit, hop)) => {
                        // Tor itself must not put others on it, whoever chose it for this one.
                        self.manager.attached(CircuitNumber(circuit.id().0), &wants.key);
                        opening.on_circuit(circuit.open_at(&request, *hop)).await
                    }
                    None => opening.attempt(&request).await,
                };
                result.map_or_else(Step::Setback, Step::Opened)
            };
            let step = tokio::select! {
                step = attempt => step,
                new = record.order() => Step::Order(new),
            };
            match step {
                Step::Opened(opened) => return Ok(opened),
                Step::Setback(Setback::Detached(detached)) => {
                    record.detached(&why_detached(detached));
                    controlled = self.ledger.leaves_streams_unattached();
                    if controlled {
                        record.controller_wait();
                    } else {
                        record.leave_circuit();
                    }
                }
                Step::Setback(Setback::Over(error)) => return Err(End::Failed(Failure::Connect(error))),
                Step::Setback(_) => return Err(End::Failed(Failure::Connect(ConnectError::TimedOut))),
                Step::Order(Order::Close(reason)) => return Err(End::Failed(Failure::Closed(reason))),
                Step::Order(Order::Attach(new)) => {
                    record.leave_circuit();
                    record.controller_wait();
                    (controlled, order) = (true, Some(new));
                }
            }
        }
    }

    /// Waits until a controller has chosen a circuit that can be had, or left the choice to us.
    async fn chosen(
        &self,
        record: &StreamRecord,
        mut order: Option<AttachOrder>,
        deadline: Instant,
    ) -> Result<(AttachOrder, Option<ChosenCircuit>), End> {
        loop {
            if let Some(order) = order.take()
                && let Some(chosen) = order.circuit(&self.ledger)
            {
                return Ok(chosen);
            }
            let next = tokio::time::timeout_at(deadline, record.order()).await;
            match next.map_err(|_| End::Failed(Failure::Connect(ConnectError::TimedOut)))? {
                Order::Attach(attach) => order = Some(attach),
                Order::Close(reason) => return Err(End::Failed(Failure::Closed(reason))),
            }
        }
    }

    /// Where the stream leads by the address map, and whether it may.
    fn judge(&self, record: &StreamRecord, wants: &Wants, chosen: bool) -> Result<Plan, End> {
        let (host, port) = record.target();
        let errand = record.errand();
        let Verdict { remapped, complaint, decision, .. } =
            self.ledger.addresses().judge(errand, (&host, port), &wants.rules, chosen);
        for host in remapped {
            record.remap(host, RemapSource::Cache);
        }
        if let Some(complaint) = complaint {
            self.complain(&complaint);
        }
        let refuse = |refusal| End::Failed(Failure::Target(refusal));
        match decision {
            Decision::Answer(address) => {
                // The look-up was of that name.
                record.leads_to(host, None);
                Err(End::Led(Led::Address(address)))
            }
            Decision::AnswerName(name) => {
                record.leads_to(host, None);
                Err(End::Led(Led::Name(name)))
            }
            Decision::Go { host, via } => {
                let relay = match &via {
                    None => None,
                    Some(name) => {
                        let relay = self.manager.factory().relay_named(name);
                        Some(relay.ok_or_else(|| refuse(Refusal::BadTarget))?)
                    }
                };
                let own_address = relay.as_ref().and_then(|(_, address)| *address).map(host_text);
                let host = host.or(own_address).ok_or_else(|| refuse(Refusal::BadTarget))?;
                record.leads_to(host.clone(), via);
                Ok(Plan::new(errand, host, port, wants, relay.map(|(id, _)| id)))
            }
            Decision::Refuse(refusal) => Err(refuse(refusal)),
            _ => Err(refuse(Refusal::BadTarget)),
        }
    }

    /// What the exit's answer is worth.
    fn accept(&self, record: &StreamRecord, wants: &Wants, opened: Opened) -> Result<Led, Failure> {
        let (host, _) = record.target();
        let named = parse_ip(&host).is_none();
        match opened {
            Opened::Stream(stream, None) => Ok(Led::Stream(stream)),
            Opened::Stream(stream, Some(address)) => {
                if named && wants.rules.dns_reject_internal && is_internal(&address) {
                    return Err(Failure::BadAnswer);
                }
                if named {
                    self.remember(record, wants, &host, address, DEFAULT_TTL);
                }
                record.remap(host_text(address), RemapSource::Exit);
                Ok(Led::Stream(stream))
            }
            Opened::Answers(answers) => {
                let internal = |answer: &Answer| match answer {
                    Answer::Address(address, _) => is_internal(address),
                    Answer::Name(..) => false,
                };
                if wants.rules.dns_reject_internal && answers.iter().all(internal) {
                    return Err(Failure::BadAnswer);
                }
                for answer in &answers {
                    match answer {
                        Answer::Address(address, ttl) if !is_internal(address) => {
                            self.remember(record, wants, &host, *address, *ttl);
                        }
                        Answer::Name(name, ttl) => {
                            if let Some(address) = parse_ip(&host).filter(|ip| wants.caches(*ip)) {
                                let key = reverse_key(address);
                                self.ledger.addresses().learn(&key, name, *ttl, record.id());
                            }
                        }
                        Answer::Address(..) => {}
                    }
                }
                Ok(Led::Answers(answers))
            }
        }
    }

    fn remember(&self, record: &StreamRecord, wants: &Wants, host: &str, address: IpAddr, ttl: u32) {
        if wants.caches(address) {
            self.ledger.addresses().learn(host, &host_text(address), ttl, record.id());
        }
    }

    fn complain(&self, complaint: &TargetComplaint) {
        let events = self.ledger.events();
        let status = |action: &str| Status::new(StatusType::Client, Severity::Warn, action);
        match complaint {
            TargetComplaint::DotExit(host) => {
                warn!("The \".exit\" notation is disabled in Tor due to security risks.");
                events.emit(status("SOCKS_BAD_HOSTNAME").quoted("HOSTNAME", host).into());
            }
            TargetComplaint::BadHostname(host) => {
                events.emit(status("SOCKS_BAD_HOSTNAME").quoted("HOSTNAME", host).into());
            }
            TargetComplaint::DangerousPort { port, rejected } => {
                let end = if *rejected {
                    " Closing."
                } else {
                    " Please make sure you don't send anything you would mind the rest of the Internet reading!"
                };
                warn!(
                    "Application request to port {port}: this port is commonly used for unencrypted protocols.{end}"
                );
                let result = if *rejected { "REJECT" } else { "WARN" };
                events.emit(status("DANGEROUS_PORT").arg("PORT", port).arg("RESULT", result).into());
            }
            TargetComplaint::Private => warn!(
                "Rejecting SOCKS request for an internal address. (Set ClientRejectInternalAddresses 0 to allow it.)"
            ),
            TargetComplaint::Loop => {
                warn!("Loop detected: a target was rewritten 16 times by the address map! Using it as-is.");
            }
            _ => {}
        }
    }
}

/// How `follow` ends without an exit's answer.
enum End {
    Led(Led),
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Wants {
    const fn caches(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.cache.0,
            IpAddr::V6(_) => self.cache.1,
        }
    }
}

impl Failure {
    /// As events tell it. C Tor ends look-ups that got an answer, if only that there is none, as done.
    fn why(&self, errand: Errand) -> Why {
        let word = match self {
            Self::Closed(reason) => return Why::asked(*reason),
            Self::Connect(ConnectError::Refused(refusal)) => return Why::refused(*refusal, errand),
            Self::Connect(ConnectError::TimedOut) => StreamReason::Timeout,
            Self::Connect(ConnectError::NoPath(_)) => StreamReason::CantAttach,
            Self::Connect(_) => StreamReason::Misc,
            Self::BadAnswer | Self::Target(Refusal::BadTarget) => StreamReason::TorProtocol,
            // C Tor has no word for its ENTRYPOLICY, and writes the number.
            Self::Target(Refusal::Forbidden) => StreamReason::Other("UNKNOWN_264".to_owned()),
            Self::Target(Refusal::Private) => StreamReason::PrivateAddr,
            Self::Target(Refusal::PrivateReverse) => StreamReason::SocksProtocol,
            Self::Target(_) => StreamReason::Internal,
        };
        Why::Local(word)
    }
}

fn why_detached(detached: Detached) -> Why {
    match detached {
        Detached::Refused(refusal) => Why::refused(refusal, Errand::Connect),
        Detached::Silent | _ => Why::Local(StreamReason::Timeout),
    }
}

const fn refused(reason: EndReason) -> ConnectError {
    ConnectError::Refused(StreamRefusal::Ended(reason))
}

/// Who asks for a stream, in the words of events, where its key is all that is known.
pub(crate) fn describe(key: &IsolationKey, protocol: ClientProtocol) -> StreamClient {
    let (socks_username, socks_password) = match &key.socks_auth {
        Some((name, password)) => (Some(name.clone()), Some(password.clone())),
        None => (None, None),
    };
    StreamClient {
        socks_username,
        socks_password,
        protocol,
        nym_epoch: key.nym_epoch.into(),
        session_group: key.session_group.into(),
        iso_fields: IsoFields {
            dest_port: key.dest_port.is_some(),
            dest_addr: key.dest_addr.is_some(),
            socks_auth: key.socks_auth.is_some(),
            client_protocol: key.client_protocol.is_some(),
            client_addr: key.client_addr.is_some(),
            session_group: true,
            nym_epoch: true,
        },
    }
}

/// How long an answer without a time of its own is remembered, as in C Tor.
const DEFAULT_TTL: u32 = 30 * 60;
