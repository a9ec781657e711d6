//! `YYYY-MM-DD HH:MM:SS`, always UTC.

use std::time::{Duration, SystemTime};

use crate::{DocError, lines::Item};

/// The moment that the two words say.
pub(crate) fn parse(date: &str, clock: &str) -> Option<SystemTime> {
    let mut date = date.split('-').map(number);
    let mut clock = clock.split(':').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    // 60 is a leap second, which counts as the second after.
    let legal = (1970..=9999).contains(&year) && (1..=in_month).contains(&day);
    if !legal || hour > 23 || minute > 59 || second > 60 || date.next().is_some() || clock.next().is_some() {
        return None;
    }
    let days = days_since_1970(year, month, day);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

/// The moment that a line's only two arguments say.
pub(crate) fn from_item(item: &Item<'_>, what: &'static str) -> Result<SystemTime, DocError> {
    let [date, clock] = item.exactly(what)?;
    parse(date, clock).ok_or_else(|| item.malformed(what))
}

fn number(text: &str) -> Option<u64> {
    if text.len() > 4 { None } else { crate::lines::decimal(text) }
}

/// Days from 1970-01-01 in the Gregorian calendar; years start in March so that the leap day is the last.
const fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_month = (153 * month + 2) / 5;
    year * 365 + year / 4 - year / 100 + year / 400 + before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(date: &str, clock: &str) -> Option<u64> {
        parse(date, clock).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn known_moments() {
        assert_eq!(seconds("1970-01-01", "00:00:00"), Some(0));
        assert_eq!(seconds("2000-02-29", "12:00:00"), Some(951_825_600));
        assert_eq!(seconds("2020-08-07", "12:42:40"), Some(1_596_804_160));
        assert_eq!(seconds("2038-01-19", "03:14:08"), Some(2_147_483_648));
    }

    #[test]
    fn nonsense() {
        for (date, clock) in [
            ("2021-02-29", "00:00:00"),
            ("2021-13-01", "00:00:00"),
            ("2021-00-01", "00:00:00"),
            ("1969-01-01", "00:00:00"),
            ("2021-01-01", "24:00:00"),
            ("2021-01-01", "00:00"),
            ("2021-01-01-01", "00:00:00"),
            ("20211-01-01", "00:00:00"),
            ("2021-+1-01", "00:00:00"),
            ("", ""),
        ] {
            assert_eq!(seconds(date, clock), None, "{date} {clock}");
        }
    }
}
