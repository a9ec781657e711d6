//! Settings → [`Config`]: each option becomes its field, corrected where C Tor corrects it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checks;
use crate::config::{
    AddressConfig, CircuitConfig, Config, DirectoryConfig, GuardConfig, LinkConfig, LogConfig, ProcessConfig,
    SafeLogging, SocksConfig, StorageConfig,
};
use crate::control;
use crate::dirline::{DirLineError, check_authority, check_fallback};
use crate::foreign;
use crate::log::{LogError, LogTarget};
use crate::port::{Bind, PortError};
use crate::quote::quote;
use crate::{
    AutoBool, ConfigError, LogLine, Notice, RelayList, Settings, SocksListener, SocksPolicy, Value, Verbosity,
};

/// Where state lives if nobody has a home: a home of `/` or none.
pub(crate) const HOMELESS_DATA_DIRECTORY: &str = "/var/lib/tor";

impl Config {
    /// Makes the configuration that these settings mean. `home` replaces a leading `~`; `verbosity` is for when
    /// no `Log` line says anything. What deserves a log line goes to `notices`.
    ///
    /// # Errors
    /// If a value is out of range or means nothing, if options exclude each other, or if one asks for what
    /// this version does not have.
    pub fn from_settings(
        settings: &Settings,
        home: Option<&Path>,
        verbosity: Verbosity,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, ConfigError> {
        checks::contradictions(settings)?;
        foreign::check(settings)?;
        checks::ignored(settings, notices);
        let config = Self {
            socks: socks(settings, notices)?,
            log: log(settings, home, verbosity, notices)?,
            directory: directory(settings, home)?,
            circuits: circuits(settings, notices)?,
            guards: guards(settings),
            link: link(settings),
            process: process(settings, home, notices)?,
            control: control::control(settings, home, notices)?,
            addresses: addresses(settings)?,
            storage: storage(settings, home, notices)?,
            testing_network: settings.bool("TestingTorNetwork"),
            disable_network: settings.bool("DisableNetwork"),
        };
        checks::rules(settings, &config, notices)?;
        checks::unbuilt(settings)?;
        Ok(config)
    }

    /// Puts what is used in place of what was asked for, where C Tor does so: `GETCONF` shows it.
    pub(crate) fn correct(&self, settings: &mut Settings) {
        let circuits = &self.circuits;
        settings.correct("MaxCircuitDirtiness", Value::Number(circuits.max_dirtiness.as_secs()));
        if let Some(timeout) = circuits.stream_timeout {
            settings.correct("CircuitStreamTimeout", Value::Number(timeout.as_secs()));
        }
    }
}

fn socks(settings: &Settings, notices: &mut Vec<Notice>) -> Result<SocksConfig, ConfigError> {
    Ok(SocksConfig {
        listeners: listeners(settings, notices)?,
        policy: policy(settings, notices)?,
        timeout: seconds(settings, "SocksTimeout"),
        safe: settings.bool("SafeSocks"),
        test: settings.bool("TestSocks"),
        warn_plaintext_ports: ports(settings, "WarnPlaintextPorts")?,
        reject_plaintext_ports: ports(settings, "RejectPlaintextPorts")?,
        reject_internal_addresses: settings.bool("ClientRejectInternalAddresses"),
        dns_reject_internal_addresses: settings.bool("ClientDNSRejectInternalAddresses"),
    })
}

fn listeners(settings: &Settings, notices: &mut Vec<Notice>) -> Result<Vec<SocksListener>, ConfigError> {
    let lines = settings.lines("SocksPortLines");
    if lines.is_empty() {
        return Ok(vec![SocksListener::default()]);
    }
    let group_writable = settings.bool("UnixSocksGroupWritable");
    let mut listeners = Vec::new();
    let mut closed = false;
    for line in lines {
        let error = |problem: PortError| ConfigError::new(line.origin.clone(), line.name, problem);
        match SocksListener::parse(&line.value, group_writable, notices).map_err(error)? {
            Some(listener) => listeners.push(listener),
            None => closed = true,
        }
    }
    if closed && !listeners.is_empty() {
        return Err(settings.error("SocksPort", PortError::ZeroAndNonzero));
    }
    for listener in &listeners {
        if let Bind::Tcp { address, .. } = listener.bind {
            notices.extend(checks::exposure(address, &listener.bind));
        }
    }
    Ok(listeners)
}

fn policy(settings: &Settings, notices: &mut Vec<Notice>) -> Result<SocksPolicy, ConfigError> {
    let mut policy = SocksPolicy::default();
    for line in settings.lines("SocksPolicy") {
        let remarks = policy.extend(&line.value);
        let remarks = remarks.map_err(|problem| ConfigError::new(line.origin.clone(), line.name, problem))?;
        if remarks.ports_ignored {
            notices.push(Notice::warn(format!("{}ports in SocksPolicy are ignored.", line.origin)));
        }
        if remarks.rules_dropped {
            let text =
                format!("{}SocksPolicy: accept6 or reject6 with an IPv4 address is ignored.", line.origin);
            notices.push(Notice::warn(text));
        }
    }
    Ok(policy)
}

fn storage(
    settings: &Settings,
    home: Option<&Path>,
    notices: &mut Vec<Notice>,
) -> Result<StorageConfig, ConfigError> {
    let data = match settings.text("DataDirectory") {
        Some(path) => expand_home(&path, home),
        None => match home {
            Some(home) if home != Path::new("/") && home != Path::new("") => home.join(".tor"),
            Some(_) | None => PathBuf::from(HOMELESS_DATA_DIRECTORY),
        },
    };
    if data.as_os_str().len() > LONGEST_DATA_DIRECTORY {
        return Err(settings.says("DataDirectory", "Invalid DataDirectory"));
    }
    let cache = match settings.text("CacheDirectory") {
        Some(path) => expand_home(&path, home),
        None => data.clone(),
    };
    notices.extend(relative("DataDirectory", &data));
    if cache != data {
        notices.extend(relative("CacheDirectory", &cache));
    }
    Ok(StorageConfig { data, cache, avoid_writes: settings.bool("AvoidDiskWrites") })
}

fn log(
    settings: &Settings,
    home: Option<&Path>,
    verbosity: Verbosity,
    notices: &mut Vec<Notice>,
) -> Result<LogConfig, ConfigError> {
    let mut lines = Vec::new();
    for line in settings.lines("Log") {
        let error = |problem: LogError| ConfigError::new(line.origin.clone(), line.name, problem);
        let mut parsed = LogLine::parse(&line.value).map_err(error)?;
        match &mut parsed.target {
            LogTarget::File(path) => *path = expand_home(&path.to_string_lossy(), home),
            LogTarget::Syslog => return Err(error(LogError::NoSyslog)),
            LogTarget::Stdout | LogTarget::Stderr => {}
        }
        lines.push(parsed);
    }
    if lines.is_empty() {
        lines = LogConfig::without_log_lines(verbosity).lines;
    }
    let safe = match settings.text("SafeLogging").unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "0" => SafeLogging::Off,
        "1" => SafeLogging::All,
        "relay" => SafeLogging::Relay,
        other => {
            let says = format!("Unrecognized value '{}' in SafeLogging", quote(other.as_bytes()));
            return Err(settings.says("SafeLogging", says));
        }
    };
    Ok(LogConfig {
        lines,
        safe,
        time_granularity: granularity(settings, notices)?,
        truncate_files: settings.bool("TruncateLogFile"),
        protocol_warnings: settings.bool("ProtocolWarnings"),
    })
}

/// A granularity must divide a second, or be a multiple of one; others are rounded up to what does.
fn granularity(settings: &Settings, notices: &mut Vec<Notice>) -> Result<Duration, ConfigError> {
    let name = "LogTimeGranularity";
    let asked = settings.number(name);
    if asked == 0 {
        return Err(settings.says(name, "Log time granularity '0' has to be positive."));
    }
    let used = match asked {
        1000.. => asked.div_ceil(1000) * 1000,
        _ => (asked..=1000).find(|candidate| 1000_u64.checked_rem(*candidate) == Some(0)).unwrap_or(1000),
    };
    if used != asked {
        notices.push(Notice::warn(format!(
            "LogTimeGranularity: {asked} ms neither divides a second nor is a multiple of one; using {used} ms."
        )));
    }
    Ok(Duration::from_millis(used))
}

fn directory(settings: &Settings, home: Option<&Path>) -> Result<DirectoryConfig, ConfigError> {
    let path = |name| settings.text(name).map(|path| expand_home(&path, home));
    let checked = |name: &str, check: fn(&str) -> Result<(), DirLineError>| {
        let lines = settings.lines(name).iter();
        let checked = lines.map(|line| match check(&line.value) {
            Ok(()) => Ok(line.value.clone()),
            Err(problem) => Err(ConfigError::new(line.origin.clone(), line.name, problem)),
        });
        checked.collect::<Result<Vec<_>, _>>()
    };
    let authorities = checked("DirAuthority", check_authority)?;
    let alternate_authorities = checked("AlternateDirAuthority", check_authority)?;
    let fallbacks = checked("FallbackDir", check_fallback)?;
    let as_built_in = authorities.is_empty() && alternate_authorities.is_empty() && fallbacks.is_empty();
    Ok(DirectoryConfig {
        authorities,
        alternate_authorities,
        alternate_bridge_authorities: checked("AlternateBridgeAuthority", check_authority)?,
        fallbacks,
        use_default_fallbacks: as_built_in && settings.bool("UseDefaultFallbackDirs"),
        fetch_early: settings.bool("FetchDirInfoEarly"),
        fetch_extra_early: settings.bool("FetchDirInfoExtraEarly"),
        bootstrap_authority_delay: seconds(settings, "ClientBootstrapConsensusAuthorityDownloadInitialDelay"),
        bootstrap_authority_only_delay: seconds(
            settings,
            "ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay",
        ),
        bootstrap_fallback_delay: seconds(settings, "ClientBootstrapConsensusFallbackDownloadInitialDelay"),
        bootstrap_parallel: count(settings, "ClientBootstrapConsensusMaxInProgressTries"),
        consensus_delay: seconds(settings, "TestingClientConsensusDownloadInitialDelay"),
        document_delay: seconds(settings, "TestingClientDownloadInitialDelay"),
        max_interval_without_request: seconds(settings, "TestingClientMaxIntervalWithoutRequest"),
        max_stall: seconds(settings, "TestingDirConnectionMaxStall"),
        useless_descriptors: settings.bool("FetchUselessDescriptors"),
        extra_info: settings.bool("DownloadExtraInfo"),
        geoip: path("GeoIPFile"),
        geoip6: path("GeoIPv6File"),
    })
}

fn addresses(settings: &Settings) -> Result<AddressConfig, ConfigError> {
    Ok(AddressConfig {
        maps: settings.lines("MapAddress").iter().map(|line| line.value.clone()).collect(),
        automap: settings.bool("AutomapHostsOnResolve"),
        automap_suffixes: settings.items("AutomapHostsSuffixes"),
        virtual_v4: virtual_network(settings, "VirtualAddrNetworkIPv4")?,
        virtual_v6: virtual_network(settings, "VirtualAddrNetworkIPv6")?,
        track_exits: settings.items("TrackHostExits"),
        track_exits_expire: seconds(settings, "TrackHostExitsExpire"),
    })
}

/// `ADDRESS/BITS`, of the right kind and large enough.
fn virtual_network(settings: &Settings, name: &'static str) -> Result<String, ConfigError> {
    let v6 = name.ends_with('6');
    let title = if v6 { "VirtualAddressNetworkIPv6" } else { "VirtualAddressNetwork" };
    let fail = |says: String| Err(settings.says(name, says));
    let Some(text) = settings.text(name) else {
        return fail(format!("Value not present (NULL) after {title}"));
    };
    let (address, bits) = text.split_once('/').map_or((text.as_str(), None), |(a, bits)| (a, Some(bits)));
    let address = address.trim_matches(['[', ']']).parse::<IpAddr>();
    let bits = bits.map_or(Ok(128), str::parse::<u8>);
    let (Ok(address), Ok(bits)) = (address, bits) else {
        return fail(format!("Error parsing {title} {text}"));
    };
    let most = if v6 { 104 } else { 16 };
    if address.is_ipv6() != v6 {
        return fail(format!("Incorrect address type for {title}"));
    }
    if bits > most {
        return fail(format!("{title} expects a /{most} network or larger"));
    }
    Ok(text)
}

fn circuits(settings: &Settings, notices: &mut Vec<Notice>) -> Result<CircuitConfig, ConfigError> {
    let paths_needed = settings.float("PathsNeededToBuildCircuits");
    let paths_needed = (paths_needed >= 0.0).then(|| {
        let used = paths_needed.clamp(0.25, 0.95);
        if used.total_cmp(&paths_needed).is_ne() {
            notices.push(Notice::warn(format!("PathsNeededToBuildCircuits is out of bounds; using {used}.")));
        }
        used
    });
    let max_dirtiness = settings.number("MaxCircuitDirtiness");
    let stream_timeout = settings.number("CircuitStreamTimeout");
    Ok(CircuitConfig {
        max_dirtiness: bounded("MaxCircuitDirtiness", max_dirtiness, (10, 30 * 86_400), notices),
        new_period: seconds(settings, "NewCircuitPeriod"),
        max_pending: count(settings, "MaxClientCircuitsPending"),
        build_timeout: some_seconds(settings.number("CircuitBuildTimeout")),
        learn_build_timeout: settings.bool("LearnCircuitBuildTimeout"),
        stream_timeout: (stream_timeout > 0)
            .then(|| bounded("CircuitStreamTimeout", stream_timeout, (10, u64::MAX), notices)),
        paths_needed,
        enforce_distinct_subnets: settings.bool("EnforceDistinctSubnets"),
        families: families(settings)?,
        long_lived_ports: ports(settings, "LongLivedPorts")?,
        disable_predicted: settings.bool("__DisablePredictedCircuits"),
        allow_private_relays: settings.bool("ExtendAllowPrivateAddresses"),
    })
}

fn families(settings: &Settings) -> Result<Vec<RelayList>, ConfigError> {
    let lines = settings.lines("NodeFamily").iter();
    let read = lines.map(|line| {
        let error = |error| ConfigError::new(line.origin.clone(), line.name, error);
        RelayList::parse(&line.value).map_err(error)
    });
    read.collect()
}

fn guards(settings: &Settings) -> GuardConfig {
    let some = |name| Some(count(settings, name)).filter(|count| *count > 0);
    GuardConfig {
        enabled: settings.bool("UseEntryGuards"),
        entry: some("NumEntryGuards"),
        directory: some("NumDirectoryGuards"),
        primary: some("NumPrimaryGuards"),
    }
}

fn link(settings: &Settings) -> LinkConfig {
    LinkConfig {
        padding: settings.auto("ConnectionPadding"),
        reduced_padding: settings.bool("ReducedConnectionPadding"),
        keepalive: seconds(settings, "KeepalivePeriod"),
        use_ipv4: settings.bool("ClientUseIPv4"),
        // C Tor's rule: somebody who rules out IPv4 is left with IPv6.
        use_ipv6: settings.bool("ClientUseIPv6") || !settings.bool("ClientUseIPv4"),
        prefer_ipv6: settings.auto("ClientPreferIPv6ORPort"),
    }
}

fn process(
    settings: &Settings,
    home: Option<&Path>,
    notices: &mut Vec<Notice>,
) -> Result<ProcessConfig, ConfigError> {
    let pid_file = settings.text("PidFile").map(|path| expand_home(&path, home));
    notices.extend(pid_file.as_deref().and_then(|path| relative("PidFile", path)));
    let owner = settings.text("__OwningControllerProcess").map(|text| {
        let digits = text.split([' ', ':']).next().unwrap_or_default();
        let id = digits.parse().ok().filter(|id: &u32| *id > 0 && i32::try_from(*id).is_ok());
        let says = "Bad OwningControllerProcess: invalid PID";
        id.ok_or_else(|| settings.says("__OwningControllerProcess", says))
    });
    let memory = settings.number("MaxMemInQueues");
    Ok(ProcessConfig {
        pid_file,
        owner: owner.transpose()?,
        max_mem_in_queues: Some(memory).filter(|bytes| *bytes > 0),
    })
}

/// What `UseMicrodescriptors` says is not a field: only one answer is built.
pub(crate) fn wants_full_descriptors(settings: &Settings) -> bool {
    settings.auto("UseMicrodescriptors") == AutoBool::Off
}

/// `~` and `~/x`. Other people's homes (`~name`) stay as they are written.
pub(crate) fn expand_home(path: &str, home: Option<&Path>) -> PathBuf {
    let home = home.unwrap_or_else(|| Path::new("/"));
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if path == "~" => home.to_owned(),
        None => PathBuf::from(path),
    }
}

fn relative(name: &str, path: &Path) -> Option<Notice> {
    path.is_relative().then(|| {
        Notice::warn(format!(
            "{name}: {} is relative to the directory that the client starts in.",
            path.display()
        ))
    })
}

fn bounded(name: &str, asked: u64, (low, high): (u64, u64), notices: &mut Vec<Notice>) -> Duration {
    let used = asked.clamp(low, high);
    if used != asked {
        notices
            .push(Notice::warn(format!("{name} of {asked} seconds is out of bounds; using {used} seconds.")));
    }
    Duration::from_secs(used)
}

fn seconds(settings: &Settings, name: &str) -> Duration {
    Duration::from_secs(settings.number(name))
}

fn some_seconds(number: u64) -> Option<Duration> {
    (number > 0).then(|| Duration::from_secs(number))
}

fn count(settings: &Settings, name: &str) -> u32 {
    u32::try_from(settings.number(name)).unwrap_or(u32::MAX)
}

fn ports(settings: &Settings, name: &'static str) -> Result<Vec<u16>, ConfigError> {
    let port = |text: String| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        Ok(_) | Err(_) => Err(settings.says(name, format!("Port '{text}' out of range in {name}"))),
    };
    settings.items(name).into_iter().map(port).collect()
}

const LONGEST_DATA_DIRECTORY: usize = 384;
