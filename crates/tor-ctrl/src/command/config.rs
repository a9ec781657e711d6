//! GETINFO and GETCONF, SETCONF and RESETCONF, SAVECONF and LOADCONF.

use super::{
    Command, Parsed,
    args::{Args, Pair, Pairs, Syntax},
};
use crate::Reply;

/// One `Key=Value` of SETCONF. A key alone has an empty value, which for SETCONF is "nothing" and for RESETCONF "the
/// default"; C Tor does not tell `Key` from `Key=` either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The name, as it was written.
    pub key: String,
    /// The value.
    pub value: String,
}

pub(super) fn info(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, usize::MAX), body)?;
    Ok(Parsed::Command(Command::GetInfo(args.texts())))
}

pub(super) fn conf(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, usize::MAX), body)?;
    Ok(Parsed::Command(Command::GetConf(args.texts())))
}

pub(super) fn set_conf(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    assignments(name, body).map(|assignments| Parsed::Command(Command::SetConf { assignments, reset: false }))
}

pub(super) fn reset_conf(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    assignments(name, body).map(|assignments| Parsed::Command(Command::SetConf { assignments, reset: true }))
}

fn assignments(name: &[u8], body: &[u8]) -> Result<Vec<Assignment>, Reply> {
    let mut args = Args::parse(name, &Syntax::words(0, 0).pairs(Pairs::QuotedFlags), body)?;
    let assignment = |Pair { key, value }| {
        Some(Assignment { key: String::from_utf8(key).ok()?, value: String::from_utf8(value).ok()? })
    };
    // The configuration is text. To replace what isn't would set another value than was asked for.
    let assignments: Option<_> = std::mem::take(&mut args.pairs).into_iter().map(assignment).collect();
    assignments.ok_or_else(|| Reply::line(513, "Unacceptable option value: not UTF-8 text"))
}

pub(super) fn save_conf(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 0).pairs(Pairs::Flags), body)?;
    Ok(Parsed::Command(Command::SaveConf { force: args.flag("FORCE") }))
}

pub(super) fn load_conf(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let mut args = Args::parse(name, &Syntax::words(0, 0).data(), body)?;
    match String::from_utf8(std::mem::take(&mut args.data)) {
        Ok(text) => Ok(Parsed::Command(Command::LoadConf(text))),
        Err(_) => Err(Reply::line(552, "Invalid config file: not UTF-8 text")),
    }
}
