//! The keys that only a relay has much to say to, as a client answers them.

use tor_ctrl::{InfoAnswer, InfoError};

/// The rules that C Tor's exits end their policy with (dir-spec and the manual's `ExitPolicy`).
const DEFAULT_POLICY: &str = "reject *:25,reject *:119,reject *:135-139,reject *:445,reject *:563,reject *:1214,\
    reject *:4661-4666,reject *:6346-6429,reject *:6699,reject *:6881-6999,accept *:*";
/// The networks that `ExitPolicyRejectPrivate` keeps exits off.
const REJECT_PRIVATE: &str = "reject 0.0.0.0/8:*,reject 169.254.0.0/16:*,reject 127.0.0.0/8:*,\
    reject 192.168.0.0/16:*,reject 10.0.0.0/8:*,reject 172.16.0.0/12:*,reject [::]/8:*,reject [fc00::]/7:*,\
    reject [fe80::]/10:*,reject [fec0::]/10:*,reject [ff00::]/8:*,reject [::]/127:*";

/// Answers for a client; `Ok(None)` if it is another's key.
pub(super) fn answer(key: &str) -> InfoAnswer {
    let value = match key {
        "accounting/enabled" => "0",
        "accounting/hibernating" => "awake",
        "accounting/bytes" => "0 0",
        "accounting/bytes-left" => "0 0",
        "accounting/interval-start" | "accounting/interval-end" | "accounting/interval-wake" => {
            "1970-01-01 00:00:00"
        }
        "exit-policy/default" => DEFAULT_POLICY,
        "exit-policy/reject-private/default" => REJECT_PRIVATE,
        "exit-policy/full" | "exit-policy/ipv4" | "exit-policy/ipv6" | "exit-policy/reject-private/relay" => {
            return Err(InfoError::unknown("Not running in server mode"));
        }
        "fingerprint" => return Err(InfoError::unavailable("Not running in server mode")),
        "status/fresh-relay-descs" => return Err(InfoError::unavailable("Only relays have descriptors")),
        "status/clients-seen" => "TimeStarted=\"1970-01-01 00:00:00\" CountrySummary= IPVersions=v4=0,v6=0",
        "status/reachability-succeeded" => "OR=1 DIR=1",
        "status/reachability-succeeded/or" | "status/reachability-succeeded/dir" => "1",
        "status/good-server-descriptor" | "status/accepted-server-descriptor" => "0",
        // A client gets no handshakes.
        "stats/ntor/assigned" | "stats/ntor/requested" | "stats/tap/assigned" | "stats/tap/requested" => "0",
        _ if key.starts_with("stats/ntor/") || key.starts_with("stats/tap/") => {
            return Err(InfoError::unavailable("Unrecognized handshake type"));
        }
        // Without onion services there is none of this connection's, nor of nobody's.
        "onions/current" | "onions/detached" => "",
        _ => return Ok(None),
    };
    Ok(Some(value.to_owned()))
}
