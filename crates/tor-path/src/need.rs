//! What a stream needs of the exit.

use std::sync::Arc;

use tor_dir::Relay;
use tor_netdoc::PortPolicy;

/// Which address families will do for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// A name: whatever the exit finds, IPv4 judged first.
    Any,
    /// An IPv4 address.
    V4,
    /// An IPv6 address, or a name that must resolve to one.
    V6,
}

/// What a stream needs of the exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExitNeed {
    /// A connection to a port, 1 to 65535.
    Connect {
        /// The port.
        port: u16,
        /// By which address family.
        family: Family,
        /// The stream will live long (`LongLivedPorts`), so its relays should be stable.
        long_lived: bool,
    },
    /// A look-up: any relay that exits at all.
    Resolve,
}

impl ExitNeed {
    /// A connection that need not live long.
    pub const fn connect(port: u16, family: Family) -> Self {
        Self::Connect { port, family, long_lived: false }
    }

    /// A connection to a port at a name.
    pub const fn port(port: u16) -> Self {
        Self::connect(port, Family::Any)
    }

    /// What circuits should be kept ready for once this was asked for. A look-up is likely to be followed by a
    /// connection, so C Tor takes it for one to port 80. `None` for port 0, to which nothing connects.
    pub const fn predicts(&self) -> Option<Self> {
        match *self {
            Self::Connect { port: 0, .. } => None,
            Self::Connect { port, family: Family::V6, long_lived } => {
                Some(Self::Connect { port, family: Family::V6, long_lived })
            }
            Self::Connect { port, family: Family::Any | Family::V4, long_lived } => {
                Some(Self::Connect { port, family: Family::Any, long_lived })
            }
            Self::Resolve => Some(Self::port(80)),
        }
    }

    pub(crate) const fn is_long_lived(&self) -> bool {
        matches!(self, Self::Connect { long_lived: true, .. })
    }

    /// True if this relay's policy summaries allow it.
    pub(crate) fn allowed_by(&self, relay: &Relay<'_>) -> bool {
        let microdesc = relay.microdesc();
        let policy = microdesc.and_then(|microdesc| microdesc.policy.as_ref());
        let policy6 = microdesc.and_then(|microdesc| microdesc.policy6.as_ref());
        self.allowed(policy, policy6)
    }
}

impl ExitNeed {
    /// True if these summaries allow it.
    fn allowed(&self, v4: Option<&Arc<PortPolicy>>, v6: Option<&Arc<PortPolicy>>) -> bool {
        let allows =
            |policy: Option<&Arc<PortPolicy>>, port| policy.is_some_and(|policy| policy.allows(port));
        match *self {
            // Port 0 is refused everywhere (C Tor bug 41292).
            Self::Connect { port: 0, .. } => false,
            Self::Connect { port, family: Family::Any | Family::V4, .. } => allows(v4, port),
            Self::Connect { port, family: Family::V6, .. } => allows(v6, port),
            Self::Resolve => [v4, v6].into_iter().flatten().any(|policy| !policy.rejects_all()),
        }
    }
}

/// What an exit's policy summaries say; kept with the path, so that a circuit can be asked later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExitPolicies {
    v4: Option<Arc<PortPolicy>>,
    v6: Option<Arc<PortPolicy>>,
}

impl ExitPolicies {
    pub(crate) const fn new(v4: Option<Arc<PortPolicy>>, v6: Option<Arc<PortPolicy>>) -> Self {
        Self { v4, v6 }
    }

    pub(crate) fn allow(&self, need: &ExitNeed) -> bool {
        need.allowed(self.v4.as_ref(), self.v6.as_ref())
    }
}
