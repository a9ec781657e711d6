//! The commands of onion services. There is no engine for them yet: what needs one is refused, and what asks what we
//! have is told the truth, that there is nothing.

use tor_ctrl::{OnionAddress, Reply};
use tor_id::RsaId;

use super::Shared;

impl Shared {
    /// HSFETCH.
    pub(super) fn fetch_onion(&self, servers: &[String]) -> Reply {
        self.unknown_server(servers).unwrap_or_else(|| unbuilt("HSFETCH"))
    }

    /// HSPOST. What is wrong with the address is told once the servers are known.
    pub(super) fn post_onion(&self, servers: &[String], address: Result<OnionAddress, Reply>) -> Reply {
        match (self.unknown_server(servers), address) {
            (Some(unknown), _) => unknown,
            (None, Err(refusal)) => refusal,
            (None, Ok(_)) => unbuilt("HSPOST"),
        }
    }

    /// The refusal of the first server that is no relay of the consensus.
    fn unknown_server(&self, servers: &[String]) -> Option<Reply> {
        let view = self.client.view();
        let is_known = |server: &&String| {
            let id = server.trim_start_matches('$').split(['=', '~']).next().map(RsaId::from_hex);
            matches!((id, &view), (Some(Ok(id)), Some(view)) if view.relay(&id).is_some())
        };
        let unknown = servers.iter().find(|server| !is_known(server))?;
        Some(Reply::line(552, format!("Server \"{unknown}\" not found")))
    }
}

/// The reply to a command that would need the engine.
pub(super) fn unbuilt(command: &str) -> Reply {
    Reply::line(551, format!("{command} is not supported: this version has no onion services"))
}

/// DEL_ONION: there is none.
pub(super) fn delete() -> Reply {
    Reply::line(552, "Unknown Onion Service id")
}

/// ONION_CLIENT_AUTH_REMOVE: there are none.
pub(super) fn remove_auth(address: &OnionAddress) -> Reply {
    Reply::line(251, format!("No credentials for \"{}\"", address.as_str()))
}

/// ONION_CLIENT_AUTH_VIEW: there are none, whether of one service or of all.
pub(super) fn view_auth(address: Option<&OnionAddress>) -> Reply {
    let head = match address {
        Some(address) => format!("ONION_CLIENT_AUTH_VIEW {}", address.as_str()),
        None => "ONION_CLIENT_AUTH_VIEW".to_owned(),
    };
    Reply::line(250, head).with(250, "OK")
}
