//! Which circuit handshake CREATE2 and EXTEND2 speak.

use crate::code_point::code_points;

code_points! {
    /// Which circuit handshake an onionskin speaks.
    pub struct HandshakeType(u16);
    /// Obsolete: no relay answers it.
    TAP = 0,
    /// CREATE_FAST. Never on the wire: that handshake has a cell of its own.
    FAST = 1,
    /// X25519 and SHA-256.
    NTOR = 2,
    /// ntor with extensions.
    NTOR_V3 = 3,
}

/// The longest reply that CREATED2 may carry: it must fit EXTENDED2 too, which has 498 bytes for a length of 2
/// bytes and the reply.
pub const MAX_HANDSHAKE_REPLY: usize = 496;
