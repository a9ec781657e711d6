//! What the client wants to know, in its own types.
//!
//! [`Config::default`] is what an empty torrc gives, except for the directories: without a home directory they
//! are `/var/lib/tor`, as in C Tor. Times are [`Duration`]s, sizes are bytes; `None` stands for "somebody else
//! decides", which each field explains.

use std::path::PathBuf;
use std::time::Duration;

use crate::control::ControlConfig;
use crate::log::{LogTarget, Severity};
use crate::{LogLine, RelayList, SocksListener, SocksPolicy, Verbosity};

/// The whole configuration of a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The SOCKS ports and who may use them.
    pub socks: SocksConfig,
    /// Where files live.
    pub storage: StorageConfig,
    /// What is logged, and where.
    pub log: LogConfig,
    /// Where the network's documents come from.
    pub directory: DirectoryConfig,
    /// How circuits are made and used.
    pub circuits: CircuitConfig,
    /// Which relays are entered by.
    pub guards: GuardConfig,
    /// Connections to relays.
    pub link: LinkConfig,
    /// The client as a process.
    pub process: ProcessConfig,
    /// Who may control it, and how.
    pub control: ControlConfig,
    /// Which addresses mean others.
    pub addresses: AddressConfig,
    /// `TestingTorNetwork`: this is a private network of somebody's own.
    pub testing_network: bool,
    /// `DisableNetwork`: make no connection and open no port.
    pub disable_network: bool,
}

/// The front door.
#[derive(Clone, Debug, PartialEq)]
pub struct SocksConfig {
    /// `SocksPort`: where to listen; empty is nowhere.
    pub listeners: Vec<SocksListener>,
    /// `SocksPolicy`: which clients may connect.
    pub policy: SocksPolicy,
    /// `SocksTimeout`: how long a request may wait for a circuit.
    pub timeout: Duration,
    /// `SafeSocks`: refuse requests that name an address where a host name was to be expected.
    pub safe: bool,
    /// `TestSocks`: log for each request whether it leaks DNS.
    pub test: bool,
    /// `WarnPlaintextPorts`: warn of connections to these.
    pub warn_plaintext_ports: Vec<u16>,
    /// `RejectPlaintextPorts`: refuse connections to these.
    pub reject_plaintext_ports: Vec<u16>,
    /// `ClientRejectInternalAddresses`: refuse to connect to private addresses through an exit.
    pub reject_internal_addresses: bool,
    /// `ClientDNSRejectInternalAddresses`: don't believe an exit that resolves a name to a private address.
    pub dns_reject_internal_addresses: bool,
}

impl Default for SocksConfig {
    fn default() -> Self {
        Self {
            listeners: vec![SocksListener::default()],
            policy: SocksPolicy::default(),
            timeout: Duration::from_secs(120),
            safe: false,
            test: false,
            warn_plaintext_ports: vec![23, 109, 110, 143],
            reject_plaintext_ports: Vec::new(),
            reject_internal_addresses: true,
            dns_reject_internal_addresses: true,
        }
    }
}

/// Files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// `DataDirectory`: state that must outlive a run.
    pub data: PathBuf,
    /// `CacheDirectory`: documents that can be fetched again; the data directory unless it is set.
    pub cache: PathBuf,
    /// `AvoidDiskWrites`: write less often.
    pub avoid_writes: bool,
}

impl Default for StorageConfig {
    fn default() -> Self {
        let data = PathBuf::from(crate::resolve::HOMELESS_DATA_DIRECTORY);
        Self { cache: data.clone(), data, avoid_writes: false }
    }
}

/// Logs.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `Log`: what goes where. Without any `Log` line: notices to stdout, warnings only after `--hush`,
    /// nothing after `--quiet`.
    pub lines: Vec<LogLine>,
    /// `SafeLogging`: which addresses are replaced by `[scrubbed]`.
    pub safe: SafeLogging,
    /// `LogTimeGranularity`: times in logs are rounded down to a multiple of this.
    pub time_granularity: Duration,
    /// `TruncateLogFile`: empty log files when they are opened.
    pub truncate_files: bool,
    /// `ProtocolWarnings`: warn (instead of info) when others break the protocol.
    pub protocol_warnings: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            lines: vec![LogLine::notices_to(LogTarget::Stdout)],
            safe: SafeLogging::default(),
            time_granularity: Duration::from_secs(1),
            truncate_files: false,
            protocol_warnings: false,
        }
    }
}

impl LogConfig {
    /// What is logged where no `Log` line says anything: also until the configuration has been read.
    pub fn without_log_lines(verbosity: Verbosity) -> Self {
        let from = |severity| vec![LogLine::from(severity, LogTarget::Stdout)];
        let lines = match verbosity {
            Verbosity::Normal => from(Severity::Notice),
            Verbosity::Hush => from(Severity::Warn),
            Verbosity::Quiet => Vec::new(),
        };
        Self { lines, ..Self::default() }
    }
}

/// `SafeLogging`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SafeLogging {
    /// `0`: nothing is scrubbed.
    Off,
    /// `relay`: only what a relay learns is; for a client that is nothing.
    Relay,
    /// `1`: every sensitive address is.
    #[default]
    All,
}

/// Documents. The lines of the first four are checked for their form; `tor-dir` gives them their meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryConfig {
    /// `DirAuthority`: if not empty, these replace every built-in authority.
    pub authorities: Vec<String>,
    /// `AlternateDirAuthority`: these replace the built-in directory authorities, and leave the bridge one.
    pub alternate_authorities: Vec<String>,
    /// `AlternateBridgeAuthority`: the same, the other way round.
    pub alternate_bridge_authorities: Vec<String>,
    /// `FallbackDir`: if not empty, these replace the built-in fallback directories.
    pub fallbacks: Vec<String>,
    /// `UseDefaultFallbackDirs`, with what C Tor makes of it: false as well where authorities or fallbacks are
    /// replaced.
    pub use_default_fallbacks: bool,
    /// `FetchDirInfoEarly`: fetch documents as soon as they exist, as caches do.
    pub fetch_early: bool,
    /// `FetchDirInfoExtraEarly`: even before that.
    pub fetch_extra_early: bool,
    /// `ClientBootstrapConsensusAuthorityDownloadInitialDelay`: until an authority is first asked for a
    /// consensus, where there are fallbacks.
    pub bootstrap_authority_delay: Duration,
    /// `ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay`: the same, where there are none.
    pub bootstrap_authority_only_delay: Duration,
    /// `ClientBootstrapConsensusFallbackDownloadInitialDelay`: until a fallback is.
    pub bootstrap_fallback_delay: Duration,
    /// `ClientBootstrapConsensusMaxInProgressTries`: how many are asked at once. At least 1.
    pub bootstrap_parallel: u32,
    /// `TestingClientConsensusDownloadInitialDelay`: first step of the retry schedule for a consensus.
    pub consensus_delay: Duration,
    /// `TestingClientDownloadInitialDelay`: the same for other documents.
    pub document_delay: Duration,
    /// `TestingClientMaxIntervalWithoutRequest`: how long to gather a batch of documents to ask for.
    pub max_interval_without_request: Duration,
    /// `TestingDirConnectionMaxStall`: how long a fetch may make no progress.
    pub max_stall: Duration,
    /// `FetchUselessDescriptors`: fetch full descriptors of relays, too, for controllers that ask for them.
    pub useless_descriptors: bool,
    /// `DownloadExtraInfo`: fetch the extra-info documents of relays, too.
    pub extra_info: bool,
    /// `GeoIPFile`: which countries IPv4 addresses are in.
    pub geoip: Option<PathBuf>,
    /// `GeoIPv6File`: the same for IPv6.
    pub geoip6: Option<PathBuf>,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            authorities: Vec::new(),
            alternate_authorities: Vec::new(),
            alternate_bridge_authorities: Vec::new(),
            fallbacks: Vec::new(),
            use_default_fallbacks: true,
            fetch_early: false,
            fetch_extra_early: false,
            bootstrap_authority_delay: Duration::from_secs(6),
            bootstrap_authority_only_delay: Duration::ZERO,
            bootstrap_fallback_delay: Duration::ZERO,
            bootstrap_parallel: 3,
            consensus_delay: Duration::ZERO,
            document_delay: Duration::ZERO,
            max_interval_without_request: Duration::from_secs(10 * 60),
            max_stall: Duration::from_secs(5 * 60),
            useless_descriptors: false,
            extra_info: false,
            geoip: Some("/usr/share/tor/geoip".into()),
            geoip6: Some("/usr/share/tor/geoip6".into()),
        }
    }
}

/// Circuits.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitConfig {
    /// `MaxCircuitDirtiness`: how long after its first stream a circuit takes new ones.
    pub max_dirtiness: Duration,
    /// `NewCircuitPeriod`: how often to consider building one ahead of need.
    pub new_period: Duration,
    /// `MaxClientCircuitsPending`: how many may be under construction, 1 to 1024.
    pub max_pending: u32,
    /// `CircuitBuildTimeout`: the first (or only) build timeout; `None` is the consensus's.
    pub build_timeout: Option<Duration>,
    /// `LearnCircuitBuildTimeout`: adapt it to what is measured.
    pub learn_build_timeout: bool,
    /// `CircuitStreamTimeout`: how long a stream may try on one circuit; `None` is the internal schedule.
    pub stream_timeout: Option<Duration>,
    /// `PathsNeededToBuildCircuits`: share of paths that must be usable first, 0.25 to 0.95; `None` is the
    /// consensus's.
    pub paths_needed: Option<f64>,
    /// `EnforceDistinctSubnets`: no two relays of a circuit in the same /16 (or /32 in IPv6).
    pub enforce_distinct_subnets: bool,
    /// `NodeFamily`: no two relays of one list in a circuit, whatever they say of their families.
    pub families: Vec<RelayList>,
    /// `LongLivedPorts`: streams to these want stable relays.
    pub long_lived_ports: Vec<u16>,
    /// `__DisablePredictedCircuits`: build nothing ahead of need.
    pub disable_predicted: bool,
    /// `ExtendAllowPrivateAddresses`: relays may have private addresses.
    pub allow_private_relays: bool,
}

impl Default for CircuitConfig {
    fn default() -> Self {
        Self {
            max_dirtiness: Duration::from_secs(10 * 60),
            new_period: Duration::from_secs(30),
            max_pending: 32,
            build_timeout: None,
            learn_build_timeout: true,
            stream_timeout: None,
            paths_needed: None,
            enforce_distinct_subnets: true,
            families: Vec::new(),
            long_lived_ports: vec![21, 22, 706, 1863, 5050, 5190, 5222, 5223, 6523, 6667, 6697, 8300],
            disable_predicted: false,
            allow_private_relays: false,
        }
    }
}

/// Guards. In each count, `None` is the consensus's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardConfig {
    /// `UseEntryGuards`: keep a few entry relays instead of choosing anew for each circuit.
    pub enabled: bool,
    /// `NumEntryGuards`: for traffic.
    pub entry: Option<u32>,
    /// `NumDirectoryGuards`: for directory requests.
    pub directory: Option<u32>,
    /// `NumPrimaryGuards`: how many are tried before any other.
    pub primary: Option<u32>,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self { enabled: true, entry: None, directory: None, primary: None }
    }
}

/// Channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// `ConnectionPadding`: `Auto` pads where the relay does.
    pub padding: AutoBool,
    /// `ReducedConnectionPadding`: pad less, and let connections go sooner.
    pub reduced_padding: bool,
    /// `KeepalivePeriod`: how long an idle connection waits until it sends a padding cell. At least 1 s.
    pub keepalive: Duration,
    /// `ClientUseIPv4`.
    pub use_ipv4: bool,
    /// `ClientUseIPv6`; true as well where IPv4 is off.
    pub use_ipv6: bool,
    /// `ClientPreferIPv6ORPort`.
    pub prefer_ipv6: AutoBool,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            padding: AutoBool::Auto,
            reduced_padding: false,
            keepalive: Duration::from_secs(5 * 60),
            use_ipv4: true,
            use_ipv6: true,
            prefer_ipv6: AutoBool::Auto,
        }
    }
}

/// The process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessConfig {
    /// `PidFile`: where to write the process id.
    pub pid_file: Option<PathBuf>,
    /// `__OwningControllerProcess`: exit when the process of this id is gone.
    pub owner: Option<u32>,
    /// `MaxMemInQueues`, in bytes, as it was set; see [`ProcessConfig::memory_ceiling`].
    pub max_mem_in_queues: Option<u64>,
}

impl ProcessConfig {
    /// How many bytes all queues together may hold, on a machine with so much memory (`None` if unknown):
    /// what `MaxMemInQueues` says, else C Tor's rule: 40 % of the memory where there are 8 GiB or more, 75 %
    /// where there is less, in any case from 256 MiB to 8 GiB.
    pub fn memory_ceiling(&self, total_memory: Option<u64>) -> u64 {
        const GIB: u64 = 1 << 30;
        if let Some(set) = self.max_mem_in_queues {
            return set;
        }
        let share = match total_memory {
            None => 8 * GIB,
            Some(large) if large >= 8 * GIB => large / 5 * 2,
            Some(small) => small / 4 * 3,
        };
        share.clamp(GIB / 4, 8 * GIB)
    }
}

/// Addresses that stand for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressConfig {
    /// `MapAddress`: `FROM TO` lines, as they are written; the address map gives them their meaning.
    pub maps: Vec<String>,
    /// `AutomapHostsOnResolve`: answer with a made-up address where a name with one of the suffixes is asked for.
    pub automap: bool,
    /// `AutomapHostsSuffixes`; `.` is every name.
    pub automap_suffixes: Vec<String>,
    /// `VirtualAddrNetworkIPv4`: where made-up addresses come from, as `ADDRESS/BITS`; checked.
    pub virtual_v4: String,
    /// `VirtualAddrNetworkIPv6`: the same for IPv6, with or without brackets.
    pub virtual_v6: String,
    /// `TrackHostExits`: hosts, and domains with a dot before them, for which the same exit is used again.
    pub track_exits: Vec<String>,
    /// `TrackHostExitsExpire`: for how long.
    pub track_exits_expire: Duration,
}

impl Default for AddressConfig {
    fn default() -> Self {
        Self {
            maps: Vec::new(),
            automap: false,
            automap_suffixes: vec![".onion".to_owned(), ".exit".to_owned()],
            virtual_v4: "127.192.0.0/10".to_owned(),
            virtual_v6: "[FE80::]/10".to_owned(),
            track_exits: Vec::new(),
            track_exits_expire: Duration::from_secs(30 * 60),
        }
    }
}

/// `0`, `1` or `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoBool {
    /// Never.
    Off,
    /// Always.
    On,
    /// Somebody else decides.
    #[default]
    Auto,
}

impl AutoBool {
    /// What it means where `auto` means this.
    pub const fn or(self, auto: bool) -> bool {
        match self {
            Self::Off => false,
            Self::On => true,
            Self::Auto => auto,
        }
    }
}
