//! What the parts of the client make of the configuration.

use std::time::Duration;

use tor_chan::{ChannelConfig, ConnectionPadding};
use tor_circmgr::Timing;
use tor_config::{AutoBool, Config, DirectoryConfig};
use tor_dir::{DirConfig, DirServer, DirWanted};
use tor_id::RsaId;
use tor_net::{CircuitSettings, DirectorySettings};
use tor_netdoc::NetworkKind;
use tor_path::{PathConfig, RelayPattern, RelaySet};

use super::ReconfigureError;

/// How long a circuit may take to build until build times are learned.
const BUILD_TIMEOUT: Duration = Duration::from_secs(60);

/// Who serves documents, and whose documents are believed.
pub(crate) fn directory(config: &Config) -> Result<(DirConfig, DirectorySettings), ReconfigureError> {
    let (authorities, fallbacks) = servers(config)?;
    let settings = DirectorySettings { authorities, fallbacks, max_stall: config.directory.max_stall };
    let network = if config.testing_network { NetworkKind::Testing } else { NetworkKind::Public };
    let trusted = settings.authorities.iter().filter_map(DirServer::v3_ident).collect();
    let mut dir = DirConfig::new(trusted, network);
    dir.has_fallbacks = !settings.fallbacks.is_empty();
    dir.authority_delay = if dir.has_fallbacks {
        config.directory.bootstrap_authority_delay
    } else {
        config.directory.bootstrap_authority_only_delay
    };
    dir.max_bootstrap_fetches = usize::try_from(config.directory.bootstrap_parallel).unwrap_or(1);
    Ok((dir, settings))
}

/// Whether other documents are believed, or others are asked for them.
pub(crate) fn other_documents(old: &Config, new: &Config) -> bool {
    let same = DirectoryConfig {
        useless_descriptors: old.directory.useless_descriptors,
        extra_info: old.directory.extra_info,
        geoip: old.directory.geoip.clone(),
        geoip6: old.directory.geoip6.clone(),
        ..new.directory.clone()
    };
    same != old.directory
}

/// Which documents are fetched beyond those that a client needs.
pub(crate) fn wanted(config: &Config) -> DirWanted {
    DirWanted { useless: config.directory.useless_descriptors, extra_info: config.directory.extra_info }
}

fn servers(config: &Config) -> Result<(Vec<DirServer>, Vec<DirServer>), ReconfigureError> {
    type Read = fn(&str) -> Result<DirServer, tor_dir::ServerLineError>;
    let dir = &config.directory;
    let parse = |option: &'static str, lines: &[String], read: Read| {
        let read = |line: &String| {
            read(line).map_err(|error| ReconfigureError::Server { option, line: line.clone(), error })
        };
        lines.iter().map(read).collect::<Result<Vec<_>, _>>()
    };
    let (option, lines) = if dir.authorities.is_empty() {
        ("AlternateDirAuthority", &dir.alternate_authorities)
    } else {
        ("DirAuthority", &dir.authorities)
    };
    let authorities = if lines.is_empty() {
        DirServer::default_authorities()
    } else {
        parse(option, lines, DirServer::parse_authority)?
    };
    let mut fallbacks = parse("FallbackDir", &dir.fallbacks, DirServer::parse_fallback)?;
    if fallbacks.is_empty() && dir.use_default_fallbacks {
        fallbacks = DirServer::default_fallbacks();
    }
    if authorities.iter().all(|server| server.v3_ident().is_none()) {
        return Err(ReconfigureError::NoServers);
    }
    Ok((authorities, fallbacks))
}

pub(crate) fn channels(config: &Config) -> ChannelConfig {
    ChannelConfig {
        connection_padding: match config.link.padding {
            AutoBool::Off => ConnectionPadding::Off,
            AutoBool::On => ConnectionPadding::Always,
            AutoBool::Auto => ConnectionPadding::Auto,
        },
        reduced_connection_padding: config.link.reduced_padding,
        keepalive_period: config.link.keepalive,
        ..ChannelConfig::default()
    }
}

pub(crate) fn circuits(config: &Config) -> CircuitSettings {
    CircuitSettings {
        path: PathConfig {
            distinct_subnets: config.circuits.enforce_distinct_subnets,
            families: config.circuits.families.iter().map(relay_set).collect(),
            use_guards: config.guards.enabled,
            primary_guards: config.guards.primary,
            entry_guards: config.guards.entry,
            directory_guards: config.guards.directory,
            paths_needed: config.circuits.paths_needed,
            entry_by_ipv4: config.link.use_ipv4,
            entry_by_ipv6: config.link.use_ipv6,
            ..PathConfig::default()
        },
        build_timeout: config.circuits.build_timeout.unwrap_or(BUILD_TIMEOUT),
        use_ipv4: config.link.use_ipv4,
        use_ipv6: config.link.use_ipv6,
        prefer_ipv6: config.link.prefer_ipv6.or(false),
    }
}

fn relay_set(list: &tor_config::RelayList) -> RelaySet {
    let pattern = |pattern: &tor_config::RelayPattern| match pattern {
        tor_config::RelayPattern::Fingerprint(id) => RelayPattern::Id(RsaId::from_bytes(*id)),
        tor_config::RelayPattern::Nickname(name) => RelayPattern::Nickname(name.clone()),
        tor_config::RelayPattern::Network { address, bits } => {
            RelayPattern::Network { address: *address, bits: *bits }
        }
    };
    list.patterns.iter().map(pattern).collect()
}

pub(crate) fn timing(config: &Config, dormant: bool) -> Timing {
    Timing {
        dirtiness: config.circuits.max_dirtiness,
        socks_timeout: config.socks.timeout,
        stream_timeout: config.circuits.stream_timeout,
        predict: !config.circuits.disable_predicted && !dormant,
    }
}
