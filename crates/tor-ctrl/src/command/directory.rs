//! POSTDESCRIPTOR.

use super::{
    Command, Parsed,
    args::{Args, Pairs, Syntax, text},
};
use crate::Reply;

/// What a relay whose descriptor is posted is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorPurpose {
    /// A relay like others.
    General,
    /// For circuits that the controller builds.
    Controller,
    /// A bridge.
    Bridge,
}

pub(super) fn post_descriptor(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let syntax = Syntax::words(0, 0).pairs(Pairs::Plain).keys(&["cache", "purpose"]).data();
    let args = Args::parse(name, &syntax, body)?;
    let purpose = match args.value("purpose") {
        None | Some(b"general") => DescriptorPurpose::General,
        Some(b"controller") => DescriptorPurpose::Controller,
        Some(b"bridge") => DescriptorPurpose::Bridge,
        Some(other) => return Err(Reply::line(552, [b"Unknown purpose \"", other, b"\""].concat())),
    };
    let cache = match args.value("cache") {
        Some(yes) if yes.eq_ignore_ascii_case(b"yes") => true,
        Some(no) if !no.eq_ignore_ascii_case(b"no") => {
            return Err(Reply::line(552, [b"Unknown cache request \"", no, b"\""].concat()));
        }
        _ => false,
    };
    Ok(Parsed::Command(Command::PostDescriptor { purpose, cache, descriptor: text(&args.data) }))
}
