//! An address and how long it holds, as CONNECTED and END say it.

use std::net::IpAddr;

use bytes::BufMut;

/// Where the target of a stream is, by what the exit resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressTtl {
    /// The address.
    pub address: IpAddr,
    /// How long it holds, in seconds, at most [`i32::MAX`]. `None` if the exit did not say, or said more.
    pub ttl: Option<u32>,
}

impl AddressTtl {
    /// The address alone.
    pub const fn new(address: IpAddr) -> Self {
        Self { address, ttl: None }
    }
}

/// A time to live from the wire; more than [`i32::MAX`] seconds means nothing.
pub(super) fn ttl(raw: u32) -> Option<u32> {
    i32::try_from(raw).is_ok().then_some(raw)
}

pub(super) fn put_ip(address: IpAddr, out: &mut impl BufMut) {
    match address {
        IpAddr::V4(v4) => out.put_slice(&v4.octets()),
        IpAddr::V6(v6) => out.put_slice(&v6.octets()),
    }
}
