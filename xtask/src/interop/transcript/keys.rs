//! What is known of the keys of GETINFO: examples for those that take an argument, and how to compare answers.

/// The keys to ask for, given one of `info/names`, which may end in `*`.
pub(super) fn samples(key: &str, fingerprint: &str) -> Vec<String> {
    let arguments: &[&str] = match key {
        // Asserted on by C Tor when it fetches router descriptors; random data otherwise.
        "downloads/desc/descs" => return Vec::new(),
        "config/*" => &["names", "nonsense", "SocksPort"],
        "consensus/*" => &["valid-after", "fresh-until", "valid-until", "packages", "nonsense"],
        "current-time/*" => &["nonsense"],
        "desc-annotations/id/*" | "desc/id/*" | "md/id/*" | "ns/id/*" => {
            &["FP", "$FP", "nonsense", "0123456789012345678901234567890123456789"]
        }
        "desc/name/*" | "md/name/*" | "ns/name/*" => &["relay0", "exit0", "nonsense", "$FP"],
        "ns/purpose/*" => &["general", "bridge", "nonsense"],
        "dir/server/*" => &["all", "authority", "fp/FP", "nonsense"],
        "dir/status/*" => &["all", "nonsense"],
        "downloads/bridge/*" | "downloads/cert/*" | "downloads/desc/*" | "downloads/networkstatus/*" => {
            &["nonsense"]
        }
        "downloads/bridge/<desc>" | "downloads/desc/<desc>" => {
            return vec![key.replace("<desc>", "0123456789012345678901234567890123456789")];
        }
        "downloads/cert/fp/<fp>" | "downloads/cert/fp/<fp>/<sk>" | "downloads/cert/fp/<fp>/sks" => {
            let nobody = "0123456789012345678901234567890123456789";
            return vec![key.replace("<fp>", nobody).replace("<sk>", nobody)];
        }
        "extra-info/digest/*" => &["0123456789012345678901234567890123456789", "nonsense"],
        "hs/client/desc/id*" => return vec!["hs/client/desc/id/nonsense".to_owned()],
        "hs/service/desc/id/*" => &["nonsense"],
        "ip-to-country/*" => &[
            "8.8.8.8",
            "0.0.0.0",
            "127.0.0.1",
            "::1",
            "2001:4860:4860::8888",
            "nonsense",
            "ipv4-available",
            "ipv6-available",
        ],
        "net/listeners/*" => {
            &["or", "dir", "socks", "trans", "natd", "dns", "control", "extor", "httptunnel", "nonsense"]
        }
        "stats/ntor/*" | "stats/tap/*" => &["nonsense"],
        "md/all" | "ns/all" | "desc/all-recent" => &[],
        _ => &[],
    };
    if arguments.is_empty() {
        return vec![key.to_owned()];
    }
    let stem = key.trim_end_matches('*');
    arguments.iter().map(|argument| format!("{stem}{}", argument.replace("FP", fingerprint))).collect()
}

/// Whether the answer to this command measures something, so that its numbers are of no interest.
pub(super) fn measures(command: &str) -> bool {
    let lower = command.to_ascii_lowercase();
    let Some(keys) = lower.strip_prefix("getinfo ") else {
        return ["mapaddress", "add_onion", "extendcircuit"].iter().any(|verb| lower.starts_with(verb));
    };
    MEASURED.iter().any(|start| keys.starts_with(start))
}

/// Whether the answer is a list whose length and order depend on what happened to happen.
pub(super) fn is_a_set(command: &str) -> bool {
    let key = command.strip_prefix("GETINFO ").unwrap_or_default();
    SETS.contains(&key)
}

const MEASURED: &[&str] = &[
    "accounting/",
    "bw-event-cache",
    "circuit-status",
    "consensus/",
    "current-time/",
    "desc/",
    "desc-annotations/",
    "dir/",
    "downloads/",
    "entry-guards",
    "extra-info/",
    "md/",
    "network-status",
    "ns/",
    "orconn-status",
    "process/",
    "sr/",
    "stats/",
    "stream-status",
    "traffic/",
    "uptime",
    "limits/",
    "address-mappings/",
    "status/clients-seen",
];
const SETS: &[&str] = &[
    "bw-event-cache",
    "info/names",
    "stream-status",
    "circuit-status",
    "orconn-status",
    "entry-guards",
    "ns/all",
    "md/all",
    "desc/all-recent",
    "dir/status-vote/current/consensus",
    "dir/status-vote/current/consensus-microdesc",
    "downloads/cert/fps",
    "address-mappings/all",
    "address-mappings/control",
];
