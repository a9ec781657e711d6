//! Numbers with a unit: `10 MB`, `2 minutes`, `1.5 hours`.
//!
//! No space is needed between number and unit, case does not count, a number alone is in bytes, seconds or
//! milliseconds. A fraction is allowed and the product is rounded down; it is computed in integers, so that no
//! precision is lost. The product must fit in 63 bits.

use crate::value::ValueError;

/// The names of a kind of unit, and how many of the smallest each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Units(&'static [(&'static [&'static str], u64)]);

impl Units {
    /// Sizes, in bytes. Note that `kb` is 1024 of them, and that bits are counted too.
    pub(crate) const BYTES: Self = Self(&[
        (&["", "b", "byte", "bytes"], 1),
        (&["kb", "kbyte", "kbytes", "kilobyte", "kilobytes"], 1 << 10),
        (&["kbit", "kbits", "kilobit", "kilobits"], 1 << 7),
        (&["m", "mb", "mbyte", "mbytes", "megabyte", "megabytes"], 1 << 20),
        (&["mbit", "mbits", "megabit", "megabits"], 1 << 17),
        (&["gb", "gbyte", "gbytes", "gigabyte", "gigabytes"], 1 << 30),
        (&["gbit", "gbits", "gigabit", "gigabits"], 1 << 27),
        (&["tb", "tbyte", "tbytes", "terabyte", "terabytes"], 1 << 40),
        (&["tbit", "tbits", "terabit", "terabits"], 1 << 37),
    ]);
    /// Times, in seconds. A month is a twelfth of a year.
    pub(crate) const SECONDS: Self = Self(&[
        (&["", "second", "seconds"], 1),
        (&["minute", "minutes"], 60),
        (&["hour", "hours"], 3600),
        (&["day", "days"], 86_400),
        (&["week", "weeks"], 604_800),
        (&["month", "months"], 2_629_728),
    ]);
    /// Times, in milliseconds.
    pub(crate) const MILLIS: Self = Self(&[
        (&["", "msec", "millisecond", "milliseconds"], 1),
        (&["second", "seconds"], 1000),
        (&["minute", "minutes"], 60_000),
        (&["hour", "hours"], 3_600_000),
        (&["day", "days"], 86_400_000),
        (&["week", "weeks"], 604_800_000),
    ]);

    /// Reads a number and its unit.
    pub(crate) fn parse(self, text: &str) -> Result<u64, ValueError> {
        let text = text.trim_start();
        let text = text.strip_prefix('+').unwrap_or(text);
        let (whole, rest) = split_digits(text);
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(ValueError::NotANumber);
        }
        let unit = self.unit(rest.trim_start())?;
        let whole: u64 =
            if whole.is_empty() { 0 } else { whole.parse().map_err(|_| ValueError::TooLarge)? };
        // Further digits could only matter below the smallest unit's 10^-18.
        let fraction = fraction.get(..fraction.len().min(18)).unwrap_or_default();
        let scale = fraction.chars().fold(1_u128, |scale, _| scale * 10);
        let part: u128 =
            if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| ValueError::TooLarge)? };
        let product = u128::from(unit)
            .checked_mul(u128::from(whole))
            .and_then(|product| product.checked_add(u128::from(unit).checked_mul(part)? / scale))
            .ok_or(ValueError::TooLarge)?;
        match i64::try_from(product) {
            Ok(_) => u64::try_from(product).map_err(|_| ValueError::TooLarge),
            Err(_) => Err(ValueError::TooLarge),
        }
    }

    fn unit(self, name: &str) -> Result<u64, ValueError> {
        let known = |(names, _): &&(&[&str], u64)| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        self.0.iter().find(known).map(|(_, factor)| *factor).ok_or(ValueError::UnknownUnit)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_multiply() {
        for (text, bytes) in [
            ("0", 0),
            ("12", 12),
            ("+12", 12),
            ("10 MB", 10 << 20),
            ("10mb", 10 << 20),
            ("1 GByte", 1 << 30),
            ("2 TBytes", 2 << 40),
            ("8 kbits", 1 << 10),
            ("1 gigabit", 1 << 27),
            ("1.5 KB", 1536),
            (".5 kb", 512),
            ("1. kb", 1024),
            ("0.3333333333333333333333 kb", 341),
        ] {
            assert_eq!(Units::BYTES.parse(text), Ok(bytes), "{text}");
        }
        assert_eq!(Units::SECONDS.parse("2 Minutes"), Ok(120));
        assert_eq!(Units::SECONDS.parse("1 month"), Ok(2_629_728));
        assert_eq!(Units::MILLIS.parse("1 second"), Ok(1000));
        assert_eq!(Units::MILLIS.parse("100 msec"), Ok(100));
    }

    #[test]
    fn nonsense_is_named() {
        assert_eq!(Units::BYTES.parse("ten"), Err(ValueError::NotANumber));
        assert_eq!(Units::BYTES.parse(""), Err(ValueError::NotANumber));
        assert_eq!(Units::BYTES.parse("."), Err(ValueError::NotANumber));
        assert_eq!(Units::BYTES.parse("-1 MB"), Err(ValueError::NotANumber));
        assert_eq!(Units::BYTES.parse("10 k"), Err(ValueError::UnknownUnit));
        assert_eq!(Units::BYTES.parse("1.5.5 kb"), Err(ValueError::UnknownUnit));
        assert_eq!(Units::SECONDS.parse("10 msec"), Err(ValueError::UnknownUnit));
        assert_eq!(Units::MILLIS.parse("1 month"), Err(ValueError::UnknownUnit));
        assert_eq!(Units::BYTES.parse("9223372036854775808"), Err(ValueError::TooLarge));
        assert_eq!(Units::BYTES.parse("9000000 TB"), Err(ValueError::TooLarge));
        assert_eq!(Units::BYTES.parse("99999999999999999999999"), Err(ValueError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}", number in "[0-9.]{0,40} ?[a-z]{0,3}") {
            let _ = Units::BYTES.parse(&text);
            let _ = Units::BYTES.parse(&number);
        }
    }
}
