//! `GETINFO info/names`: every key, with our own words for what it says.

/// Key and meaning, in the order of the list. A `*` stands for whatever follows.
const NAMES: &[(&str, &str)] = &[
    ("accounting/bytes", "Read and written in this accounting period (AccountingMax is a relay's option)"),
    ("accounting/bytes-left", "What is left to read and write in this accounting period"),
    ("accounting/enabled", "1 if traffic is accounted for; 0 for a client"),
    ("accounting/hibernating", "Whether the accounting has put the process to sleep"),
    ("accounting/interval-end", "When the accounting period ends"),
    ("accounting/interval-start", "When the accounting period began"),
    ("accounting/interval-wake", "When work begins in this accounting period"),
    ("address", "Our own address, if it is known"),
    ("address-mappings/all", "Every address mapping: from, to, until when"),
    ("address-mappings/cache", "Mappings that came from answers to look-ups"),
    ("address-mappings/config", "Mappings of MapAddress lines"),
    ("address-mappings/control", "Mappings of MAPADDRESS commands"),
    ("address/v4", "Our own IPv4 address, if it is known"),
    ("address/v6", "Our own IPv6 address, if it is known"),
    ("bw-event-cache", "The BW events of the last minutes"),
    ("circuit-status", "Each circuit of ours, in the form of a CIRC event"),
    ("config-can-saveconf", "1 if SAVECONF works without FORCE"),
    ("config-defaults-file", "The file of default options"),
    ("config-file", "The torrc"),
    ("config-text", "What SAVECONF would write"),
    ("config/*", "About the options themselves"),
    ("config/defaults", "Each option's default, where it is not empty"),
    ("config/names", "Each option and its type"),
    ("consensus/*", "Dates and packages of the consensus that routers are taken from"),
    ("current-time/*", "The time"),
    ("current-time/local", "The time, in the local zone"),
    ("current-time/utc", "The time, in UTC"),
    ("desc-annotations/id/*", "What was noted about a router descriptor when it came, by fingerprint"),
    ("desc/all-recent", "Every router descriptor that is still good"),
    ("desc/download-enabled", "1 if router descriptors are fetched (FetchUselessDescriptors)"),
    ("desc/id/*", "A router descriptor, by fingerprint"),
    ("desc/name/*", "A router descriptor, by nickname"),
    ("dir/server/*", "Router descriptors, by the path that a DirPort would have"),
    ("dir/status-vote/current/consensus", "The ns consensus, as it came"),
    ("dir/status-vote/current/consensus-microdesc", "The microdesc consensus, as it came"),
    ("dir/status/*", "Network statuses of version 2, which are no more"),
    ("dormant", "1 if no circuits are built because nobody wants any"),
    ("downloads/bridge/*", "How fetches of bridge descriptors go, by fingerprint"),
    ("downloads/bridge/<desc>", "How the fetch of this bridge's descriptor goes"),
    ("downloads/bridge/bridges", "The fingerprints of configured bridges"),
    ("downloads/cert/*", "How fetches of authority certificates go"),
    ("downloads/cert/fp/<fp>", "How the fetch of the certificate of this authority goes"),
    ("downloads/cert/fp/<fp>/<sk>", "The same, for this signing key"),
    ("downloads/cert/fp/<fp>/sks", "The signing keys for which there is an answer to the above"),
    ("downloads/cert/fps", "The authorities for which there is an answer to the above"),
    ("downloads/desc/*", "How fetches of router descriptors go, by digest"),
    ("downloads/desc/<desc>", "How the fetch of this router descriptor goes"),
    ("downloads/desc/descs", "The digests of known router descriptors"),
    ("downloads/networkstatus/*", "How fetches of consensuses go"),
    ("downloads/networkstatus/microdesc", "Fetches of the microdesc consensus, in the present mode"),
    ("downloads/networkstatus/microdesc/bootstrap", "The same, while starting"),
    ("downloads/networkstatus/microdesc/running", "The same, once started"),
    ("downloads/networkstatus/ns", "Fetches of the ns consensus, in the present mode"),
    ("downloads/networkstatus/ns/bootstrap", "The same, while starting"),
    ("downloads/networkstatus/ns/running", "The same, once started"),
    ("entry-guards", "The guards in use, and how they are"),
    ("events/names", "What SETEVENTS takes"),
    ("exit-policy/default", "The rules that a relay's exit policy ends with by default"),
    ("exit-policy/full", "A relay's whole exit policy"),
    ("exit-policy/ipv4", "The part of it for IPv4"),
    ("exit-policy/ipv6", "The part of it for IPv6"),
    ("exit-policy/reject-private/default", "The rules that ExitPolicyRejectPrivate adds"),
    ("exit-policy/reject-private/relay", "Those that follow from a relay's own addresses"),
    ("extra-info/digest/*", "An extra-info document, by its digest"),
    ("features/names", "What USEFEATURE takes"),
    ("hs/client/desc/id*", "An onion service's descriptor that was fetched"),
    ("hs/service/desc/id/*", "A descriptor of an onion service of ours"),
    ("info/names", "This list"),
    ("ip-to-country/*", "The country of an address, by GeoIPFile and GeoIPv6File"),
    ("limits/max-mem-in-queues", "How much memory queues may take"),
    ("md/all", "Every microdescriptor of the consensus"),
    ("md/download-enabled", "1 if microdescriptors are fetched"),
    ("md/id/*", "A microdescriptor, by the relay's fingerprint"),
    ("md/name/*", "A microdescriptor, by the relay's nickname"),
    ("net/listeners/*", "Where ports of a kind listen"),
    ("network-liveness", "up if something was heard from the network lately"),
    ("network-status", "Relays in the form of version 1, which is no more"),
    ("ns/all", "Every relay's entry of the consensus"),
    ("ns/id/*", "A relay's entry, by fingerprint"),
    ("ns/name/*", "A relay's entry, by nickname"),
    ("ns/purpose/*", "Entries by purpose: general, bridge"),
    ("onions/current", "Onion services of this control connection"),
    ("onions/detached", "Onion services of no control connection"),
    ("orconn-status", "Each connection to a relay, in the form of an ORCONN event"),
    ("process/descriptor-limit", "How many files may be open"),
    ("process/pid", "The process id"),
    ("process/uid", "The user id"),
    ("process/user", "The user's name"),
    ("signal/names", "What SIGNAL takes"),
    ("sr/current", "The shared random value of now"),
    ("sr/previous", "The one before it"),
    ("stats/ntor/*", "A relay's counts of ntor handshakes"),
    ("stats/ntor/assigned", "Those that were worked on"),
    ("stats/ntor/requested", "Those that were asked for"),
    ("stats/tap/*", "A relay's counts of TAP handshakes"),
    ("stats/tap/assigned", "Those that were worked on"),
    ("stats/tap/requested", "Those that were asked for"),
    ("status/bootstrap-phase", "How far the start is, in the form of a STATUS_CLIENT event"),
    ("status/circuit-established", "1 once a circuit has been built"),
    ("status/clients-seen", "A bridge's count of its users' countries"),
    ("status/enough-dir-info", "1 if the documents suffice to build circuits"),
    ("status/fresh-relay-descs", "A relay's own descriptor, made anew"),
    ("status/version/current", "What the consensus says of this version"),
    ("status/version/recommended", "The versions that the consensus recommends"),
    ("stream-status", "Each stream, in the form of a STREAM event"),
    ("traffic/read", "Bytes read from relays"),
    ("traffic/written", "Bytes written to relays"),
    ("uptime", "Seconds since the start"),
    ("version", "The version"),
    ("x-events/history/*", "What is kept of a type of events"),
    ("x-events/kept", "Of which types events are kept, and how many"),
    ("x-events/subscribers", "How many listen to events"),
];

/// The text of `info/names`.
pub(super) fn text() -> String {
    let mut text = String::new();
    for (name, about) in NAMES {
        text.push_str(name);
        text.push_str(" -- ");
        text.push_str(about);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_c_tor_is_listed_and_the_list_is_sorted() {
        let c_tor = include_str!("../../../testdata/info-names-ctor.txt");
        let wanted = c_tor.lines().filter(|line| !line.starts_with('#'));
        for name in wanted {
            assert!(NAMES.iter().any(|(ours, _)| *ours == name), "{name} is missing");
        }
        let lines: Vec<String> = text().lines().map(str::to_owned).collect();
        assert!(lines.is_sorted());
    }
}
