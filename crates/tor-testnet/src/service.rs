//! What is behind the exit.

use std::{
    mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use bytes::{Buf, Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tor_cell::{
    EndReason,
    relay::{Answer, ResolveError, Resolved, ResolvedValue, reverse_name},
};

use crate::DirectoryFn;

/// A name that resolves, to 192.0.2.7.
pub const HOST_V4: &str = "v4.example";
/// A name that resolves, to 2001:db8::7.
pub const HOST_V6: &str = "v6.example";

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));
/// Seconds that answers hold.
const TTL: u32 = 60;

/// Bytes `from`, `from + 1` … of what `download.N` sends: any two stretches of it differ.
pub fn pattern(from: u64) -> impl Iterator<Item = u8> {
    (from..).map(|at| {
        let [byte, ..] = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        byte
    })
}

/// One stream's far end.
pub(crate) enum Service {
    Echo(BytesMut),
    Download { at: u64, end: u64 },
    Upload { left: u64, digest: Sha256 },
    Directory { request: BytesMut, answer: DirectoryFn },
    Reply(Bytes),
    Open,
}

/// What comes of a BEGIN.
pub(crate) enum Begun {
    Connected(Service),
    Refused(EndReason),
    Silent,
}

pub(crate) fn begin(host: &str) -> Begun {
    let (kind, number) = host.split_once('.').unwrap_or((host, "0"));
    let number = number.parse::<u64>().unwrap_or(0);
    match kind {
        "echo" => Begun::Connected(Service::Echo(BytesMut::new())),
        "download" => Begun::Connected(Service::Download { at: 0, end: number }),
        "upload" => Begun::Connected(Service::Upload { left: number, digest: Sha256::new() }),
        "open" => Begun::Connected(Service::Open),
        "silent" => Begun::Silent,
        "refuse" => Begun::Refused(EndReason(u8::try_from(number).unwrap_or(EndReason::MISC.0))),
        _ => Begun::Refused(EndReason::RESOLVEFAILED),
    }
}

pub(crate) fn resolve(name: &str) -> Resolved<'static> {
    let value = if name == HOST_V4 {
        ResolvedValue::Address(V4)
    } else if name == HOST_V6 {
        ResolvedValue::Address(V6)
    } else if name == reverse_name(V4) {
        ResolvedValue::Hostname(HOST_V4)
    } else {
        ResolvedValue::Error(ResolveError::Permanent, b"")
    };
    Resolved { answers: vec![Answer { value, ttl: TTL }] }
}

impl Service {
    /// Bytes from the client.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Echo(held) => held.extend_from_slice(bytes),
            Self::Upload { left, digest } => {
                digest.update(bytes);
                *left = left.saturating_sub(bytes.len().try_into().unwrap_or(u64::MAX));
                if *left == 0 {
                    let sum = mem::take(digest).finalize();
                    *self = Self::Reply(Bytes::copy_from_slice(&sum));
                }
            }
            Self::Directory { request, answer } => {
                request.extend_from_slice(bytes);
                if request.ends_with(b"\r\n\r\n") {
                    *self = Self::Reply(answer(&String::from_utf8_lossy(request)).into());
                }
            }
            Self::Download { .. } | Self::Reply(_) | Self::Open => {}
        }
    }

    /// The next bytes for the client, at most `room`; `None` if there are none now.
    pub(crate) fn next(&mut self, room: usize) -> Option<Bytes> {
        match self {
            Self::Echo(held) => Some(held.split_to(room.min(held.len())).freeze()),
            Self::Reply(rest) => Some(rest.split_to(room.min(rest.len()))),
            Self::Download { at, end } => {
                let room = room.min(usize::try_from(*end - *at).unwrap_or(room));
                let bytes: Bytes = pattern(*at).take(room).collect();
                *at += u64::try_from(room).unwrap_or(u64::MAX);
                Some(bytes)
            }
            Self::Upload { .. } | Self::Directory { .. } | Self::Open => None,
        }
        .filter(Buf::has_remaining)
    }

    /// True once the service has said all that it ever will.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Download { at, end } => at == end,
            Self::Reply(rest) => rest.is_empty(),
            Self::Echo(_) | Self::Upload { .. } | Self::Directory { .. } | Self::Open => false,
        }
    }
}
