//! Lists of `name=number`: consensus parameters and bandwidth weights.
//! <https://spec.torproject.org/param-spec.html>

use crate::DocError;

use super::lines::Item;

/// Named numbers, as the authorities voted them. Which names mean what, with defaults and limits, is the
/// business of whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetParams(Box<[(Box<str>, i32)]>);

impl NetParams {
    /// The number of this name, if the consensus has one.
    pub fn get(&self, name: &str) -> Option<i32> {
        let index = self.0.binary_search_by(|(own, _)| (**own).cmp(name)).ok()?;
        self.0.get(index).map(|(_, value)| *value)
    }

    /// The number of this name, or `default`, moved into `min..=max`.
    pub fn clamped(&self, name: &str, default: i32, min: i32, max: i32) -> i32 {
        self.get(name).unwrap_or(default).max(min).min(max)
    }

    /// All names and numbers, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// A list from its parts; of a repeated name the first one counts.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Box<str>, i32)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by(|left, right| left.0.cmp(&right.0));
        pairs.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(pairs.into())
    }

    /// A `params` line. Names must ascend, as C Tor demands of the text `name=number`.
    pub(crate) fn parse_ordered(item: &Item<'_>) -> Result<Self, DocError> {
        let words: Vec<_> = item.args().collect();
        if !words.is_sorted_by(|left, right| left < right) {
            return Err(DocError::OutOfOrder { what: "params", line: item.line });
        }
        let params = Self::parse(item, "params")?;
        if params.0.len() == words.len() {
            Ok(params)
        } else {
            Err(DocError::Repeated { keyword: "parameter", line: item.line })
        }
    }

    /// A `bandwidth-weights` line: any order.
    pub(crate) fn parse(item: &Item<'_>, what: &'static str) -> Result<Self, DocError> {
        let pair = |word: &str| {
            let (name, value) = word.split_once('=')?;
            Some((name.into(), value.parse().ok()?))
        };
        let pairs: Option<Vec<_>> = item.args().map(pair).collect();
        Ok(Self::from_pairs(pairs.ok_or_else(|| item.malformed(what))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Items;

    fn parse(line: &str) -> Result<NetParams, DocError> {
        NetParams::parse_ordered(&Items::new(line).next().unwrap().unwrap())
    }

    #[test]
    fn names_and_limits() {
        let params = parse("params a=-5 b=2147483647 c=7").unwrap();
        assert_eq!(params.get("a"), Some(-5));
        assert_eq!(params.get("d"), None);
        assert_eq!(params.clamped("b", 0, 1, 10), 10);
        assert_eq!(params.clamped("a", 0, 1, 10), 1);
        assert_eq!(params.clamped("d", 4, 1, 10), 4);
        assert_eq!(params.iter().count(), 3);
    }

    #[test]
    fn order_and_form() {
        assert!(matches!(parse("params b=1 a=1"), Err(DocError::OutOfOrder { .. })));
        assert!(matches!(parse("params a=1 a=2"), Err(DocError::Repeated { .. })));
        for bad in ["params a", "params a=", "params a=x", "params a=2147483648"] {
            assert!(matches!(parse(bad), Err(DocError::Malformed { .. })), "{bad}");
        }
    }
}
