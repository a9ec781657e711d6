//! What happens to guards, for whoever wants to be told; and how each of them is, as C Tor's `GETINFO entry-guards`
//! has it.

use std::time::SystemTime;

use tor_id::RsaId;
use tor_netdoc::Nickname;

use super::{Guard, Guards};

/// Changes that wait to be taken, at the most: the oldest give way where nobody takes them.
const MAX_TOLD: usize = 1024;

/// Something happened to a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardChange {
    /// Which.
    pub rsa: RsaId,
    /// What it called itself when it was sampled.
    pub nickname: Nickname,
    /// What.
    pub what: GuardNews,
}

/// What happened to a guard. (C Tor has no others for guards of the first layer.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardNews {
    /// It was sampled: it may be used from now on.
    New,
    /// It answered, and was not known to be up.
    Up,
    /// It can't be reached.
    Down,
    /// It was forgotten because somebody wanted that.
    Dropped,
}

/// How a guard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardStatus {
    /// No circuit through it has carried traffic yet.
    NeverConnected,
    /// It is not in the consensus, since then; or it has no address that we may use.
    Unusable(Option<SystemTime>),
    /// It has not answered, since then.
    Down(SystemTime),
    /// It can be used.
    Up,
}

impl Guards {
    /// What has happened since this was last asked, in its order.
    pub fn take_news(&mut self) -> Vec<GuardChange> {
        std::mem::take(&mut self.news).0
    }

    /// Forgets every guard. Others are drawn when one is wanted.
    pub fn drop_all(&mut self) {
        for guard in std::mem::take(&mut self.guards) {
            self.news.push(&guard, GuardNews::Dropped);
        }
        *self = Self {
            others: std::mem::take(&mut self.others),
            news: std::mem::take(&mut self.news),
            last_success: self.last_success,
            changed: true,
            ..Self::default()
        };
    }

    /// The guards and how each of them is, in the order of sampling.
    pub fn statuses(&self) -> impl Iterator<Item = (&Guard, GuardStatus)> {
        self.guards.iter().map(|guard| (guard, guard.status()))
    }
}

impl Guard {
    /// How it is.
    pub fn status(&self) -> GuardStatus {
        match (self.unlisted_since, self.reach.failing_since()) {
            _ if self.confirmed_on.is_none() => GuardStatus::NeverConnected,
            (Some(since), _) => GuardStatus::Unusable(Some(since)),
            _ if !self.filtered => GuardStatus::Unusable(None),
            (None, Some(since)) => GuardStatus::Down(since),
            (None, None) => GuardStatus::Up,
        }
    }
}

/// What has happened and was not told yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct News(Vec<GuardChange>);

impl News {
    pub(super) fn push(&mut self, guard: &Guard, what: GuardNews) {
        if self.0.len() >= MAX_TOLD {
            self.0.remove(0);
        }
        self.0.push(GuardChange { rsa: guard.rsa, nickname: guard.nickname, what });
    }
}
