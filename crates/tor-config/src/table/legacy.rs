//! Names of the past: options that are gone, other spellings of those that are not, and options that are on
//! their way out.

/// Another spelling of an option.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alias {
    pub(crate) short: &'static str,
    pub(crate) full: &'static str,
    pub(crate) command_line_only: bool,
    /// Using it earns a warning.
    pub(crate) deprecated: bool,
}

impl Alias {
    const fn command_line_only(self) -> Self {
        Self { command_line_only: true, ..self }
    }

    const fn deprecated(self) -> Self {
        Self { deprecated: true, ..self }
    }
}

const fn alias(short: &'static str, full: &'static str) -> Alias {
    Alias { short, full, command_line_only: false, deprecated: false }
}

/// In C Tor's order, which matters: a result may be expanded again by a later row.
#[rustfmt::skip]
pub(super) static ALIASES: &[Alias] = &[
    alias("AuthDirBadDirCC", "AuthDirBadDirCCs"),
    alias("AuthDirBadExitCC", "AuthDirBadExitCCs"),
    alias("AuthDirInvalidCC", "AuthDirInvalidCCs"),
    alias("AuthDirMiddleOnlyCC", "AuthDirMiddleOnlyCCs"),
    alias("AuthDirRejectCC", "AuthDirRejectCCs"),
    alias("EntryNode", "EntryNodes"),
    alias("ExcludeNode", "ExcludeNodes"),
    alias("FirewallPort", "FirewallPorts"),
    alias("LongLivedPort", "LongLivedPorts"),
    alias("HiddenServiceNode", "HiddenServiceNodes"),
    alias("HiddenServiceExcludeNode", "HiddenServiceExcludeNodes"),
    alias("NumCPU", "NumCPUs"),
    alias("RendNode", "RendNodes"),
    alias("RecommendedPackage", "RecommendedPackages"),
    alias("RendExcludeNode", "RendExcludeNodes"),
    alias("StrictEntryNode", "StrictEntryNodes"),
    alias("StrictExitNode", "StrictExitNodes"),
    alias("StrictNode", "StrictNodes"),
    alias("l", "Log").command_line_only(),
    alias("AllowUnverifiedNodes", "AllowInvalidNodes"),
    alias("AutomapHostSuffixes", "AutomapHostsSuffixes"),
    alias("AutomapHostOnResolve", "AutomapHostsOnResolve"),
    alias("BandwidthRateBytes", "BandwidthRate"),
    alias("BandwidthBurstBytes", "BandwidthBurst"),
    alias("DirFetchPostPeriod", "StatusFetchPeriod"),
    alias("DirServer", "DirAuthority"),
    alias("MaxConn", "ConnLimit").deprecated(),
    alias("MaxMemInCellQueues", "MaxMemInQueues"),
    alias("ORBindAddress", "ORListenAddress"),
    alias("DirBindAddress", "DirListenAddress"),
    alias("SocksBindAddress", "SocksListenAddress"),
    alias("UseHelperNodes", "UseEntryGuards"),
    alias("NumHelperNodes", "NumEntryGuards"),
    alias("UseEntryNodes", "UseEntryGuards"),
    alias("NumEntryNodes", "NumEntryGuards"),
    alias("ResolvConf", "ServerDNSResolvConfFile").deprecated(),
    alias("SearchDomains", "ServerDNSSearchDomains").deprecated(),
    alias("ServerDNSAllowBrokenResolvConf", "ServerDNSAllowBrokenConfig"),
    alias("PreferTunnelledDirConns", "PreferTunneledDirConns"),
    alias("BridgeAuthoritativeDirectory", "BridgeAuthoritativeDir"),
    alias("HashedControlPassword", "__HashedControlSessionPassword").command_line_only(),
    alias("VirtualAddrNetwork", "VirtualAddrNetworkIPv4"),
    alias("SocksSocketsGroupWritable", "UnixSocksGroupWritable").deprecated(),
    alias("_HSLayer2Nodes", "HSLayer2Nodes").deprecated(),
    alias("_HSLayer3Nodes", "HSLayer3Nodes").deprecated(),
    alias("ClientBootstrapConsensusAuthorityDownloadSchedule", "ClientBootstrapConsensusAuthorityDownloadInitialDelay").deprecated(),
    alias("ClientBootstrapConsensusAuthorityOnlyDownloadSchedule", "ClientBootstrapConsensusAuthorityOnlyDownloadInitialDelay").deprecated(),
    alias("ClientBootstrapConsensusFallbackDownloadSchedule", "ClientBootstrapConsensusFallbackDownloadInitialDelay").deprecated(),
    alias("TestingBridgeDownloadSchedule", "TestingBridgeDownloadInitialDelay").deprecated(),
    alias("TestingBridgeBootstrapDownloadSchedule", "TestingBridgeBootstrapDownloadInitialDelay").deprecated(),
    alias("TestingClientDownloadSchedule", "TestingClientDownloadInitialDelay").deprecated(),
    alias("TestingClientConsensusDownloadSchedule", "TestingClientConsensusDownloadInitialDelay").deprecated(),
    alias("TestingServerDownloadSchedule", "TestingServerDownloadInitialDelay").deprecated(),
    alias("TestingServerConsensusDownloadSchedule", "TestingServerConsensusDownloadInitialDelay").deprecated(),
];

/// Accepted and skipped, with a warning.
#[rustfmt::skip]
pub(super) static OBSOLETE: &[&str] = &[
    "__UseFilteringSSLBufferevents", "AllowDotExit", "AllowInvalidNodes", "AllowSingleHopCircuits",
    "AllowSingleHopExits", "AlternateHSAuthority", "AndroidIdentityTag", "AuthDirBadDir",
    "AuthDirBadDirCCs", "AuthDirListBadDirs", "AuthDirMaxServersPerAuthAddr", "AuthDirRejectUnlisted",
    "CircuitIdleTimeout", "ClientAutoIPv6ORPort", "ClientBootstrapConsensusAuthorityOnlyMaxDownloadTries",
    "ClientBootstrapConsensusMaxDownloadTries", "CloseHSClientCircuitsImmediatelyOnTimeout",
    "CloseHSServiceRendCircuitsImmediatelyOnTimeout", "ControlListenAddress", "DirListenAddress",
    "DisableIOCP", "DisableV2DirectoryInfo_", "DNSListenAddress", "DynamicDHGroups",
    "ExcludeSingleHopRelays", "FallbackNetworkstatusFile", "FastFirstHopPK", "FetchV2Networkstatus",
    "Group", "HiddenServiceAuthorizeClient", "HidServAuth", "HidServDirectoryV2", "MaxOnionsPending",
    "NamingAuthoritativeDirectory", "NATDListenAddress", "OptimisticData", "ORListenAddress",
    "PathBiasDisableRate", "PathBiasMultFactor", "PathBiasScaleFactor", "PathBiasUseCloseCounts",
    "PortForwarding", "PortForwardingHelper", "PredictedPortsRelevanceTime", "PreferTunneledDirConns",
    "RecommendedPackages", "RunTesting", "SchedulerHighWaterMark__", "SchedulerLowWaterMark__",
    "SchedulerMaxFlushCells__", "SocksListenAddress", "StrictEntryNodes", "StrictExitNodes",
    "Support022HiddenServices", "TestingCertMaxDownloadTries", "TestingConsensusMaxDownloadTries",
    "TestingDescriptorMaxDownloadTries", "TestingEnableTbEmptyEvent",
    "TestingEstimatedDescriptorPropagationTime", "TestingMicrodescMaxDownloadTries", "TLSECGroup",
    "Tor2webMode", "Tor2webRendezvousPoints", "TransListenAddress", "TunnelDirConns",
    "UseEntryGuardsAsDirGuards", "UseFilteringSSLBufferevents", "UseNTorHandshake", "UserspaceIOCPBuffers",
    "V1AuthoritativeDirectory", "V2AuthoritativeDirectory", "VoteOnHidServDirectoriesV2", "WarnUnsafeSocks",
];

/// Deprecated options and why, in our words. The last is obsolete as well, as in C Tor's own list.
pub(super) static DEPRECATED: &[(&str, &str)] = &[
    ("HTTPProxy", "it only concerns unencrypted directory connections, which clients do not make"),
    ("HTTPProxyAuthenticator", "use HTTPSProxy with HTTPSProxyAuthenticator"),
    ("ReachableDirAddresses", "it has had no effect on clients since 0.2.8"),
    ("ClientPreferIPv6DirPort", "it has had no effect on clients since 0.2.8"),
    ("ClientAutoIPv6ORPort", "it is unreliable where a connection is not dual-stack"),
];
