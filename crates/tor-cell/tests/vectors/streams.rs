//! Messages of streams.

use std::net::IpAddr;

use tor_cell::{
    Body,
    relay::{
        AddressTtl, Begin, BeginDir, BeginFlags, Connected, Data, End, RelayCmd, Resolve, ResolveError,
        Resolved, ResolvedValue, Xoff, Xon, reverse_name,
    },
};

use super::{Case, relay};

fn address(case: &Case) -> Option<AddressTtl> {
    let address = case.text("address")?.parse().unwrap();
    Some(AddressTtl { address, ttl: case.number("ttl").map(|ttl| ttl.try_into().unwrap()) })
}

#[test]
fn begin() {
    for case in relay("begin") {
        let body = case.body();
        let Some(begin) = case.read::<Begin<'_>>(&body) else { continue };
        assert_eq!(begin.address(), case.text("address").unwrap());
        assert_eq!(u64::from(begin.port()), case.number("port").unwrap());
        assert_eq!(u64::from(begin.flags().0), case.number("flags").unwrap());
        // Only what a client would write comes back byte for byte: no stray bytes, no zero flags.
        let junk = body.len() - body.iter().position(|&byte| byte == 0).unwrap() - 1;
        let canonical = junk == if begin.flags() == BeginFlags::NONE { 0 } else { 4 };
        case.rewrites(RelayCmd::BEGIN, &body, canonical);
    }
}

#[test]
fn begin_dir() {
    for case in relay("begin_dir") {
        assert_eq!(case.read(&case.body()), Some(BeginDir));
    }
}

#[test]
fn data() {
    for case in relay("data") {
        let body = case.body();
        assert_eq!(case.read::<Data<'_>>(&body).unwrap().bytes, body);
        case.rewrites(RelayCmd::DATA, &body, true);
    }
}

#[test]
fn connected() {
    for case in relay("connected") {
        let body = case.body();
        let Some(connected) = case.read::<Connected>(&body) else { continue };
        assert_eq!(connected.address, address(&case));
        let lost = body.len() == 5 || address(&case).is_some_and(|a| a.ttl.is_none() && body.len() > 5);
        case.rewrites(RelayCmd::CONNECTED, &body, !lost);
    }
}

#[test]
fn end() {
    for case in relay("end") {
        let body = case.body();
        if body.is_empty() {
            // Of the two that the vector allows, ours is C Tor's: it closes the circuit.
            assert!(End::decode(&body).is_err());
            continue;
        }
        let end = case.read::<End>(&body).unwrap();
        assert_eq!(u64::from(end.reason.0), case.number("reason").unwrap());
        assert_eq!(end.address, address(&case));
        assert_eq!(end.reason.name().is_none(), end.reason.0 == 15);
        case.rewrites(RelayCmd::END, &body, true);
    }
}

#[test]
fn resolve() {
    for case in relay("resolve") {
        let body = case.body();
        let query = case.text("query").unwrap();
        let reverse = query.strip_prefix("reverse ").map(|ip| reverse_name(ip.parse().unwrap()));
        let expected = Resolve::new(reverse.as_deref().unwrap_or(query)).unwrap();
        assert_eq!(case.read::<Resolve<'_>>(&body), Some(expected));
        case.rewrites(RelayCmd::RESOLVE, &body, true);
    }
}

#[test]
fn resolved() {
    for case in relay("resolved") {
        let body = case.body();
        let Some(resolved) = case.read::<Resolved<'_>>(&body) else { continue };
        let error = resolved.error().map(|error| match error {
            ResolveError::Transient => 0xf0,
            ResolveError::Permanent => 0xf1,
        });
        assert_eq!(error, case.number("error"), "{}", case.0);
        let found: Vec<_> = resolved
            .answers
            .iter()
            .filter(|answer| matches!(answer.value, ResolvedValue::Address(_) | ResolvedValue::Hostname(_)))
            .collect();
        let expected = case.list("answers");
        assert_eq!(found.len(), expected.len());
        for (answer, expected) in found.iter().zip(&expected) {
            let text = expected.text("value").unwrap();
            let value = match expected.text("type").unwrap() {
                "hostname" => ResolvedValue::Hostname(text),
                _ => ResolvedValue::Address(text.parse::<IpAddr>().unwrap()),
            };
            assert_eq!(answer.value, value);
            assert_eq!(u64::from(answer.ttl), expected.number("ttl").unwrap());
        }
        case.rewrites(RelayCmd::RESOLVED, &body, true);
    }
}

#[test]
fn flow_control() {
    for case in relay("flow_control") {
        let body = case.body();
        let command = RelayCmd(case.number("command").unwrap().try_into().unwrap());
        assert_eq!(command.name(), case.text("name"));
        if command == RelayCmd::XOFF {
            assert_eq!(case.read(&body), Some(Xoff));
        } else if let Some(xon) = case.read::<Xon>(&body) {
            assert_eq!(u64::from(xon.kbps), case.number("kbps_ewma").unwrap());
            assert_eq!(xon.bytes_per_second().map(u64::from), case.number("bytes_per_second"));
        } else {
            continue;
        }
        case.rewrites(command, &body, true);
    }
}
