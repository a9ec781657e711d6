//! How a request ended, in the words of a SOCKS reply.
//! RFC 1928 section 6; proposal 304 for the codes from 0xF0 on.

/// The status byte of a SOCKS5 reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

impl Status {
    /// It worked.
    pub const SUCCEEDED: Self = Self(0);
    /// It did not, and no other code says why.
    pub const GENERAL_FAILURE: Self = Self(1);
    /// A rule forbids it: ours, or the exits' policies.
    pub const NOT_ALLOWED: Self = Self(2);
    /// There is no network.
    pub const NET_UNREACHABLE: Self = Self(3);
    /// The name does not resolve, or there is no route.
    pub const HOST_UNREACHABLE: Self = Self(4);
    /// The target refused or reset the connection.
    pub const CONNECTION_REFUSED: Self = Self(5);
    /// It took too long.
    pub const TTL_EXPIRED: Self = Self(6);
    /// BIND, UDP ASSOCIATE, or no command at all.
    pub const COMMAND_NOT_SUPPORTED: Self = Self(7);
    /// Not a kind of address that the command takes.
    pub const ADDRESS_TYPE_NOT_SUPPORTED: Self = Self(8);

    /// The onion service's descriptor was not found.
    pub const HS_NOT_FOUND: Self = Self(0xf0);
    /// The onion service's descriptor is invalid.
    pub const HS_IS_INVALID: Self = Self(0xf1);
    /// No introduction point would introduce us.
    pub const HS_INTRO_FAILED: Self = Self(0xf2);
    /// The service did not come to the rendezvous.
    pub const HS_REND_FAILED: Self = Self(0xf3);
    /// The descriptor needs a client key that we don't have.
    pub const HS_MISSING_CLIENT_AUTH: Self = Self(0xf4);
    /// The descriptor does not open with the client key that we have.
    pub const HS_BAD_CLIENT_AUTH: Self = Self(0xf5);
    /// The address ends in .onion and is none.
    pub const HS_BAD_ADDRESS: Self = Self(0xf6);
    /// Every introduction timed out.
    pub const HS_INTRO_TIMEDOUT: Self = Self(0xf7);

    /// The reply for a stream that its exit ended, before CONNECTED, with this reason (the first byte of END).
    /// <https://spec.torproject.org/tor-spec/closing-streams.html>
    pub const fn from_end_reason(reason: u8) -> Self {
        match reason {
            // RESOLVEFAILED, NOROUTE
            2 | 8 => Self::HOST_UNREACHABLE,
            // CONNECTREFUSED, CONNRESET, and DONE: the other side hung up before it ever said CONNECTED.
            3 | 6 | 12 => Self::CONNECTION_REFUSED,
            // EXITPOLICY
            4 => Self::NOT_ALLOWED,
            // TIMEOUT
            7 => Self::TTL_EXPIRED,
            // MISC, DESTROY, HIBERNATING, INTERNAL, RESOURCELIMIT, TORPROTOCOL, NOTDIRECTORY, and reasons to come.
            _ => Self::GENERAL_FAILURE,
        }
    }

    /// The code of a SOCKS4 reply, which knows granted (0x5A) and rejected (0x5B).
    pub const fn to_socks4(self) -> u8 {
        match self {
            Self::SUCCEEDED => 0x5a,
            _ => 0x5b,
        }
    }
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What every application understands.
    pub status: Status,
    /// What is said instead on a port with `ExtendedErrors`.
    pub extended: Option<Status>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { status, extended: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_reasons() {
        let expected = [1, 1, 4, 5, 2, 1, 5, 6, 4, 1, 1, 1, 5, 1, 1, 1];
        for (reason, status) in (0u8..).zip(expected) {
            assert_eq!(Status::from_end_reason(reason), Status(status), "reason {reason}");
        }
        assert_eq!(Status::from_end_reason(255), Status::GENERAL_FAILURE);
    }
}
