//! Which streams may share a circuit. (C Tor's manual, `SocksPort`, "isolation flags".)

use std::{fmt, net::IpAddr};

/// Everything by which a stream's listener wants it kept apart from others. Two streams may share a circuit
/// if their keys are equal; a part that the listener does not isolate by is left `None`.
///
/// This is never looser than C Tor, which compares the fields of a stream with those that a circuit's earlier
/// streams had in common.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct IsolationKey {
    /// The session group: by default one for each listener, so that listeners never share.
    pub session_group: i32,
    /// Counts NEWNYMs: streams of different epochs never share.
    pub nym_epoch: u32,
    /// SOCKS user name and password (`IsolateSOCKSAuth`).
    pub socks_auth: Option<(Vec<u8>, Vec<u8>)>,
    /// Address of the application (`IsolateClientAddr`).
    pub client_addr: Option<IpAddr>,
    /// Which protocol it speaks to us (`IsolateClientProtocol`).
    pub client_protocol: Option<u8>,
    /// The destination's port (`IsolateDestPort`).
    pub dest_port: Option<u16>,
    /// The destination's address (`IsolateDestAddr`), as the application wrote it, in lower case.
    pub dest_addr: Option<String>,
}

impl IsolationKey {
    /// True if the stream came with a SOCKS user name or password, and is isolated by them.
    pub(crate) fn has_credentials(&self) -> bool {
        self.socks_auth.as_ref().is_some_and(|(name, password)| !name.is_empty() || !password.is_empty())
    }
}

/// Shows which parts are set, none of their values.
impl fmt::Debug for IsolationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsolationKey")
            .field("session_group", &self.session_group)
            .field("nym_epoch", &self.nym_epoch)
            .field("socks_auth", &self.socks_auth.is_some())
            .field("client_addr", &self.client_addr.is_some())
            .field("client_protocol", &self.client_protocol)
            .field("dest_port", &self.dest_port.is_some())
            .field("dest_addr", &self.dest_addr.is_some())
            .finish()
    }
}
