//! MAPADDRESS and RESOLVE.

use std::net::IpAddr;

use super::{
    Command, Parsed,
    args::{Args, Pairs, Syntax, text},
};
use crate::Reply;

/// One `from=to` of MAPADDRESS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The address that applications will ask for. `.`, `0.0.0.0` and `::` ask for one to be made up: a name, an IPv4
    /// address, an IPv6 address.
    pub from: String,
    /// The address that they get; `*.` before it where `from` has that too.
    pub to: String,
}

impl Mapping {
    /// Whether `to` is an address or a name of letters, digits, hyphens, dots and underscores.
    /// With `AllowNonRFC953Hostnames` the question need not be asked.
    pub fn target_is_valid(&self) -> bool {
        let name = self.to.strip_prefix("*.").unwrap_or(&self.to);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    }
}

pub(super) fn map_address(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 0).pairs(Pairs::Plain), body)?;
    if args.pairs.is_empty() {
        return Err(Reply::line(512, "syntax error: not enough arguments to mapaddress."));
    }
    let mapping = args.pairs.iter().map(|pair| Mapping { from: text(&pair.key), to: text(&pair.value) });
    Ok(Parsed::Command(Command::MapAddress(mapping.collect())))
}

pub(super) fn resolve(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 0).pairs(Pairs::Flags), body)?;
    let reverse = args.value("mode").is_some_and(|mode| mode.eq_ignore_ascii_case(b"reverse"));
    // Other pairs than `mode` mean nothing, and are no mistake.
    let targets =
        args.pairs.iter().filter(|pair| pair.value.is_empty()).map(|pair| text(&pair.key)).collect();
    Ok(Parsed::Command(Command::Resolve { targets, reverse }))
}
