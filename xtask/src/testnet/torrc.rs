//! What the nodes of the private network are configured with.

use std::fmt::Write as _;

use super::network::{Network, Node, Role};

/// Seconds between votes until there is a first consensus; votes are cast at wall-clock multiples of this.
pub(crate) const FIRST_INTERVAL: u64 = 30;
/// Seconds before the end of an interval at which authorities vote on what they have heard.
pub(crate) const FIRST_DELAYS: u64 = 10;

/// The lines that everybody on the network needs, a client above all: `client.torrc.inc`.
pub(crate) fn shared(authorities: &[(&Node, &str)]) -> String {
    let mut text = String::from("TestingTorNetwork 1\n");
    for (node, v3_ident) in authorities {
        let _ = writeln!(
            text,
            "DirAuthority {} orport={} v3ident={v3_ident} 127.0.0.1:{} {}",
            node.nickname, node.or_port, node.dir_port, node.fingerprint
        );
    }
    text
}

/// The configuration of one node; `shared` is the text that [`shared`] made.
///
/// Nodes build no circuits of their own (`__DisablePredictedCircuits`), so that what they log about circuits is
/// about clients, and what they cost is what clients cause.
pub(crate) fn node(network: &Network, node: &Node, shared: &str, info_log: bool) -> String {
    let home = network.dir.join(&node.nickname);
    let home = home.display();
    let mut text = shared.to_owned();
    let _ = write!(
        text,
        "\
DataDirectory {home}
PidFile {home}/pid
RunAsDaemon 1
Log notice file {home}/notice.log
ProtocolWarnings 1
SafeLogging 0
LogTimeGranularity 1
Nickname {}
Address 127.0.0.1
ORPort 127.0.0.1:{} IPv4Only
SocksPort 0
ControlSocket {home}/control
ContactInfo testnet@example.test
AssumeReachable 1
__DisablePredictedCircuits 1
ShutdownWaitLength 0
NumCPUs 1
DirReqStatistics 0
ExtraInfoStatistics 0
ServerDNSResolvConfFile {}
ServerDNSDetectHijacking 0
ServerDNSTestAddresses
ServerDNSAllowBrokenConfig 1
ServerDNSAllowNonRFC953Hostnames 1
",
        node.nickname,
        node.or_port,
        network.resolv_conf().display(),
    );
    if info_log {
        let _ = writeln!(text, "Log info file {home}/info.log");
    }
    text.push_str(match node.role {
        Role::Authority => "",
        Role::Relay => "ExitPolicy reject *:*\n",
        Role::Exit => {
            "ExitRelay 1\nIPv6Exit 1\nExitPolicyRejectPrivate 0\nExitPolicy reject 127.0.0.4/32:*\n"
        }
    });
    if node.role == Role::Exit && node.index == 0 {
        text.push_str("ExitPolicy reject 127.0.0.3/32:*\n");
    }
    match node.role {
        Role::Exit => text.push_str("ExitPolicy accept *:*\nExitPolicy accept6 *:*\n"),
        Role::Authority => {
            let exits = network.nodes.iter().filter(|node| node.role == Role::Exit);
            let exits: Vec<_> = exits.map(|node| format!("${}", node.fingerprint)).collect();
            let _ = write!(
                text,
                "\
DirPort 127.0.0.1:{}
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
V3BandwidthsFile {home}/bandwidths
ExitPolicy reject *:*
TestingDirAuthVoteExit {}
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
TestingV3AuthInitialVotingInterval {FIRST_INTERVAL} seconds
TestingV3AuthInitialVoteDelay {} seconds
TestingV3AuthInitialDistDelay {} seconds
",
                node.dir_port,
                exits.join(","),
                FIRST_DELAYS / 2,
                FIRST_DELAYS / 2,
            );
        }
        Role::Relay => {}
    }
    text
}

/// A file of bandwidth measurements, so that the consensus has weights: without one every relay of a young
/// network has bandwidth zero and clients choose at random. Sizes differ, authorities are small.
pub(crate) fn bandwidths(nodes: &[Node], unix_time: u64) -> String {
    let mut text = format!("{unix_time}\n");
    for node in nodes {
        let base = match node.role {
            Role::Authority => 100,
            Role::Relay => 10_000,
            Role::Exit => 8_000,
        };
        let _ = writeln!(text, "node_id=${} bw={}", node.fingerprint, base + 1_000 * node.index);
    }
    text
}
