//! The commands of onion services. There is no engine for them yet: what needs one is refused, and what asks what we
//! have is told the truth, that there is nothing.

use tor_ctrl::{Command, OnionAddress, Reply};

/// The reply to a command that would need the engine.
fn unbuilt(command: &str) -> Reply {
    Reply::line(551, format!("{command} is not supported: this version has no onion services"))
}

/// Answers the commands of onion services; gives others back.
pub(super) fn execute(command: Command) -> Result<Reply, Command> {
    Ok(match command {
        Command::AddOnion(_) => unbuilt("ADD_ONION"),
        Command::DelOnion(_) => Reply::line(552, "Unknown Onion Service id"),
        Command::HsFetch { .. } => unbuilt("HSFETCH"),
        Command::HsPost { .. } => unbuilt("HSPOST"),
        Command::OnionClientAuthAdd(_) => unbuilt("ONION_CLIENT_AUTH_ADD"),
        Command::OnionClientAuthRemove(address) => no_credentials(&address),
        Command::OnionClientAuthView(None) => Reply::line(250, "ONION_CLIENT_AUTH_VIEW").with(250, "OK"),
        Command::OnionClientAuthView(Some(address)) => {
            Reply::line(250, format!("ONION_CLIENT_AUTH_VIEW {}", address.as_str())).with(250, "OK")
        }
        other => return Err(other),
    })
}

fn no_credentials(address: &OnionAddress) -> Reply {
    Reply::line(251, format!("No credentials for \"{}\"", address.as_str()))
}
