//! Option values, read by their type.

use thiserror::Error;

use crate::AutoBool;
use crate::quote::quote;
use crate::table::Kind;
use crate::units::Units;

/// A value of one of the types that are not lists of lines.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// [`Kind::Bool`].
    Bool(bool),
    /// [`Kind::AutoBool`].
    Auto(AutoBool),
    /// [`Kind::Int`].
    Int(i32),
    /// [`Kind::PosInt`], [`Kind::U64`], and the ones with units, in bytes, seconds or milliseconds.
    Number(u64),
    /// [`Kind::Float`]; never infinite or NaN.
    Float(f64),
    /// [`Kind::String`], [`Kind::Filename`]; `None` if it is not set.
    Text(Option<String>),
    /// [`Kind::Csv`], [`Kind::Relays`]; trimmed, none of them empty.
    Items(Vec<String>),
}

impl Value {
    /// The value as C Tor writes it: numbers in the smallest unit, fractions with six digits. `None` if nothing
    /// is set.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Bool(on) => u8::from(*on).to_string(),
            Self::Auto(auto) => match auto {
                AutoBool::Off => "0".to_owned(),
                AutoBool::On => "1".to_owned(),
                AutoBool::Auto => "auto".to_owned(),
            },
            Self::Int(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Float(number) => format!("{number:.6}"),
            Self::Text(text) => return text.clone(),
            Self::Items(items) => items.join(","),
        })
    }
}

/// A value that isn't of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a Boolean.
    #[error("allowed values are 0 and 1")]
    NotABool,
    /// Nor this.
    #[error("allowed values are 0, 1, and auto")]
    NotAnAutoBool,
    /// Not a number at all.
    #[error("not a number")]
    NotANumber,
    /// A number out of the type's range.
    #[error("the number is out of bounds")]
    TooLarge,
    /// A unit of another kind, or none.
    #[error("unknown unit")]
    UnknownUnit,
}

impl ValueError {
    /// What C Tor says of a value of this type, without the option's name. Its sentences name the value.
    pub(crate) fn explain(self, kind: Kind, value: &str) -> String {
        match kind {
            Kind::Bool => format!("Unrecognized value {value}. Allowed values are 0 and 1."),
            Kind::AutoBool => format!("Unrecognized value {value}. Allowed values are 0, 1, and auto."),
            Kind::Int | Kind::PosInt => {
                let least = if kind == Kind::Int { i32::MIN } else { 0 };
                format!(
                    "Integer {value} is malformed or out of bounds. Allowed values are between {least} and {}.",
                    i32::MAX
                )
            }
            Kind::U64 => format!("Integer {value} is malformed or out of bounds."),
            Kind::Float => format!("Could not convert {} to a number.", quote(value.as_bytes())),
            Kind::FirstSeconds => self.explain(Kind::Seconds, value.split(',').next().unwrap_or_default()),
            Kind::DataSize | Kind::Seconds | Kind::Millis => {
                let detail = match self {
                    // Read as unsigned, a negative number is a very large one.
                    Self::NotANumber if value.trim_start().starts_with('-') => {
                        format!("Overflow while parsing {value} ")
                    }
                    Self::TooLarge if kind == Kind::DataSize => format!("Overflow while parsing {value} "),
                    Self::TooLarge => return format!("Provided value {value} is too large"),
                    Self::UnknownUnit => format!("Unknown unit in {value}"),
                    Self::NotABool | Self::NotAnAutoBool | Self::NotANumber => {
                        format!("Unable to parse {value} as a number")
                    }
                };
                format!("Provided value is malformed or out of bounds: {detail}")
            }
            Kind::String
            | Kind::Filename
            | Kind::Csv
            | Kind::Relays
            | Kind::Lines
            | Kind::Dependent(_)
            | Kind::Virtual => self.to_string(),
        }
    }
}

impl Kind {
    /// Reads a value of this type. For lists of lines, where any line is good, it is `Text`.
    ///
    /// # Errors
    /// If the text is not of this type.
    pub fn parse(self, text: &str) -> Result<Value, ValueError> {
        Ok(match self {
            Self::Bool => Value::Bool(match text {
                "0" => false,
                "1" => true,
                _ => return Err(ValueError::NotABool),
            }),
            Self::AutoBool => Value::Auto(match text {
                "0" => AutoBool::Off,
                "1" => AutoBool::On,
                auto if auto.eq_ignore_ascii_case("auto") => AutoBool::Auto,
                _ => return Err(ValueError::NotAnAutoBool),
            }),
            Self::Int => Value::Int(integer(text)?),
            Self::PosInt => Value::Number(small(integer(text)?)?),
            Self::U64 => Value::Number(integer(text)?),
            Self::Float => {
                let number: f64 = text.parse().map_err(|_| ValueError::NotANumber)?;
                if !number.is_finite() {
                    return Err(ValueError::NotANumber);
                }
                Value::Float(number)
            }
            Self::DataSize => Value::Number(Units::BYTES.parse(text)?),
            Self::Seconds => Value::Number(small(Units::SECONDS.parse(text)?)?),
            Self::Millis => Value::Number(small(Units::MILLIS.parse(text)?)?),
            Self::FirstSeconds => {
                let first = text.split(',').next().unwrap_or_default();
                Value::Number(small(Units::SECONDS.parse(first)?)?)
            }
            Self::String | Self::Filename => Value::Text(Some(text.to_owned())),
            Self::Csv | Self::Relays => Value::Items(items(text).map(str::to_owned).collect()),
            Self::Lines | Self::Dependent(_) | Self::Virtual => Value::Text(Some(text.to_owned())),
        })
    }

    /// What an option of this type holds after it is cleared: C Tor's zero, not the default.
    pub fn cleared(self) -> Value {
        match self {
            Self::Bool => Value::Bool(false),
            Self::AutoBool => Value::Auto(AutoBool::Off),
            Self::Int => Value::Int(0),
            Self::PosInt | Self::U64 | Self::DataSize | Self::Seconds | Self::Millis | Self::FirstSeconds => {
                Value::Number(0)
            }
            Self::Float => Value::Float(0.0),
            Self::Csv | Self::Relays => Value::Items(Vec::new()),
            Self::String | Self::Filename | Self::Lines | Self::Dependent(_) | Self::Virtual => {
                Value::Text(None)
            }
        }
    }
}

/// The items of a comma-separated list.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn integer<T: std::str::FromStr>(text: &str) -> Result<T, ValueError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueError::NotANumber);
    }
    text.parse().map_err(|_| ValueError::TooLarge)
}

/// C Tor keeps these in an `int`.
fn small(number: u64) -> Result<u64, ValueError> {
    match i32::try_from(number) {
        Ok(_) => Ok(number),
        Err(_) => Err(ValueError::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::{Network, options};

    #[test]
    fn every_type_reads_its_values() {
        assert_eq!(Kind::Bool.parse("1"), Ok(Value::Bool(true)));
        assert_eq!(Kind::Bool.parse("yes"), Err(ValueError::NotABool));
        assert_eq!(Kind::AutoBool.parse("Auto"), Ok(Value::Auto(AutoBool::Auto)));
        assert_eq!(Kind::AutoBool.parse("2"), Err(ValueError::NotAnAutoBool));
        assert_eq!(Kind::Int.parse("-1"), Ok(Value::Int(-1)));
        assert_eq!(Kind::Int.parse("2147483648"), Err(ValueError::TooLarge));
        assert_eq!(Kind::PosInt.parse("-1"), Err(ValueError::TooLarge));
        assert_eq!(Kind::PosInt.parse("2147483647"), Ok(Value::Number(2_147_483_647)));
        assert_eq!(Kind::PosInt.parse("2147483648"), Err(ValueError::TooLarge));
        assert_eq!(Kind::U64.parse("18446744073709551615"), Ok(Value::Number(u64::MAX)));
        assert_eq!(Kind::Float.parse("-1.0"), Ok(Value::Float(-1.0)));
        assert_eq!(Kind::Float.parse("inf"), Err(ValueError::NotANumber));
        assert_eq!(Kind::Seconds.parse("1000 months"), Err(ValueError::TooLarge));
        assert_eq!(Kind::FirstSeconds.parse("6, 11, x"), Ok(Value::Number(6)));
        assert_eq!(Kind::Csv.parse(" a,, b ,"), Ok(Value::Items(vec!["a".into(), "b".into()])));
    }

    #[test]
    fn values_are_written_as_c_tor_writes_them() {
        for (kind, read, written) in [
            (Kind::Bool, "1", "1"),
            (Kind::AutoBool, "AUTO", "auto"),
            (Kind::Int, "-1", "-1"),
            (Kind::DataSize, "1 KB", "1024"),
            (Kind::Seconds, "2 minutes", "120"),
            (Kind::Float, "2.5", "2.500000"),
            (Kind::Float, "-1", "-1.000000"),
            (Kind::String, "a b", "a b"),
            (Kind::Relays, "{de}, $AB ,,x", "{de},$AB,x"),
            (Kind::Csv, "", ""),
        ] {
            assert_eq!(kind.parse(read).unwrap().text().as_deref(), Some(written), "{kind:?}");
        }
        assert_eq!(Kind::String.cleared().text(), None);
        assert_eq!(Kind::Csv.cleared().text().as_deref(), Some(""));
    }

    #[test]
    fn every_default_is_of_its_type() {
        for spec in options() {
            for network in [Network::Public, Network::Testing] {
                if let Some(default) = spec.default_in(network) {
                    assert!(spec.kind.parse(default).is_ok(), "{}: {default}", spec.name);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,30}") {
            for spec in options() {
                let _ = spec.kind.parse(&text);
            }
        }
    }
}
