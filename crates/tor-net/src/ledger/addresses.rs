//! The client's address map, shared: who changes it, by a controller's command, a configuration or an exit's answer, and
//! the ADDRMAP events that tell of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tor_circmgr::{
    address_map::{AddressMap, BadPair, Expiry, Listing, MapError, Mapped, VirtualNet},
    target::{Errand, TargetRules, Verdict, judge},
};
use tor_ctrl_events::{AddrMap, EventKind, EventSink, StreamId};

use crate::clock;

/// How long an answer is remembered, at the least and at the most.
const TTL: (u32, u32) = (5 * 60, 60 * 60);

/// Which targets lead elsewhere, for the whole client.
#[derive(Debug)]
pub struct Addresses {
    map: Mutex<AddressMap>,
    events: Arc<dyn EventSink>,
}

impl Addresses {
    pub(super) fn new(events: Arc<dyn EventSink>) -> Self {
        let map = AddressMap::new(VirtualNet::DEFAULT_V4, VirtualNet::DEFAULT_V6);
        Self { map: Mutex::new(map), events }
    }

    /// One pair of a controller's MAPADDRESS; the reply's text, `FROM=TO`.
    ///
    /// # Errors
    /// If the pair makes no sense. The error's `code()` and text are the reply's.
    pub fn assign(&self, from: &str, to: &str) -> Result<String, MapError> {
        let (reply, mapped) = self.map().assign(from, to, &mut clock::rng())?;
        self.tell(mapped, None);
        Ok(reply)
    }

    /// Takes the configuration's `MapAddress` lines and networks for made-up addresses. Returns the lines that are left
    /// out, and why.
    pub fn configure<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a str>,
        v4: VirtualNet,
        v6: VirtualNet,
    ) -> Vec<(&'a str, BadPair)> {
        let (mapped, wrong) = {
            let mut map = self.map();
            map.set_networks(v4, v6);
            map.configure(lines)
        };
        mapped.into_iter().for_each(|mapped| self.tell(Some(mapped), None));
        wrong
    }

    /// The lines of `GETINFO address-mappings/…`.
    pub fn lines(&self, listing: Listing) -> Vec<String> {
        let mut map = self.map();
        map.expire(clock::wall());
        map.lines(listing, clock::iso_time)
    }

    /// Forgets what exits answered (CLEARDNSCACHE).
    pub fn clear_transient(&self) {
        self.map().clear_transient();
    }

    /// True if an entry is about that very address: an application that asks for it means the entry.
    pub(crate) fn maps(&self, address: &str) -> bool {
        self.map().maps(address)
    }

    /// What a stream's target comes to. `chosen`: a controller has chosen its circuit.
    pub(crate) fn judge(
        &self,
        errand: Errand,
        (host, port): (&str, u16),
        rules: &TargetRules,
        chosen: bool,
    ) -> Verdict {
        let verdict = {
            let mut map = self.map();
            map.expire(clock::wall());
            judge(errand, host, port, rules, chosen, &mut map, &mut clock::rng())
        };
        self.tell(verdict.mapped.clone(), None);
        verdict
    }

    /// Remembers an exit's answer.
    pub(crate) fn learn(&self, name: &str, answer: &str, ttl: u32, stream: StreamId) {
        let until = in_seconds(ttl.clamp(TTL.0, TTL.1));
        let mapped = self.map().learn(name, answer, until);
        self.tell(mapped, Some(stream));
    }

    /// Tells a controller what its look-up came to: nothing is remembered. Without an answer it failed.
    pub(crate) fn tell_answer(&self, name: &str, answer: Option<(String, u32)>, stream: Option<StreamId>) {
        if !self.events.wants(EventKind::AddrMap) {
            return;
        }
        let (to, ttl) = answer.map_or((None, 0), |(to, ttl)| (Some(to), ttl));
        let event = AddrMap {
            from: name.to_owned(),
            to,
            expires: Some(expiry(in_seconds(ttl))),
            cached: false,
            stream,
        };
        self.events.emit(event.into());
    }

    fn tell(&self, mapped: Option<Mapped>, stream: Option<StreamId>) {
        let Some(Mapped { from, to, expires, .. }) = mapped else { return };
        if !self.events.wants(EventKind::AddrMap) {
            return;
        }
        let expires = match expires {
            Expiry::Never => None,
            Expiry::At(at) => Some(expiry(at)),
        };
        self.events.emit(AddrMap { from, to: Some(to), expires, cached: true, stream }.into());
    }

    fn map(&self) -> MutexGuard<'_, AddressMap> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_seconds(ttl: u32) -> SystemTime {
    let now = clock::wall();
    now.checked_add(Duration::from_secs(ttl.into())).unwrap_or(now)
}

fn expiry(at: SystemTime) -> tor_ctrl_events::Expiry {
    tor_ctrl_events::Expiry { at, utc_offset: clock::utc_offset(at) }
}
