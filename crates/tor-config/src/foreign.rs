//! Values of options that this version does not have, checked as C Tor checks them: nonsense is told from what is
//! only not built, in C Tor's words.
//!
//! What C Tor resolves (host names of proxies and transports) is not looked at.

use std::net::{IpAddr, SocketAddr};

use crate::policy::{Pattern, SocksPolicy};
use crate::relays::{RelayList, RelaysError};
use crate::table::{Kind, options};
use crate::value::items;
use crate::{ConfigError, PolicyError, Settings};

/// Refuses what C Tor would not take either.
pub(crate) fn check(settings: &Settings) -> Result<(), ConfigError> {
    relay_lists(settings)?;
    reachable(settings)?;
    lines(settings, "Bridge", is_bridge, "Bridge line did not parse. See logs for details.")?;
    let says = "Invalid client transport line. See logs for details.";
    lines(settings, "ClientTransportPlugin", is_transport, says)?;
    proxies(settings)?;
    if settings.number("BandwidthBurst") < settings.number("BandwidthRate") {
        return Err(
            settings.says("BandwidthBurst", "BandwidthBurst must be at least equal to BandwidthRate.")
        );
    }
    // Whatever is said of a service comes after the line that names it.
    if settings.lines("HiddenServiceOptions").first().is_some_and(|line| line.name != "HiddenServiceDir") {
        let says = "Failed to configure rendezvous options. See logs for details.";
        return Err(settings.says("HiddenServiceDir", says));
    }
    Ok(())
}

fn relay_lists(settings: &Settings) -> Result<(), ConfigError> {
    for spec in options().iter().filter(|spec| spec.kind == Kind::Relays) {
        let list = settings.items(spec.name).join(",");
        if let Err(error @ RelaysError::Malformed) = RelayList::parse(&list) {
            return Err(settings.error(spec.name, error));
        }
    }
    Ok(())
}

fn reachable(settings: &Settings) -> Result<(), ConfigError> {
    for name in ["ReachableAddresses", "ReachableORAddresses", "ReachableDirAddresses"] {
        for line in settings.lines(name) {
            let error = |problem| ConfigError::new(line.origin.clone(), line.name, problem);
            items(&line.value).try_for_each(rule).map_err(error)?;
        }
    }
    Ok(())
}

/// A rule of a policy; a bare pattern accepts.
fn rule(item: &str) -> Result<(), PolicyError> {
    if item.starts_with(|c: char| c == '*' || c == '[' || c.is_ascii_digit()) {
        Pattern::parse(item, false).map(|_| ())
    } else {
        SocksPolicy::default().extend(item).map(|_| ())
    }
}

fn proxies(settings: &Settings) -> Result<(), ConfigError> {
    const PROXIES: [&str; 4] = ["Socks4Proxy", "Socks5Proxy", "HTTPSProxy", "TCPProxy"];
    if PROXIES.iter().filter(|name| settings.text(name).is_some()).count() > 1 {
        let says =
            "You have configured more than one proxy type. (Socks4Proxy|Socks5Proxy|HTTPSProxy|TCPProxy)";
        return Err(settings.says("Socks5Proxy", says));
    }
    if settings.text("Socks5ProxyUsername").is_some() != settings.text("Socks5ProxyPassword").is_some() {
        let says = "Socks5ProxyPassword must be included with Socks5ProxyUsername.";
        return Err(settings.says("Socks5ProxyPassword", says));
    }
    Ok(())
}

fn lines(
    settings: &Settings,
    name: &'static str,
    good: fn(&str) -> bool,
    says: &'static str,
) -> Result<(), ConfigError> {
    if settings.lines(name).iter().all(|line| good(&line.value)) {
        Ok(())
    } else {
        Err(settings.says(name, says))
    }
}

/// `[TRANSPORT] ADDRESS[:PORT] [FINGERPRINT] [KEY=VALUE …]`; only a transport has keys.
fn is_bridge(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace().peekable();
    let transport = words.next_if(|word| is_identifier(word)).is_some();
    if !words.next().is_some_and(is_address) {
        return false;
    }
    let is_fingerprint = |text: &str| text.len() == 40 && text.bytes().all(|c| c.is_ascii_hexdigit());
    if !transport {
        // It may be written in groups of four.
        let rest: String = words.collect();
        return rest.is_empty() || is_fingerprint(&rest);
    }
    let fingerprint = words.next_if(|word| !word.contains('='));
    fingerprint.is_none_or(is_fingerprint)
        && words.all(|word| word.split_once('=').is_some_and(|(key, _)| !key.is_empty()))
}

/// `NAME[,NAME …] exec PROGRAM …` or `… socks4|socks5 ADDRESS:PORT`.
fn is_transport(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let (Some(names), Some(method), Some(what)) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let has_port =
        || what.rsplit_once(':').is_some_and(|(_, port)| port.parse().is_ok_and(|port: u16| port > 0));
    names.split(',').all(is_identifier)
        && match method {
            "exec" => true,
            "socks4" | "socks5" => has_port(),
            _ => false,
        }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && text.bytes().all(|c| c == b'_' || c.is_ascii_alphanumeric())
}

fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FP: &str = "00112233445566778899AABBCCDDEEFF00112233";

    /// Each of these was put to C Tor.
    #[test]
    fn bridges_as_c_tor_reads_them() {
        for good in [
            "1.2.3.4",
            "obfs4 1.2.3.4:5",
            "obfs4 1.2.3.4:5 k=v",
            "1.2.3.4:5 AAAA AAAA AAAA AAAA AAAA AAAA AAAA AAAA AAAA AAAA",
            &format!("[::1]:5 {FP}"),
        ] {
            assert!(is_bridge(good), "{good}");
        }
        for bad in [
            "not a bridge",
            "1.2.3.4:x",
            "1.2.3.4 nofp",
            "obfs4",
            "1.2.3.4:0",
            &format!("obfs4 1.2.3.4:5 {FP} kv"),
            &format!("obfs4 1.2.3.4:5 {FP} =v"),
            &format!("1.2.3.4:5 {FP} k=v"),
            &format!("[::1]:5 {FP} x"),
            &format!("host:5 {FP}"),
            &format!("1.2.3.4:5 ${FP}"),
        ] {
            assert!(!is_bridge(bad), "{bad}");
        }
    }

    /// Each of these was put to C Tor.
    #[test]
    fn transports_as_c_tor_reads_them() {
        for good in ["a exec /bin/true", "a,b exec /bin/true -x", "a socks5 1.2.3.4:5"] {
            assert!(is_transport(good), "{good}");
        }
        for bad in [
            "nonsense",
            "a b c",
            "a exec",
            "a socks6 1.2.3.4:5",
            "a-! socks5 1.2.3.4:5",
            "a socks5 nonsense",
            "a,b,* socks4 1.2.3.4:5",
        ] {
            assert!(!is_transport(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", likely in "(obfs4 )?[0-9.:\\[\\]a-f]{0,20} [0-9A-F]{0,41} [a-z=]{0,9}") {
            for text in [text, likely] {
                let _ = (is_bridge(&text), is_transport(&text), rule(&text));
            }
        }
    }
}
