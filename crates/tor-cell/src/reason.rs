//! Why a circuit or a stream ends. The constants are spelled as C Tor's control port spells them.

use crate::code_point::code_points;

code_points! {
    /// Why a circuit ends: in DESTROY, TRUNCATE and TRUNCATED.
    /// <https://spec.torproject.org/tor-spec/tearing-down-circuits.html>
    pub struct DestroyReason(u8);
    /// No reason given. What clients send, always, so that a reason tells the relays nothing about them.
    NONE = 0,
    /// The other end broke the protocol.
    TORPROTOCOL = 1,
    /// Internal error.
    INTERNAL = 2,
    /// A client sent TRUNCATE.
    REQUESTED = 3,
    /// The relay saves bandwidth.
    HIBERNATING = 4,
    /// Out of memory, sockets or circuit ids.
    RESOURCELIMIT = 5,
    /// The next relay can't be reached.
    CONNECTFAILED = 6,
    /// The next relay is not who it should be.
    OR_IDENTITY = 7,
    /// The channel that carried the circuit died.
    CHANNEL_CLOSED = 8,
    /// The circuit has expired, by age or lack of use.
    FINISHED = 9,
    /// The circuit took too long to build.
    TIMEOUT = 10,
    /// The circuit was destroyed without a client's TRUNCATE.
    DESTROYED = 11,
    /// No such onion service.
    NOSUCHSERVICE = 12,
}

code_points! {
    /// Why a stream ends. <https://spec.torproject.org/tor-spec/closing-streams.html>
    ///
    /// 15 (CONNECTIONREFUSED of old specs) was never sent: it is unknown.
    pub struct EndReason(u8);
    /// Anything else.
    MISC = 1,
    /// The name does not resolve.
    RESOLVEFAILED = 2,
    /// The target refused the connection.
    CONNECTREFUSED = 3,
    /// The exit's policy forbids the target.
    EXITPOLICY = 4,
    /// The circuit is being destroyed.
    DESTROY = 5,
    /// The connection was closed in order.
    DONE = 6,
    /// The connection, or the attempt at it, timed out.
    TIMEOUT = 7,
    /// There is no route to the target.
    NOROUTE = 8,
    /// The relay saves bandwidth.
    HIBERNATING = 9,
    /// Internal error.
    INTERNAL = 10,
    /// The relay has no resources for the stream.
    RESOURCELIMIT = 11,
    /// The target reset the connection.
    CONNRESET = 12,
    /// The other end broke the protocol.
    TORPROTOCOL = 13,
    /// The relay, asked by BEGIN_DIR, is no directory.
    NOTDIRECTORY = 14,
}
