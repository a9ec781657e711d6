//! What no single option can tell: which ones this version has, and which go together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Config;
use crate::dirline::DirLineError;
use crate::port::Bind;
use crate::resolve::wants_full_descriptors;
use crate::table::{Network, Support, options};
use crate::value::Value;
use crate::{ConfigError, Notice, Problem, Settings};

/// Makes one notice of what is ignored.
pub(crate) fn ignored(settings: &Settings, notices: &mut Vec<Notice>) {
    let (mut harmless, mut relay) = (Vec::new(), Vec::new());
    for spec in options().iter().filter(|spec| spec.settable() && settings.differs(spec)) {
        match spec.support {
            Support::Built | Support::Unbuilt => {}
            Support::Harmless => harmless.push(spec.name),
            Support::Relay => relay.push(spec.name),
        }
    }
    if !harmless.is_empty() {
        let names = harmless.join(", ");
        notices.push(Notice::warn(format!("These options have no effect in this version: {names}.")));
    }
    if !relay.is_empty() {
        let names = relay.join(", ");
        notices.push(Notice::tell(format!("This is a client; options for relays are ignored: {names}.")));
    }
}

/// Refuses what is not built. It comes last, so that what C Tor refuses, too, is refused in C Tor's words.
pub(crate) fn unbuilt(settings: &Settings) -> Result<(), ConfigError> {
    let mut set = options().iter().filter(|spec| spec.settable() && settings.differs(spec));
    match set.find(|spec| spec.support == Support::Unbuilt) {
        Some(spec) => Err(settings.error(spec.name, Problem::NotBuilt(advice(spec.name)))),
        None => Ok(()),
    }
}

/// What to do instead, in a word.
fn advice(name: &str) -> &'static str {
    match name {
        "User" => "start it as the user that it should run as",
        "Sandbox" => "use the sandbox of your service manager",
        _ => "take the option out, or use C Tor",
    }
}

/// The rules that C Tor checks when it has read everything.
pub(crate) fn rules(
    settings: &Settings,
    config: &Config,
    notices: &mut Vec<Notice>,
) -> Result<(), ConfigError> {
    directories(settings, config, notices)?;
    testing(settings, config, notices)?;
    ranges(settings, config)?;
    remarks(settings, config, notices);
    Ok(())
}

fn directories(settings: &Settings, config: &Config, notices: &mut Vec<Notice>) -> Result<(), ConfigError> {
    let dir = &config.directory;
    let alternates = !dir.alternate_authorities.is_empty() || !dir.alternate_bridge_authorities.is_empty();
    if !dir.authorities.is_empty() && alternates {
        return Err(settings.error("DirAuthority", DirLineError::WithAlternate));
    }
    let both_alternates =
        !dir.alternate_authorities.is_empty() && !dir.alternate_bridge_authorities.is_empty();
    let own_network = !dir.authorities.is_empty() || both_alternates;
    if config.testing_network && !own_network {
        let says = "TestingTorNetwork may only be configured in combination with a non-default set of DirAuthority \
                    or both of AlternateDirAuthority and AlternateBridgeAuthority configured.";
        return Err(settings.says("TestingTorNetwork", says));
    }
    if !config.socks.dns_reject_internal_addresses && !own_network {
        let says = "ClientDNSRejectInternalAddresses used for default network.";
        return Err(settings.says("ClientDNSRejectInternalAddresses", says));
    }
    if dir.fetch_extra_early && !dir.fetch_early {
        let says = "FetchDirInfoExtraEarly requires that you also set FetchDirInfoEarly";
        return Err(settings.says("FetchDirInfoExtraEarly", says));
    }
    if wants_full_descriptors(settings) {
        return Err(settings.error("UseMicrodescriptors", Problem::NotBuilt("leave it at auto")));
    }
    if !dir.authorities.is_empty() || !dir.alternate_authorities.is_empty() {
        notices.push(Notice::warn(
            "Directory authorities other than the built-in ones are configured. Unless this is a network of \
             your own, that makes you look different from everybody else and can cost you your anonymity.",
        ));
    }
    if !dir.fallbacks.is_empty() && settings.bool("UseDefaultFallbackDirs") {
        notices.push(Notice::info("FallbackDir is set; the built-in fallback directories are not used."));
    }
    Ok(())
}

fn testing(settings: &Settings, config: &Config, notices: &mut Vec<Notice>) -> Result<(), ConfigError> {
    if config.testing_network {
        notices.push(Notice::warn(
            "TestingTorNetwork is set: this client is almost unusable on the public Tor network.",
        ));
        return Ok(());
    }
    // The network was a testing one when it was started: its defaults hold, and are nobody's change.
    if settings.network() == Network::Testing {
        return Ok(());
    }
    for name in TESTING_ONLY {
        let Some(spec) = crate::table::find(name) else { continue };
        let public = Settings::new(Network::Public);
        if settings.value(name) != public.value(name) {
            let says = format!("{name} may only be changed in testing Tor networks!");
            return Err(settings.says(spec.name, says));
        }
    }
    Ok(())
}

fn ranges(settings: &Settings, config: &Config) -> Result<(), ConfigError> {
    let number = |name| match settings.value(name) {
        Some(Value::Number(number)) => number,
        Some(_) | None => 0,
    };
    let fail = |name: &'static str, says: &str| Err(settings.says(name, says));
    if !(1..=1024).contains(&config.circuits.max_pending) {
        let asked = config.circuits.max_pending;
        let says = format!("MaxClientCircuitsPending must be between 1 and 1024, but was set to {asked}");
        return fail("MaxClientCircuitsPending", &says);
    }
    if number("KeepalivePeriod") < 1 {
        return fail("KeepalivePeriod", "KeepalivePeriod option must be positive.");
    }
    if number("TestingClientMaxIntervalWithoutRequest") < 1 {
        let name = "TestingClientMaxIntervalWithoutRequest";
        return fail(name, "TestingClientMaxIntervalWithoutRequest is way too low.");
    }
    if number("TestingDirConnectionMaxStall") < 5 {
        return fail("TestingDirConnectionMaxStall", "TestingDirConnectionMaxStall is way too low.");
    }
    if config.directory.bootstrap_parallel < 1 {
        let name = "ClientBootstrapConsensusMaxInProgressTries";
        return fail(name, "ClientBootstrapConsensusMaxInProgressTries must be greater than 0.");
    }
    if let (Some(entry), Some(primary)) = (config.guards.entry, config.guards.primary)
        && entry > primary
    {
        return fail("NumEntryGuards", "NumEntryGuards must not be greater than NumPrimaryGuards.");
    }
    Ok(())
}

/// What C Tor refuses of options that are not built here.
pub(crate) fn contradictions(settings: &Settings) -> Result<(), ConfigError> {
    let single = settings.bool("HiddenServiceSingleHopMode");
    let exposed = settings.bool("HiddenServiceNonAnonymousMode");
    let says = match (single, exposed) {
        (true, false) => {
            "HiddenServiceSingleHopMode does not provide any server anonymity. It must be used with \
             HiddenServiceNonAnonymousMode set to 1."
        }
        (false, true) => {
            "HiddenServiceNonAnonymousMode does not provide any server anonymity. It must be used with \
             HiddenServiceSingleHopMode set to 1."
        }
        (true, true) | (false, false) => {
            if !settings.bool("UseBridges") {
                return Ok(());
            } else if !settings.bool("UseEntryGuards") {
                "Setting UseBridges requires also setting UseEntryGuards."
            } else if !settings.items("EntryNodes").is_empty() {
                "You cannot set both UseBridges and EntryNodes."
            } else if settings.lines("Bridge").is_empty() {
                "If you set UseBridges, you must specify at least one bridge."
            } else {
                return Ok(());
            }
        }
    };
    let option = if single {
        "HiddenServiceSingleHopMode"
    } else if exposed {
        "HiddenServiceNonAnonymousMode"
    } else {
        "UseBridges"
    };
    Err(settings.says(option, says))
}

fn remarks(settings: &Settings, config: &Config, notices: &mut Vec<Notice>) {
    let circuits = &config.circuits;
    match (circuits.learn_build_timeout, circuits.build_timeout) {
        (false, Some(timeout)) if timeout.as_secs() < 10 => notices.push(Notice::warn(
            "CircuitBuildTimeout is under 10 seconds and LearnCircuitBuildTimeout is off: many circuits will \
             fail.",
        )),
        (false, None) => notices.push(Notice::info(
            "LearnCircuitBuildTimeout is off and CircuitBuildTimeout is not set: a plausible one is used.",
        )),
        (true | false, _) => {}
    }
    if config.process.max_mem_in_queues.is_some_and(|bytes| bytes < 64 << 20) {
        notices.push(Notice::warn("MaxMemInQueues is low; if the client doesn't work, this may be why."));
    }
    if config.socks.listeners.is_empty() {
        notices.push(Notice::warn("SocksPort is 0 and nothing else is open: this client will do nothing."));
    }
    if settings.bool("RunAsDaemon") {
        notices.push(Notice::tell(
            "RunAsDaemon: this client stays in the foreground; let a service manager put it in the background.",
        ));
    }
    if config.directory.max_stall.as_secs() > 3600 {
        notices.push(Notice::warn("TestingDirConnectionMaxStall is insanely high."));
    }
    if config.directory.max_interval_without_request.as_secs() > 3600 {
        notices.push(Notice::warn("TestingClientMaxIntervalWithoutRequest is insanely high."));
    }
    if config.directory.bootstrap_parallel > 100 {
        notices.push(Notice::warn("ClientBootstrapConsensusMaxInProgressTries is insanely high."));
    }
}

/// What to say of a port that others than this machine can reach.
pub(crate) fn exposure(address: IpAddr, bind: &Bind) -> Option<Notice> {
    let address = address.to_canonical();
    if address.is_loopback() {
        None
    } else if is_local(address) {
        Some(Notice::tell(format!(
            "SocksPort {bind} is open to your local network: everybody there can use your client."
        )))
    } else {
        Some(Notice::warn(format!(
            "SocksPort {bind} is a public address: anybody on the Internet may find it and use it as an open \
             proxy."
        )))
    }
}

/// An address that only neighbours can reach. To listen on "any address" is not that.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let carrier = first == 100 && (64..128).contains(&second);
            let this = first == 0 && v4 != Ipv4Addr::UNSPECIFIED;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || carrier || this
        }
        IpAddr::V6(v6) => {
            let site_local = v6.segments().first().is_some_and(|first| first & 0xffc0 == 0xfec0);
            v6.is_unique_local() || v6.is_unicast_link_local() || site_local || v6 == Ipv6Addr::LOCALHOST
        }
    }
}

/// Options that C Tor lets nobody change on the public network.
const TESTING_ONLY: &[&str] = &[
    "TestingV3AuthInitialVotingInterval",
    "TestingV3AuthInitialVoteDelay",
    "TestingV3AuthInitialDistDelay",
    "TestingV3AuthVotingStartOffset",
    "TestingAuthDirTimeToLearnReachability",
    "TestingServerDownloadInitialDelay",
    "TestingClientDownloadInitialDelay",
    "TestingServerConsensusDownloadInitialDelay",
    "TestingClientConsensusDownloadInitialDelay",
    "TestingBridgeDownloadInitialDelay",
    "TestingBridgeBootstrapDownloadInitialDelay",
    "TestingClientMaxIntervalWithoutRequest",
    "TestingDirConnectionMaxStall",
    "TestingAuthKeyLifetime",
    "TestingLinkCertLifetime",
    "TestingSigningKeySlop",
    "TestingAuthKeySlop",
    "TestingLinkKeySlop",
    "TestingMinTimeToReportBandwidth",
    "TestingEnableConnBwEvent",
    "TestingEnableCellStatsEvent",
];
