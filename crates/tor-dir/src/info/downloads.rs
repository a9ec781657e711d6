//! `downloads/*`: what is asked for, how often that failed, and when it is asked for again.
//!
//! The fields are those of C Tor's download schedules, the numbers those of ours, which have the same shape: a delay that
//! grows at random with each step. As in C Tor, the schedules of a start count attempts, since several are made at a time, and all
//! others count failures. Certificates share one schedule here, so each authority's state is the same.

use std::time::{Duration, SystemTime};

use tor_id::RsaId;
use tor_netdoc::Flavor;

use super::{KeyAnswer, KeyError, digest, identity};
use crate::{
    DirState, Moment,
    backoff::Backoff,
    dates,
    state::{BootstrapSource, schedules},
};

/// Counts go up to here; C Tor has a byte for them, and needs 255 for what will never be asked for again.
const MAX_COUNT: u32 = 254;

/// The state of one download.
#[derive(Clone, Copy, Debug)]
struct Download {
    next: SystemTime,
    failures: u32,
    attempts: u32,
    schedule: &'static str,
    source: &'static str,
    counts: &'static str,
    position: u32,
    delay: Duration,
}

pub(super) fn answer(state: &DirState, at: Moment, key: &str) -> KeyAnswer {
    let Some((family, rest)) = key.strip_prefix("downloads/").and_then(|key| key.split_once('/')) else {
        return Ok(None);
    };
    let answer = match family {
        "networkstatus" => consensus(state, at, rest).map(|download| download.to_string()),
        "cert" => cert(state, at, rest),
        "desc" => router(state, at, rest),
        "bridge" => bridge(rest),
        _ => return Ok(None),
    };
    answer.map(Some).map_err(KeyError::Unavailable)
}

fn consensus(state: &DirState, at: Moment, key: &str) -> Result<Download, &'static str> {
    let (flavor, phase) = key.split_once('/').unwrap_or((key, ""));
    let flavor = match flavor {
        "ns" => Flavor::Ns,
        "microdesc" => Flavor::Microdesc,
        _ => return Err("Unknown flavor"),
    };
    let running = || Download::failing(at, schedules::consensus(state, flavor), "DL_SCHED_CONSENSUS");
    match phase {
        "running" => Ok(running()),
        "bootstrap" => Ok(bootstrap(state, at, flavor)),
        "" if !key.contains('/') => {
            let bootstrapping = flavor == Flavor::Microdesc && schedules::is_bootstrapping(state);
            Ok(if bootstrapping { bootstrap(state, at, flavor) } else { running() })
        }
        _ => Err("Unknown flavor"),
    }
}

/// Of the two schedules of a start, C Tor shows that of any server as the microdescriptor flavour's, and that of the
/// authorities as the other's.
fn bootstrap(state: &DirState, at: Moment, flavor: Flavor) -> Download {
    let (source, name) = match flavor {
        Flavor::Microdesc => (BootstrapSource::Any, "DL_WANT_ANY_DIRSERVER"),
        Flavor::Ns => (BootstrapSource::Authority, "DL_WANT_AUTHORITY"),
    };
    let schedule = schedules::bootstrap(state, source);
    let attempts = schedule.map_or(0, |backoff| backoff.position().0);
    Download {
        attempts,
        source: name,
        counts: "DL_SCHED_INCREMENT_ATTEMPT",
        failures: schedules::bootstrap_failures(state, source),
        ..Download::failing(at, schedule, "DL_SCHED_CONSENSUS")
    }
}

fn cert(state: &DirState, at: Moment, key: &str) -> Result<String, &'static str> {
    let download = || Download::failing(at, Some(schedules::certs(state)), "DL_SCHED_CONSENSUS").to_string();
    if key == "fps" {
        return Ok(list(schedules::authorities(state).iter().map(RsaId::as_bytes)));
    }
    let key = key.strip_prefix("fp/").ok_or("Unknown certificate download status query")?;
    let Some((authority, signing_key)) = key.split_once('/') else {
        let id = identity(key).ok_or("That didn't look like a digest")?;
        let is_ours = schedules::authorities(state).contains(&id);
        return is_ours
            .then(download)
            .ok_or("Failed to get download status for this authority identity digest");
    };
    let id = identity(authority).ok_or("That didn't look like an identity digest")?;
    let wanted = schedules::wanted_signing_keys(state, &id);
    if signing_key == "sks" {
        return if schedules::authorities(state).contains(&id) {
            Ok(list(wanted.iter().map(RsaId::as_bytes)))
        } else {
            Err("Failed to get list of signing key digests for this authority identity digest")
        };
    }
    let signing_key = identity(signing_key).ok_or("That didn't look like a signing key digest")?;
    wanted
        .contains(&signing_key)
        .then(download)
        .ok_or("Failed to get download status for this identity/signing key digest pair")
}

/// Router descriptors. (C Tor aborts when it is asked for these.)
fn router(state: &DirState, at: Moment, key: &str) -> Result<String, &'static str> {
    if key == "descs" {
        let consensus = state.ns_consensus();
        consensus.ok_or("We don't seem to have a networkstatus-flavored consensus")?;
        let mut digests: Vec<_> = state.router_digests().into_keys().collect();
        digests.sort_unstable();
        return Ok(list(digests.iter()));
    }
    if key.len() != 40 {
        return Err("Unknown router descriptor download status query");
    }
    let digest = digest(key).ok_or("That didn't look like a digest")?;
    if !state.router_digests().contains_key(&digest) {
        return Err("No such descriptor digest found");
    }
    Ok(Download::failing(at, state.router_backoff(&digest), "DL_SCHED_GENERIC").to_string())
}

/// There are no bridges yet.
fn bridge(key: &str) -> Result<String, &'static str> {
    Err(match key {
        "bridges" => "We don't seem to be using bridges",
        key if key.len() != 40 => "Unknown bridge descriptor download status query",
        key if digest(key).is_none() => "That didn't look like a digest",
        _ => "No such bridge identity digest found",
    })
}

fn list<'a>(digests: impl Iterator<Item = &'a [u8; 20]>) -> String {
    digests.fold(String::new(), |text, digest| text + &hex::encode_upper(digest) + "\n")
}

impl Download {
    /// A schedule that counts failures; one that was not begun may start now.
    fn failing(at: Moment, schedule: Option<&Backoff>, name: &'static str) -> Self {
        let (position, delay) = schedule.map_or((0, Duration::ZERO), Backoff::position);
        let next = schedule.map_or(at.now, Backoff::next);
        let next = match next.checked_duration_since(at.now) {
            Some(wait) => at.wall + wait,
            None => at.wall - at.now.duration_since(next),
        };
        Self {
            next,
            failures: position,
            attempts: position,
            schedule: name,
            source: "DL_WANT_ANY_DIRSERVER",
            counts: "DL_SCHED_INCREMENT_FAILURE",
            position,
            delay,
        }
    }
}

/// The fields, one a line.
impl std::fmt::Display for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "next-attempt-at {}", dates::iso(self.next))?;
        writeln!(f, "n-download-failures {}", self.failures.min(MAX_COUNT))?;
        writeln!(f, "n-download-attempts {}", self.attempts.min(MAX_COUNT))?;
        writeln!(f, "schedule {}", self.schedule)?;
        writeln!(f, "want-authority {}", self.source)?;
        writeln!(f, "increment-on {}", self.counts)?;
        f.write_str("backoff DL_SCHED_RANDOM_EXPONENTIAL\n")?;
        writeln!(f, "last-backoff-position {}", self.position.min(MAX_COUNT))?;
        writeln!(f, "last-delay-used {}", self.delay.as_secs())
    }
}
