//! Times: UTC, as `2026-11-22 12:55:01` or `2026-11-22T12:55:01.033570`.
//!
//! Years 1970 to 9999. What is before becomes 1970, what is after the end of 9999.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
const END: u64 = 253_402_300_800;

/// `2026-11-22T12:55:01.033570`.
pub(crate) fn put_time_usec(out: &mut Vec<u8>, time: SystemTime) {
    let (seconds, micros) = since_epoch(time);
    let [y, e, a, r, o, n, d, i, h, u, m, t, s, c] = civil(seconds);
    let ([v, w], [x, z], [p, q]) = (pair(micros / 10_000), pair(micros / 100 % 100), pair(micros % 100));
    out.extend_from_slice(&[
        y, e, a, r, b'-', o, n, b'-', d, i, b'T', h, u, b':', m, t, b':', s, c, b'.', v, w, x, z, p, q,
    ]);
}

/// `2026-11-22 12:55:01`.
pub(crate) fn put_time(out: &mut Vec<u8>, time: SystemTime) {
    let [y, e, a, r, o, n, d, i, h, u, m, t, s, c] = civil(since_epoch(time).0);
    out.extend_from_slice(&[y, e, a, r, b'-', o, n, b'-', d, i, b' ', h, u, b':', m, t, b':', s, c]);
}

/// Either form; the fraction of a second may have one to nine digits.
pub(crate) fn parse_time(text: &str) -> Option<SystemTime> {
    let (civil, fraction) = text.split_once('.').map_or((text, None), |(civil, rest)| (civil, Some(rest)));
    let bytes = civil.as_bytes();
    let shape = b"0000-00-00_00:00:00";
    let fits = bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'_' => matches!(byte, b' ' | b'T'),
            _ => byte == shape,
        });
    if !fits {
        return None;
    }
    let field = |from: usize, to: usize| civil.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    let real = year >= 1970
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let nanos = fraction.map_or(Some(0), parse_fraction)?;
    let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    real.then(|| UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)))?
}

fn parse_fraction(digits: &str) -> Option<u32> {
    let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let scale = 10_u32.pow(9_u32.saturating_sub(u32::try_from(digits.len()).ok()?));
    if fits { digits.parse::<u32>().ok()?.checked_mul(scale) } else { None }
}

/// Whole seconds and microseconds since 1970, within the years that can be written.
fn since_epoch(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs().min(END - 1), since.subsec_micros())
}

/// The digits of year, month, day, hour, minute and second.
fn civil(seconds: u64) -> [u8; 14] {
    let (year, month, day) = civil_from_days(narrow(seconds / DAY));
    let of_day = narrow(seconds % DAY);
    let ([y, e], [a, r], [o, n], [d, i]) = (pair(year / 100), pair(year % 100), pair(month), pair(day));
    let ([h, u], [m, t], [s, c]) = (pair(of_day / 3600), pair(of_day / 60 % 60), pair(of_day % 60));
    [y, e, a, r, o, n, d, i, h, u, m, t, s, c]
}

/// A count of days, or of seconds of a day: divisions of the narrower are cheaper.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

/// The two digits of a number below 100.
fn pair(number: u32) -> [u8; 2] {
    let ([tens, ..], [ones, ..]) = ((number / 10).to_le_bytes(), (number % 10).to_le_bytes());
    [b'0'.wrapping_add(tens), b'0' + ones]
}

/// Year, month and day of a count of days since 1970-01-01. The year is taken to begin in March, so that the leap day is
/// its last; 719,468 days lie between 0000-03-01 and 1970-01-01.
fn civil_from_days(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + u32::from(month <= 2), month, day)
}

/// The count of days since 1970-01-01; the inverse of [`civil_from_days`].
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = year.saturating_sub(u64::from(month <= 2));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + day;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    (year / 400 * 146_097 + of_era).saturating_sub(719_469)
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(time: SystemTime) -> (String, String) {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        put_time_usec(&mut long, time);
        put_time(&mut short, time);
        (String::from_utf8(long).unwrap(), String::from_utf8(short).unwrap())
    }

    #[test]
    fn known_times() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_795_352_101, "2026-11-22 12:55:01"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (END - 1, "9999-12-31 23:59:59"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(text(time).1, expected);
            assert_eq!(parse_time(expected), Some(time));
        }
        assert_eq!(text(UNIX_EPOCH - Duration::from_secs(9)).1, "1970-01-01 00:00:00");
        assert_eq!(text(UNIX_EPOCH + Duration::from_secs(END)).1, "9999-12-31 23:59:59");
    }

    #[test]
    fn every_day_survives() {
        for day in (0..END / DAY).step_by(7) {
            let time = UNIX_EPOCH + Duration::new(day * DAY + day % DAY, 7_000);
            let (long, short) = text(time);
            assert_eq!(parse_time(&long), Some(time), "{long}");
            assert_eq!(parse_time(&short), Some(time - Duration::from_micros(7)), "{short}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for bad in [
            "",
            "2026-11-22",
            "2026-13-22 12:55:01",
            "2026-02-29 12:55:01",
            "2026-11-22 24:00:00",
            "2026-11-22x12:00:00",
            "1969-12-31 23:59:59",
            "2026-11-22 12:00:00.",
            "2026-11-22 12:00:00.1234567890",
            "2026-11-22 12:00:0é",
            "+026-11-22 12:00:00",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}
