//! What happens to guards, for whoever wants to be told; and how each of them is, as C Tor's `GETINFO entry-guards`
//! has it.

use std::{fmt, time::SystemTime};

use time::{OffsetDateTime, macros::format_description};
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

/// As C Tor's `GETINFO entry-guards` says it, with the time where there is one: `down 2026-11-22 12:55:01`.
impl fmt::Display for GuardStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, since) = match self {
            Self::NeverConnected => ("never-connected", None),
            Self::Unusable(since) => ("unusable", *since),
            Self::Down(since) => ("down", Some(*since)),
            Self::Up => ("up", None),
        };
        f.write_str(word)?;
        let Some(since) = since else { return Ok(()) };
        let since = OffsetDateTime::from(since).format(TIME).map_err(|_| fmt::Error)?;
        write!(f, " {since}")
    }
}

const TIME: &[time::format_description::BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn statuses_are_written_as_c_tor_writes_them() {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_352_101);
        let texts = [
            (GuardStatus::NeverConnected, "never-connected"),
            (GuardStatus::Unusable(None), "unusable"),
            (GuardStatus::Unusable(Some(then)), "unusable 2026-11-22 12:55:01"),
            (GuardStatus::Down(then), "down 2026-11-22 12:55:01"),
            (GuardStatus::Up, "up"),
        ];
        for (status, text) in texts {
            assert_eq!(status.to_string(), text);
        }
    }

    /// NEW when sampled, UP once and again after DOWN, DOWN at each failure, DROPPED when wanted.
    #[test]
    fn each_change_is_told_once() {
        let line = "Guard in=default rsa_id=0123456789ABCDEF0123456789ABCDEF01234567 nickname=one \
                    sampled_on=2026-01-02T03:04:05";
        let (mut guards, _) = Guards::parse(line);
        let rsa = guards.iter().next().unwrap().rsa;
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_352_101);
        let mut rng = <rand_chacha::ChaCha8Rng as rand_core::SeedableRng>::seed_from_u64(1);
        let _usable = guards.succeeded(&rsa, wall, &mut rng);
        let _usable = guards.succeeded(&rsa, wall, &mut rng);
        guards.failed(&rsa, wall);
        guards.failed(&rsa, wall);
        let _usable = guards.succeeded(&rsa, wall, &mut rng);
        guards.drop_all();
        let news: Vec<GuardNews> = guards.take_news().into_iter().map(|change| change.what).collect();
        let expected = [GuardNews::Up, GuardNews::Down, GuardNews::Down, GuardNews::Up, GuardNews::Dropped];
        assert_eq!(news, expected);
        assert!(guards.take_news().is_empty() && guards.iter().next().is_none() && guards.take_changed());
    }

    #[test]
    fn what_nobody_takes_is_bounded() {
        let line = "Guard in=default rsa_id=0123456789ABCDEF0123456789ABCDEF01234567 nickname=one \
                    sampled_on=2026-01-02T03:04:05";
        let (mut guards, _) = Guards::parse(line);
        let rsa = guards.iter().next().unwrap().rsa;
        for _ in 0..3 * MAX_TOLD {
            guards.failed(&rsa, SystemTime::UNIX_EPOCH);
        }
        assert_eq!(guards.take_news().len(), MAX_TOLD);
    }
}
