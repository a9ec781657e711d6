//! The commands of onion services. There is no engine for them yet: what needs one is refused, and what asks what we
//! have is told the truth, that there is nothing.

use tor_ctrl::{Command, OnionAddress, Reply};
use tor_id::RsaId;

use super::Shared;

impl Shared {
    /// Answers the commands of onion services; gives others back.
    pub(super) fn onion_command(&self, command: Command) -> Result<Reply, Command> {
        Ok(match command {
            Command::AddOnion(_) => unbuilt("ADD_ONION"),
            Command::DelOnion(_) => Reply::line(552, "Unknown Onion Service id"),
            Command::HsFetch { servers, .. } => {
                self.unknown_server(&servers).unwrap_or_else(|| unbuilt("HSFETCH"))
            }
            Command::HsPost { servers, address, .. } => match (self.unknown_server(&servers), address) {
                (Some(unknown), _) => unknown,
                (None, Err(refusal)) => refusal,
                (None, Ok(_)) => unbuilt("HSPOST"),
            },
            Command::OnionClientAuthAdd(_) => unbuilt("ONION_CLIENT_AUTH_ADD"),
            Command::OnionClientAuthRemove(address) => no_credentials(&address),
            Command::OnionClientAuthView(None) => Reply::line(250, "ONION_CLIENT_AUTH_VIEW").with(250, "OK"),
            Command::OnionClientAuthView(Some(address)) => {
                Reply::line(250, format!("ONION_CLIENT_AUTH_VIEW {}", address.as_str())).with(250, "OK")
            }
            other => return Err(other),
        })
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
fn unbuilt(command: &str) -> Reply {
    Reply::line(551, format!("{command} is not supported: this version has no onion services"))
}

fn no_credentials(address: &OnionAddress) -> Reply {
    Reply::line(251, format!("No credentials for \"{}\"", address.as_str()))
}
