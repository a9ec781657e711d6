//! Moments as text: `Sun, 06 Nov 1994 08:49:37 GMT` in HTTP headers (RFC 9110 5.6.7), `1994-11-06 08:49:37` in caches.

use std::time::{Duration, SystemTime};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: u64 = 24 * 60 * 60;

/// The header's form of a moment; moments before 1970 count as its start.
pub(crate) fn http(time: SystemTime) -> String {
    let seconds = since_1970(time);
    let (days, clock) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
    };
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days % 7),
        name(&MONTHS, month),
        clock / 3600,
        clock / 60 % 60,
        clock % 60,
    )
}

/// `YYYY-MM-DD HH:MM:SS`, as directory documents have it.
pub(crate) fn iso(time: SystemTime) -> String {
    let seconds = since_1970(time);
    let (year, month, day) = civil(seconds / DAY);
    let clock = seconds % DAY;
    let month = month + 1;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60)
}

/// Reads a header. The day of the week is not looked at.
pub(crate) fn parse_http(text: &str) -> Option<SystemTime> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year) = (number(words.next()?)?, words.next()?, number(words.next()?)?);
    let mut clock = words.next()?.split(':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let month = u64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let legal =
        (1970..=9999).contains(&year) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !legal || words.next() != Some("GMT") || words.next().is_some() {
        return None;
    }
    let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn number(text: &str) -> Option<u64> {
    if text.len() > 4 || !text.bytes().all(|byte| byte.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// Days from 1970-01-01; months count from 0. Years start in March, so that the leap day is the last.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 1 { (year, month - 2) } else { (year - 1, month + 10) };
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469
}

/// Year, month from 0, day from 1.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let in_month = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 2) } else { (year + 1, month - 10) };
    (year + era * 400, month, in_month)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_dates() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http(time), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(time));
        assert_eq!(http(SystemTime::UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(iso(time), "1994-11-06 08:49:37");
        for bad in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Non 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(parse_http(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn survives_its_text(seconds in 0..253_402_300_800_u64) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            prop_assert_eq!(parse_http(&http(time)), Some(time));
        }
    }
}
