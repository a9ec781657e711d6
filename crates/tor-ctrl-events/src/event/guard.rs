//! GUARD: an entry guard changed.

use serde::Serialize;

use super::Form;
use crate::{
    LongName, ParseError,
    text::{Raw, Text, put},
    words::words,
};

words! {
    /// What happened to a guard.
    open GuardStatus {
        /// It became one.
        New = "NEW",
        /// It doesn't answer.
        Down = "DOWN",
        /// It answers.
        Up = "UP",
        /// It is one no longer.
        Dropped = "DROPPED",
        /// It can't be used now.
        Bad = "BAD",
        /// It can be used again.
        Good = "GOOD",
        /// It left the second layer.
        BadL2 = "BAD_L2",
        /// It came into the second layer.
        GoodL2 = "GOOD_L2",
    }
}

/// An entry guard, or one of the second layer, changed. (Its type, `ENTRY`, is the only one that there is.)
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Guard {
    /// The relay.
    pub relay: LongName,
    /// What happened.
    pub status: GuardStatus,
}

impl Form for Guard {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 GUARD ENTRY ");
        self.relay.put(out);
        out.push(b' ');
        GuardStatus::put(out, &self.status);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        if args.word("type")? != "ENTRY" {
            return Err(ParseError::Bad { what: "type" });
        }
        let relay = LongName::parse(args.word("relay")?).ok_or(ParseError::Bad { what: "relay" })?;
        Ok(Self { relay, status: GuardStatus::from_word(args.word("status")?) })
    }
}
